//! The transports: how bytes travel between a client and its gateway.
//!
//! A transport is a variant of the closed enum `Transport` with its own state,
//! and implements `Hooks`. A hook gets its connection and a narrow context
//! (`Cx`), changes these alone, and leaves in the context what has to happen
//! next as effects (`work`). It never calls another transport, and the gateway
//! names no transport outside this file's dispatch.
//!
//! A new transport is a folder here, a variant, and a route in `http/`.

pub mod arrival;
pub(crate) mod backlog;
pub(crate) mod begin;
pub(crate) mod context;
pub mod engineio;
pub(crate) mod frames;
pub(crate) mod incomplete;
pub(crate) mod notice;
pub mod poll;
pub(crate) mod request;
pub mod settings;
pub(crate) mod socket;
#[cfg(test)]
pub(crate) mod testing;
pub mod tunnel;
pub mod upgraded;
pub mod websocket;

use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::delivery::frame::Message;
use crate::gateway::session::memory::{Answered, ResumeFrom};
use begin::Insertion;
use context::Cx;
use engineio::Engine;
use engineio::namespace::Namespace;
use engineio::probe::Probe;
use frames::FrameInput;
use notice::Notice;
use poll::Poll;
use tunnel::Tunnel;
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::reason::CloseReason;
use websocket::WebSocket;

pub(crate) use request::Request;

/// The transport of a connection, with its state.
#[derive(Debug)]
pub(crate) enum Transport {
    /// A WebSocket with our messages.
    WebSocket(WebSocket),
    /// The lasting answer of an HTTP request.
    Tunnel(Box<Tunnel>),
    /// HTTP requests with calls, and answers with everything that waits.
    Poll(Box<Poll>),
    /// A session of Engine.IO; it carries namespaces.
    Engine(Box<Engine>),
    /// A WebSocket that a session of Engine.IO may move to.
    Probe(Box<Probe>),
    /// A namespace of Socket.IO on a session of Engine.IO.
    Namespace(Box<Namespace>),
}

/// A timer of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportTimer {
    /// Of a WebSocket.
    WebSocket(websocket::WebSocketTimer),
    /// Of a tunnel.
    Tunnel(tunnel::TunnelTimer),
    /// Of a poll.
    Poll(poll::PollTimer),
    /// Of a session of Engine.IO.
    Engine(engineio::EngineTimer),
}

/// How a session came to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    /// It began here.
    New,
    /// It was resumed from this point.
    Resumed(ResumeFrom),
}

/// The connections that move to another worker together with one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// The one that carries it.
    pub(crate) carrier: Option<ConnKey>,
    /// One that the carrier may merge with.
    pub(crate) spare: Option<ConnKey>,
}

/// What becomes of a connection whose socket is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It is released.
    Final,
    /// Its socket alone is: its client may come back.
    Socket,
}

/// What a transport does when something happens to one of its connections.
///
/// Each hook gets the connection, whose `transport` is this one's state, and a
/// context. Hooks run one at a time; what they leave as effects runs behind them
/// and before anything else.
pub(crate) trait Hooks {
    /// The socket can be read, or reported its end. Reads a bounded amount and
    /// leaves the commands that came.
    fn on_readable(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>);

