//! From polling to a WebSocket, without losing or doubling a packet.
//!
//! ```text
//! client            WebSocket          session
//!   | 2probe ------>   |                  |
//!   | <------ 3probe   |  6 to the GET -> |   the client polls no more
//!   | 5 ----------->   |  socket -------> |   what waits goes out here
//! ```

use super::input::{self, fail};
use super::{Engine, EngineTimer, packet};
use crate::gateway::admission::Permit;
use crate::gateway::connection::io::Io;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::frames::{self, CONTINUE, Flow, FrameInput, WAIT};
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::{Attachment, Hooks, Transport, TransportTimer, incomplete, socket};
use crate::gateway::work::Effect;
use turntable_core::key::ConnKey;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{Packet, Transport as Carriage};

/// The state of a WebSocket that a session may move to.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The session; `None` where there is none that may.
    engine: Option<ConnKey>,
    frames: FrameInput,
}

const TIMEOUT: TransportTimer = TransportTimer::Engine(EngineTimer::Probe);

impl Probe {
    /// The connection of a WebSocket.
    pub(crate) fn connection(io: Io, permit: Permit, input: Vec<u8>) -> Connection {
        let probe = Self {
            engine: None,
            frames: FrameInput::with_waiting(input),
        };
        let transport = Transport::Probe(Box::new(probe));
        let mut connection = Connection::new(Some(io), Some(permit), transport);
        connection.phase = Phase::Carrier;
        connection
    }

    /// Whether a connection is a session that may move to another WebSocket.
    pub(crate) fn is_wanted(connection: &Connection) -> bool {
        match &connection.transport {
            Transport::Engine(engine) => {
                engine.carriage == Carriage::Polling && engine.probe.is_none()
            }
            _ => false,
        }
    }

    /// Begins; `engine` is the session that may move here.
    pub(crate) fn begin(connection: &mut Connection, engine: Option<ConnKey>, cx: &mut Cx<'_>) {
        let Some(session) = engine else {
            return cx.close(CloseReason::ProtocolError);
        };
        if let Some(probe) = Self::of(connection) {
            probe.engine = engine;
        }
        cx.arm(TIMEOUT, cx.now_ms + cx.settings.session.identify_timeout_ms);
        cx.push_effect(Effect::Notice(session, Notice::ProbeOpened(cx.key)));
        cx.push_effect(Effect::Continue(cx.key));
        cx.mark_unread(connection);
    }

    /// What came of a message that is not whole, and what waits, in bytes.
    pub(crate) fn incomplete_bytes(&self) -> usize {
        self.frames.incomplete_bytes()
    }

    /// Its incoming frames.
    pub(crate) const fn frames_mut(&mut self) -> &mut FrameInput {
        &mut self.frames
    }

    fn of(connection: &mut Connection) -> Option<&mut Self> {
        match &mut connection.transport {
            Transport::Probe(probe) => Some(probe),
            _ => None,
        }
    }
}

impl Hooks for Probe {
    fn on_readable(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
        input::read(connection, buffer, cx);
    }

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        input::take_waiting(connection, cx);
    }

    fn on_attached(_: &mut Connection, _: Attachment, _: &mut Cx<'_>) {}

    fn on_notice(_: &mut Connection, notice: Notice, cx: &mut Cx<'_>) {
        if let Notice::SessionGone = notice {
            cx.close(CloseReason::SessionExpired);
        }
    }

    fn on_timer(_: &mut Connection, _: TransportTimer, cx: &mut Cx<'_>) {
        cx.push_effect(Effect::Lose(cx.key));
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        socket::write(connection, cx);
    }

    fn close(_: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        cx.push_effect(Effect::Finish(cx.key, packet::last(true, reason), reason));
    }

    fn on_closing(connection: &mut Connection, cx: &mut Cx<'_>) {
        part(connection, cx);
    }

    fn released(connection: &mut Connection, cx: &mut Cx<'_>) {
        part(connection, cx);
    }
}

/// The session does not move here any more: it may move to another WebSocket, and
/// to another worker without this one.
fn part(connection: &mut Connection, cx: &mut Cx<'_>) {
    if let Some(engine) = Probe::of(connection).and_then(|probe| probe.engine.take()) {
        cx.push_effect(Effect::Notice(engine, Notice::ProbeGone(cx.key)));
    }
}

/// Takes a packet of the WebSocket.
pub(super) fn packet_came(
    connection: &mut Connection,
    packet: &Packet<'_>,
    cx: &mut Cx<'_>,
) -> Flow {
    let engine = Probe::of(connection).and_then(|probe| probe.engine);
    match (packet, engine) {
        (Packet::Ping("probe"), Some(engine)) => {
            if frames::charge_control(connection, 1, cx).is_break() {
                return WAIT;
            }
            cx.push_direct(connection, packet::frame(&Packet::Pong("probe")));
            cx.push_effect(Effect::Notice(engine, Notice::Probed));
            CONTINUE
        }
        (Packet::Upgrade, Some(engine)) => {
            cx.push_effect(Effect::Notice(engine, Notice::Upgraded(cx.key)));
            WAIT
        }
        _ => fail(CloseReason::ProtocolError, cx),
    }
}

/// The WebSocket was probed: the request that waits for packets
/// is answered, so that the client stops polling.
pub(super) fn was_probed(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    engine.is_probed = true;
    if engine.parked.is_some() {
        cx.push_direct(connection, packet::frame(&Packet::Noop));
    }
}

/// The session moves to its WebSocket, whose socket follows.
pub(super) fn merge(connection: &mut Connection, mut other: Connection, cx: &mut Cx<'_>) {
    let reader = other.reader(cx.encodings, None, cx.now_ms);
    let unwritten = other.queue.take_bytes(&reader);
    let Some(probe) = Probe::of(&mut other) else {
        return;
    };
    let frames = std::mem::replace(&mut probe.frames, FrameInput::new());
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    engine.carriage = Carriage::WebSocket;
    engine.frames = frames;
    engine.probe = None;
    engine.is_probed = false;
    if let Some(parked) = engine.parked.take() {
        let mut noop = String::new();
        Packet::Noop.encode(&mut noop);
        let _ = parked.send(Ok(noop));
    }
    connection.queue.restart();
    if !unwritten.is_empty() {
        connection.queue.push_front(Frame::raw(&unwritten));
    }
    connection.has_unread = true;
    // The frame that has begun counts for the session now.
    incomplete::count(connection, cx);
    cx.push_effect(Effect::Continue(cx.key));
}
