//! What others see of an invisible user is what they see of one that is absent.

use proptest::prelude::*;

use super::*;
use crate::backup::Attributes;
use crate::model::settings::AttributeSettings;

/// The session that hides the user; it stays.
const HIDING: u64 = 9;
const GRACE_MS: u64 = 300;

#[derive(Debug, Clone)]
enum Input {
    Attach(u64, Option<Status>),
    Detach(u64),
    Resume(u64),
    Remove(u64),
    Status(u64, Status),
    Idle(u64, bool),
    Playing(bool),
    Set(&'static str, Option<u8>),
    Wait(u64),
}

fn input() -> impl Strategy<Value = Input> {
    let status = || {
        prop::sample::select(vec![
            Status::Online,
            Status::Idle,
            Status::Busy,
            Status::Invisible,
        ])
    };
    let name = prop::sample::select(vec!["name", "playing", "typing", "private"]);
    let key = 0..4u64;
    prop_oneof![
        3 => (key.clone(), prop::option::of(status()))
            .prop_map(|(key, status)| Input::Attach(key, status)),
        2 => key.clone().prop_map(Input::Detach),
        1 => key.clone().prop_map(Input::Resume),
        1 => key.clone().prop_map(Input::Remove),
        2 => (key.clone(), status()).prop_map(|(key, status)| Input::Status(key, status)),
        1 => (key, any::<bool>()).prop_map(|(key, idle)| Input::Idle(key, idle)),
        1 => any::<bool>().prop_map(Input::Playing),
        3 => (name, prop::option::of(0..3u8)).prop_map(|(name, value)| Input::Set(name, value)),
        2 => (1..400u64).prop_map(Input::Wait),
    ]
}

/// A user, its record in a store, and the clock.
struct World {
    avatar: Avatar,
    /// The attributes that are stored, and the profile apart from them.
    stored: (Attributes, Option<Attributes>),
    seen_ms: Option<u64>,
    now_ms: u64,
}

/// What reaches those who watch the user, and what a lookup finds.
#[derive(Debug, PartialEq)]
struct Seen {
    presence: Option<Presence>,
    profile: AttributeChanges,
    found: LookupEntry,
}

impl World {
    /// A user that has an avatar, of what is stored.
    fn load(stored: (Attributes, Option<Attributes>), seen_ms: Option<u64>, now_ms: u64) -> Self {
        let mut avatar = Avatar::new(seen_ms);
        avatar.put_attributes(stored.0.clone());
        avatar.restore_profile(stored.1.as_ref(), &AttributeSettings::default());
        Self {
            avatar,
            stored,
            seen_ms,
            now_ms,
        }
    }

    /// The avatar ends, and the user gets another one.
    fn reload(&mut self) {
        *self = Self::load(self.stored.clone(), self.seen_ms, self.now_ms);
    }

    fn attach(&mut self, key: u64, status: Option<Status>) {
        let session = SessionKey::from_number(key);
        let _ = self.avatar.attach(session, 8);
        if let Some(status) = status {
            self.say(key, status);
        }
    }

    fn say(&mut self, key: u64, status: Status) {
        let settings = PresenceSettings::default();
        let session = SessionKey::from_number(key);
        self.avatar
            .set_status(session, status, None, &settings)
            .unwrap();
    }

    fn step(&mut self, input: &Input) -> Seen {
        let key = |key: &u64| SessionKey::from_number(*key);
        let now_ms = self.now_ms;
        match input {
            Input::Attach(session, status) => self.attach(*session, *status),
            Input::Detach(session) => self.avatar.detach(key(session), now_ms, GRACE_MS),
            Input::Resume(session) => self.avatar.resume(key(session)),
            Input::Remove(session) => self.avatar.remove(key(session), now_ms),
            Input::Status(session, status) => self.say(*session, *status),
            Input::Idle(session, idle) => self.avatar.set_idle(key(session), *idle),
            Input::Playing(playing) => {
                let room = ChannelId::parse("room").unwrap();
                self.avatar.set_playing(&room, *playing);
            }
            Input::Set(name, value) => {
                let value = value.map(|value| Payload::from_json(&value.to_string()));
                let changes = vec![((*name).into(), value)];
                self.avatar.set_attributes(changes, 1_000).unwrap();
            }
            Input::Wait(ms) => self.now_ms += ms,
        }
        self.settle()
    }

    fn settle(&mut self) -> Seen {
        let settings = AttributeSettings::default();
        let presence = self
            .avatar
            .refresh(self.now_ms, &PresenceSettings::default());
        let profile = self.avatar.refresh_profile(&settings);
        let attributes = self.avatar.shared_attributes();
        let apart = self.avatar.profile_apart(&attributes, &settings);
        self.stored = (attributes, apart);
        self.seen_ms = self.avatar.last_seen_ms();
        Seen {
            presence,
            profile,
            found: self.avatar.entry(),
        }
    }

    fn end_all(&mut self) {
        let mut sessions: Vec<SessionKey> = self.avatar.sessions().collect();
        // Those that hide the others go last.
        sessions.sort_by_key(|key| self.avatar.backup(*key).status == Some(Status::Invisible));
        for session in sessions {
            self.avatar.remove(session, self.now_ms);
        }
    }
}

proptest! {
    #[test]
    fn invisible_user_is_seen_as_one_that_has_left(
        before in prop::collection::vec(input(), 0..20),
        while_hidden in prop::collection::vec(input(), 1..30),
        was_here in any::<bool>(),
    ) {
        let seen_ms = was_here.then_some(500);
        let begin = || World::load((Attributes::default(), None), seen_ms, 1_000);
        let (mut hidden, mut absent) = (begin(), begin());
        for input in &before {
            prop_assert_eq!(hidden.step(input), absent.step(input));
        }
        // One becomes invisible with a device more, the other leaves.
        hidden.attach(HIDING, Some(Status::Invisible));
        absent.end_all();
        prop_assert_eq!(hidden.settle(), absent.settle());
        let absent = absent.settle();
        for input in &while_hidden {
            prop_assert_eq!(&hidden.step(input), &absent, "{:?}", input);
        }
        // The end of its sessions is not seen, nor is its next life, if that is hidden.
        hidden.end_all();
        prop_assert_eq!(&hidden.settle(), &absent);
        hidden.reload();
        prop_assert_eq!(&hidden.settle(), &absent);
        hidden.attach(HIDING, Some(Status::Invisible));
        for input in &while_hidden {
            prop_assert_eq!(&hidden.step(input), &absent, "{:?}", input);
        }
    }

    #[test]
    fn user_that_is_visible_again_is_seen_as_it_is(
        inputs in prop::collection::vec(input(), 1..30),
    ) {
        let mut user = World::load((Attributes::default(), None), None, 1_000);
        user.attach(HIDING, Some(Status::Invisible));
        for input in &inputs {
            user.step(input);
        }
        user.end_all();
        user.settle();
        user.reload();
        user.attach(HIDING, None);
        user.settle();
        let public = AttributeSettings::default();
        let is_public = |(name, _): &&(Box<str>, Payload)| public.is_public(name);
        let attributes: Vec<_> = user.avatar.attributes().iter().filter(is_public).collect();
        prop_assert_eq!(user.avatar.profile().iter().collect::<Vec<_>>(), attributes);
        prop_assert_eq!(&user.stored.1, &None);
    }
}
