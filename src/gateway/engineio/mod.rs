//! Engine.IO sessions, and the namespaces of Socket.IO that they carry.
//!
//! A session of Engine.IO is a line that carries no session of ours itself. It
//! has a socket while it is a WebSocket, or a request that waits for packets
//! while it polls; what it has to send waits as whole WebSocket frames either
//! way, so that it may move from one to the other at any time. Each namespace
//! on it is a line of its own without a socket, with its phase, session and
//! outbox like every other line, and hands frames down while the line below
//! takes them.
//!
//! ```text
//! session -> outbox -> namespace -> queue of the Engine.IO line -> WebSocket
//!                      (blocked while the queue is full)        -> waiting GET
//! ```

pub mod echo;
pub mod input;
pub mod namespace;
pub mod output;
pub mod polling;
pub mod relocate;
pub mod upgrade;
pub mod written;

use std::net::IpAddr;

use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::clock;
use crate::gateway::adopt::Adopt;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::frame::Frame;
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Timer};
use mio::net::TcpStream;
use turntable_core::id::SessionId;
use turntable_core::reason::CloseReason;
use turntable_core::session::greeting::Greeting;
use turntable_wire::engineio::{Handshake, Packet, RequestError, Transport};
use turntable_wire::socketio::Assembler;

/// The longest name of a namespace, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// What an Engine.IO session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Namespaces with sessions of ours.
    Sessions,
    /// Namespaces that send everything back.
    Echo,
    /// Sending everything back, without Socket.IO.
    Raw,
}

/// The answer to a request for packets: a payload.
pub type Answer = Result<String, RequestError>;

/// What an Engine.IO session keeps.
#[derive(Debug)]
pub struct EngineLine {
    transport: Transport,
    purpose: Purpose,
    /// The request that waits for packets.
    parked: Option<oneshot::Sender<Answer>>,
    /// A request whose packets wait.
    pushed: Option<polling::Pushed>,
    /// The namespaces it carries, by number.
    namespaces: SmallVec<[(u8, Key); 1]>,
    /// Those that only send back.
    echoes: Vec<u8>,
    /// How many packets with acknowledgements were sent back.
    echoed: u64,
    assembler: Assembler,
    /// Charged with refused connections to namespaces.
    greeting: Greeting,
    /// The WebSocket that it may move to.
    probe: Option<Key>,
    /// Whether that one was told so.
    is_probed: bool,
    /// Whether a namespace is being identified; what comes has to wait.
    is_paused: bool,
    /// Whether a namespace was left, for which packets may still come.
    has_left: bool,
    /// Whether a ping is on its way.
    is_pinged: bool,
    /// Unix ms of the next ping.
    ping_at_ms: u64,
    /// Unix ms when it is dead unless it answers.
    alive_until_ms: u64,
    /// Unix ms of its next timer.
    armed_ms: u64,
}

impl EngineLine {
    fn new(transport: Transport, purpose: Purpose) -> Self {
        Self {
            transport,
            purpose,
            parked: None,
            pushed: None,
            namespaces: SmallVec::new(),
            echoes: Vec::new(),
            echoed: 0,
            assembler: Assembler::default(),
            greeting: Greeting::default(),
            probe: None,
            is_probed: false,
            is_paused: false,
            has_left: false,
            is_pinged: false,
            ping_at_ms: 0,
            alive_until_ms: 0,
            armed_ms: 0,
        }
    }

    /// Whether what it brings has to wait.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    fn namespace(&self, number: u8) -> Option<Key> {
        let mut all = self.namespaces.iter();
        all.find(|(known, _)| *known == number).map(|(_, key)| *key)
    }
}

impl Gateway {
    /// Takes over a WebSocket that is an Engine.IO session of its own.
    pub(super) fn adopt_engine(&mut self, adopt: Adopt, purpose: Purpose) {
        let stream = TcpStream::from_std(adopt.stream);
        let engine = EngineLine::new(Transport::WebSocket, purpose);
        let answer = Some(adopt.answer);
        let Some(slot) = self.open_engine(engine, Some(stream), adopt.address, answer) else {
            return;
        };
        if self.is_draining {
            return self.send_away(slot, CloseReason::GoingAway);
        }
        let mut input = adopt.input;
        self.feed(slot, &mut input);
        self.mark_unread(slot);
    }

    /// Opens an Engine.IO session and tells its client so.
    fn open_engine(
        &mut self,
        engine: EngineLine,
        stream: Option<TcpStream>,
        address: IpAddr,
        answer: Option<Vec<u8>>,
    ) -> Option<u32> {
        let Some(id) = SessionId::random() else {
            self.context.census.leave(address);
            return None;
        };
        let settings = &self.context.settings;
        let handshake = Handshake {
            sid: id.secret().into(),
            upgrades: match engine.transport {
                Transport::Polling => vec![Transport::WebSocket],
                Transport::WebSocket => Vec::new(),
            },
            ping_interval_ms: settings.socketio.ping_interval_ms,
            ping_timeout_ms: settings.socketio.ping_timeout_ms,
            max_payload: settings.message_bytes_max as u64,
        };
        let mut connection = Connection::new(stream, address, Phase::Carrier);
        if let Some(answer) = answer {
            connection.push(Frame::raw(&answer));
        }
        connection.push(written::frame(&Packet::Open(handshake)));
        let kind = DoorKind::Engine(Box::new(engine));
        connection.door = Some(Box::new(DoorLine::new(id, kind)));
        let slot = self.take_in(connection)?;
        self.context.metrics.accepted.inc();
        self.expect_life(slot, clock::now_ms());
        self.await_connect(slot, self.settings().socketio.connect_timeout_ms);
        Some(slot)
    }

