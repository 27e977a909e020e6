//! From polling to a WebSocket, without losing or doubling a packet.
//!
//! ```text
//! client            WebSocket          session
//!   | 2probe ------>   |                  |
//!   | <------ 3probe   |  6 to the GET -> |   the client polls no more
//!   | 5 ----------->   |  socket -------> |   what waits goes out here
//! ```

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
use crate::id::SessionId;
use crate::reason::CloseReason;
use crate::wire::engineio::{Packet, Transport};
use crate::wire::websocket::{Decoder, Role};
use mio::net::TcpStream;

impl Gateway {
    /// Takes over a WebSocket that a session may move to.
    pub(in crate::gateway) fn adopt_probe(&mut self, adopt: Adopt, id: SessionId) {
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
        let name = SessionId::random();
        if let (Some(engine), Some(name)) = (engine, name) {
            line.door = Some(Box::new(DoorLine::new(name, DoorKind::Probe(engine))));
        }
        let Some(slot) = self.take_in(line) else {
            return;
        };
        let (Some(engine), Some(key)) = (engine, self.connections.key(slot)) else {
            return self.close(slot, CloseReason::ProtocolError);
        };
        if let Some(engine) = self.engine(engine.slot) {
            engine.probe = Some(key);
        }
        let at_ms = clock::now_ms() + self.settings().session.identify_timeout_ms;
        self.wheel.set(at_ms, Timer::Linger(key));
        let mut input = adopt.input;
        self.feed(slot, &mut input);
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