    /// The connection may take what its client sent while it was paused.
    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        let _ = (connection, cx);
    }

    /// The client is being identified, or commands of its session take turns; what it sends
    /// has to wait.
    fn on_paused(connection: &mut Connection, cx: &mut Cx<'_>) {
        let _ = (connection, cx);
    }

    /// An HTTP request came for the connection.
    fn on_request(connection: &mut Connection, request: Request, cx: &mut Cx<'_>) {
        let _ = (connection, request, cx);
    }

    /// A session, which the context has, is carried from now on.
    fn on_attached(connection: &mut Connection, attachment: Attachment, cx: &mut Cx<'_>);

    /// The session, which the context has, will not be carried any more.
    fn on_detached(connection: &mut Connection, cx: &mut Cx<'_>) {
        let _ = (connection, cx);
    }

    /// The session entered a room, or its client begins to act: its client's clock
    /// matters now.
    fn on_room(connection: &mut Connection, cx: &mut Cx<'_>) {
        let _ = (connection, cx);
    }

    /// A request of the client was answered.
    fn on_answered(connection: &mut Connection, id: &RequestId, cx: &mut Cx<'_>) {
        let _ = (connection, id, cx);
    }

    /// Another connection of the same transport has something to say.
    fn on_notice(connection: &mut Connection, notice: Notice, cx: &mut Cx<'_>) {
        let _ = (connection, notice, cx);
    }

    /// A timer of this transport came due.
    fn on_timer(connection: &mut Connection, timer: TransportTimer, cx: &mut Cx<'_>) {
        let _ = (connection, timer, cx);
    }

    /// Whether changes of presence go into the outbox before the next flush.
    fn takes_presence(connection: &Connection) -> bool {
        let _ = connection;
        false
    }

    /// Writes what waits, as far as it is taken now.
    fn flush(connection: &mut Connection, cx: &mut Cx<'_>);

    /// Refuses a client in the transport's own way, as long as nothing else was
    /// written. Returns whether it did; else the error goes out as a message.
    fn refuse(connection: &mut Connection, error: &ErrorBody, cx: &mut Cx<'_>) -> bool {
        let _ = (connection, error, cx);
        false
    }

    /// Ends the connection for a reason, by the effects `Finish` or `Lose`.
    fn close(connection: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>);

    /// The last frame is queued: nothing that comes in counts any more.
    fn on_closing(connection: &mut Connection, cx: &mut Cx<'_>) {
        let _ = (connection, cx);
    }

    /// Takes what `other`, a connection of the same transport that was released
    /// for it, has beside its socket. The socket follows behind.
    fn on_merged(connection: &mut Connection, other: Connection, cx: &mut Cx<'_>) {
        let _ = (connection, other, cx);
    }

    /// The socket is lost.
    fn on_lost(connection: &mut Connection, cx: &mut Cx<'_>) -> Loss {
        let _ = (connection, cx);
        Loss::Final
    }

    /// The connection has left the table.
    fn released(connection: &mut Connection, cx: &mut Cx<'_>) {
        let _ = (connection, cx);
    }
}

/// Calls a hook of the connection's transport.
macro_rules! dispatch {
    ($connection:expr, $hook:ident($($argument:expr),*)) => {
        match $connection.transport {
            Transport::WebSocket(_) => WebSocket::$hook($connection, $($argument),*),
            Transport::Tunnel(_) => Tunnel::$hook($connection, $($argument),*),
            Transport::Poll(_) => Poll::$hook($connection, $($argument),*),
            Transport::Engine(_) => Engine::$hook($connection, $($argument),*),
            Transport::Probe(_) => Probe::$hook($connection, $($argument),*),
            Transport::Namespace(_) => Namespace::$hook($connection, $($argument),*),
        }
    };
}

/// The hooks of a connection, whatever its transport.
pub(crate) struct Dispatch;

#[rustfmt::skip]
impl Hooks for Dispatch {
    fn on_readable(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
        dispatch!(connection, on_readable(buffer, cx));
    }

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, on_unpaused(cx));
    }

    fn on_paused(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, on_paused(cx));
    }

    fn on_request(connection: &mut Connection, request: Request, cx: &mut Cx<'_>) {
        dispatch!(connection, on_request(request, cx));
    }

    fn on_attached(connection: &mut Connection, attachment: Attachment, cx: &mut Cx<'_>) {
        dispatch!(connection, on_attached(attachment, cx));
    }

    fn on_detached(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, on_detached(cx));
    }

    fn on_room(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, on_room(cx));
    }

    fn on_answered(connection: &mut Connection, id: &RequestId, cx: &mut Cx<'_>) {
        dispatch!(connection, on_answered(id, cx));
    }

    fn on_notice(connection: &mut Connection, notice: Notice, cx: &mut Cx<'_>) {
        dispatch!(connection, on_notice(notice, cx));
    }

    fn on_timer(connection: &mut Connection, timer: TransportTimer, cx: &mut Cx<'_>) {
        dispatch!(connection, on_timer(timer, cx));
    }

    fn takes_presence(connection: &Connection) -> bool {
        dispatch!(connection, takes_presence())
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, flush(cx));
    }

    fn refuse(connection: &mut Connection, error: &ErrorBody, cx: &mut Cx<'_>) -> bool {
        dispatch!(connection, refuse(error, cx))
    }

    fn close(connection: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        dispatch!(connection, close(reason, cx));
    }

    fn on_closing(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, on_closing(cx));
    }

    fn on_merged(connection: &mut Connection, other: Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, on_merged(other, cx));
    }

    fn on_lost(connection: &mut Connection, cx: &mut Cx<'_>) -> Loss {
        dispatch!(connection, on_lost(cx))
    }

    fn released(connection: &mut Connection, cx: &mut Cx<'_>) {
        dispatch!(connection, released(cx));
    }
}

