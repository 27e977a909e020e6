//! The session: what outlives a connection.
//!
//! Pure state machines, without sockets, actors or a clock: a decoded command
//! or an event and `now` go in, a step or effects come out, and the gateway
//! carries them out. `greeting` is a connection before its client has identified;
//! [`Session`] is what remains over all connections of one identification: who
//! it is, its life, its numbered messages, what it watches, its rooms and
//! channels, its rates and the estimate of its client's clock. Every transport
//! feeds these two, so limits, budgets and numbering exist once. [`export`] makes
//! a session a value and a session of that again.

use thin_vec::ThinVec;

mod charge;
mod class;
pub mod clock;
pub mod deadline;
pub mod export;
pub mod flood;
pub mod greeting;
pub mod life;
pub mod membership;
pub mod outbox;
mod published;
mod rates;
pub mod settings;
pub mod standing;

pub use charge::{address_error, bytes_error};
pub use published::{attributes_bytes, published_bytes};

use crate::id::{SessionId, UserId};
use crate::key::{ConnKey, SessionKey, UserNumber};
use crate::model::permission::{SharedPermissions, Who};
use crate::packet::{ClientPacket, ErrorBody};
use crate::reason::{CloseReason, ErrorCode};
use crate::session::clock::Clock;
use crate::session::life::Life;
use crate::session::membership::Memberships;
use crate::session::outbox::Outbox;
use crate::session::rates::Rates;
use crate::session::settings::{LimitSettings, SessionSettings};
use crate::session::standing::Standing;

/// How long until the next look at a session while idleness is off, in ms.
const IDLE_UNSET_LOOK_MS: u64 = 60_000;

/// An error for the client, and whether the connection ends with it.
#[derive(Debug)]
pub struct Refusal {
    /// The error for the client.
    pub error: Box<ErrorBody>,
    /// Set where that was one too many.
    pub close: Option<CloseReason>,
}

impl Refusal {
    /// An error that was charged to a budget; a spent one closes with `reason`.
    fn new(error: ErrorBody, charged: Result<(), u64>, reason: CloseReason) -> Self {
        Self {
            error: Box::new(error),
            close: charged.err().map(|_| reason),
        }
    }
}

/// What one identification is and may do, over all its connections. `F` is a
/// message as the gateway writes it.
#[derive(Debug)]
pub struct Session<F> {
    /// Which session.
    pub key: SessionKey,
    /// The secret its client resumes with.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// What it may do; computed when its client identifies or renews its credentials.
    pub permissions: SharedPermissions,
    /// What its credentials are good for; nothing where there were none.
    pub standing: Option<Box<Standing>>,
    /// Whether its client has shown nothing that says who it is.
    pub is_provisional: bool,
    life: Life,
    /// Messages that wait for its client, and those it may ask for again.
    pub outbox: Outbox<F>,
    /// Numbers of the users it watches, in its gateway's table.
    pub watching: ThinVec<UserNumber>,
    /// Unix ms of the last command.
    active_ms: u64,
    /// Whether its user was reported to be idle.
    is_idle: bool,
    /// Whether its client has sent anything since it identified.
    is_heard: bool,
    /// Commands that were taken or refused; see [`Session::accepted`].
    accepted: u64,
    /// The attempt of its client by which it was resumed; 0 before.
    attempt: u32,
    /// Most sessions are nowhere at most times.
    memberships: Option<Box<Memberships>>,
    /// What is known of the client's clock; most sessions never need it.
    clock: Option<Box<Clock>>,
    /// `None` while nothing of them is spent.
    rates: Option<Box<Rates>>,
}

