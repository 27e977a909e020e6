//! Whatever the inputs and their order: bounds hold, nobody outside the room
//! gets anything, and everybody inside sees the same room.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const USERS: u32 = 6;
const SESSIONS: u32 = 12;
const MEMBERS_MAX: usize = 4;
const TEAM_MAX: usize = 2;

#[derive(Debug, Clone)]
enum Input {
    Join {
        slot: u32,
        team: u32,
        invite: u32,
        is_connected: bool,
    },
    JoinAs {
        slot: u32,
        other: u32,
    },
    Leave {
        slot: u32,
    },
    Act {
        slot: u32,
        stamps: Vec<f64>,
        from: Option<u32>,
    },
    Decline {
        user: u32,
    },
    Detach {
        slot: u32,
    },
    Resume {
        slot: u32,
    },
    End {
        slot: u32,
        is_bye: bool,
    },
    Kick {
        user: u32,
    },
    Wait {
        ms: u64,
    },
}

fn input() -> impl Strategy<Value = Input> {
    let slot = 0..SESSIONS;
    let other = 0..USERS;
    prop_oneof![
        6 => (slot.clone(), 0..4u32, other.clone(), prop::bool::weighted(0.8)).prop_map(
            |(slot, team, invite, is_connected)| Input::Join { slot, team, invite, is_connected }
        ),
        1 => (slot.clone(), other.clone())
            .prop_map(|(slot, other)| Input::JoinAs { slot, other }),
        2 => slot.clone().prop_map(|slot| Input::Leave { slot }),
        8 => (
            slot.clone(),
            prop::collection::vec(-2_000.0..3_000.0f64, 1..4),
            prop::option::weighted(0.1, other.clone()),
        )
            .prop_map(|(slot, stamps, from)| Input::Act { slot, stamps, from }),
        1 => other.clone().prop_map(|user| Input::Decline { user }),
        3 => slot.clone().prop_map(|slot| Input::Detach { slot }),
        3 => slot.clone().prop_map(|slot| Input::Resume { slot }),
        1 => (slot, any::<bool>()).prop_map(|(slot, is_bye)| Input::End { slot, is_bye }),
        1 => other.prop_map(|user| Input::Kick { user }),
        4 => (1..400u64).prop_map(|ms| Input::Wait { ms }),
    ]
}

/// What a client makes of what it gets.
#[derive(Debug, Default, Clone, PartialEq)]
struct View {
    members: BTreeMap<UserId, MemberState>,
}

/// The room's surroundings: a topic with what each session on it sees.
struct World {
    room: Room,
    now_ms: u64,
    topic: BTreeMap<SessionKey, View>,
    playing: BTreeSet<UserId>,
    /// Each broadcast action, in order.
    sent: Vec<Action>,
    /// Accepted actions of each user, in order.
    accepted: BTreeMap<UserId, Vec<Payload>>,
    serial: u32,
    /// Sessions of each slot that were there before.
    generations: BTreeMap<u32, u32>,
}

fn player(index: u32) -> UserId {
    user(&format!("1:{index}"))
}

impl World {
    fn new(tick_ms: u64) -> Self {
        let game = GameSettings {
            members_max: Some(MEMBERS_MAX),
            teams: vec!["red".into(), "blue".into(), "green".into()],
            team_members_max: TEAM_MAX,
            tick_ms,
            seat_ms: Some(300),
            ..GameSettings::default()
        };
        let settings = RoomSettings {
            empty_ms: 500,
            invites_waiting_max: 4,
            invite_ttl_ms: 1_000,
            tick_bytes_max: 1_024,
            ..RoomSettings::default()
        };
        Self {
            room: room_of(game, settings),
            now_ms: NOW,
            topic: BTreeMap::new(),
            playing: BTreeSet::new(),
            sent: Vec::new(),
            accepted: BTreeMap::new(),
            serial: 0,
            generations: BTreeMap::new(),
        }
    }

    fn session(&self, slot: u32) -> SessionKey {
        let generation = self.generations.get(&slot).copied().unwrap_or(0);
        SessionKey::from_number(u64::from(generation) << 32 | u64::from(slot))
    }

