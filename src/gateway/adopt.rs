//! Connections: taken over from a handshake or from another worker, closed,
//! lost.

use std::net::IpAddr;

use actix::{Context, Handler, Message};
use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::{Dialect, Reader};
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::engineio::Purpose;
use crate::gateway::engineio::upgrade::Follow;
use crate::gateway::frame::Frame;
use crate::gateway::lifecycle::Since;
use crate::gateway::{Gateway, Timer};
use turntable_core::id::SessionId;
use turntable_core::key::WorkerId;
use turntable_core::packet::{RequestId, ServerPacket};
use turntable_core::reason::CloseReason;
use turntable_core::session::greeting::Greeting;
use turntable_wire::websocket::Decoder;

/// How long a closed connection waits for the other end, in ms.
const LINGER_MS: u64 = 3_000;
/// The same for a reader that was too slow, and has to read up to its close
/// frame first.
const LINGER_SLOW_MS: u64 = 30_000;

/// What a new connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Sessions, in this dialect.
    Session(Dialect),
    /// Sending everything back.
    Echo,
    /// A session of Engine.IO.
    Engine(Purpose),
    /// An Engine.IO session of this name that moves here.
    Upgrade(SessionId),
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
    dialect: Dialect,
    decoder: Decoder,
    unwritten: Vec<u8>,
    input: Vec<u8>,
    session: SessionId,
    received: u64,
    id: Option<RequestId>,
}

impl Handler<Adopt> for Gateway {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, ctx: &mut Context<Self>) {
        let phase = match adopt.door {
            Door::Session(_) => Phase::Greeting(Greeting::default()),
            Door::Echo => Phase::Echo,
            Door::Engine(purpose) => return self.adopt_engine(adopt, purpose),
            Door::Upgrade(id) => return self.follow(Follow::new(adopt, id), ctx),
        };
        let stream = TcpStream::from_std(adopt.stream);
        let mut connection = Connection::new(Some(stream), adopt.address, phase);
        if let Door::Session(dialect) = adopt.door {
            connection.dialect = dialect;
        }
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
            Door::Session(_) => {
                let at_ms = now_ms + session.identify_timeout_ms;
                self.wheel.set(at_ms, Timer::Identify(key));
                self.send_direct(slot, &ServerPacket::IdYou, None);
            }
            Door::Echo | Door::Engine(_) | Door::Upgrade(_) => {
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
            dialect,
            decoder,
            unwritten,
            input,
            session,
            received,
            id,
        } = takeover;
        let phase = Phase::Greeting(Greeting::default());
        let mut connection = Connection::new(Some(stream), address, phase);
        connection.dialect = dialect;
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
        self.resume_here(slot, session, Since::Count(received), id);
        if self.is_draining {
            return self.send_away(slot, CloseReason::GoingAway);
        }
        self.unpause(slot);
        self.mark_unread(slot);
    }
}

impl Gateway {
    /// Gives a connection a slot, its name a place, and registers its socket,
    /// where it has those.
    pub(super) fn take_in(&mut self, connection: Connection) -> Option<u32> {
        let is_counted = connection.is_counted();
        self.context.metrics.lines(connection.door_name()).inc();
        let key = self.connections.insert(connection);
        let slot = key.slot;
        if is_counted {
            self.context.metrics.connections.inc();
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        let connection = self.connections.at_mut(slot)?;
        if let Some(door) = &connection.door {
            self.context.peers.put_line(door.id, self.worker, key);
        }
        let registered = connection.stream.as_mut().map(|stream| {
            self.registry
                .register(stream, Token(slot as usize), interest)
        });
        if let Some(Err(error)) = registered {
            log::warn!("a connection could not be registered: {error}");
            self.release(slot);
            return None;
        }
        self.dirty.push(slot);
        Some(slot)
    }

    /// Gives a socket to a line that has none now, or another.
    pub(super) fn put_stream(&mut self, slot: u32, mut stream: TcpStream) {
        self.drop_stream(slot);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self
            .registry
            .register(&mut stream, Token(slot as usize), interest)
        {
            log::warn!("a connection could not be registered: {error}");
            return;
        }
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.stream = Some(stream);
            connection.is_blocked = false;
            connection.is_read_closed = false;
            self.dirty.push(slot);
        }
    }

    /// Parts a line with its socket, which closes unless somebody keeps it.
    pub(super) fn drop_stream(&mut self, slot: u32) -> Option<TcpStream> {
        let mut stream = self.connections.at_mut(slot)?.stream.take()?;
        let _ = self.registry.deregister(&mut stream);
        Some(stream)
    }

    /// Gives a connection's slot back. Its socket closes.
    pub(super) fn release(&mut self, slot: u32) -> Option<Connection> {
        let key = self.connections.key(slot)?;
        let mut connection = self.connections.remove(slot)?;
        self.context.metrics.lines(connection.door_name()).dec();
        if let Some(door) = &connection.door {
            self.context.peers.remove_line(door.id, self.worker, key);
        }
        if let Some(stream) = &mut connection.stream {
            // A socket that never was registered cannot be taken off.
            let _ = self.registry.deregister(stream);
        }
        if connection.is_counted() {
            self.context.metrics.connections.dec();
            self.context.census.leave(connection.address);
        }
        self.released(key, &connection);
        Some(connection)
    }

