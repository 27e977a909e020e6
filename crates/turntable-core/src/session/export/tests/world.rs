//! A session and what is around it, for tests: events that happen to it, and
//! notes of what came of them.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use crate::id::{ChannelId, SessionId, UserId};
use crate::key::{ConnKey, SessionKey, SlotKey as _, UserNumber};
use crate::model::pattern::Pattern;
use crate::model::permission::{RoleSettings, Roles, SharedPermissions};
use crate::packet::{ClientPacket, ErrorBody, JoinGame};
use crate::payload::Payload;
use crate::reason::ErrorCode;
use crate::session::Session;
use crate::session::export::{Exporter, ImportError, ImportLimits, Importer};
use crate::session::life::{Effect, Effects, Input};
use crate::session::outbox::OutboxFrame;
use crate::session::settings::{BucketSettings, LimitSettings, SessionSettings};
use crate::session::standing::Standing;

pub(super) const NOW: u64 = 1_732_000_000_000;

/// Messages by their texts; those that begin with `s` condense.
#[derive(Debug, Clone)]
pub(super) enum Note {
    Whole(Box<str>),
    Small(Vec<Box<str>>),
}

impl Note {
    fn texts(&self) -> &[Box<str>] {
        match self {
            Self::Whole(text) => std::slice::from_ref(text),
            Self::Small(texts) => texts,
        }
    }

    fn restore(self, frames: &mut VecDeque<Self>) {
        frames.extend(self.texts().iter().cloned().map(Self::Whole));
    }
}

impl OutboxFrame for Note {
    fn length(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Small(texts) => texts.len(),
        }
    }

    fn condenses(&self) -> bool {
        matches!(self, Self::Whole(text) if text.starts_with('s'))
    }

    fn condense(self, before: Option<&mut Self>) -> Option<Self> {
        let texts = self.texts().to_vec();
        if let Some(Self::Small(before)) = before {
            before.extend(texts);
            return None;
        }
        Some(Self::Small(texts))
    }

    fn messages(&self) -> u64 {
        self.texts().len() as u64
    }

    fn forget(&mut self, count: u64) {
        if let Self::Small(texts) = self {
            texts.drain(..count as usize);
        }
    }
}

/// A gateway's table of watched users: user `1:N` has the number N + `first`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watches {
    pub(super) first: u32,
}

impl Watches {
    fn number(self, user: &UserId) -> UserNumber {
        UserNumber::from_bits(user.name().parse::<u32>().unwrap_or(0) + self.first)
    }
}

impl Exporter<Note> for Watches {
    fn user(&self, number: UserNumber) -> Option<UserId> {
        Some(user(number.to_bits() - self.first))
    }

    fn texts(&self, frame: &Note, texts: &mut Vec<Box<str>>) {
        texts.extend_from_slice(frame.texts());
    }
}

impl Importer<Note> for Watches {
    fn watch(&mut self, user: &UserId) -> Option<UserNumber> {
        Some(self.number(user))
    }

    fn frame(&mut self, text: &str) -> Option<Note> {
        (text != "unreadable").then(|| Note::Whole(text.into()))
    }
}

pub(super) fn user(number: u32) -> UserId {
    UserId::parse(&format!("1:{number}")).unwrap()
}

pub(super) fn path(number: u8) -> ChannelId {
    ChannelId::parse(&format!("c{number}")).unwrap()
}

/// Something that happens to a session.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Passes(u64),
    Push {
        small: bool,
        length: usize,
    },
    Written(usize),
    Acknowledge(u64),
    Command(u8, u8),
    Unreadable,
    Answered(u8),
    Left(u8),
    Channel(u8, bool),
    LeftChannel(u8),
    Watch(u32),
    Unwatch(u32),
    Charge,
    Bytes(usize),
    Refuse,
    Time(i32),
    Action(i32),
    RoundTrip(u16),
    Idle,
    /// Credentials that expire in so many ms, if any; a token; who it is, not shown.
    Standing(Option<i32>, bool, bool),
    Welcomed,
    /// Roles and added functions by their bits.
    Grant(u8),
    Lost,
    Resume(Option<u64>),
    Overflowed,
    Expiry,
    Bye,
}