    fn step(&mut self, input: Input) {
        let now_ms = self.now_ms;
        let before = self.room.members().snapshot();
        let deadline = self.room.next_deadline();
        let outcome = match input {
            Input::Join {
                slot,
                team,
                invite,
                is_connected,
            } => {
                let team = ["red", "blue", "green"].get(team as usize);
                let join = JoinGame {
                    invite: vec![player(invite)],
                    team: team.map(|team| (*team).into()),
                    ..joining(player(slot % USERS).as_str())
                };
                let session = self.session(slot);
                (self.room)
                    .join(session, &join.member, &join, is_connected, None, now_ms)
                    .map(|effects| (Some(session), effects))
            }
            Input::JoinAs { slot, other } => {
                let join = joining(player(other).as_str());
                let session = self.session(slot);
                let outcome = (self.room).join(session, &user("1:99"), &join, true, None, now_ms);
                assert!(outcome.is_err(), "joined as another");
                outcome.map(|effects| (None, effects))
            }
            Input::Leave { slot } => {
                let session = self.session(slot);
                (self.room)
                    .leave(session, &player(slot % USERS), request("1"), now_ms)
                    .map(|effects| (Some(session), effects))
            }
            Input::Act { slot, stamps, from } => self.act(slot, &stamps, from),
            Input::Decline { user } => (self.room)
                .decline(&player(user), now_ms)
                .map(|effects| (None, effects)),
            Input::Detach { slot } => Ok((
                None,
                (self.room).session_detached(self.session(slot), &player(slot % USERS), now_ms),
            )),
            // A gateway resumes sessions in rooms that they are in.
            Input::Resume { slot } if !self.topic.contains_key(&self.session(slot)) => {
                Ok((None, Vec::new()))
            }
            Input::Resume { slot } => Ok((
                None,
                (self.room).session_attached(self.session(slot), &player(slot % USERS), now_ms),
            )),
            Input::End { slot, is_bye } => {
                let ended = self.session(slot);
                let user = player(slot % USERS);
                let effects = (self.room).session_ended(ended, &user, is_bye, now_ms);
                *self.generations.entry(slot).or_insert(0) += 1;
                Ok((None, effects))
            }
            Input::Kick { user } => (self.room)
                .kick(&player(user), None, now_ms)
                .map(|effects| (None, effects)),
            Input::Wait { ms } => {
                // As a timer does it: each deadline in its time.
                let until_ms = self.now_ms + ms;
                while let Some(next_ms) = self.room.next_deadline() {
                    assert!(next_ms > self.now_ms, "a deadline that stays due");
                    if next_ms > until_ms {
                        break;
                    }
                    self.now_ms = next_ms;
                    for effect in self.room.advance(next_ms) {
                        self.apply(None, effect);
                    }
                }
                self.now_ms = until_ms;
                Ok((None, self.room.advance(until_ms)))
            }
        };
        match outcome {
            Ok((asking, effects)) => {
                for effect in effects {
                    self.apply(asking, effect);
                }
            }
            Err(_) => {
                assert_eq!(self.room.members().snapshot(), before);
                assert_eq!(self.room.next_deadline(), deadline);
            }
        }
        self.check();
    }

    fn act(
        &mut self,
        slot: u32,
        stamps: &[f64],
        from: Option<u32>,
    ) -> Result<(Option<SessionKey>, Vec<Effect>), ErrorBody> {
        let sender = player(slot % USERS);
        let from = from.map_or_else(|| sender.clone(), player);
        let actions: Vec<Action> = stamps
            .iter()
            .map(|stamp_ms| {
                self.serial += 1;
                Action {
                    timestamp_ms: *stamp_ms,
                    ..action(from.as_str(), &self.serial.to_string())
                }
            })
            .collect();
        let data: Vec<Payload> = actions.iter().map(|action| action.data.clone()).collect();
        let clock = SenderClock::trusted(Some(self.now_ms as f64 - 1_000.0));
        let session = self.session(slot);
        let outcome = self
            .room
            .act(session, &sender, actions, &clock, self.now_ms);
        let effects = outcome?;
        assert_eq!(from, sender, "an action in another's name");
        assert!(self.topic.contains_key(&session), "an outsider acted");
        self.accepted.entry(sender).or_default().extend(data);
        Ok((Some(session), effects))
    }