impl Transport {
    /// Whether a client has to identify within `identify_timeout_ms`; one that polls
    /// has its welcome before (protocol.md 6).
    pub(crate) const fn identifies_in_time(&self) -> bool {
        !matches!(self, Self::Poll(_))
    }

    /// The name by which HTTP requests find the connection: the id of the
    /// session that it carries or will, or an id of its own.
    pub(crate) const fn name(&self) -> Option<SessionId> {
        match self {
            Self::WebSocket(_) | Self::Probe(_) => None,
            Self::Tunnel(tunnel) => tunnel.name(),
            Self::Poll(poll) => Some(poll.name()),
            Self::Engine(engine) => Some(engine.name()),
            Self::Namespace(namespace) => Some(namespace.name()),
        }
    }

    /// The connection that carries this one.
    pub(crate) const fn carrier(&self) -> Option<ConnKey> {
        match self {
            Self::Namespace(namespace) => Some(namespace.carrier()),
            _ => None,
        }
    }

    /// When a client that fetches what waits by requests did so last, Unix ms; `now_ms` is now.
    pub(crate) const fn fetched_ms(&self, now_ms: u64) -> Option<u64> {
        match self {
            Self::Poll(poll) => Some(poll.heard_ms()),
            Self::Engine(engine) => engine.fetched_ms(now_ms),
            _ => None,
        }
    }

    /// How many connections it carries.
    pub(crate) fn carries(&self) -> usize {
        match self {
            Self::Engine(engine) => engine.carries(),
            _ => 0,
        }
    }

    /// Whether a client resumes by the command `resume`; else it names the
    /// session when the connection begins.
    pub(crate) const fn resumes_by_command(&self) -> bool {
        matches!(self, Self::WebSocket(_) | Self::Namespace(_))
    }