pub(super) fn command(kind: u8, place: u8) -> ClientPacket {
    let channel = path(place);
    match kind {
        0 | 1 => ClientPacket::Publish {
            channel,
            data: Payload::from_json("1"),
        },
        2 | 3 => ClientPacket::JoinGame(JoinGame {
            channel,
            member: user(1),
            invite: vec![user(7); usize::from(place)],
            team: None,
            game: None,
        }),
        4 => ClientPacket::LeaveGame(channel),
        5 => ClientPacket::IdMe {
            user: Some(user(2)),
            credentials: None,
            attributes: Vec::new(),
            status: None,
        },
        6 => ClientPacket::Time {
            t0: Payload::from_json("1"),
            t0_ms: 1.0,
            received: None,
        },
        _ => ClientPacket::Lookup(Vec::new()),
    }
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => prop_oneof![0u64..50, 0u64..30_000].prop_map(Event::Passes),
        6 => (any::<bool>(), 1usize..20).prop_map(|(small, length)| Event::Push { small, length }),
        4 => (0usize..6).prop_map(Event::Written),
        2 => (0u64..4).prop_map(Event::Acknowledge),
        6 => (0u8..8, 0u8..5).prop_map(|(kind, place)| Event::Command(kind, place)),
        1 => Just(Event::Unreadable),
        1 => (0u8..5).prop_map(Event::Answered),
        1 => (0u8..5).prop_map(Event::Left),
        2 => (0u8..5, any::<bool>()).prop_map(|(place, below)| Event::Channel(place, below)),
        1 => (0u8..5).prop_map(Event::LeftChannel),
        2 => (0u32..9).prop_map(Event::Watch),
        1 => (0u32..9).prop_map(Event::Unwatch),
        1 => Just(Event::Charge),
        2 => (1usize..3_000).prop_map(Event::Bytes),
        2 => Just(Event::Refuse),
        2 => (-4_000i32..4_000).prop_map(Event::Time),
        1 => (-4_000i32..4_000).prop_map(Event::Action),
        1 => any::<u16>().prop_map(Event::RoundTrip),
        1 => Just(Event::Idle),
        1 => (proptest::option::of(-20_000i32..90_000), any::<bool>(), any::<bool>())
            .prop_map(|(in_ms, token, shown)| Event::Standing(in_ms, token, shown)),
        1 => Just(Event::Welcomed),
        1 => any::<u8>().prop_map(Event::Grant),
        2 => Just(Event::Lost),
        2 => proptest::option::weighted(0.9, 0u64..4).prop_map(Event::Resume),
        1 => Just(Event::Overflowed),
        1 => Just(Event::Expiry),
        1 => Just(Event::Bye),
    ]
}