    /// A connection is lost, without a word.
    pub(super) fn lose(&mut self, slot: u32) {
        let is_kept = self.connections.at(slot).is_some_and(|line| {
            let is_greeting = matches!(line.phase, Phase::Greeting(_));
            line.door.is_some() && line.stream.is_some() && is_greeting
        });
        if is_kept {
            // Its client may come back before it has to be identified.
            self.drop_stream(slot);
            return;
        }
        self.part(slot);
        self.release(slot);
    }

    /// Takes the session off a connection that ends; it waits to be resumed.
    pub(super) fn part(&mut self, slot: u32) {
        self.part_namespaces(slot);
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

    /// Takes the session off a connection, and tells nobody. Returns it.
    pub(super) fn unlink(&mut self, slot: u32) -> Option<u32> {
        let session = self.connections.at(slot)?.session()?;
        self.keep_answered(slot, session);
        let connection = self.connections.at_mut(slot)?;
        let held = self.sessions.at_mut(session);
        if held
            .as_ref()
            .is_some_and(|held| held.connection != Some(slot))
        {
            // It only stood in for the line that the session has not.
            connection.phase = Phase::Closing;
            return None;
        }
        if let Some(held) = held {
            let reader = Reader::of(&self.context.dialects, connection, None);
            connection.part(&mut held.outbox, &reader);
            held.connection = None;
            held.is_dirty = false;
            held.is_blocked = false;
        }
        connection.phase = Phase::Closing;
        Some(session)
    }

    /// Closes a connection with a reason. Its session may be resumed.
    pub(super) fn close(&mut self, slot: u32, reason: CloseReason) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        match connection.door.as_ref().map(|door| &door.kind) {
            None => self.finish(slot, Frame::close(reason), reason),
            Some(DoorKind::Tunnel(_)) => self.close_tunnel(slot, reason),
            Some(DoorKind::Poll(_)) => self.close_poll(slot, reason),
            Some(DoorKind::Engine(_) | DoorKind::Probe(_)) => self.close_engine(slot, reason),
            Some(DoorKind::Namespace(_)) => self.close_namespace(slot, reason),
        }
    }

    /// Answers a close frame.
    pub(super) fn close_back(&mut self, slot: u32, code: Option<u16>) {
        self.finish(slot, Frame::close_answer(code), CloseReason::Bye);
    }

    pub(super) fn finish(&mut self, slot: u32, last: Frame, reason: CloseReason) {
        self.part(slot);
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        if connection.is_closing() {
            return;
        }
        connection.begin_closing(last);
        let has_stream = connection.stream.is_some();
        // Over requests, the end waits for the next one of Engine.IO.
        let is_asked_for =
            |door: &DoorLine| !has_stream && matches!(door.kind, DoorKind::Engine(_));
        let door = connection.door.as_deref();
        let name = door.filter(|door| !is_asked_for(door)).map(|door| door.id);
        if let (Some(name), Some(key)) = (name, self.connections.key(slot)) {
            // Nobody comes back to it.
            self.context.peers.remove_line(name, self.worker, key);
        }
        self.dirty.push(slot);
        self.context.metrics.close(reason);
        log::debug!(
            "a connection is closed: {} {}",
            reason.code(),
            reason.name()
        );
        self.linger(slot, reason);
    }

    /// Gives the other end of a closing connection time to see its end.
    pub(super) fn linger(&mut self, slot: u32, reason: CloseReason) {
        let linger_ms = match reason {
            CloseReason::TooSlow => LINGER_SLOW_MS,
            _ => LINGER_MS,
        };
        if let Some(key) = self.connections.key(slot) {
            let at_ms = clock::now_ms() + linger_ms;
            self.wheel.set(at_ms, Timer::Linger(key));
        }
    }

    /// Tells a client that the server goes away, and closes.
    pub(super) fn send_away(&mut self, slot: u32, reason: CloseReason) {
        if let Some(carrier) = self.carrier(slot) {
            return self.send_away(carrier, reason);
        }
        for namespace in self.namespaces(slot) {
            self.tell_away(namespace, reason);
        }
        self.tell_away(slot, reason);
        self.close(slot, reason);
    }

    fn tell_away(&mut self, slot: u32, reason: CloseReason) {
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
    }

    /// Sends a connection to the worker that holds its session: the socket
    /// moves, so that the session never has to.
    pub(super) fn hand_over(
        &mut self,
        slot: u32,
        worker: WorkerId,
        session: SessionId,
        received: u64,
        id: Option<RequestId>,
    ) {
        let Some(stream) = self.drop_stream(slot) else {
            return;
        };
        let Some(mut connection) = self.connections.remove(slot) else {
            return;
        };
        self.context.metrics.lines(connection.door_name()).dec();
        self.context.metrics.connections.dec();
        let reader = Reader::of(&self.context.dialects, &connection, None);
        let takeover = Takeover {
            unwritten: connection.take_bytes(&reader),
            input: connection.held.take().unwrap_or_default().into(),
            stream,
            address: connection.address,
            dialect: connection.dialect,
            decoder: connection.decoder,
            session,
            received,
            id,
        };
        if let Some(gateway) = self.context.peers.gateway(worker) {
            gateway.do_send(takeover);
        }
    }
}