    /// Whether pings measure the way to its client.
    pub(crate) const fn has_pings(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// The connections that move to another worker together with this one, which
    /// `carrier` carries; `None` where it cannot move.
    pub(crate) fn group(&self, carrier: Option<&Self>) -> Option<Group> {
        match (self, carrier) {
            (Self::WebSocket(_), _) => Some(Group::default()),
            (Self::Namespace(namespace), Some(Self::Engine(engine))) => Some(Group {
                carrier: Some(namespace.carrier()),
                spare: engine.movable()?,
            }),
            _ => None,
        }
    }

    /// How it begins on the worker that it was moved to; `carrier` is the
    /// connection that carries it or that it may merge with. `None` for a
    /// transport that does not move.
    pub(crate) fn arrive(&mut self, carrier: Option<ConnKey>) -> Option<Insertion> {
        match self {
            Self::WebSocket(_) => Some(Insertion::WebSocketAgain),
            Self::Tunnel(_) | Self::Poll(_) => None,
            Self::Engine(_) => Some(Insertion::EngineAgain),
            Self::Probe(_) => Some(Insertion::Probe(carrier)),
            Self::Namespace(namespace) => {
                namespace.set_carrier(carrier?);
                Some(Insertion::Namespace(None))
            }
        }
    }

    /// Forgets the keys of the worker that it leaves.
    pub(crate) fn leave_worker(&mut self) {
        if let Self::Engine(engine) = self {
            engine.leave_worker();
        }
    }

    /// What marks the acknowledgements that were requested on the connection.
    pub(crate) const fn mark(&self) -> u32 {
        match self {
            Self::Namespace(namespace) => namespace.mark(),
            _ => 0,
        }
    }

    /// Whether a client without a socket comes back with another, for which its connection waits.
    pub(crate) const fn is_attached_again(&self) -> bool {
        matches!(self, Self::Tunnel(_))
    }

    /// Lets a client leave with its next answer behind which nothing waits, where it fetches what
    /// waits by requests that are answered at once. Returns whether it does so.
    pub(crate) fn leave_with_answer(&mut self) -> bool {
        match self {
            Self::Poll(poll) => {
                poll.leave_with_answer();
                true
            }
            _ => false,
        }
    }

    /// It does not leave any more.
    pub(crate) const fn stay(&mut self) {
        if let Self::Poll(poll) = self {
            poll.stay();
        }
    }

    /// Lets such a client leave once the commands of its request are carried out, without a
    /// `goaway`. Returns whether it has a request under way; `None` for other clients.
    pub(crate) const fn leave_behind_commands(&mut self) -> Option<bool> {
        match self {
            Self::Poll(poll) => Some(poll.leave_behind_commands()),
            _ => None,
        }
    }

    /// Whether what the client sends has to wait for something of the transport.
    pub(crate) fn is_paused(&self) -> bool {
        match self {
            Self::Engine(engine) => engine.is_paused(),
            _ => false,
        }
    }

    /// The WebSocket frames that come in, where the transport has them.
    pub(crate) fn frames_mut(&mut self) -> Option<&mut FrameInput> {
        match self {
            Self::WebSocket(websocket) => Some(websocket.frames_mut()),
            Self::Engine(engine) => Some(engine.frames_mut()),
            Self::Probe(probe) => Some(probe.frames_mut()),
            Self::Tunnel(_) | Self::Poll(_) | Self::Namespace(_) => None,
        }
    }

    /// Drops what the client sent and was not taken yet.
    pub(crate) fn drop_input(&mut self) {
        if let Some(frames) = self.frames_mut() {
            frames.drop_input();
        }
    }

    /// Notes a message that was written before there is a session.
    pub(crate) fn note_unnumbered(&mut self, message: &Message) {
        if let Self::Tunnel(tunnel) = self {
            tunnel.note_unnumbered(message);
        }
    }

    /// The last numbered request and its answer, as long as the connection is
    /// attached.
    pub(crate) fn answered(&self) -> Option<&Answered> {
        match self {
            Self::Poll(poll) => poll.answered(),
            _ => None,
        }
    }

    /// Drops the answer to the last numbered request.
    pub(crate) fn forget_answer(&mut self) {
        if let Self::Poll(poll) = self {
            poll.forget_answer();
        }
    }

    /// The label of its metrics.
    pub(crate) const fn label(&self, encoding: Encoding) -> &'static str {
        match (self, encoding) {
            (Self::WebSocket(_), Encoding::MsgpackV2) => "websocket_v2",
            (Self::WebSocket(_), _) => "websocket",
            (Self::Tunnel(_), _) => "tunnel",
            (Self::Poll(_), _) => "poll",
            (Self::Engine(_) | Self::Probe(_), _) => "engineio",
            (Self::Namespace(_), _) => "socketio",
        }
    }
}
