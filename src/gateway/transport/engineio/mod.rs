//! Engine.IO sessions, and the namespaces of Socket.IO that they carry.
//!
//! A session of Engine.IO is a connection that carries no session of ours itself.
//! It has a socket while it is a WebSocket, or a request that waits for packets
//! while it polls; what it has to send waits as whole WebSocket frames in both
//! cases, so that it may move from one to the other at any time. Each namespace
//! on it is a connection without a socket, with its own phase, session and
//! outbox, and hands frames down as long as the session takes them.
//!
//! ```text
//! outbox -> namespace -> queue of the Engine.IO session -> WebSocket
//!           (blocked while that queue is full)          -> waiting GET
//! ```

pub mod accept;
mod attachment;
mod charge;
mod echo;
mod heartbeat;
mod input;
pub(crate) mod namespace;
mod output;
mod packet;
pub(crate) mod probe;
pub mod request;
pub mod settings;

use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::gateway::admission::Permit;
use crate::gateway::connection::io::Io;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::settings::GatewaySettings;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::frames::FrameInput;
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::{Attachment, Hooks, Loss, Request, Transport, TransportTimer};
use crate::gateway::work::Effect;
use heartbeat::{arm, expect_life, ping_is_due};
use request::{Answer, Pushed};
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;
use turntable_core::rate::Bucket;
use turntable_core::reason::CloseReason;
use turntable_core::session::greeting::Greeting;
use turntable_wire::engineio::{Handshake, Packet, Transport as Carriage};
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

/// The timers of an Engine.IO session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineTimer {
    /// It is to be pinged, or should have answered.
    Ping,
    /// It has to carry a namespace by now.
    Connect,
    /// A WebSocket has waited for the session to move to it.
    Probe,
    /// The attachments of a packet have to have come by now.
    Attachments,
}

const PING: TransportTimer = TransportTimer::Engine(EngineTimer::Ping);
const CONNECT: TransportTimer = TransportTimer::Engine(EngineTimer::Connect);
const ATTACHMENTS: TransportTimer = TransportTimer::Engine(EngineTimer::Attachments);

/// A namespace on a session.
#[derive(Debug, Clone, Copy)]
struct Carried {
    number: u8,
    connection: ConnKey,
    /// What marks its acknowledgements.
    mark: u32,
}

/// The state of an Engine.IO session.
#[derive(Debug)]
pub(crate) struct Engine {
    name: SessionId,
    frames: FrameInput,
    carriage: Carriage,
    purpose: Purpose,
    /// The request that waits for packets.
    parked: Option<oneshot::Sender<Answer>>,
    /// Unix ms of the last request that waited for packets: when it came, or was answered.
    polled_ms: u64,
    /// A request whose packets wait.
    pushed: Option<Pushed>,
    namespaces: SmallVec<[Carried; 1]>,
    /// Namespaces that only send back.
    echoes: Vec<u8>,
    /// How many packets with acknowledgements were sent back.
    echoed: u64,
    assembler: Assembler,
    /// Unix ms when the packet came whose attachments are missing.
    packet_at_ms: u64,
    /// Whether a timer looks at them.
    is_attachment_timed: bool,
    /// Charged with refused connections to namespaces.
    greeting: Greeting,
    /// Charged with each CONNECT to a namespace.
    connects: Bucket,
    /// The WebSocket that it may move to.
    probe: Option<ConnKey>,
    /// Whether that one was probed.
    is_probed: bool,
    /// The namespaces that are being identified, or whose sessions have commands that take
    /// turns; what comes has to wait. Mostly one, because the next packet waits, too.
    paused_by: SmallVec<[ConnKey; 1]>,
    /// Whether a namespace has gone, for which packets may still come.
    has_left: bool,
    /// Whether a namespace waits for room in the queue.
    has_blocked: bool,
    /// Whether a ping is on its way.
    is_pinged: bool,
    /// Unix ms of the next ping.
    ping_at_ms: u64,
    /// Unix ms when it is dead unless it answers.
    alive_until_ms: u64,
    /// Unix ms of its next timer.
    armed_ms: u64,
}

impl Engine {
    fn new(name: SessionId, carriage: Carriage, purpose: Purpose, input: Vec<u8>) -> Self {
        Self {
            name,
            frames: FrameInput::with_waiting(input),
            carriage,
            purpose,
            parked: None,
            polled_ms: 0,
            pushed: None,
            namespaces: SmallVec::new(),
            echoes: Vec::new(),
            echoed: 0,
            assembler: Assembler::default(),
            packet_at_ms: 0,
            is_attachment_timed: false,
            greeting: Greeting::default(),
            connects: Bucket::default(),
            probe: None,
            is_probed: false,
            paused_by: SmallVec::new(),
            has_left: false,
            has_blocked: false,
            is_pinged: false,
            ping_at_ms: 0,
            alive_until_ms: 0,
            armed_ms: 0,
        }
    }

