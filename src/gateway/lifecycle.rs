//! The life of connections and sessions: taken over from the handshake,
//! identified, dropped, resumed, ended.
//!
//! ```text
//! Adopt -> Greeting -> Identifying -> Session -> (dropped -> resumed)* -> ended
//! ```

use std::net::IpAddr;

use actix::{Context, Handler, Message};
use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::actor::avatar::AvatarCall;
use crate::actor::room::RoomCall;
use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::frame::Frame;
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Held, Timer};
use crate::id::{SessionId, UserId};
use crate::reason::{CloseReason, ErrorCode};
use crate::session::Session;
use crate::session::greeting::Greeting;
use crate::session::outbox::Outbox;
use crate::wire::packet::{ErrorBody, RequestId, ServerPacket, Welcome};
use crate::wire::payload::Payload;
use crate::wire::websocket::Decoder;

/// How long a closed connection waits for the other end, in ms.
const LINGER_MS: u64 = 3_000;
/// The same for a reader that was too slow, and has to read up to its close
/// frame first.
const LINGER_SLOW_MS: u64 = 30_000;

/// What a new connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Sessions.
    Session,
    /// Sending everything back.
    Echo,
}

/// A socket whose handshake is done. It counts in the census already.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Adopt {
    /// The socket, non-blocking.
    pub stream: std::net::TcpStream,
    /// Whose.
    pub address: IpAddr,
    /// What it is for.
    pub door: Door,
    /// What has to be written first: the handshake's answer.
    pub answer: Vec<u8>,
    /// What was read behind the handshake.
    pub input: Vec<u8>,
}

/// A connection that wants a session which this worker holds.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Takeover {
    stream: TcpStream,
    address: IpAddr,
    decoder: Decoder,
    unwritten: Vec<u8>,
    input: Vec<u8>,
    session: SessionId,
    received: u64,
    id: Option<RequestId>,
}

impl Handler<Adopt> for Gateway {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, _: &mut Context<Self>) {
        let phase = match adopt.door {
            Door::Session => Phase::Greeting(Greeting::default()),
            Door::Echo => Phase::Echo,
        };
        let stream = TcpStream::from_std(adopt.stream);
        let mut connection = Connection::new(stream, adopt.address, phase);
        connection.push(Frame::raw(&adopt.answer));
        let Some(slot) = self.take_in(connection) else {
            return;
        };
        self.context.metrics.accepted.inc();
        let now_ms = clock::now_ms();
        let Some(key) = self.connections.key(slot) else {
            return;
        };
        let session = &self.context.settings.session;
        match adopt.door {
            Door::Session => {
                let at_ms = now_ms + session.identify_timeout_ms;
                self.wheel.set(at_ms, Timer::Identify(key));
                self.send_direct(slot, &ServerPacket::IdYou, None);
            }
            Door::Echo => {
                let at_ms = now_ms + session.heartbeat_ms;
                self.wheel.set(at_ms, Timer::Heartbeat(key));
            }
        }
        if self.is_draining {
            return self.send_away(slot, CloseReason::GoingAway);
        }
        let mut input = adopt.input;
        self.feed(slot, &mut input);
        // What came between the handshake and now makes no event of its own.
        self.mark_unread(slot);
    }
}

impl Handler<Takeover> for Gateway {
    type Result = ();

    fn handle(&mut self, takeover: Takeover, _: &mut Context<Self>) {
        let Takeover {
            stream,
            address,
            decoder,
            unwritten,
            input,
            session,
            received,
            id,
        } = takeover;
        let phase = Phase::Greeting(Greeting::default());
        let mut connection = Connection::new(stream, address, phase);
        connection.decoder = decoder;
        if !unwritten.is_empty() {
            connection.push(Frame::raw(&unwritten));
        }
        connection.held = Some(input.into());
        let Some(slot) = self.take_in(connection) else {
            return;
        };
        let identify_ms = self.settings().session.identify_timeout_ms;
        if let Some(key) = self.connections.key(slot) {
            let at_ms = clock::now_ms() + identify_ms;
            self.wheel.set(at_ms, Timer::Identify(key));
        }
        self.resume_here(slot, session, received, id);
        self.unpause(slot);
        self.mark_unread(slot);
    }
}