/// A session and what is around it. Everything it notes is without the time and
/// the numbers of its gateway, so that two such worlds can be compared.
pub(super) struct World {
    pub(super) session: Session<Note>,
    pub(super) watches: Watches,
    pub(super) now_ms: u64,
    pub(super) connections: u32,
    pub(super) settings: SessionSettings,
    pub(super) limits: LimitSettings,
    pub(super) retained_bytes_max: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let mut session = Session::new(
            SessionKey::from_number(7),
            SessionId::from_bits([7; 16]),
            user(1),
            ConnKey::new(0, 0),
            NOW,
        );
        let settings = SessionSettings {
            rooms_max: 3,
            channels_max: 3,
            error_burst: 4,
            errors_per_second: 1,
            resume_ms: 40_000,
            ..SessionSettings::default()
        };
        session.step(Input::Admitted, NOW, &settings);
        session.hear();
        Self {
            session,
            watches: Watches { first: 100 },
            now_ms: NOW,
            connections: 0,
            settings,
            limits: LimitSettings {
                publish: BucketSettings::new(1, 3),
                room: BucketSettings::new(2, 4),
                presence: BucketSettings::new(3, 6),
                flood: BucketSettings::new(1, 3),
                bytes: BucketSettings::new(500, 5_000),
                ..LimitSettings::default()
            },
            retained_bytes_max: 60,
        }
    }

    /// The session after these events, but for those that would end it.
    pub(super) fn after(events: &[Event]) -> Self {
        let mut world = Self::new();
        for event in events {
            if !world.would_end(event) {
                world.happens(event);
            }
        }
        world
    }

    fn would_end(&self, event: &Event) -> bool {
        let outbox = &self.session.outbox;
        match event {
            Event::Resume(behind) => {
                let last = outbox.sent() + 1;
                let received = behind.map(|behind| last.saturating_sub(behind));
                !received.is_some_and(|received| outbox.can_rewind(received))
            }
            Event::Overflowed => self.session.connection().is_none(),
            Event::Expiry | Event::Bye => true,
            _ => false,
        }
    }

    /// The same at another gateway, `shift_ms` later.
    pub(super) fn imported(
        &self,
        shift_ms: u64,
        as_json: bool,
    ) -> Result<(Self, Effects), ImportError> {
        let export = self.session.export(self.now_ms, &self.watches);
        let export = export.unwrap();
        let read = if as_json {
            serde_json::from_str(&serde_json::to_string(&export).unwrap()).unwrap()
        } else {
            postcard::from_bytes(&postcard::to_allocvec(&export).unwrap()).unwrap()
        };
        assert_eq!(export, read);
        let (now_ms, mut watches) = (self.now_ms + shift_ms, Watches { first: 9_000 });
        let granted = permissions(&read.roles, &read.functions);
        let (mut session, effects) =
            Session::import(read, now_ms, &self.settings, &limits(), &mut watches)?;
        session.permissions = granted;
        let world = Self {
            session,
            watches,
            now_ms,
            connections: self.connections,
            settings: self.settings.clone(),
            limits: self.limits.clone(),
            retained_bytes_max: self.retained_bytes_max,
        };
        Ok((world, effects))
    }

    pub(super) fn step(&mut self, input: Input) -> String {
        let effects = self.session.step(input, self.now_ms, &self.settings);
        for effect in &effects {
            if let Effect::Rewind(received) = effect {
                self.session.outbox.rewind(*received, Note::restore);
            }
        }
        self.describe(&effects)
    }

    fn describe(&self, effects: &[Effect]) -> String {
        let relative = |effect: &Effect| match effect {
            Effect::ArmExpiry(at_ms) => format!("ArmExpiry in {}", at_ms - self.now_ms),
            other => format!("{other:?}"),
        };
        effects.iter().map(relative).collect::<Vec<_>>().join("; ")
    }

    /// Lets something happen; returns what came of it.
    pub(super) fn happens(&mut self, event: &Event) -> String {
        let (now_ms, session) = (self.now_ms, &mut self.session);
        let now_exact_ms = now_ms as f64 + 0.25;
        match *event {
            Event::Passes(ms) => self.now_ms += ms,
            Event::Push { small, length } => {
                let kind = if small { "s" } else { "w" };
                let number = session.outbox.numbered() + 1;
                let text = format!("{kind}{number}{}", "x".repeat(length));
                session.outbox.push(Note::Whole(text.into()));
            }
            Event::Written(count) => session.outbox.written(count, self.retained_bytes_max),
            Event::Acknowledge(behind) => {
                let received = (session.outbox.sent() + 1).saturating_sub(behind);
                return session.outbox.acknowledge(received).to_string();
            }
            Event::Command(kind, place) => {
                let packet = command(kind, place);
                session.count(Some(&packet));
                let admitted = session.admit(&packet, now_ms, &self.settings, &self.limits);
                let was_idle = session.is_active(now_ms);
                return format!("{admitted:?} {was_idle}");
            }
            Event::Unreadable => session.count(None),
            Event::Answered(place) => session.join_answered(&path(place)),
            Event::Left(place) => session.left_room(&path(place)),
            Event::Channel(place, below) => {
                let max = self.settings.channels_max;
                return format!("{:?}", session.enter_channel(&path(place), below, max));
            }
            Event::LeftChannel(place) => {
                return format!("{:?}", session.left_channel(&path(place)));
            }
            Event::Watch(number) => {
                let number = self.watches.number(&user(number));
                if !session.watching.contains(&number) {
                    session.watching.push(number);
                }
            }
            Event::Unwatch(number) => {
                let number = self.watches.number(&user(number));
                session.watching.retain(|known| *known != number);
            }
            Event::Charge => return session.charge_publish(now_ms, &self.limits).to_string(),
            Event::Bytes(bytes) => {
                return format!("{:?}", session.take_bytes(bytes, now_ms, &self.limits));
            }
            Event::Refuse => {
                let error = ErrorBody::new(ErrorCode::BadMessage, "wrong");
                return format!("{:?}", session.refuse(error, now_ms, &self.settings));
            }
            // The client's clock goes on as time passes.
            Event::Time(jitter) => {
                let client_ms = now_ms as f64 - 1e9 - f64::from(jitter);
                session.clock().time_exchange(client_ms, now_exact_ms);
            }
            Event::Action(jitter) => {
                let client_ms = now_ms as f64 - 1e9 - f64::from(jitter);
                session.clock().action_sample(client_ms, now_exact_ms);
            }
            Event::RoundTrip(ms) => session
                .clock()
                .round_trip(f64::from(ms) / 8.0, now_exact_ms),
            Event::Idle => {
                let (next_ms, became) = session.check_idle(now_ms, 9_000);
                return format!("{} {became}", next_ms - now_ms);
            }
            Event::Standing(in_ms, has_token, is_provisional) => {
                let expires_ms = in_ms.map(|ms| now_ms.saturating_add_signed(ms.into()));
                let token = has_token.then(|| "secret".into());
                session.standing = Standing::of(expires_ms, token);
                session.is_provisional = is_provisional;
            }
            Event::Welcomed => {
                let standing = session.standing.as_mut();
                return format!("{:?}", standing.and_then(|all| all.token.take()));
            }
            Event::Grant(bits) => {
                let has = |bit: u8| bits >> bit & 1 == 1;
                let roles = ["a", "b"].into_iter().zip(0..).filter(|(_, bit)| has(*bit));
                let roles: Vec<Box<str>> = roles.map(|(role, _)| role.into()).collect();
                let functions = ["f", "g:h"]
                    .into_iter()
                    .zip(2..)
                    .filter(|(_, bit)| has(*bit));
                let functions = functions.filter_map(|(text, _)| Pattern::of_functions(text).ok());
                session.permissions = permissions(&roles, &functions.collect::<Vec<_>>());
            }
            Event::Lost => match session.connection() {
                Some(connection) => return self.step(Input::Lost(connection)),
                None => return String::new(),
            },
            Event::Resume(behind) => {
                let last = session.outbox.sent() + 1;
                let received = behind.map(|behind| last.saturating_sub(behind));
                return self.resume(received);
            }
            Event::Overflowed => return self.step(Input::Overflowed(self.session.connection())),
            Event::Expiry => return self.step(Input::ExpiryDue),
            Event::Bye => return self.step(Input::Bye),
        }
        String::new()
    }

    pub(super) fn resume(&mut self, received: Option<u64>) -> String {
        self.connections += 1;
        let connection = ConnKey::new(self.connections, 0);
        self.step(Input::Resume {
            connection,
            received,
            attempt: Some(self.connections),
        })
    }

    /// What can be seen of the session from outside.
    pub(super) fn view(&mut self) -> String {
        let Self {
            session, watches, ..
        } = self;
        let memberships = session.memberships.clone().unwrap_or_default();
        let watching: Vec<_> = session.watching.iter().map(|n| watches.user(*n)).collect();
        let outbox = &session.outbox;
        let waiting: Vec<_> = outbox.waiting().flat_map(|note| note.texts()).collect();
        let numbers = (outbox.sent(), outbox.numbered(), outbox.acknowledged());
        let clock = session.clock.as_ref();
        let now_ms = self.now_ms as f64;
        let offset = clock.and_then(|clock| clock.offset(now_ms, 2_000.0));
        let lag = clock.map(|clock| (clock.lag(now_ms, 10), clock.is_acting(now_ms)));
        let standing = session.standing.clone().unwrap_or_default();
        let left = |expires_ms: u64| i128::from(expires_ms) - i128::from(self.now_ms);
        let standing = (standing.expires_ms.map(left), standing.token);
        let standing = (standing, session.is_provisional, &session.permissions);
        format!(
            "{waiting:?} {numbers:?} {} {watching:?} {memberships:?} {} {} {offset:?} {lag:?} \
             {standing:?}",
            outbox.waiting_bytes(),
            session.accepted,
            session.is_idle,
        )
    }
}

/// What these roles and functions allow.
fn permissions(roles: &[Box<str>], functions: &[Pattern]) -> SharedPermissions {
    let entries = ["a", "b"].map(|role| (role.to_owned(), RoleSettings::default()));
    let mut all = RoleSettings::embedded();
    all.extend(entries);
    let all = Roles::new(all);
    let known = all.known(roles);
    all.permissions(&known, functions).map(Arc::new)
}

pub(super) fn limits() -> ImportLimits {
    ImportLimits {
        retained_bytes_max: 60,
        waiting_bytes_max: 1 << 20,
        watching_max: 100,
        rooms_max: 3,
        channels_max: 3,
    }
}
