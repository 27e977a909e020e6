//! Tunnels (seed 001): the answer of one request is the way down, other requests
//! are the way up.
//!
//! A tunnel's socket comes from the request that opened it or came back to it.
//! Its first bytes (the answer's head and the format's header) wait until the
//! client may come in, where it has identified; then datagrams follow. A format
//! that ends with its first batch leaves the connection without a socket until
//! the client comes back.
//!
//! ```text
//! Waiting -> Ready -> Open -> Ending -> (no socket) -> the next attachment
//! ```

pub mod accept;
mod attach;
pub mod settings;
mod write;

use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::connection::io::Io;
use crate::gateway::delivery::encoding::{Encoding, Encodings};
use crate::gateway::delivery::frame::{Frame, Message};
use crate::gateway::session::memory::{ResumeFrom, UNNUMBERED_MAX};
use crate::gateway::submit::Taken;
use crate::gateway::transport::backlog::Backlog;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::{
    Attachment, Hooks, Loss, Request, Transport, TransportTimer, socket,
};
use crate::gateway::work::Effect;
use turntable_core::id::{MessageId, SessionId, UserId};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_wire::tunnel_format::{Format, Opening};

/// How far an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing may be written: it is not known yet whether the client may come
    /// in.
    Waiting,
    /// The header may be written.
    Ready,
    /// The header was written.
    Open,
    /// The footer was written.
    Ending,
}

/// The timers of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TunnelTimer {
    /// It has been quiet, or has waited for its batch.
    Keepalive,
    /// It has waited for its next attachment.
    Gap,
}

const KEEPALIVE: TransportTimer = TransportTimer::Tunnel(TunnelTimer::Keepalive);
const GAP: TransportTimer = TransportTimer::Tunnel(TunnelTimer::Gap);

/// The state of a tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// `None` for an attachment that another one replaced.
    name: Option<SessionId>,
    callback: Option<Box<str>>,
    stage: Stage,
    /// The answer's head and the format's header, before they are written.
    opening: Box<[u8]>,
    /// How a refusal is written as long as nothing else was.
    refusal: Refusal,
    /// Whether nothing was written since the last look.
    is_quiet: bool,
    /// How many looks in a row found the socket full.
    blocked: u8,
    /// Bytes that came on the socket, where none should.
    unexpected_bytes: usize,
    /// The datagrams that were written before there was a session.
    datagrams: Vec<MessageId>,
    /// Commands that wait for the identification.
    backlog: Backlog,
}

/// How an answer that refuses is written: HTTP is not the gateway's to know.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The headers that the answer has in any case.
    pub headers: Box<str>,
    /// Writes a whole answer.
    pub write: fn(&ErrorBody, &str) -> Vec<u8>,
}

/// Why a tunnel is attached.
#[derive(Debug)]
pub enum Purpose {
    /// It is new; its client may have identified.
    New(Option<Claim>),
    /// Its client comes back; with the number of the attempt, where it counts them.
    Back(ResumeFrom, Option<u32>),
}

/// Who a client claims to be.
#[derive(Debug)]
pub struct Claim {
    /// The user; `None` where the credentials say it.
    pub user: Option<UserId>,
    /// What proves it.
    pub credentials: Option<Payload>,
}

/// A request whose answer is the next attachment of a tunnel.
#[derive(Debug)]
pub(crate) struct TunnelRequest {
    /// Its socket.
    pub(crate) io: Io,
    /// Its place in the connection limits.
    pub(crate) permit: Permit,
    /// Whether it is a proxy's.
    pub(crate) is_proxied: bool,
    /// The tunnel's name.
    pub(crate) name: SessionId,
    /// The format's number.
    pub(crate) format: u8,
    /// The function to call, where the format has one.
    pub(crate) callback: Option<Box<str>>,
    /// The head of the answer.
    pub(crate) head: Vec<u8>,
    /// How it is refused.
    pub(crate) refusal: Refusal,
}

impl Tunnel {
    fn new(request: &mut TunnelRequest, encodings: &Encodings, now_ms: u64) -> Self {
        let mut opening = std::mem::take(&mut request.head);
        if let Some(format) = encodings.format(request.format) {
            let values = Opening {
                tunnel: &request.name.secret(),
                now_ms,
                callback: request.callback.as_deref(),
                ..Opening::default()
            };
            format.header(&values, &mut opening);
        }
        Self {
            name: Some(request.name),
            callback: request.callback.take(),
            stage: Stage::Waiting,
            opening: opening.into(),
            refusal: request.refusal.clone(),
            is_quiet: true,
            blocked: 0,
            unexpected_bytes: 0,
            datagrams: Vec::new(),
            backlog: Backlog::default(),
        }
    }

    /// The connection of a request.
    pub(crate) fn connection(
        mut request: TunnelRequest,
        encodings: &Encodings,
        now_ms: u64,
    ) -> Connection {
        let tunnel = Self::new(&mut request, encodings, now_ms);
        let transport = Transport::Tunnel(Box::new(tunnel));
        let mut connection = Connection::new(Some(request.io), Some(request.permit), transport);
        connection.is_proxied = request.is_proxied;
        connection.encoding = Encoding::Datagrams(request.format);
        connection
    }