    fn apply(&mut self, asking: Option<SessionKey>, effect: Effect) {
        match effect {
            Effect::Attach(session) => {
                assert!(self.topic.insert(session, View::default()).is_none());
            }
            Effect::Detach(session) => {
                assert!(self.topic.remove(&session).is_some());
            }
            Effect::Broadcast(Packet::MemberChange { members, .. }) => {
                assert!(!members.is_empty());
                for (user, change) in &members {
                    let member = self.room.members().get(user.as_str());
                    let is_connected = member.is_some_and(Member::is_connected);
                    assert!(*change != Back || is_connected, "back without a connection");
                    for view in self.topic.values_mut() {
                        view.apply(user, *change);
                    }
                }
            }
            Effect::Broadcast(Packet::Game { actions, .. }) => {
                assert!(!actions.is_empty());
                assert!(actions.is_sorted_by_key(|action| action.timestamp_ms));
                for action in &actions {
                    let oldest_ms = self.now_ms - 1_000 - self.room.game().settings().tick_ms;
                    let range = oldest_ms..=self.now_ms;
                    assert!(range.contains(&(action.timestamp_ms as u64)));
                    assert!(
                        self.room.members().get(action.from.as_str()).is_some()
                            || self.playing.contains(&action.from)
                    );
                }
                self.sent.extend(actions);
            }
            Effect::Broadcast(packet) => panic!("a broadcast of {packet:?}"),
            Effect::Send {
                session, packet, ..
            } => {
                assert_eq!(Some(session), asking);
                if let Packet::RoomJoined(joined) = packet {
                    let view = self.topic.get_mut(&session).expect("joined, yet outside");
                    view.members = joined
                        .members
                        .iter()
                        .map(|member| (member.user.clone(), member.state))
                        .collect();
                }
            }
            Effect::SendUser { packet, .. } => {
                assert!(matches!(packet, Packet::InviteReply { .. }));
            }
            Effect::Invite { user, from } => {
                assert_ne!(user, from);
                assert!(self.room.members().get(user.as_str()).is_none());
            }
            Effect::EnteredGame(user) => assert!(self.playing.insert(user)),
            Effect::LeftGame(user) => assert!(self.playing.remove(&user)),
            Effect::Report(_) => panic!("this game reports no results"),
            Effect::Ended(_) => assert!(self.room.members().is_empty()),
        }
    }

    fn check(&self) {
        let members = self.room.members();
        assert!(members.len() <= MEMBERS_MAX);
        let mut states = BTreeMap::new();
        let mut teams: BTreeMap<&str, usize> = BTreeMap::new();
        for (user, member) in members.iter() {
            assert!(self.playing.contains(user));
            states.insert(user.clone(), member.state());
            *teams.entry(member.team().expect("a team")).or_default() += 1;
            let here = member.is_connected();
            assert_eq!(member.state() == MemberState::Joined, here);
            for session in member.sessions() {
                assert!(self.topic.contains_key(&session), "a member hears nothing");
            }
        }
        assert_eq!(self.playing.len(), members.len());
        assert!(teams.values().all(|members| *members <= TEAM_MAX));
        for (session, view) in &self.topic {
            let user = player(session.number() as u32 % USERS);
            let member = members.get(user.as_str());
            assert!(
                member.is_some_and(|member| member.sessions().any(|known| known == *session)),
                "{session:?} listens from outside"
            );
            assert_eq!(view.members, states, "what {session:?} sees");
        }
    }

    /// Every accepted action was sent once, and in its sender's order.
    fn finish(mut self) {
        for _ in 0..3 {
            self.step(Input::Wait { ms: 1_000 });
        }
        for (user, accepted) in &self.accepted {
            let sent = || self.sent.iter().filter(|action| action.from == *user);
            let data: Vec<&Payload> = sent().map(|action| &action.data).collect();
            assert_eq!(data, accepted.iter().collect::<Vec<_>>());
            assert!(sent().is_sorted_by_key(|action| action.timestamp_ms));
        }
        let accepted: usize = self.accepted.values().map(Vec::len).sum();
        assert_eq!(self.sent.len(), accepted);
    }
}

impl View {
    fn apply(&mut self, user: &UserId, change: MemberChange) {
        let before = match change {
            Joined | Back => self.members.insert(user.clone(), MemberState::Joined),
            Away => self.members.insert(user.clone(), MemberState::Away),
            Left => self.members.remove(user),
        };
        let expected = match change {
            Joined => before.is_none(),
            Back => before == Some(MemberState::Away),
            Away => before == Some(MemberState::Joined),
            Left => before.is_some(),
        };
        assert!(expected, "{user} {change:?} after {before:?}");
    }
}

proptest! {
    #[test]
    fn any_inputs_keep_the_room_whole(
        tick_ms in prop::sample::select(vec![0u64, 20, 500]),
        inputs in prop::collection::vec(input(), 1..120),
    ) {
        let mut world = World::new(tick_ms);
        for input in inputs {
            world.step(input);
        }
        world.finish();
    }
}