impl<F> Session<F> {
    /// A session that begins on `connection`; its avatar has to admit it.
    #[must_use]
    pub fn new(
        key: SessionKey,
        id: SessionId,
        user: UserId,
        connection: ConnKey,
        now_ms: u64,
    ) -> Self {
        Self {
            key,
            id,
            user,
            permissions: None,
            standing: None,
            is_provisional: false,
            life: Life::Attaching(connection),
            outbox: Outbox::default(),
            watching: ThinVec::new(),
            active_ms: now_ms,
            is_idle: false,
            is_heard: false,
            accepted: 0,
            attempt: 0,
            memberships: None,
            clock: None,
            rates: None,
        }
    }

    /// The session as permissions see it.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        Who::new(&self.user, &self.permissions)
    }

    /// How far it is.
    #[must_use]
    pub const fn life(&self) -> Life {
        self.life
    }

    /// The connection that carries it, or will.
    #[must_use]
    pub const fn connection(&self) -> Option<ConnKey> {
        self.life.connection()
    }

    /// The estimate of the client's clock.
    pub fn clock(&mut self) -> &mut Clock {
        self.clock.get_or_insert_with(|| Box::new(Clock::new()))
    }

    /// What is known of the client's clock, where anything was measured.
    #[must_use]
    pub fn known_clock(&self) -> Option<&Clock> {
        self.clock.as_deref()
    }

    /// Unix ms of the last command, or of its begin.
    #[must_use]
    pub const fn active_ms(&self) -> u64 {
        self.active_ms
    }

    /// The server slept: the estimate of the client's clock starts anew.
    pub fn restart_clock(&mut self) {
        if let Some(clock) = &mut self.clock {
            clock.restart();
        }
    }

    /// How many frames or entries of its client were taken: those that were
    /// received whole behind the first `welcome`. Refused and unreadable ones
    /// count, also those that close the connection (1003, 1007, 1009); `idme`, `time`,
    /// `resume` and `bye` do not. After a resume a client repeats exactly those
    /// behind them (protocol.md 2.2, `welcome`).
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Counts a frame or entry of its client; `None` is one that could not be
    /// read.
    pub const fn count(&mut self, packet: Option<&ClientPacket>) {
        let is_counted = match packet {
            Some(packet) => packet.is_counted(),
            None => true,
        };
        if is_counted {
            self.accepted += 1;
        }
    }

    /// Its client has sent something: it has its `welcome`.
    pub const fn hear(&mut self) {
        self.is_heard = true;
    }

    /// Notes that its client is active. Returns whether it was idle until now.
    pub fn is_active(&mut self, now_ms: u64) -> bool {
        self.active_ms = now_ms;
        std::mem::take(&mut self.is_idle)
    }

    /// Looks whether its client sent nothing for `idle_after_ms`. Returns Unix
    /// ms of the next look, and whether it became idle now.
    pub fn check_idle(&mut self, now_ms: u64, idle_after_ms: u64) -> (u64, bool) {
        if idle_after_ms == 0 {
            // It may be set while the session lives.
            return (now_ms.saturating_add(IDLE_UNSET_LOOK_MS), false);
        }
        let idle_at_ms = self.active_ms.saturating_add(idle_after_ms);
        if now_ms < idle_at_ms {
            return (idle_at_ms, false);
        }
        let became = !std::mem::replace(&mut self.is_idle, true);
        (now_ms.saturating_add(idle_after_ms), became)
    }

    /// Whether its user was reported to be idle.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Checks a command against rates and bounds, and notes what it changes
    /// about the session itself. What passes goes on to its owner.
    ///
    /// # Errors
    /// The error to answer, and whether it ends the connection.
    pub fn admit(
        &mut self,
        packet: &ClientPacket,
        now_ms: u64,
        settings: &SessionSettings,
        limits: &LimitSettings,
    ) -> Result<(), Refusal> {
        self.pay(packet, now_ms, limits)?;
        self.check(packet, now_ms, settings)
    }

    /// The part of [`Self::admit`] behind the rates.
    ///
    /// # Errors
    /// The error to answer, and whether it ends the connection.
    pub fn check(
        &mut self,
        packet: &ClientPacket,
        now_ms: u64,
        settings: &SessionSettings,
    ) -> Result<(), Refusal> {
        let checked = match packet {
            ClientPacket::IdMe {
                user: Some(user), ..
            } if *user != self.user => Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "this connection is identified as another user; open a new one",
            )),
            ClientPacket::Resume { .. } => Err(ErrorBody::new(
                ErrorCode::BadMessage,
                "resume comes first on a new connection; this one is identified",
            )),
            ClientPacket::JoinGame(join) if join.member != self.user => Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "self has to be your own user id",
            )),
            ClientPacket::JoinGame(join) => self.enter_room(&join.channel, settings.rooms_max),
            ClientPacket::LeaveGame(channel) => {
                self.left_room(channel);
                Ok(())
            }
            _ => Ok(()),
        };
        checked.map_err(|error| self.refuse(error.of(packet.name()), now_ms, settings))
    }

    /// Charges an error to the session's budget.
    pub fn refuse(&mut self, error: ErrorBody, now_ms: u64, settings: &SessionSettings) -> Refusal {
        let errors = self.rates().errors();
        let charged = errors.take(settings.error_budget(), now_ms);
        Refusal::new(error, charged, CloseReason::TooManyErrors)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::id::ChannelId;
    use crate::key::SlotKey as _;
    use crate::limit::Limit;
    use crate::packet::{Action, JoinGame};
    use crate::rate::BucketSettings;

    struct NoFrame;

    fn session() -> Session<NoFrame> {
        Session::new(
            SessionKey::from_number(7),
            SessionId::from_bits([7; 16]),
            UserId::parse("1:1").unwrap(),
            ConnKey::new(0, 0),
            1_732_000_000_000,
        )
    }

    fn join(room: &str, member: &str) -> ClientPacket {
        ClientPacket::JoinGame(JoinGame {
            channel: ChannelId::parse(room).unwrap(),
            member: UserId::parse(member).unwrap(),
            invite: Vec::new(),
            team: None,
            game: None,
        })
    }

    fn admit(session: &mut Session<NoFrame>, packet: &ClientPacket) -> Result<(), ErrorCode> {
        session
            .admit(
                packet,
                1_732_000_000_000,
                &SessionSettings {
                    rooms_max: 2,
                    ..SessionSettings::default()
                },
                &LimitSettings::default(),
            )
            .map_err(|refusal| refusal.error.code)
    }

    #[test]
    fn self_is_the_sessions_own_user() {
        let mut session = session();
        assert_eq!(
            admit(&mut session, &join("r", "1:2")),
            Err(ErrorCode::Forbidden)
        );
        assert!(!session.has_rooms());
    }

    #[test]
    fn rooms_are_bounded_and_a_repeat_is_not_another() {
        let mut session = session();
        for room in ["a", "b", "a"] {
            admit(&mut session, &join(room, "1:1")).unwrap();
        }
        assert_eq!(
            admit(&mut session, &join("c", "1:1")),
            Err(ErrorCode::TooMany)
        );
        let a = ChannelId::parse("a").unwrap();
        session.join_answered(&a);
        session.left_room(&a);
        assert!(session.rooms().any(|room| *room == a), "it joined twice");
        session.join_answered(&a);
        session.left_room(&a);
        admit(&mut session, &join("c", "1:1")).unwrap();
    }

    #[test]
    fn each_invite_is_charged() {
        let mut session = session();
        let ClientPacket::JoinGame(mut invitation) = join("a", "1:1") else {
            return;
        };
        invitation.invite = vec![UserId::parse("1:2").unwrap(); 150];
        let invitation = ClientPacket::JoinGame(invitation);
        admit(&mut session, &invitation).unwrap();
        assert_eq!(
            admit(&mut session, &invitation),
            Err(ErrorCode::RateLimited)
        );
    }

    fn users(count: u32) -> Vec<UserId> {
        (0..count)
            .map(|n| UserId::parse(&format!("1:{n}")).unwrap())
            .collect()
    }

    #[test]
    fn each_named_user_is_charged() {
        for packet in [
            ClientPacket::Subscribe(users(1_000)),
            ClientPacket::Unsubscribe(users(1_000)),
            ClientPacket::Lookup(users(1_000)),
        ] {
            let mut session = session();
            admit(&mut session, &packet).unwrap();
            admit(&mut session, &packet).unwrap();
            let third = admit(&mut session, &packet);
            assert_eq!(third, Err(ErrorCode::RateLimited), "{}", packet.name());
            // Commands without users have a bucket of their own.
            admit(&mut session, &ClientPacket::Lookup(Vec::new())).unwrap();
        }
    }

    #[test]
    fn each_action_is_charged() {
        let mut session = session();
        let action = Action {
            timestamp_ms: 1.0,
            from: UserId::parse("1:1").unwrap(),
            team: None,
            data: crate::payload::Payload::from_json("1"),
        };
        let game = ClientPacket::Game {
            channel: ChannelId::parse("a").unwrap(),
            actions: vec![action; 100],
        };
        for _ in 0..4 {
            admit(&mut session, &game).unwrap();
        }
        assert_eq!(admit(&mut session, &game), Err(ErrorCode::RateLimited));
    }

    #[test]
    fn bytes_are_refused_and_a_flood_of_them_is_closed() {
        let mut session = session();
        let limits = LimitSettings {
            bytes: BucketSettings::new(1_000, 100_000),
            flood: BucketSettings::new(1, 100),
            ..LimitSettings::default()
        };
        let mut refuse = |bytes, now_ms| {
            let error = session
                .take_bytes(bytes, now_ms, &limits)
                .map_err(bytes_error);
            error.map_err(|error| {
                let refusal = session.refuse_bytes(error, bytes, now_ms, &limits);
                (refusal.error.limit, refusal.close)
            })
        };
        let now_ms = 1_732_000_000_000;
        assert_eq!(refuse(60_000, now_ms), Ok(()));
        let refused = Err((Some(Limit::Bytes), None));
        assert_eq!(refuse(60_000, now_ms), refused, "it could not know");
        assert_eq!(refuse(60_000, now_ms), refused);
        assert_eq!(refuse(40_000, now_ms), Ok(()));
        let over = Err((Some(Limit::Bytes), Some(CloseReason::RateLimited)));
        assert_eq!(refuse(60_000, now_ms), over);
    }

    #[test]
    fn rates_take_memory_while_something_of_them_is_spent() {
        let mut session = session();
        let (settings, limits) = (SessionSettings::default(), LimitSettings::default());
        let now_ms = 1_732_000_000_000;
        assert!(session.rates.is_none());
        session.take_bytes(60_000, now_ms, &limits).unwrap();
        session.forget_full_rates(now_ms + 10, &settings, &limits);
        assert!(session.rates.is_some());
        session.forget_full_rates(now_ms + 10_000, &settings, &limits);
        assert!(session.rates.is_none());
    }

    #[test]
    fn a_flood_is_refused_and_then_closed() {
        let mut session = session();
        let limits = LimitSettings {
            publish: BucketSettings::new(1, 2),
            flood: BucketSettings::new(1, 3),
            ..LimitSettings::default()
        };
        let publish = ClientPacket::Publish {
            channel: ChannelId::parse("a").unwrap(),
            data: crate::payload::Payload::from_json("1"),
        };
        let mut closes = Vec::new();
        for _ in 0..7 {
            if let Err(refusal) = session.admit(
                &publish,
                1_732_000_000_000,
                &SessionSettings::default(),
                &limits,
            ) {
                assert_eq!(refusal.error.code, ErrorCode::RateLimited);
                closes.push(refusal.close);
            }
        }
        // The first could not be known; three are allowed beyond it.
        let closed = Some(CloseReason::RateLimited);
        assert_eq!(closes, [None, None, None, None, closed]);
    }
}
