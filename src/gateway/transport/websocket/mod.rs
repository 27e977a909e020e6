//! WebSockets (RFC 6455) with the messages of version 1 or 2.
//!
//! ```text
//! bytes -> frames -> commands -> session
//! bytes <- frames <------------- outbox
//! ```
//!
//! A connection that was silent is pinged; while its session is in a room it is
//! pinged at random instants, which measures the way to the client (`clock_ping`).

pub mod accept;
mod clock_ping;

use crate::gateway::connection::{Connection, Phase};
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::frames::{self, CONTINUE, Flow, FrameInput, WAIT};
use crate::gateway::transport::{Attachment, Hooks, Transport, TransportTimer, socket};
use crate::gateway::work::{Effect, is_identification, is_much};
use turntable_core::reason::CloseReason;
use turntable_wire::json_v1;
use turntable_wire::msgpack_v2;
use turntable_wire::websocket::Message;

/// What a WebSocket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sessions.
    Sessions,
    /// Sending everything back, for conformance suites.
    Echo,
}

/// The timers of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebSocketTimer {
    /// The client has to have shown a sign of life.
    Heartbeat,
    /// The way to the client is measured.
    ClockPing,
}

/// The state of a WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    frames: FrameInput,
    /// The mark of the ping that is on its way; 0 while there is none.
    ping: u64,
    purpose: Purpose,
    /// The low bits of the Unix ms of the next clock ping; 0 while there is none.
    clock_ping_ms: u32,
    /// Whether anything came since the last heartbeat.
    was_heard: bool,
    /// Whether the message that comes was incomplete at the last heartbeat already.
    is_overdue: bool,
}

impl WebSocket {
    /// A WebSocket whose handshake is done, with what came behind it.
    pub(crate) fn new(purpose: Purpose, input: Vec<u8>) -> Self {
        Self::with_frames(purpose, FrameInput::with_waiting(input))
    }

    /// One whose frames were read elsewhere before.
    pub(crate) const fn with_frames(purpose: Purpose, frames: FrameInput) -> Self {
        Self {
            frames,
            ping: 0,
            purpose,
            clock_ping_ms: 0,
            was_heard: true,
            is_overdue: false,
        }
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
            Transport::WebSocket(websocket) => Some(websocket),
            _ => None,
        }
    }

    /// Begins a connection that only sends back.
    pub(crate) fn begin_echo(connection: &mut Connection, cx: &mut Cx<'_>) {
        connection.phase = Phase::Carrier;
        cx.arm(HEARTBEAT, cx.now_ms + cx.settings.session.heartbeat_ms);
    }
}

const HEARTBEAT: TransportTimer = TransportTimer::WebSocket(WebSocketTimer::Heartbeat);
const CLOCK_PING: TransportTimer = TransportTimer::WebSocket(WebSocketTimer::ClockPing);

impl Hooks for WebSocket {
    fn on_readable(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
        socket::read(connection, buffer, cx, take);
    }

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        frames::take_waiting(connection, cx, message_came);
    }

    fn on_attached(connection: &mut Connection, _: Attachment, cx: &mut Cx<'_>) {
        cx.arm(HEARTBEAT, cx.now_ms + cx.settings.session.heartbeat_ms);
        if let Some(entry) = cx.entry() {
            entry.forget_unnumbered();
        }
        clock_ping::schedule(connection, cx);
    }

    fn on_room(connection: &mut Connection, cx: &mut Cx<'_>) {
        clock_ping::schedule(connection, cx);
    }

    fn on_timer(connection: &mut Connection, timer: TransportTimer, cx: &mut Cx<'_>) {
        match timer {
            HEARTBEAT => heartbeat(connection, cx),
            CLOCK_PING => clock_ping::timer_came(connection, cx),
            _ => {}
        }
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        socket::write(connection, cx);
    }

    fn close(_: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        cx.push_effect(Effect::Finish(cx.key, Frame::close(reason), reason));
    }
}

/// Takes bytes. Returns whether the connection may go on.
fn take(connection: &mut Connection, input: &mut [u8], cx: &mut Cx<'_>) -> bool {
    if let Some(websocket) = WebSocket::of(connection) {
        websocket.was_heard = true;
    }
    frames::take(connection, input, cx, message_came)
}

/// Takes one message; breaks where what is behind it has to wait, or is nothing
/// any more.
fn message_came(connection: &mut Connection, message: Message<'_>, cx: &mut Cx<'_>) -> Flow {
    let purpose = WebSocket::of(connection).map(|websocket| {
        websocket.is_overdue &= matches!(message, Message::Pong(_));
        websocket.purpose
    });
    let is_v2 = connection.encoding == Encoding::MsgpackV2;
    let depth_max = cx.settings.session.depth_max;
    let bytes = message.payload_bytes();
    let command = match message {
        Message::Pong(payload) => {
            clock_ping::pong(connection, payload, cx);
            return CONTINUE;
        }
        Message::Text(text) if purpose == Some(Purpose::Echo) => {
            cx.push_direct(connection, Frame::echo(text.as_bytes(), true));
            return CONTINUE;
        }
        Message::Binary(bytes) if purpose == Some(Purpose::Echo) => {
            cx.push_direct(connection, Frame::echo(bytes, false));
            return CONTINUE;
        }
        Message::Text(text) if !is_v2 => {
            json_v1::decode(text, &json_v1::DecodeLimits { depth_max })
        }
        Message::Binary(bytes) if is_v2 => msgpack_v2::decode(
            bytes,
            &msgpack_v2::DecodeLimits {
                depth_max,
                message_bytes_max: cx.settings.message_bytes_max,
            },
        ),
        _ => {
            frames::count_refused(connection, cx);
            cx.close(CloseReason::Unsupported);
            return WAIT;
        }
    };
    let has_to_wait =
        (connection.is_greeting() && is_identification(&command)) || is_much(&command);
    cx.push_effect(Effect::Command(cx.key, command, bytes));
    match has_to_wait {
        true => WAIT,
        false => CONTINUE,
    }
}

/// Pings a connection that was silent, and closes one that stayed so, or that has not
/// sent the rest of a message since the last heartbeat.
fn heartbeat(connection: &mut Connection, cx: &mut Cx<'_>) {
    if connection.is_closing() {
        return;
    }
    let Some(websocket) = WebSocket::of(connection) else {
        return;
    };
    // Pongs between its fragments show a client that lives, and holds memory.
    let is_within = websocket.frames.is_within_message();
    if std::mem::replace(&mut websocket.is_overdue, is_within) && is_within {
        return cx.close(CloseReason::HeartbeatMissed);
    }
    if std::mem::take(&mut websocket.was_heard) {
        websocket.ping = 0;
    } else if websocket.ping != 0 {
        return cx.close(CloseReason::HeartbeatMissed);
    } else {
        clock_ping::ping(connection, cx);
    }
    cx.arm(HEARTBEAT, cx.now_ms + cx.settings.session.heartbeat_ms);
}