impl Gateway {
    /// Registers a connection's socket and gives it a slot.
    fn take_in(&mut self, connection: Connection) -> Option<u32> {
        let slot = self.connections.insert(connection).slot;
        self.context.metrics.connections.inc();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.connections.at_mut(slot).map(|connection| {
            self.registry
                .register(&mut connection.stream, Token(slot as usize), interest)
        });
        if let Some(Err(error)) = registered {
            log::warn!("a connection could not be registered: {error}");
            self.release(slot);
            return None;
        }
        self.dirty.push(slot);
        Some(slot)
    }

    /// Gives a connection's slot back. Its socket closes.
    fn release(&mut self, slot: u32) -> Option<Connection> {
        let mut connection = self.connections.remove(slot)?;
        // A socket that never was registered cannot be taken off.
        let _ = self.registry.deregister(&mut connection.stream);
        self.context.metrics.connections.dec();
        self.context.census.leave(connection.address);
        Some(connection)
    }

    /// A connection is lost, without a word.
    pub(super) fn lose(&mut self, slot: u32) {
        self.part(slot);
        self.release(slot);
    }

    /// Takes the session off a connection that ends; it waits to be resumed.
    fn part(&mut self, slot: u32) {
        let phase = self.connections.at(slot).map(|c| &c.phase);
        if let Some(Phase::Identifying(session)) = phase {
            let session = *session;
            if let Some(connection) = self.connections.at_mut(slot) {
                connection.phase = Phase::Closing;
            }
            return self.end_session(session);
        }
        if let Some(session) = self.unlink(slot) {
            self.drop_session(session);
        }
    }

    /// Takes the session off a connection, and says nobody. Returns it.
    fn unlink(&mut self, slot: u32) -> Option<u32> {
        let connection = self.connections.at_mut(slot)?;
        let session = connection.session()?;
        if let Some(held) = self.sessions.at_mut(session) {
            connection.part(&held.outbox);
            held.connection = None;
            held.is_dirty = false;
            held.is_blocked = false;
        }
        connection.phase = Phase::Closing;
        Some(session)
    }

    /// Closes a connection with a reason. Its session may be resumed.
    pub(super) fn close(&mut self, slot: u32, reason: CloseReason) {
        self.finish(slot, Frame::close(reason), reason);
    }

    /// Answers a close frame.
    pub(super) fn close_back(&mut self, slot: u32, code: Option<u16>) {
        self.finish(slot, Frame::close_answer(code), CloseReason::Bye);
    }

    fn finish(&mut self, slot: u32, last: Frame, reason: CloseReason) {
        let Some(key) = self.connections.key(slot) else {
            return;
        };
        self.part(slot);
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        if connection.is_closing() {
            return;
        }
        connection.begin_closing(last);
        self.dirty.push(slot);
        self.context.metrics.close(reason);
        log::debug!(
            "a connection is closed: {} {}",
            reason.code(),
            reason.name()
        );
        let linger_ms = match reason {
            CloseReason::TooSlow => LINGER_SLOW_MS,
            _ => LINGER_MS,
        };
        let at_ms = clock::now_ms() + linger_ms;
        self.wheel.set(at_ms, Timer::Linger(key));
    }

    /// Tells a client that the server goes away, and closes.
    pub(super) fn send_away(&mut self, slot: u32, reason: CloseReason) {
        let session = self.connections.at(slot).and_then(Connection::session);
        if let Some(session) = session {
            let goaway = ServerPacket::GoAway {
                reason: reason.name(),
                // Spread over a second, so that the next server is not stormed.
                reconnect_ms: 250 + u64::from(slot % 1000),
                url: None,
            };
            self.send(session, &goaway, None);
            // The session's frames go out before the close frame does.
            self.flush_connection(slot);
        }
        self.close(slot, reason);
    }

