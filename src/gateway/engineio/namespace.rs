//! Namespaces of Socket.IO: lines without a socket, each with a session.
//!
//! ```text
//! CONNECT -> (idme or resume in its auth) -> answered with CONNECT -> idyou -> ...
//!                                         -> or CONNECT_ERROR, and gone
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::value::RawValue;

use super::relocate::{Errand, Task};
use super::written;
use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::Dialect;
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::lifecycle::Since;
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Timer};
use turntable_core::id::{MessageId, SessionId};
use turntable_core::packet::{ClientMessage, ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::greeting::Greeting;
use turntable_wire::json_v1::DecodeLimits;
use turntable_wire::socketio::{self, Auth};

/// How long a client whose last namespace was closed may take to go, in ms.
const PARTING_MS: u64 = 3_000;

/// What a namespace on a line keeps.
#[derive(Debug)]
pub struct NamespaceLine {
    carrier: Key,
    number: u8,
    /// What marks the acknowledgements that it asked for.
    mark: u32,
    /// Whether CONNECT was answered.
    is_open: bool,
    /// Up to which number its session's messages were made for other lines.
    replayed: u64,
}

impl NamespaceLine {
    fn new(carrier: Key, number: u8) -> Self {
        static MARKS: AtomicU32 = AtomicU32::new(1);
        Self {
            carrier,
            number,
            mark: MARKS.fetch_add(1, Ordering::Relaxed),
            is_open: false,
            replayed: 0,
        }
    }

    /// The line that carries it.
    #[must_use]
    pub const fn carrier(&self) -> Key {
        self.carrier
    }

    /// Its number among the namespaces of the node.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// What marks the acknowledgements that it asked for.
    #[must_use]
    pub const fn mark(&self) -> u32 {
        self.mark
    }

    /// Whether its client was told that it is there.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Its client was told so already, by another worker.
    pub const fn reopen(&mut self, mark: u32) {
        self.is_open = true;
        self.mark = mark;
    }

    /// Up to which number its session's messages were made for other lines.
    #[must_use]
    pub const fn replayed(&self) -> u64 {
        self.replayed
    }
}

impl Gateway {
    pub(super) fn namespace(&mut self, slot: u32) -> Option<&mut NamespaceLine> {
        let door = self.connections.at_mut(slot)?.door.as_mut()?;
        match &mut door.kind {
            DoorKind::Namespace(namespace) => Some(namespace),
            _ => None,
        }
    }

    /// The line (slot) that carries a namespace.
    pub(in crate::gateway) fn carrier(&self, slot: u32) -> Option<u32> {
        match &self.connections.at(slot)?.door.as_ref()?.kind {
            DoorKind::Namespace(namespace) => {
                let carrier = namespace.carrier;
                self.connections.holds(carrier).then_some(carrier.slot)
            }
            _ => None,
        }
    }

    pub(super) fn decode_limits(&self) -> DecodeLimits {
        DecodeLimits {
            depth_max: self.settings().session.depth_max,
        }
    }

    /// A client connects to a namespace.
    pub(super) fn connect(&mut self, slot: u32, number: u8, data: Option<&RawValue>) {
        match Auth::read(data, &self.decode_limits()) {
            Ok(auth) => self.connect_as(slot, number, auth, data, true),
            Err(error) => self.refuse_connect(slot, number, &error),
        }
    }

    /// The same, once more, of a line that came from another worker.
    pub(super) fn connect_again(&mut self, slot: u32, number: u8, data: Option<&RawValue>) {
        if let Ok(auth) = Auth::read(data, &self.decode_limits()) {
            self.connect_as(slot, number, auth, data, false);
        }
    }

    fn connect_as(
        &mut self,
        slot: u32,
        number: u8,
        auth: Auth,
        data: Option<&RawValue>,
        may_move: bool,
    ) {
        let wanted = match &auth {
            Auth::Resume { session, .. } => Some(*session),
            Auth::Recover { pid, offset, .. } if offset.is_some() => Some(*pid),
            _ => None,
        };
        let is_elsewhere = wanted
            .and_then(|session| self.context.peers.find(session))
            .map(|place| place.gateway.worker)
            .filter(|worker| *worker != self.worker);
        if let Some(worker) = is_elsewhere
            && may_move
            && self.namespaces(slot).is_empty()
            && let Some(engine) = self.connections.key(slot)
        {
            let data = data.map(|data| data.get().into());
            let task = Task::Connect { number, data };
            self.errand = Some(Errand::Move {
                engine,
                worker,
                task,
            });
            return;
        }
        match auth {
            Auth::Recover {
                pid,
                offset,
                otherwise,
            } => match self.recoverable(pid, offset.as_deref()) {
                Some(since) => {
                    if let Some(child) = self.add_namespace(slot, number, Some(pid)) {
                        self.resume_here(child, pid, since, None);
                    }
                }
                None => self.connect_as(slot, number, *otherwise, data, may_move),
            },
            Auth::Resume { session, received } => {
                if let Some(child) = self.add_namespace(slot, number, None) {
                    self.send_direct(child, &ServerPacket::IdYou, None);
                    self.resume_here(child, session, Since::Count(received), None);
                }
            }
            Auth::None => {
                if let Some(child) = self.add_namespace(slot, number, None) {
                    self.open_namespace(child);
                    self.send_direct(child, &ServerPacket::IdYou, None);
                }
            }
            Auth::IdMe(packet) => {
                if let Some(child) = self.add_namespace(slot, number, None) {
                    self.send_direct(child, &ServerPacket::IdYou, None);
                    self.take(child, Ok(ClientMessage { id: None, packet }));
                    self.pause_for(slot, child);
                }
            }
        }
    }

    /// From where on a session can be recovered that this worker holds.
    fn recoverable(&self, pid: SessionId, offset: Option<&str>) -> Option<Since> {
        if !self.context.dialects.has_offsets {
            return None;
        }
        let since = Since::Datagram(MessageId::from_string(offset?).ok()?);
        let session = self.slot(self.context.peers.find(pid)?)?;
        let held = self.sessions.at(session)?;
        held.can_resume(since).then_some(since)
    }

    /// Puts a namespace on a line. Its name is that of the session it will
    /// carry.
    pub(super) fn add_namespace(
        &mut self,
        slot: u32,
        number: u8,
        id: Option<SessionId>,
    ) -> Option<u32> {
        let carrier = self.connections.key(slot)?;
        let address = self.connections.at(slot)?.address;
        let id = id.or_else(SessionId::random)?;
        let mut line = Connection::new(None, address, Phase::Greeting(Greeting::default()));
        line.dialect = Dialect::SocketIo(number);
        let kind = DoorKind::Namespace(NamespaceLine::new(carrier, number));
        line.door = Some(Box::new(DoorLine::new(id, kind)));
        let child = self.take_in(line)?;
        let key = self.connections.key(child)?;
        self.engine(slot)?.namespaces.push((number, key));
        let at_ms = clock::now_ms() + self.settings().session.identify_timeout_ms;
        self.wheel.set(at_ms, Timer::Identify(key));
        Some(child)
    }

    /// Nothing more is taken from a line while one of its namespaces is being
    /// identified.
    pub(super) fn pause_for(&mut self, slot: u32, child: u32) {
        let is_identifying = self
            .connections
            .at(child)
            .is_some_and(|line| matches!(line.phase, Phase::Identifying(_)));
        if is_identifying && let Some(engine) = self.engine(slot) {
            engine.is_paused = true;
        }
    }

    /// A namespace was identified, or was not: its line goes on.
    pub(in crate::gateway) fn resume_carrier(&mut self, slot: u32) {
        if let Some(carrier) = self.carrier(slot) {
            self.resume_engine(carrier);
        }
    }

    /// The client may come in, and is told so. Returns whether the line is a
    /// namespace.
    pub(in crate::gateway) fn open_namespace(&mut self, slot: u32) -> bool {
        let has_offsets = self.context.dialects.has_offsets;
        let Some(line) = self.connections.at(slot) else {
            return false;
        };
        let session = line.session();
        let mut pid = line.door.as_ref().map(|door| door.id);
        let Some(carrier) = self.carrier(slot) else {
            return self.namespace(slot).is_some();
        };
        let mut numbered = 0;
        if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
            numbered = held.outbox.numbered();
            pid = Some(held.session.id);
            held.is_read_alone = false;
            if has_offsets {
                let memory = held.memory.get_or_insert_default();
                memory.datagrams.get_or_insert_default();
            } else if let Some(memory) = &mut held.memory {
                memory.datagrams = None;
            }
        }
        let Some(namespace) = self.namespace(slot) else {
            return false;
        };
        namespace.replayed = numbered;
        if !std::mem::replace(&mut namespace.is_open, true) {
            let number = namespace.number;
            let pid = pid.filter(|_| has_offsets).map(|pid| pid.secret());
            // A name for people: nobody is found by it.
            let sid = SessionId::random()
                .map(|id| id.secret())
                .unwrap_or_default();
            if let Some(name) = self.context.dialects.namespace(number) {
                let packet = socketio::connect(name, &sid, pid.as_deref());
                self.push_direct(carrier, written::encoded(&packet));
            }
        }
        self.dirty.push(slot);
        true
    }

    /// Refuses a namespace whose client was not told yet that it is there.
    /// Returns whether it was.
    pub(in crate::gateway) fn refuse_namespace(&mut self, slot: u32, error: &ErrorBody) -> bool {
        let Some(carrier) = self.carrier(slot) else {
            return false;
        };
        let number = match self.namespace(slot) {
            Some(namespace) if !namespace.is_open => namespace.number,
            _ => return false,
        };
        self.part(slot);
        self.release(slot);
        self.refuse_connect(carrier, number, error);
        true
    }

    /// Answers CONNECT with an error.
    fn refuse_connect(&mut self, slot: u32, number: u8, error: &ErrorBody) {
        if let Some(name) = self.context.dialects.namespace(number) {
            let packet = socketio::connect_refused(name, error);
            self.push_direct(slot, written::encoded(&packet));
        }
        self.charge(slot, error);
    }

    /// Charges a refused CONNECT to its line.
    pub(super) fn charge(&mut self, slot: u32, error: &ErrorBody) {
        self.context.metrics.error(error.code);
        let (now_ms, context) = (clock::now_ms(), self.context.clone());
        let Some(engine) = self.engine(slot) else {
            return;
        };
        let session = &context.settings.session;
        let refusal = engine.greeting.refuse(error.clone(), now_ms, session);
        if let Some(reason) = refusal.close {
            self.close(slot, reason);
        }
    }

    /// A session comes back by an event.
    pub(in crate::gateway) fn resume_namespace(
        &mut self,
        slot: u32,
        session: SessionId,
        received: u64,
        id: Option<RequestId>,
    ) {
        let place = self.context.peers.find(session);
        let worker = place.map_or(self.worker, |place| place.gateway.worker);
        let carrier = self.carrier(slot);
        let is_alone = carrier.is_some_and(|carrier| self.namespaces(carrier).len() == 1);
        let (engine, namespace) = (
            carrier.and_then(|carrier| self.connections.key(carrier)),
            self.connections.key(slot),
        );
        match (engine, namespace) {
            (Some(engine), Some(namespace)) if worker != self.worker && is_alone => {
                self.errand = Some(Errand::Move {
                    engine,
                    worker,
                    task: Task::Resume {
                        namespace,
                        number: 0,
                        mark: 0,
                        session,
                        received,
                        id,
                    },
                });
            }
            _ => self.resume_here(slot, session, Since::Count(received), id),
        }
    }

    /// Closes a namespace: alone where its client is not to come back by
    /// itself, else with all of its line, which makes clients connect again.
    pub(in crate::gateway) fn close_namespace(&mut self, slot: u32, reason: CloseReason) {
        let Some(carrier) = self.carrier(slot) else {
            return self.lose(slot);
        };
        if reason.row().reconnect {
            return self.close_engine(carrier, reason);
        }
        self.carry_direct(slot);
        let number = self.namespace(slot).map(|namespace| namespace.number);
        self.part(slot);
        self.release(slot);
        let name = number.and_then(|number| self.context.dialects.namespace(number));
        if let Some(name) = name {
            let frame = written::encoded(&socketio::disconnect(name));
            self.push_direct(carrier, frame);
        }
        let has_stream = self
            .connections
            .at(carrier)
            .is_some_and(|line| line.stream.is_some());
        if self.namespaces(carrier).is_empty() && has_stream {
            return self.close_engine(carrier, reason);
        }
        self.context.metrics.close(reason);
        // A client that finds a close packet in the same payload never looks at
        // the one that says why; it closes by itself.
        self.await_connect(carrier, PARTING_MS);
    }

    /// A client leaves a namespace; its session may be resumed.
    pub(super) fn leave_namespace(&mut self, slot: u32) {
        self.part(slot);
        self.release(slot);
    }

    /// The error of a name that is no namespace.
    pub(super) fn refuse_name(&mut self, slot: u32, name: &str) {
        let packet = socketio::connect_error(name, "Invalid namespace", None);
        self.push_direct(slot, written::encoded(&packet));
        let error = ErrorBody::new(ErrorCode::NotFound, "there is no such namespace");
        self.charge(slot, &error);
    }
}
