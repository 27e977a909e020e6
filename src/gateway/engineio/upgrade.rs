//! From polling to a WebSocket, without losing or doubling a packet.
//!
//! ```text
//! client            WebSocket          session
//!   | 2probe ------>   |                  |
//!   | <------ 3probe   |  6 to the GET -> |   the client polls no more
//!   | 5 ----------->   |  socket -------> |   what waits goes out here
//! ```

use actix::{AsyncContext, Context, Handler, Message};

use super::polling::{FOLLOW_AFTER, FOLLOWED_MAX};
use super::relocate::Errand;
use super::written;
use crate::clock;
use crate::gateway::adopt::Adopt;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::Reader;
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::frame::Frame;
use crate::gateway::peers::Place;
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Timer};
use mio::net::TcpStream;
use turntable_core::id::SessionId;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{Packet, Transport};
use turntable_wire::websocket::{Decoder, Role};

/// A WebSocket that looks for the session that may move to it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Follow {
    adopt: Adopt,
    id: SessionId,
    /// How often it followed the session to another worker.
    followed: u8,
}

impl Follow {
    /// For the session of this name.
    #[must_use]
    pub fn new(adopt: Adopt, id: SessionId) -> Self {
        Self {
            adopt,
            id,
            followed: 0,
        }
    }
}

impl Handler<Follow> for Gateway {
    type Result = ();

    fn handle(&mut self, follow: Follow, ctx: &mut Context<Self>) {
        self.follow(follow, ctx);
    }
}

impl Gateway {
    /// Takes a WebSocket over where its session is, which may be on its way.
    pub(in crate::gateway) fn follow(&mut self, mut follow: Follow, ctx: &mut Context<Self>) {
        follow.followed += 1;
        match self.context.peers.line(follow.id) {
            Some(Place::Line { worker, key }) if follow.followed <= FOLLOWED_MAX => {
                if worker != self.worker {
                    if let Some(gateway) = self.context.peers.gateway(worker) {
                        gateway.do_send(follow);
                    }
                } else if self.connections.holds(key) {
                    self.adopt_probe(follow.adopt, follow.id);
                } else {
                    ctx.notify_later(follow, FOLLOW_AFTER);
                }
            }
            _ => self.adopt_probe(follow.adopt, follow.id),
        }
    }

    /// Takes over a WebSocket that a session of this worker may move to.
    fn adopt_probe(&mut self, adopt: Adopt, id: SessionId) {
        let engine = match self.context.peers.line(id) {
            Some(Place::Line { worker, key }) if worker == self.worker => Some(key),
            _ => None,
        };
        let stream = TcpStream::from_std(adopt.stream);
        let mut line = Connection::new(Some(stream), adopt.address, Phase::Carrier);
        line.push(Frame::raw(&adopt.answer));
        let engine = engine.filter(|key| {
            let engine = self.live(*key).map(|_| key.slot);
            let engine = engine.and_then(|slot| self.engine(slot));
            engine.is_some_and(|engine| {
                engine.transport == Transport::Polling && engine.probe.is_none()
            })
        });
        let Some(engine) = engine else {
            if let Some(slot) = self.take_in(line) {
                self.close(slot, CloseReason::ProtocolError);
            }
            return;
        };
        if let Some(probe) = self.await_upgrade(engine.slot, line) {
            let mut input = adopt.input;
            self.feed(probe.slot, &mut input);
            self.mark_unread(probe.slot);
        }
    }

    /// Takes in a WebSocket that the session in this slot may move to.
    pub(super) fn await_upgrade(&mut self, slot: u32, mut line: Connection) -> Option<Key> {
        let (Some(engine), Some(name)) = (self.connections.key(slot), SessionId::random()) else {
            self.context.census.leave(line.address);
            return None;
        };
        line.door = Some(Box::new(DoorLine::new(name, DoorKind::Probe(engine))));
        let probe = self.take_in(line)?;
        let probe = self.connections.key(probe)?;
        if let Some(engine) = self.engine(slot) {
            engine.probe = Some(probe);
        }
        let at_ms = clock::now_ms() + self.settings().session.identify_timeout_ms;
        self.wheel.set(at_ms, Timer::Linger(probe));
        Some(probe)
    }

    /// Takes what a WebSocket brought before its session had moved here.
    pub(super) fn go_on_probe(&mut self, slot: u32) {
        let line = self.connections.at_mut(slot);
        if let Some(mut held) = line.and_then(|line| line.held.take()) {
            self.feed(slot, &mut held);
        }
        self.mark_unread(slot);
    }

    /// Takes a packet of a WebSocket that a session may move to.
    pub(super) fn probe_packet(&mut self, slot: u32, engine: Key, packet: Packet<'_>) {
        if !self.connections.holds(engine) {
            return self.close(slot, CloseReason::SessionExpired);
        }
        match packet {
            Packet::Ping("probe") => {
                self.push_direct(slot, written::frame(&Packet::Pong("probe")));
                let Some(line) = self.engine(engine.slot) else {
                    return;
                };
                line.is_probed = true;
                if line.parked.is_some() {
                    self.push_direct(engine.slot, written::frame(&Packet::Noop));
                }
            }
            Packet::Upgrade => {
                let probe = self.connections.key(slot);
                self.errand = probe.map(|probe| Errand::Upgrade { engine, probe });
            }
            _ => self.close(slot, CloseReason::ProtocolError),
        }
    }

    /// A session moves to its WebSocket.
    pub(super) fn upgrade(&mut self, engine: Key, probe: Key) {
        if !self.connections.holds(engine) || !self.connections.holds(probe) {
            return;
        }
        let Some(stream) = self.drop_stream(probe.slot) else {
            return;
        };
        let Some(line) = self.connections.at_mut(probe.slot) else {
            return;
        };
        let reader = Reader::of(&self.context.dialects, line, None);
        let unwritten = line.take_bytes(&reader);
        let decoder = std::mem::replace(&mut line.decoder, Decoder::new(Role::Server));
        let held = line.held.take();
        self.release(probe.slot);
        let slot = engine.slot;
        let mut parked = None;
        if let Some(engine) = self.engine(slot) {
            engine.transport = Transport::WebSocket;
            engine.probe = None;
            engine.is_probed = false;
            parked = engine.parked.take();
        }
        if let Some(parked) = parked {
            let mut noop = String::new();
            Packet::Noop.encode(&mut noop);
            let _ = parked.send(Ok(noop));
        }
        let Some(line) = self.connections.at_mut(slot) else {
            return;
        };
        line.restart();
        line.decoder = decoder;
        line.held = held;
        if !unwritten.is_empty() {
            line.push_front(Frame::raw(&unwritten));
        }
        self.put_stream(slot, stream);
        let is_paused = self
            .connections
            .at(slot)
            .is_some_and(|line| line.is_paused());
        if !is_paused {
            self.go_on(slot);
        }
    }
}