    /// The name by which its client comes back.
    pub(crate) const fn name(&self) -> Option<SessionId> {
        self.name
    }

    /// Notes a datagram of the time before there is a session.
    pub(crate) fn note_unnumbered(&mut self, message: &Message) {
        if self.datagrams.len() < UNNUMBERED_MAX {
            self.datagrams.push(message.id());
        }
    }

    fn of(connection: &mut Connection) -> Option<&mut Self> {
        match &mut connection.transport {
            Transport::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    /// Leaves what waits to the session, or without one the next command of it.
    fn leave_backlog(connection: &mut Connection, cx: &mut Cx<'_>) {
        if let Some(tunnel) = Self::of(connection) {
            tunnel.backlog.leave_all(cx);
        }
    }

    fn format<'a>(connection: &Connection, cx: &Cx<'a>) -> Option<&'a Format> {
        match connection.encoding {
            Encoding::Datagrams(number) => cx.encodings.format(number),
            _ => None,
        }
    }

    fn is_once(connection: &Connection, cx: &Cx<'_>) -> bool {
        Self::format(connection, cx).is_some_and(Format::is_once)
    }

    /// The whole answer that refuses it, as long as its header is not written.
    fn refused(&mut self, error: &ErrorBody) -> Vec<u8> {
        self.stage = Stage::Ending;
        (self.refusal.write)(error, &self.refusal.headers)
    }

    /// Its client may come in: the header may be written.
    pub(crate) fn open(connection: &mut Connection, cx: &mut Cx<'_>) {
        let is_personal = Self::format(connection, cx).is_some_and(Format::is_personal);
        let Some(tunnel) = Self::of(connection) else {
            return;
        };
        if tunnel.stage == Stage::Waiting {
            tunnel.stage = Stage::Ready;
        }
        if let Some(entry) = cx.entry() {
            if is_personal && !entry.is_read_alone {
                // What it shares with other sessions must not be written with its
                // name, which is a secret.
                entry.session.outbox.replace_each(Frame::alone);
            }
            entry.is_read_alone = is_personal;
            let before = std::mem::take(&mut tunnel.datagrams);
            entry
                .remember_unnumbered()
                .extend(before.into_iter().map(|id| (id, 0)));
        }
        cx.mark_dirty();
    }
}

impl Hooks for Tunnel {
    fn on_readable(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
        attach::read(connection, buffer, cx);
    }

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        Self::leave_backlog(connection, cx);
        socket::read_on(connection, cx);
    }

    fn on_request(connection: &mut Connection, request: Request, cx: &mut Cx<'_>) {
        match request {
            Request::Tunnel(request) => attach::again(connection, *request, cx),
            Request::Commands { commands, taken } => {
                let is_taken =
                    Self::of(connection).is_some_and(|tunnel| tunnel.backlog.add(commands));
                taken.answer(if is_taken { Taken::Yes } else { Taken::Full });
                if cx.session.is_some() {
                    Self::leave_backlog(connection, cx);
                } else {
                    cx.push_effect(Effect::Continue(cx.key));
                }
            }
            Request::Poll(_) | Request::Engine(_) => {}
        }
    }

    fn on_attached(connection: &mut Connection, _: Attachment, cx: &mut Cx<'_>) {
        if let Some(entry) = cx.entry() {
            // An EventSource that was cut comes back after some seconds, by the name that it chose.
            entry.session.hear();
        }
        Self::open(connection, cx);
        // From now on requests go to the session, behind these.
        Self::leave_backlog(connection, cx);
    }

    fn on_timer(connection: &mut Connection, timer: TransportTimer, cx: &mut Cx<'_>) {
        match timer {
            KEEPALIVE => write::look(connection, cx),
            GAP if connection.io.is_none() => cx.push_effect(Effect::Lose(cx.key)),
            _ => {}
        }
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        write::flush(connection, cx);
    }

    fn refuse(connection: &mut Connection, error: &ErrorBody, cx: &mut Cx<'_>) -> bool {
        let is_closing = connection.is_closing();
        let Some(tunnel) = Self::of(connection).filter(|_| !is_closing) else {
            return false;
        };
        if tunnel.stage != Stage::Waiting {
            return false;
        }
        let answer = tunnel.refused(error);
        cx.metrics.error(error.code, error.limit);
        connection.queue.take_direct();
        cx.push_effect(Effect::Finish(
            cx.key,
            Frame::raw(&answer),
            CloseReason::Bye,
        ));
        true
    }

    fn close(connection: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        if connection.io.is_none() {
            cx.metrics.close(reason);
            return cx.push_effect(Effect::Lose(cx.key));
        }
        let error = ErrorBody::new(ErrorCode::Unavailable, reason.name());
        if Self::refuse(connection, &error, cx) {
            return;
        }
        // Behind what waits, which the header has to come before.
        write::push_opening(connection);
        let mut last = Vec::new();
        write::edge(connection, &mut last, Some(reason), cx);
        cx.push_effect(Effect::Finish(cx.key, Frame::raw(&last), reason));
    }

    fn on_lost(connection: &mut Connection, _: &mut Cx<'_>) -> Loss {
        // A client may come back before it has to be identified.
        match connection.io.is_some() && connection.is_greeting() {
            true => Loss::Socket,
            false => Loss::Final,
        }
    }
}
