//! What is done with an Engine.IO session once nothing is under way on it: it
//! moves to its WebSocket, or to the worker that holds the session that its
//! namespace wants back. Sessions never move, lines do.

use std::net::IpAddr;

use actix::{Context, Handler, Message};
use mio::net::TcpStream;
use serde_json::value::RawValue;

use super::EngineLine;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::Reader;
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::frame::Frame;
use crate::gateway::lifecycle::Since;
use crate::gateway::slots::Key;
use turntable_core::id::SessionId;
use turntable_core::key::WorkerId;
use turntable_core::packet::RequestId;
use turntable_core::reason::CloseReason;
use turntable_wire::websocket::{Decoder, Role};

/// What is to be done with an Engine.IO session.
#[derive(Debug)]
pub enum Errand {
    /// It moves to this WebSocket.
    Upgrade {
        /// The session.
        engine: Key,
        /// The WebSocket.
        probe: Key,
    },
    /// It moves to another worker.
    Move {
        /// The session.
        engine: Key,
        /// Where to.
        worker: WorkerId,
        /// What for.
        task: Task,
    },
}

/// Why an Engine.IO session moves to another worker.
#[derive(Debug)]
pub enum Task {
    /// Its client connects to a namespace with a session of that worker.
    Connect {
        /// The namespace.
        number: u8,
        /// What came with CONNECT.
        data: Option<Box<str>>,
    },
    /// The client of its namespace wants a session of that worker back.
    Resume {
        /// The namespace.
        namespace: Key,
        /// Its number.
        number: u8,
        /// What marks the acknowledgements that it asked for.
        mark: u32,
        /// The session.
        session: SessionId,
        /// How many messages of it have come.
        received: u64,
        /// The `id` of the command.
        id: Option<RequestId>,
    },
}

/// An Engine.IO session on its way to another worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Relocate {
    id: SessionId,
    address: IpAddr,
    stream: Option<TcpStream>,
    decoder: Decoder,
    unwritten: Vec<u8>,
    held: Option<Box<[u8]>>,
    engine: Box<EngineLine>,
    probe: Option<Probe>,
    task: Task,
}

/// A WebSocket that a session may move to, on its way with it. Its client may
/// have been told already that it can move, and be about to.
#[derive(Debug)]
struct Probe {
    stream: TcpStream,
    decoder: Decoder,
    unwritten: Vec<u8>,
    held: Option<Box<[u8]>>,
}

impl Handler<Relocate> for Gateway {
    type Result = ();

    fn handle(&mut self, relocate: Relocate, _: &mut Context<Self>) {
        let Relocate {
            id,
            address,
            stream,
            decoder,
            unwritten,
            held,
            engine,
            probe,
            task,
        } = relocate;
        let mut line = Connection::new(stream, address, Phase::Carrier);
        line.decoder = decoder;
        line.held = held;
        if !unwritten.is_empty() {
            line.push(Frame::raw(&unwritten));
        }
        let at_ms = match engine.is_pinged {
            true => engine.alive_until_ms,
            false => engine.ping_at_ms,
        };
        line.door = Some(Box::new(DoorLine::new(id, DoorKind::Engine(engine))));
        let Some(slot) = self.take_in(line) else {
            if probe.is_some() {
                self.context.census.leave(address);
            }
            return;
        };
        let probe = probe.and_then(|probe| self.take_in_probe(slot, probe, address));
        self.arm(slot, at_ms.max(clock::now_ms()));
        self.await_connect(slot, self.settings().socketio.connect_timeout_ms);
        if self.is_draining {
            return self.send_away(slot, CloseReason::GoingAway);
        }
        match task {
            Task::Connect { number, data } => {
                let data: Option<&RawValue> = data
                    .as_deref()
                    .and_then(|data| serde_json::from_str(data).ok());
                self.connect_again(slot, number, data);
            }
            Task::Resume {
                number,
                mark,
                session,
                received,
                id,
                ..
            } => {
                if let Some(child) = self.add_namespace(slot, number, None) {
                    self.reopen_namespace(child, mark);
                    self.resume_here(child, session, Since::Count(received), id);
                }
            }
        }
        let is_paused = self
            .connections
            .at(slot)
            .is_none_or(|line| line.is_paused());
        if !is_paused {
            self.go_on(slot);
        }
        if let Some(probe) = probe.filter(|probe| self.connections.holds(*probe)) {
            self.go_on_probe(probe.slot);
        }
    }
}