    /// The connection of a WebSocket that is a session of its own.
    pub(crate) fn over_websocket(
        name: SessionId,
        purpose: Purpose,
        io: Io,
        permit: Permit,
        input: Vec<u8>,
    ) -> Connection {
        let engine = Self::new(name, Carriage::WebSocket, purpose, input);
        engine.into_connection(Some(io), permit)
    }

    /// The connection of a session that polls; its first request waits for the
    /// handshake.
    pub(crate) fn over_polling(
        name: SessionId,
        purpose: Purpose,
        permit: Permit,
        respond: oneshot::Sender<Answer>,
    ) -> Connection {
        let mut engine = Self::new(name, Carriage::Polling, purpose, Vec::new());
        engine.parked = Some(respond);
        engine.into_connection(None, permit)
    }

    fn into_connection(self, io: Option<Io>, mut permit: Permit) -> Connection {
        if self.purpose != Purpose::Sessions {
            permit.identified();
        }
        let transport = Transport::Engine(Box::new(self));
        let mut connection = Connection::new(io, Some(permit), transport);
        connection.phase = Phase::Carrier;
        connection
    }

    /// Begins a session: its client gets the handshake.
    pub(crate) fn begin(connection: &mut Connection, cx: &mut Cx<'_>) {
        let settings = cx.settings;
        let Some(engine) = Self::of(connection) else {
            return;
        };
        engine.polled_ms = cx.now_ms;
        let handshake = Handshake {
            sid: engine.name.secret().into(),
            upgrades: match engine.carriage {
                Carriage::Polling => vec![Carriage::WebSocket],
                Carriage::WebSocket => Vec::new(),
            },
            ping_interval_ms: settings.transport.socketio.ping_interval_ms,
            ping_timeout_ms: settings.transport.socketio.ping_timeout_ms,
            max_payload: settings.message_bytes_max as u64,
        };
        connection
            .queue
            .push(packet::frame(&Packet::Open(handshake)));
        cx.mark_dirty();
        expect_life(connection, cx);
        expect_namespace(settings, cx);
        cx.push_effect(Effect::Continue(cx.key));
        if Self::of(connection).is_some_and(|engine| engine.parked.is_some()) {
            // The request that waits for the handshake.
            cx.push_effect(Effect::Flush(cx.key));
        }
        cx.mark_unread(connection);
    }

    /// Goes on with a session that came from another worker.
    pub(crate) fn begin_again(connection: &mut Connection, cx: &mut Cx<'_>) {
        if let Some(engine) = Self::of(connection) {
            let at_ms = match engine.is_pinged {
                true => engine.alive_until_ms,
                false => engine.ping_at_ms,
            };
            arm(engine, at_ms.max(cx.now_ms), cx);
        }
        attachment::expect(connection, cx);
        expect_namespace(cx.settings, cx);
        cx.mark_unread(connection);
    }

    /// The connections that move to another worker with the only namespace of a
    /// session: that and the WebSocket that the session may move to. `None` where
    /// it carries more.
    pub(crate) fn movable(&self) -> Option<Option<ConnKey>> {
        (self.namespaces.len() == 1).then_some(self.probe)
    }

    /// Forgets the keys of the worker that it leaves.
    pub(crate) fn leave_worker(&mut self) {
        self.namespaces.clear();
        self.probe = None;
        self.paused_by.clear();
        self.is_attachment_timed = false;
    }

    /// The name by which its requests find it.
    pub(crate) const fn name(&self) -> SessionId {
        self.name
    }

    /// When its client last fetched what waits, at `now_ms`; `None` for one with a WebSocket.
    /// A request that waits now takes what comes.
    pub(crate) const fn fetched_ms(&self, now_ms: u64) -> Option<u64> {
        match self.carriage {
            Carriage::WebSocket => None,
            Carriage::Polling => Some(match &self.parked {
                Some(_) => now_ms,
                None => self.polled_ms,
            }),
        }
    }

    /// The namespaces that it carries.
    pub(crate) fn carries(&self) -> usize {
        self.namespaces.len()
    }

    /// Whether what it brings has to wait.
    pub(crate) fn is_paused(&self) -> bool {
        !self.paused_by.is_empty()
    }

    /// What came of a message, or of a packet with attachments, that is not whole, and what
    /// waits, in bytes.
    pub(crate) fn incomplete_bytes(&self) -> usize {
        self.frames.incomplete_bytes() + self.assembler.buffered_bytes()
    }

    /// Drops a packet whose attachments are missing.
    pub(crate) fn drop_packet(&mut self) {
        self.assembler = Assembler::default();
    }

    /// Its incoming frames.
    pub(crate) const fn frames_mut(&mut self) -> &mut FrameInput {
        &mut self.frames
    }

    fn of(connection: &mut Connection) -> Option<&mut Self> {
        match &mut connection.transport {
            Transport::Engine(engine) => Some(engine),
            _ => None,
        }
    }

    /// A namespace leaves it.
    fn forget(&mut self, gone: ConnKey) {
        self.namespaces.retain(|carried| carried.connection != gone);
        self.has_left = true;
    }

    fn namespace(&self, number: u8) -> Option<Carried> {
        let mut all = self.namespaces.iter();
        all.find(|carried| carried.number == number).copied()
    }
}

