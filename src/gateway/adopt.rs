//! Connections: taken over from a handshake or from another worker, closed,
//! lost.

use std::net::IpAddr;

use actix::{Context, Handler, Message};
use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::frame::Frame;
use crate::gateway::{Gateway, Timer};
use crate::id::SessionId;
use crate::reason::CloseReason;
use crate::session::greeting::Greeting;
use crate::wire::packet::{RequestId, ServerPacket};
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
        if self.is_draining {
            return self.send_away(slot, CloseReason::GoingAway);
        }
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

    /// Takes the session off a connection, and tells nobody. Returns it.
    pub(super) fn unlink(&mut self, slot: u32) -> Option<u32> {
        let connection = self.connections.at_mut(slot)?;
        let session = connection.session()?;
        if let Some(held) = self.sessions.at_mut(session) {
            connection.part(&mut held.outbox);
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

    /// Sends a connection to the worker that holds its session: the socket
    /// moves, so that the session never has to.
    pub(super) fn hand_over(
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
}