impl Gateway {
    /// Does what was put off until nothing is under way.
    pub(in crate::gateway) fn run_errand(&mut self) {
        match self.errand.take() {
            Some(Errand::Upgrade { engine, probe }) => self.upgrade(engine, probe),
            Some(Errand::Move {
                engine,
                worker,
                task,
            }) => self.relocate(engine, worker, task),
            None => {}
        }
    }

    /// A namespace that was told already that it is there, on its new worker.
    fn reopen_namespace(&mut self, slot: u32, mark: u32) {
        if let Some(namespace) = self.namespace(slot) {
            namespace.reopen(mark);
        }
    }

    /// Takes the WebSocket that a session may move to out of this worker.
    fn take_out_probe(&mut self, probe: Key) -> Option<Probe> {
        self.live(probe).filter(|line| !line.is_closing())?;
        let stream = self.drop_stream(probe.slot)?;
        // Not released: it counts in the census all the way.
        let mut line = self.connections.remove(probe.slot)?;
        self.context.metrics.connections.dec();
        self.context.metrics.lines(line.door_name()).dec();
        if let Some(door) = &line.door {
            self.context.peers.remove_line(door.id, self.worker, probe);
        }
        let reader = Reader::of(&self.context.dialects, &line, None);
        Some(Probe {
            stream,
            unwritten: line.take_bytes(&reader),
            decoder: std::mem::replace(&mut line.decoder, Decoder::new(Role::Server)),
            held: line.held.take(),
        })
    }

    /// Takes it in on the worker where the session, which is in this slot, is
    /// now.
    fn take_in_probe(&mut self, slot: u32, probe: Probe, address: IpAddr) -> Option<Key> {
        let mut line = Connection::new(Some(probe.stream), address, Phase::Carrier);
        line.decoder = probe.decoder;
        line.held = probe.held;
        if !probe.unwritten.is_empty() {
            line.push(Frame::raw(&probe.unwritten));
        }
        self.await_upgrade(slot, line)
    }

    /// Sends an Engine.IO session to another worker.
    fn relocate(&mut self, engine: Key, worker: WorkerId, mut task: Task) {
        if !self.connections.holds(engine) {
            return;
        }
        let slot = engine.slot;
        if let Task::Resume {
            namespace,
            number,
            mark,
            ..
        } = &mut task
            && self.connections.holds(*namespace)
        {
            let child = namespace.slot;
            self.carry_direct(child);
            if let Some(line) = self.namespace(child) {
                (*number, *mark) = (line.number(), line.mark());
            }
            self.part(child);
            self.release(child);
        }
        let probe = self.engine(slot).and_then(|engine| engine.probe.take());
        let probe = probe.and_then(|probe| self.take_out_probe(probe));
        if let Some(engine) = self.engine(slot) {
            engine.is_probed &= probe.is_some();
        }
        let stream = self.drop_stream(slot);
        // Not released: who asks for it meanwhile is sent on.
        let Some(mut line) = self.connections.remove(slot) else {
            return;
        };
        self.context.metrics.connections.dec();
        self.context.metrics.lines(line.door_name()).dec();
        let reader = Reader::of(&self.context.dialects, &line, None);
        let unwritten = line.take_bytes(&reader);
        let Some(door) = line.door.take() else {
            return;
        };
        let (id, DoorKind::Engine(engine)) = (door.id, door.kind) else {
            return;
        };
        let relocate = Relocate {
            id,
            address: line.address,
            stream,
            decoder: std::mem::replace(&mut line.decoder, Decoder::new(Role::Server)),
            unwritten,
            held: line.held.take(),
            engine,
            probe,
            task,
        };
        if let Some(gateway) = self.context.peers.gateway(worker) {
            self.context.peers.put_line(id, worker, IN_TRANSIT);
            gateway.do_send(relocate);
        }
    }
}

/// No line is there: it is on its way.
const IN_TRANSIT: Key = Key {
    slot: u32::MAX,
    generation: u32::MAX,
};