impl Hooks for Engine {
    fn on_readable(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
        input::read(connection, buffer, cx);
    }

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        input::take_waiting(connection, cx);
    }

    fn on_request(connection: &mut Connection, request: Request, cx: &mut Cx<'_>) {
        match request {
            Request::Engine(request) => request::take(connection, request, cx),
            Request::Tunnel(_) | Request::Poll(_) | Request::Commands { .. } => {}
        }
    }

    fn on_attached(_: &mut Connection, _: Attachment, _: &mut Cx<'_>) {}

    fn on_notice(connection: &mut Connection, notice: Notice, cx: &mut Cx<'_>) {
        on_notice(connection, notice, cx);
    }

    fn on_timer(connection: &mut Connection, timer: TransportTimer, cx: &mut Cx<'_>) {
        if connection.is_closing() {
            return;
        }
        match timer {
            PING => ping_is_due(connection, cx),
            ATTACHMENTS => attachment::are_due(connection, cx),
            CONNECT => {
                let is_idle = Self::of(connection).is_some_and(|engine| {
                    let is_empty = engine.namespaces.is_empty() && engine.echoes.is_empty();
                    is_empty && engine.purpose != Purpose::Raw
                });
                if is_idle {
                    cx.close(CloseReason::NotIdentified);
                }
            }
            _ => {}
        }
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        output::flush(connection, cx);
    }

    fn close(connection: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        for carried in Self::of(connection).iter().flat_map(|e| &e.namespaces) {
            cx.push_effect(Effect::Notice(carried.connection, Notice::HandDown));
        }
        let last = packet::last(connection.io.is_some(), reason);
        cx.push_effect(Effect::Finish(cx.key, last, reason));
        if matches!(
            reason,
            CloseReason::ProtocolError | CloseReason::TooLarge | CloseReason::NotUtf8
        ) {
            request::refused(connection, cx);
        }
    }

    fn on_closing(connection: &mut Connection, cx: &mut Cx<'_>) {
        lose_namespaces(connection, cx);
    }

    fn on_merged(connection: &mut Connection, other: Connection, cx: &mut Cx<'_>) {
        probe::merge(connection, other, cx);
    }

    fn on_lost(connection: &mut Connection, cx: &mut Cx<'_>) -> Loss {
        lose_namespaces(connection, cx);
        Loss::Final
    }

    fn released(connection: &mut Connection, cx: &mut Cx<'_>) {
        if let Some(probe) = Self::of(connection).and_then(|engine| engine.probe) {
            cx.push_effect(Effect::Notice(probe, Notice::SessionGone));
        }
    }
}

/// The namespaces of a session go with it; their sessions may be resumed.
fn lose_namespaces(connection: &mut Connection, cx: &mut Cx<'_>) {
    for carried in Engine::of(connection).iter().flat_map(|e| &e.namespaces) {
        cx.push_effect(Effect::Lose(carried.connection));
    }
}

fn on_notice(connection: &mut Connection, notice: Notice, cx: &mut Cx<'_>) {
    let is_closing = connection.is_closing();
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    match notice {
        Notice::NamespaceOpened {
            number,
            connection,
            mark,
        } => engine.namespaces.push(Carried {
            number,
            connection,
            mark,
        }),
        Notice::NamespaceGone(gone) => {
            engine.forget(gone);
            if engine.namespaces.is_empty() {
                expect_namespace(cx.settings, cx);
            }
        }
        Notice::Paused(namespace) if !engine.paused_by.contains(&namespace) => {
            engine.paused_by.push(namespace);
        }
        Notice::Unpaused(namespace) if engine.paused_by.contains(&namespace) => {
            engine.paused_by.retain(|by| *by != namespace);
            cx.push_effect(Effect::Continue(cx.key));
        }
        Notice::Charge(error) => charge::error(connection, *error, cx),
        Notice::ExpectEnd(within_ms) => cx.arm(CONNECT, cx.now_ms + within_ms),
        Notice::Pushed(respond) => request::pushed(is_closing, respond),
        Notice::ProbeOpened(probe) => engine.probe = Some(probe),
        Notice::Probed => probe::was_probed(connection, cx),
        Notice::Upgraded(probe) if engine.probe == Some(probe) => {
            cx.push_effect(Effect::Merge {
                from: probe,
                into: cx.key,
            });
        }
        Notice::ProbeGone(gone) if engine.probe == Some(gone) => {
            engine.probe = None;
            engine.is_probed = false;
        }
        Notice::Paused(_)
        | Notice::Unpaused(_)
        | Notice::Upgraded(_)
        | Notice::ProbeGone(_)
        | Notice::Room
        | Notice::HandDown
        | Notice::IdentifyBy(_)
        | Notice::SessionGone => {}
    }
}

/// The session has to carry a namespace in time.
fn expect_namespace(settings: &GatewaySettings, cx: &mut Cx<'_>) {
    let within_ms = settings.transport.socketio.connect_timeout_ms;
    cx.arm(CONNECT, cx.now_ms + within_ms);
}
