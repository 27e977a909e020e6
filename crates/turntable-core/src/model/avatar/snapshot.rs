//! An avatar as a value: everything that decides how it behaves from now on, with
//! remaining times in place of absolute ones.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::extras::{Extras, StoredInvite, StoredInvites};
use super::{Avatar, Seat};
use crate::backup::Attributes;
use crate::id::{ChannelId, UserId};
use crate::key::{GatewayId, SessionKey};
use crate::model::remaining;
use crate::packet::{Presence, Status};
use crate::payload::Payload;

/// An avatar's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AvatarSnapshot {
    sessions: Vec<SessionSnapshot>,
    shown: Presence,
    last_seen_ago_ms: Option<u64>,
    playing: Vec<ChannelId>,
    note: Option<Payload>,
    attributes: Option<Attributes>,
    #[serde(default)]
    profile: Option<Attributes>,
    invites: Vec<InviteSnapshot>,
    watchers: Vec<GatewayId>,
}

/// One session of the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SessionSnapshot {
    session: SessionKey,
    /// How long it counts after its drop, negative where that is over; `None`
    /// while it is connected. Of those that dropped the first gives way first.
    grace_ms: Option<i64>,
    status: Option<Status>,
    is_idle: bool,
}

/// An invite that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct InviteSnapshot {
    channel: ChannelId,
    from: UserId,
    remaining_ms: u64,
}

impl Avatar {
    /// The avatar as a value.
    #[must_use]
    pub fn save(&self, now_ms: u64) -> AvatarSnapshot {
        let extras = self.extras();
        let session = |seat: &Seat| SessionSnapshot {
            session: seat.session,
            grace_ms: seat
                .grace_until_ms
                .map(|until_ms| until_ms.get().cast_signed() - now_ms.cast_signed()),
            status: seat.status,
            is_idle: seat.idle,
        };
        let invite = |invite: &StoredInvite| InviteSnapshot {
            channel: invite.channel.clone(),
            from: invite.from.clone(),
            remaining_ms: remaining::until(invite.until_ms, now_ms),
        };
        AvatarSnapshot {
            sessions: self.seats.iter().map(session).collect(),
            shown: self.shown,
            last_seen_ago_ms: self
                .last_seen_ms()
                .map(|at_ms| remaining::since(at_ms, now_ms)),
            playing: extras.playing.clone(),
            note: extras.note.clone(),
            attributes: extras.attributes.clone(),
            profile: extras.profile.clone(),
            invites: extras.invites.iter().map(invite).collect(),
            watchers: self.watchers.gateways().to_vec(),
        }
    }

    /// The avatar of a value, which behaves like the one that was saved.
    #[must_use]
    pub fn restore(snapshot: AvatarSnapshot, now_ms: u64) -> Self {
        let at = |ms: u64| NonZeroU64::new(ms).unwrap_or(NonZeroU64::MIN);
        let seat = |saved: SessionSnapshot| Seat {
            session: saved.session,
            grace_until_ms: saved
                .grace_ms
                .map(|ms| at(now_ms.saturating_add_signed(ms))),
            status: saved.status,
            idle: saved.is_idle,
        };
        let extras = Extras {
            playing: snapshot.playing,
            note: snapshot.note,
            attributes: snapshot.attributes,
            profile: snapshot.profile,
            invites: restored(snapshot.invites, now_ms),
        };
        Self {
            seats: snapshot.sessions.into_iter().map(seat).collect(),
            shown: snapshot.shown,
            is_hidden: false,
            last_seen_ms: snapshot
                .last_seen_ago_ms
                .map(|ago_ms| at(remaining::ago(ago_ms, now_ms))),
            extras: (!extras.is_empty()).then(|| Box::new(extras)),
            watchers: snapshot.watchers.into_iter().collect(),
        }
    }
}