    fn engine(&mut self, slot: u32) -> Option<&mut EngineLine> {
        let door = self.connections.at_mut(slot)?.door.as_mut()?;
        match &mut door.kind {
            DoorKind::Engine(engine) => Some(engine),
            _ => None,
        }
    }

    /// The namespaces (slots) that a line carries.
    pub(super) fn namespaces(&self, slot: u32) -> SmallVec<[u32; 1]> {
        let door = self
            .connections
            .at(slot)
            .and_then(|line| line.door.as_ref());
        match door.map(|door| &door.kind) {
            Some(DoorKind::Engine(engine)) => {
                let all = engine.namespaces.iter();
                all.map(|(_, key)| key.slot).collect()
            }
            _ => SmallVec::new(),
        }
    }

    /// The namespaces of a line go with it; their sessions wait to be resumed.
    pub(super) fn part_namespaces(&mut self, slot: u32) {
        for namespace in self.namespaces(slot) {
            self.part(namespace);
            self.release(namespace);
        }
    }

    /// A line gave its slot back: others may know of it.
    pub(super) fn released(&mut self, key: Key, line: &Connection) {
        match line.door.as_ref().map(|door| &door.kind) {
            Some(DoorKind::Namespace(namespace)) => {
                let carrier = namespace.carrier();
                if !self.connections.holds(carrier) {
                    return;
                }
                let Some(engine) = self.engine(carrier.slot) else {
                    return;
                };
                engine.namespaces.retain(|(_, known)| *known != key);
                engine.has_left = true;
                if engine.namespaces.is_empty() {
                    let within_ms = self.settings().socketio.connect_timeout_ms;
                    self.await_connect(carrier.slot, within_ms);
                }
                if matches!(line.phase, Phase::Identifying(_)) {
                    self.resume_engine(carrier.slot);
                }
            }
            Some(DoorKind::Probe(engine)) if self.connections.holds(*engine) => {
                if let Some(engine) = self.engine(engine.slot)
                    && engine.probe == Some(key)
                {
                    engine.probe = None;
                    engine.is_probed = false;
                }
            }
            _ => {}
        }
    }

    /// Closes an Engine.IO session, or what might have become its WebSocket.
    pub(super) fn close_engine(&mut self, slot: u32, reason: CloseReason) {
        let is_websocket = self
            .connections
            .at(slot)
            .is_some_and(|line| line.stream.is_some());
        let mut last = Vec::new();
        // Clients take a close packet on a WebSocket for a wish that they stay
        // away.
        if !is_websocket || !reason.row().reconnect {
            last.extend_from_slice(written::frame(&Packet::Close).raw_bytes());
        }
        if is_websocket {
            last.extend_from_slice(Frame::close(reason).raw_bytes());
        }
        for namespace in self.namespaces(slot) {
            self.carry_direct(namespace);
        }
        self.finish(slot, Frame::raw(&last), reason);
    }

    /// A sign of life came: when the next is due.
    fn expect_life(&mut self, slot: u32, now_ms: u64) {
        let settings = &self.context.settings.socketio;
        let (interval_ms, timeout_ms) = (settings.ping_interval_ms, settings.ping_timeout_ms);
        let Some(engine) = self.engine(slot) else {
            return;
        };
        engine.is_pinged = false;
        engine.ping_at_ms = now_ms + interval_ms;
        engine.alive_until_ms = now_ms + interval_ms + timeout_ms;
        let at_ms = engine.ping_at_ms;
        // The timer that there is looks at these, too, if it comes before.
        if engine.armed_ms <= now_ms || engine.armed_ms > at_ms {
            self.arm(slot, at_ms);
        }
    }

    fn arm(&mut self, slot: u32, at_ms: u64) {
        if let Some(engine) = self.engine(slot) {
            engine.armed_ms = at_ms;
        }
        if let Some(key) = self.connections.key(slot) {
            self.wheel.set(at_ms, Timer::Engine(key));
        }
    }

    /// A session is to be pinged, or should have answered.
    pub(super) fn engine_is_due(&mut self, key: Key, now_ms: u64) {
        let slot = key.slot;
        if self.live(key).is_none_or(|line| line.is_closing()) {
            return;
        }
        let Some(engine) = self.engine(slot) else {
            return;
        };
        if now_ms < engine.armed_ms {
            // Another timer was set since.
            return;
        }
        if now_ms >= engine.alive_until_ms {
            return self.close(slot, CloseReason::HeartbeatMissed);
        }
        if !engine.is_pinged && now_ms >= engine.ping_at_ms {
            engine.is_pinged = true;
            self.push_direct(slot, written::frame(&Packet::Ping("")));
        }
        let Some(engine) = self.engine(slot) else {
            return;
        };
        let at_ms = match engine.is_pinged {
            true => engine.alive_until_ms,
            false => engine.ping_at_ms,
        };
        self.arm(slot, at_ms);
    }

    /// Sees to it that a line carries something in time.
    fn await_connect(&mut self, slot: u32, within_ms: u64) {
        let at_ms = clock::now_ms() + within_ms;
        if let Some(key) = self.connections.key(slot) {
            self.wheel.set(at_ms, Timer::Connect(key));
        }
    }

    /// A line had time to connect to a namespace.
    pub(super) fn connect_is_due(&mut self, key: Key) {
        if self.live(key).is_none_or(|line| line.is_closing()) {
            return;
        }
        let is_idle = self.engine(key.slot).is_some_and(|engine| {
            let is_empty = engine.namespaces.is_empty() && engine.echoes.is_empty();
            is_empty && engine.purpose != Purpose::Raw
        });
        if is_idle {
            self.close(key.slot, CloseReason::NotIdentified);
        }
    }
}