    /// Begins a session for a claim that stands, and asks the avatar in.
    pub(super) fn identify(
        &mut self,
        slot: u32,
        user: UserId,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let mut bits = [0; 16];
        if getrandom::fill(&mut bits).is_err() {
            return self.close(slot, CloseReason::Internal);
        }
        let session = Session::new(SessionId::from_bits(bits), user.clone());
        let held = Held {
            outbox: Outbox::default(),
            connection: Some(slot),
            is_dirty: false,
            is_blocked: false,
            is_live: false,
            is_idle: false,
            mark: 0,
            changed: Vec::new(),
            unknown: 0,
            watching: Vec::new(),
            subscribed: Vec::new(),
            active_ms: clock::now_ms(),
            dropped_ms: None,
            session,
        };
        let key = self.sessions.insert(held);
        self.context.metrics.sessions.inc();
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.phase = Phase::Identifying(key.slot);
        }
        self.attach(key.slot, attributes, id);
    }

    /// Asks the avatar to take a session in (again).
    pub(super) fn attach(
        &mut self,
        slot: u32,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let (Some(session), Some(held)) = (self.session_ref(slot), self.sessions.at(slot)) else {
            return;
        };
        let attach = AvatarCall::Attach {
            session,
            attributes,
            id,
        };
        self.context.directories.avatar(&held.session.user, attach);
    }

    /// The avatar took the session in.
    pub(super) fn attached(
        &mut self,
        session: u32,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let place = self.session_ref(session);
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let (is_first, name) = (!held.is_live, held.session.id);
        let Some(slot) = held.connection else {
            return;
        };
        if is_first {
            held.is_live = true;
            if let Some(place) = place {
                self.context.peers.put(name, place);
            }
            self.begin(slot, session);
            self.await_idle(session);
            log::debug!("{name:?} begins");
        }
        self.welcome(slot, session, false, attributes, id);
        if is_first {
            self.unpause(slot);
        }
    }

    /// The avatar did not take the session in.
    pub(super) fn not_attached(&mut self, session: u32, error: &ErrorBody, id: Option<RequestId>) {
        let Some(slot) = self.sessions.at(session).and_then(|held| held.connection) else {
            return;
        };
        if self.sessions.at(session).is_some_and(|held| held.is_live) {
            return self.send_error(session, error.clone(), id);
        }
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.phase = Phase::Greeting(Greeting::default());
        }
        self.forget_session(session);
        self.refuse_direct(slot, error.clone(), id);
        self.unpause(slot);
    }

    /// A connection carries a session from here on.
    fn begin(&mut self, slot: u32, session: u32) {
        let at_ms = clock::now_ms() + self.settings().session.heartbeat_ms;
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.phase = Phase::Session(session);
        }
        if let Some(key) = self.connections.key(slot) {
            self.wheel.set(at_ms, Timer::Heartbeat(key));
        }
    }

    fn welcome(
        &mut self,
        slot: u32,
        session: u32,
        resumed: bool,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let Some(held) = self.sessions.at(session) else {
            return;
        };
        let welcome = Welcome {
            user: held.session.user.clone(),
            session: held.session.id,
            resumed,
            time_ms: clock::now_ms(),
            heartbeat_ms: self.settings().session.heartbeat_ms,
            attributes,
            limits: self.settings().announced.clone(),
            server: concat!("turntable/", env!("CARGO_PKG_VERSION")).into(),
        };
        self.send_direct(slot, &ServerPacket::Welcome(Box::new(welcome)), id.as_ref());
    }

    /// Brings a connection to the session it wants back, wherever that is.
    pub(super) fn resume(
        &mut self,
        slot: u32,
        session: SessionId,
        received: u64,
        id: Option<RequestId>,
    ) {
        match self.context.peers.find(session) {
            Some(place) if place.worker != self.worker => {
                self.hand_over(slot, place.worker, session, received, id);
            }
            _ => self.resume_here(slot, session, received, id),
        }
    }

    /// Sends a connection to the worker that holds its session: the socket
    /// moves, so that the session never has to.
    fn hand_over(
        &mut self,
        slot: u32,
        worker: u16,
        session: SessionId,
        received: u64,
        id: Option<RequestId>,
    ) {
        let Some(mut connection) = self.connections.remove(slot) else {
            return;
        };
        let _ = self.registry.deregister(&mut connection.stream);
        self.context.metrics.connections.dec();
        let takeover = Takeover {
            unwritten: connection.take_direct(),
            input: connection.held.take().unwrap_or_default().into(),
            stream: connection.stream,
            address: connection.address,
            decoder: connection.decoder,
            session,
            received,
            id,
        };
        if let Some(gateway) = self.context.peers.gateway(worker) {
            gateway.do_send(takeover);
        }
    }

    fn resume_here(&mut self, slot: u32, name: SessionId, received: u64, id: Option<RequestId>) {
        let session = self
            .context
            .peers
            .find(name)
            .and_then(|place| self.slot(place));
        let expired = |gateway: &mut Self, id| {
            let error = ErrorBody::new(
                ErrorCode::SessionExpired,
                "this session cannot be resumed; identify with idme",
            )
            .of("resume");
            gateway.refuse_direct(slot, error, id);
        };
        let Some(session) = session else {
            return expired(self, id);
        };
        let before = self.sessions.at(session).and_then(|held| held.connection);
        if let Some(before) = before {
            // The old connection is told first, and then the new one. Nobody
            // else sees the change.
            self.unlink(before);
            self.close(before, CloseReason::Replaced);
            self.flush_connection(before);
        }
        let Some(held) = self.sessions.at_mut(session) else {
            return expired(self, id);
        };
        if !held.outbox.rewind(received) {
            self.end_session(session);
            return expired(self, id);
        }
        held.connection = Some(slot);
        let was_dropped = held.dropped_ms.take().is_some();
        held.active_ms = clock::now_ms();
        self.context.metrics.resumed.inc();
        log::debug!("{name:?} is resumed");
        self.begin(slot, session);
        self.welcome(slot, session, true, Vec::new(), id);
        if was_dropped {
            self.call_owners(session, true);
        }
        if self
            .sessions
            .at(session)
            .is_some_and(|held| !held.changed.is_empty())
        {
            self.changed.push(session);
        }
        self.measure_clock(slot, session);
        self.dirty.push(slot);
    }

    /// The session has no connection any more; it waits for a while.
    fn drop_session(&mut self, session: u32) {
        let now_ms = clock::now_ms();
        let resume_ms = self.settings().session.resume_ms;
        let Some(key) = self.sessions.key(session) else {
            return;
        };
        if let Some(held) = self.sessions.at_mut(session) {
            held.dropped_ms = Some(now_ms);
        }
        // Its seats are kept even where the session itself is not.
        self.call_owners(session, false);
        if resume_ms == 0 {
            return self.end_session(session);
        }
        self.wheel.set(now_ms + resume_ms, Timer::Expire(key));
    }

    /// Tells the owners of what a session is on that it has a connection
    /// again, or none.
    fn call_owners(&mut self, session: u32, is_connected: bool) {
        let (Some(place), Some(held)) = (self.session_ref(session), self.sessions.at(session))
        else {
            return;
        };
        let (directories, user) = (&self.context.directories, &held.session.user);
        let avatar = if is_connected {
            AvatarCall::Resume { session: place }
        } else {
            AvatarCall::Detach { session: place }
        };
        directories.avatar(user, avatar);
        for room in held.session.rooms() {
            let (session, user) = (place, user.clone());
            let call = if is_connected {
                RoomCall::Resume { session, user }
            } else {
                RoomCall::Detach { session, user }
            };
            directories.room(room, call);
        }
    }

    /// The session is over, with or without a connection.
    pub(super) fn end_session(&mut self, session: u32) {
        let Some(place) = self.session_ref(session) else {
            return;
        };
        self.leave_everything(session, place);
        self.forget_session(session);
    }

    /// Gives a session's slot back.
    fn forget_session(&mut self, session: u32) {
        let Some(held) = self.sessions.remove(session) else {
            return;
        };
        self.context.metrics.sessions.dec();
        if held.is_live {
            self.context.peers.remove(held.session.id);
            log::debug!("{:?} ends", held.session.id);
        }
    }

    /// The client leaves in order.
    pub(super) fn bye(&mut self, slot: u32) {
        let session = self.connections.at(slot).and_then(Connection::session);
        if let Some(session) = session {
            // What was said before the goodbye is still to be heard.
            self.flush_connection(slot);
            self.unlink(slot);
            self.end_session(session);
        }
        self.close(slot, CloseReason::Bye);
    }

    /// A timer came due.
    pub(super) fn due(&mut self, timer: Timer, now_ms: u64) {
        match timer {
            Timer::Identify(key) => {
                let waits =
                    |phase: &Phase| matches!(phase, Phase::Greeting(_) | Phase::Identifying(_));
                if self
                    .live(key)
                    .is_some_and(|connection| waits(&connection.phase))
                {
                    self.close(key.slot, CloseReason::NotIdentified);
                }
            }
            Timer::Heartbeat(key) => self.heartbeat(key, now_ms),
            Timer::ClockPing(key) => {
                let session = self.live(key).and_then(|connection| {
                    connection.is_measured = false;
                    connection.session()
                });
                if let Some(session) = session {
                    self.measure_clock(key.slot, session);
                }
            }
            Timer::Linger(key) => {
                if self.live(key).is_some() {
                    self.lose(key.slot);
                }
            }
            Timer::Expire(key) => {
                let resume_ms = self.settings().session.resume_ms;
                let is_over = self.sessions.holds(key)
                    && self.sessions.at(key.slot).is_some_and(|held| {
                        held.dropped_ms
                            .is_some_and(|dropped| dropped + resume_ms <= now_ms)
                    });
                if is_over {
                    self.end_session(key.slot);
                }
            }
            Timer::Idle(key) => self.check_idle(key, now_ms),
        }
    }

    fn live(&mut self, key: Key) -> Option<&mut Connection> {
        if self.connections.holds(key) {
            self.connections.at_mut(key.slot)
        } else {
            None
        }
    }

    /// Pings a connection that was silent, and closes one that stayed so.
    fn heartbeat(&mut self, key: Key, now_ms: u64) {
        let heartbeat_ms = self.settings().session.heartbeat_ms;
        let Some(connection) = self.live(key) else {
            return;
        };
        if connection.is_closing() {
            return;
        }
        if std::mem::take(&mut connection.was_heard) {
            connection.ping = 0;
        } else if connection.ping != 0 {
            return self.close(key.slot, CloseReason::HeartbeatMissed);
        } else {
            self.ping(key.slot);
        }
        self.wheel.set(now_ms + heartbeat_ms, Timer::Heartbeat(key));
    }

    /// Begins to look after a session's idleness, where that is configured.
    fn await_idle(&mut self, session: u32) {
        let idle_ms = self.settings().presence.idle_after_ms;
        if idle_ms > 0
            && let Some(key) = self.sessions.key(session)
        {
            self.wheel.set(clock::now_ms() + idle_ms, Timer::Idle(key));
        }
    }

    fn check_idle(&mut self, key: Key, now_ms: u64) {
        let idle_after_ms = self.settings().presence.idle_after_ms;
        if !self.sessions.holds(key) {
            return;
        }
        let Some(held) = self.sessions.at_mut(key.slot) else {
            return;
        };
        let idle_at_ms = held.active_ms + idle_after_ms;
        if now_ms < idle_at_ms {
            return self.wheel.set(idle_at_ms, Timer::Idle(key));
        }
        self.wheel.set(now_ms + idle_after_ms, Timer::Idle(key));
        if !std::mem::replace(&mut held.is_idle, true) {
            self.tell_idle(key.slot, true);
        }
    }

    /// Tells the avatar that a session sends nothing, or something again.
    pub(super) fn tell_idle(&mut self, session: u32, idle: bool) {
        if let (Some(place), Some(held)) = (self.session_ref(session), self.sessions.at(session)) {
            let call = AvatarCall::Idle {
                session: place,
                idle,
            };
            self.context.directories.avatar(&held.session.user, call);
        }
    }
}