impl AvatarSnapshot {
    /// The invites, where the user had nothing else that needs an avatar: its attributes are
    /// in the store.
    #[must_use]
    pub fn invites_alone(&self, now_ms: u64) -> Option<StoredInvites> {
        let is_absent = self.sessions.is_empty() && self.playing.is_empty();
        (is_absent && !self.invites.is_empty()).then(|| restored(self.invites.clone(), now_ms))
    }
}

fn restored(invites: Vec<InviteSnapshot>, now_ms: u64) -> StoredInvites {
    let invite = |saved: InviteSnapshot| StoredInvite {
        channel: saved.channel,
        from: saved.from,
        until_ms: remaining::from_now(saved.remaining_ms, now_ms),
    };
    invites.into_iter().map(invite).collect()
}

impl Extras {
    fn is_empty(&self) -> bool {
        self.playing.is_empty()
            && self.note.is_none()
            && self.attributes.is_none()
            && self.profile.is_none()
            && self.invites.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{NodeId, WorkerId};
    use crate::model::avatar::AttributeChanges;
    use crate::model::settings::{AttributeSettings, PresenceSettings};
    use crate::packet::LookupEntry;

    const NOW: u64 = 1_700_000_000_000;
    const GRACE_MS: u64 = 300;

    #[derive(Debug, Clone)]
    enum Input {
        Attach(u64),
        Detach(u64),
        Resume(u64),
        Remove(u64),
        Status(u64, Status, bool),
        Idle(u64, bool),
        Playing(bool, bool),
        Invite(u64),
        TakeInvites,
        Set(u8, bool),
        Watch(u16, bool),
        Wait(u64),
    }

    fn input() -> impl Strategy<Value = Input> {
        let status = prop::sample::select(vec![
            Status::Online,
            Status::Idle,
            Status::Busy,
            Status::Invisible,
        ]);
        let key = 0..5u64;
        prop_oneof![
            3 => key.clone().prop_map(Input::Attach),
            3 => key.clone().prop_map(Input::Detach),
            1 => key.clone().prop_map(Input::Resume),
            1 => key.clone().prop_map(Input::Remove),
            2 => (key.clone(), status, any::<bool>())
                .prop_map(|(key, status, note)| Input::Status(key, status, note)),
            1 => (key, any::<bool>()).prop_map(|(key, idle)| Input::Idle(key, idle)),
            1 => any::<(bool, bool)>().prop_map(|(room, playing)| Input::Playing(room, playing)),
            1 => (1..900u64).prop_map(Input::Invite),
            1 => Just(Input::TakeInvites),
            1 => (0..3u8, any::<bool>()).prop_map(|(name, set)| Input::Set(name, set)),
            1 => (0..3u16, any::<bool>()).prop_map(|(worker, on)| Input::Watch(worker, on)),
            4 => (1..400u64).prop_map(Input::Wait),
        ]
    }

    /// An avatar and a clock that began at `begin_ms`.
    struct World {
        avatar: Avatar,
        begin_ms: u64,
        now_ms: u64,
    }

    /// What is seen of an avatar after an input; times count from the beginning.
    #[derive(Debug, PartialEq)]
    struct Seen {
        refused: bool,
        changed: Option<Presence>,
        profile: AttributeChanges,
        entry: LookupEntry,
        sessions: Vec<SessionKey>,
        gives_way: Option<SessionKey>,
        invites: Vec<(ChannelId, u64)>,
        attributes: Vec<(Box<str>, Payload)>,
        watchers: Vec<GatewayId>,
        deadline_ms: Option<u64>,
        is_unused: bool,
    }

    impl World {
        fn step(&mut self, input: &Input) -> Seen {
            let settings = PresenceSettings::default();
            let (avatar, now_ms) = (&mut self.avatar, self.now_ms);
            let begin_ms = self.begin_ms;
            let mut refused = false;
            let mut invites = Vec::new();
            let key = |key: &u64| SessionKey::from_number(*key);
            let room = |first: bool| if first { "a" } else { "b" };
            let id = |text: &str| ChannelId::parse(text).ok();
            match input {
                Input::Attach(session) => refused = avatar.attach(key(session), 4).is_err(),
                Input::Detach(session) => avatar.detach(key(session), now_ms, GRACE_MS),
                Input::Resume(session) => avatar.resume(key(session)),
                Input::Remove(session) => avatar.remove(key(session), now_ms),
                Input::Status(session, status, has_note) => {
                    let note = has_note.then(|| Payload::from_json("1"));
                    refused = avatar
                        .set_status(key(session), *status, note, &settings)
                        .is_err();
                }
                Input::Idle(session, idle) => avatar.set_idle(key(session), *idle),
                Input::Playing(first, playing) => {
                    if let Some(room) = id(room(*first)) {
                        avatar.set_playing(&room, *playing);
                    }
                }
                Input::Invite(ms) => {
                    let name = format!("r{}", ms % 3);
                    if let (Some(channel), Ok(from)) = (id(&name), UserId::parse("1:9")) {
                        let until_ms = now_ms + ms;
                        let invite = StoredInvite {
                            channel,
                            from,
                            until_ms,
                        };
                        avatar.store_invite(invite, 2);
                    }
                }
                Input::TakeInvites => {
                    let taken = avatar.take_invites(now_ms).into_iter();
                    invites = taken
                        .map(|invite| (invite.channel, invite.until_ms - begin_ms))
                        .collect();
                }
                Input::Set(name, set) => {
                    let value = set.then(|| Payload::from_json("\"x\""));
                    let names = ["name", "playing", "private"];
                    let name = names.get(usize::from(*name)).copied().unwrap_or_default();
                    let changes: AttributeChanges = vec![(name.into(), value)];
                    refused = avatar.set_attributes(changes, 20).is_err();
                }
                Input::Watch(worker, on) => {
                    let gateway = GatewayId {
                        node: NodeId(0),
                        boot: 1,
                        worker: WorkerId(*worker),
                    };
                    if *on {
                        avatar.watchers.add(gateway);
                    } else {
                        avatar.watchers.remove(gateway);
                    }
                }
                Input::Wait(ms) => {
                    self.now_ms += ms;
                    avatar.expire_invites(self.now_ms);
                }
            }
            let now_ms = self.now_ms;
            let changed = avatar.refresh(now_ms, &settings);
            let profile = avatar.refresh_profile(&AttributeSettings::default());
            let mut entry = avatar.entry();
            entry.last_seen_ms = entry.last_seen_ms.map(|ms| ms - begin_ms);
            Seen {
                refused,
                changed,
                profile,
                entry,
                sessions: avatar.sessions().collect(),
                gives_way: avatar.oldest_dropped(),
                invites,
                attributes: avatar.attributes().to_vec(),
                watchers: avatar.watchers.gateways().to_vec(),
                // What is due is due, be it long since or just now.
                deadline_ms: avatar
                    .next_deadline_ms(now_ms)
                    .map(|ms| ms.max(now_ms) - begin_ms),
                is_unused: avatar.is_unused(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_restored_avatar_behaves_alike(
            before in prop::collection::vec(input(), 0..40),
            after in prop::collection::vec(input(), 1..40),
            shift_ms in 0..1_000_000_000_000u64,
        ) {
            let mut saved = World {
                avatar: Avatar::new(Some(NOW)),
                begin_ms: NOW,
                now_ms: NOW,
            };
            for input in &before {
                saved.step(input);
            }
            let snapshot = saved.avatar.save(saved.now_ms);
            let text = serde_json::to_string(&snapshot).unwrap_or_default();
            let read: AvatarSnapshot = serde_json::from_str(&text).map_err(
                |error| TestCaseError::fail(error.to_string())
            )?;
            prop_assert_eq!(&read, &snapshot);
            let mut restored = World {
                avatar: Avatar::restore(read, saved.now_ms - shift_ms),
                begin_ms: NOW - shift_ms,
                now_ms: saved.now_ms - shift_ms,
            };
            for input in &after {
                prop_assert_eq!(saved.step(input), restored.step(input), "{:?}", input);
            }
        }
    }
}
