//! Tunnels: the answer of one request is the way down, other requests are the
//! way up.
//!
//! A tunnel's socket comes from the request that opened it or came back to it.
//! What is written first (the answer's head and the format's header) waits
//! until the client is known, where it said who it is; then datagrams follow.
//! A format that ends with its first batch leaves the line without a socket
//! until the client comes back.
//!
//! ```text
//! Waiting -> Ready -> Open -> Ending -> (no socket) -> the next attachment
//! ```

mod write;

use std::net::IpAddr;

use actix::{Context, Handler, Message};
use mio::net::TcpStream;

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::Dialect;
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::frame::{Frame, Message as WrittenMessage};
use crate::gateway::lifecycle::Since;
use crate::gateway::peers::Place;
use crate::gateway::{Gateway, Held, Timer};
use turntable_core::id::{MessageId, SessionId, UserId};
use turntable_core::packet::{ErrorBody, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::greeting::Greeting;
use turntable_wire::tunnel_format::{Format, Opening};

/// Unnumbered datagrams by whose ids a client may come back.
pub(super) const DATAGRAMS_MAX: usize = 16;

/// How far an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing may be written: nobody knows yet whether the client may come in.
    Waiting,
    /// The header may go out.
    Ready,
    /// The header went out.
    Open,
    /// The footer did.
    Ending,
}

/// What a tunnel keeps.
#[derive(Debug)]
pub struct TunnelLine {
    format: u8,
    callback: Option<Box<str>>,
    stage: Stage,
    /// The answer's head and the format's header, before they are written.
    opening: Box<[u8]>,
    /// How a refusal is written while nothing else was.
    refusal: Refusal,
    /// Whether nothing was written since the last look.
    is_quiet: bool,
    /// How many looks in a row found the socket full.
    blocked: u8,
    /// What came on the socket, where nothing should.
    unasked_bytes: usize,
    /// The datagrams that went out before there was a session.
    datagrams: Vec<MessageId>,
}

/// How an answer that refuses is written: HTTP is the door's to know.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The headers that the answer has, whatever it says.
    pub headers: Box<str>,
    /// Writes a whole answer.
    pub write: fn(&ErrorBody, &str) -> Vec<u8>,
}

/// Why a tunnel is attached.
#[derive(Debug)]
pub enum Purpose {
    /// It is new; the client may have said who it is.
    New(Option<Claim>),
    /// Its client comes back.
    Back(Since),
}

/// Who a client says it is.
#[derive(Debug)]
pub struct Claim {
    /// The user.
    pub user: UserId,
    /// What proves it.
    pub credentials: Option<Payload>,
}

/// A request whose answer is a tunnel. It counts in the census already.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// The socket, non-blocking.
    pub stream: std::net::TcpStream,
    /// Whose.
    pub address: IpAddr,
    /// The tunnel.
    pub id: SessionId,
    /// The format's number.
    pub format: u8,
    /// The function that is called, where the format has one.
    pub callback: Option<Box<str>>,
    /// The head of the answer.
    pub head: Vec<u8>,
    /// How it is refused.
    pub refusal: Refusal,
    /// Why.
    pub purpose: Purpose,
}

impl Handler<Attach> for Gateway {
    type Result = ();

    fn handle(&mut self, attach: Attach, _: &mut Context<Self>) {
        self.context.metrics.accepted.inc();
        let Attach {
            stream,
            address,
            id,
            format,
            callback,
            mut head,
            refusal,
            purpose,
        } = attach;
        let Some(known) = self.context.dialects.format(format) else {
            return self.context.census.leave(address);
        };
        let opening = Opening {
            tunnel: &id.secret(),
            now_ms: clock::now_ms(),
            callback: callback.as_deref(),
            ..Opening::default()
        };
        known.header(&opening, &mut head);
        let tunnel = TunnelLine {
            format,
            callback,
            stage: Stage::Waiting,
            opening: head.into(),
            refusal,
            is_quiet: true,
            blocked: 0,
            unasked_bytes: 0,
            datagrams: Vec::new(),
        };
        let stream = TcpStream::from_std(stream);
        if let Purpose::Back(_) = purpose
            && let Some(slot) = self.unidentified(id)
        {
            return self.attach_again(slot, tunnel, stream);
        }
        // What is to be refused must not take the name from another door's line.
        let is_known = matches!(purpose, Purpose::New(_)) || self.context.peers.find(id).is_some();
        let name = if is_known {
            Some(id)
        } else {
            SessionId::random()
        };
        let greeting = Phase::Greeting(Greeting::default());
        let mut connection = Connection::new(Some(stream), address, greeting);
        connection.dialect = Dialect::Tunnel(format);
        let kind = DoorKind::Tunnel(tunnel);
        connection.door = Some(Box::new(DoorLine::new(name.unwrap_or(id), kind)));
        let Some(slot) = self.take_in(connection) else {
            return;
        };
        self.begin_attachment(slot);
        if self.is_draining {
            let error = ErrorBody::new(ErrorCode::Unavailable, "the server is stopping");
            self.refuse_opening(slot, &error);
            return;
        }
        match purpose {
            Purpose::New(claim) => self.open_new(slot, claim),
            Purpose::Back(since) => self.resume_here(slot, id, since, None),
        }
    }
}

impl Held {
    /// Notes a datagram that has no number, behind those that were sent and
    /// `begun` more.
    pub(super) fn note_datagram(&mut self, message: &WrittenMessage, begun: u64) {
        let number = self.outbox.sent() + begun;
        if let Some(datagrams) = self.memory.as_mut().and_then(|m| m.datagrams.as_mut()) {
            if datagrams.len() == DATAGRAMS_MAX {
                datagrams.pop_front();
            }
            datagrams.push_back((message.id(), number));
        }
    }
}

impl TunnelLine {
    /// Notes a datagram of the time before there is a session.
    pub(super) fn note_datagram(&mut self, message: &WrittenMessage) {
        if self.datagrams.len() < DATAGRAMS_MAX {
            self.datagrams.push(message.id());
        }
    }
}

impl Gateway {
    /// Sees to what a new attachment of a tunnel waits for.
    fn begin_attachment(&mut self, slot: u32) {
        let now_ms = clock::now_ms();
        let Some(key) = self.connections.key(slot) else {
            return;
        };
        let identify_ms = self.settings().session.identify_timeout_ms;
        self.wheel.set(now_ms + identify_ms, Timer::Identify(key));
        self.look_after_tunnel(slot);
        // What came behind the request makes no event of its own.
        self.mark_unread(slot);
    }

    fn look_after_tunnel(&mut self, slot: u32) {
        let settings = &self.context.settings.tunnel;
        let is_once = self.tunnel_format(slot).is_some_and(Format::is_once);
        let wait_ms = if is_once {
            settings.longpoll_ms
        } else {
            settings.keepalive_ms
        };
        if let Some(key) = self.connections.key(slot) {
            self.wheel
                .set(clock::now_ms() + wait_ms, Timer::Tunnel(key));
        }
    }

    fn open_new(&mut self, slot: u32, claim: Option<Claim>) {
        let Some(Claim { user, credentials }) = claim else {
            self.open_tunnel(slot);
            return self.send_direct(slot, &ServerPacket::IdYou, None);
        };
        self.send_direct(slot, &ServerPacket::IdYou, None);
        match self.context.portal.identify(&user, credentials.as_ref()) {
            Ok(()) => self.identify(slot, user, Vec::new(), None),
            Err(error) => {
                self.refuse_opening(slot, &error);
            }
        }
    }

    /// The line of a tunnel whose client has not said who it is.
    fn unidentified(&self, id: SessionId) -> Option<u32> {
        if self.context.peers.find(id).is_some() {
            return None;
        }
        let key = match self.context.peers.line(id)? {
            Place::Line { worker, key } if worker == self.worker => key,
            _ => return None,
        };
        let line = self.connections.at(key.slot)?;
        let door = line.door.as_ref()?;
        let is_tunnel = matches!(door.kind, DoorKind::Tunnel(_));
        let is_there = self.connections.holds(key) && !line.is_closing();
        (is_tunnel && is_there).then_some(key.slot)
    }

    /// Gives an unidentified tunnel its next attachment; the one before ends.
    fn attach_again(&mut self, slot: u32, tunnel: TunnelLine, stream: TcpStream) {
        let Some(address) = self.connections.at(slot).map(|line| line.address) else {
            return;
        };
        let mut last = Vec::new();
        self.write_edge(slot, &mut last, Some(CloseReason::Replaced));
        match self.drop_stream(slot) {
            Some(before) => {
                let mut ending = Connection::new(Some(before), address, Phase::Closing);
                ending.begin_closing(Frame::raw(&last));
                if let Some(slot) = self.take_in(ending) {
                    self.linger(slot, CloseReason::Replaced);
                }
            }
            // Its place in the census is free again.
            None => self.context.census.leave(address),
        }
        if let Some(line) = self.connections.at_mut(slot) {
            line.dialect = Dialect::Tunnel(tunnel.format);
            line.restart();
        }
        if let Some(known) = self.tunnel(slot) {
            let datagrams = std::mem::take(&mut known.datagrams);
            *known = TunnelLine {
                datagrams,
                ..tunnel
            };
        }
        self.put_stream(slot, stream);
        self.look_after_tunnel(slot);
        self.mark_unread(slot);
        let is_waiting = self.connections.at(slot).is_some_and(Connection::is_paused);
        if !is_waiting {
            self.open_tunnel(slot);
        }
    }

    /// The messages of its own that a line has not written.
    pub(super) fn unwritten(&mut self, slot: u32) -> Vec<Frame> {
        let Some(line) = self.connections.at_mut(slot) else {
            return Vec::new();
        };
        let direct = line.take_direct();
        direct
            .into_iter()
            .filter(|frame| frame.as_message().is_some())
            .collect()
    }

    pub(super) fn tunnel(&mut self, slot: u32) -> Option<&mut TunnelLine> {
        let door = self.connections.at_mut(slot)?.door.as_mut()?;
        match &mut door.kind {
            DoorKind::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    fn tunnel_format(&self, slot: u32) -> Option<&Format> {
        match self.connections.at(slot)?.dialect {
            Dialect::Tunnel(number) => self.context.dialects.format(number),
            _ => None,
        }
    }

    /// The client may come in: the header may go out.
    pub(super) fn open_tunnel(&mut self, slot: u32) {
        if self.open_namespace(slot) {
            return;
        }
        let is_personal = self.tunnel_format(slot).map(Format::is_personal);
        let session = self.connections.at(slot).and_then(Connection::session);
        let Some(tunnel) = self.tunnel(slot) else {
            // A tunnel's session may go on over another door.
            if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
                held.is_read_alone = false;
                if let Some(memory) = &mut held.memory {
                    memory.datagrams = None;
                }
            }
            return;
        };
        if tunnel.stage == Stage::Waiting {
            tunnel.stage = Stage::Ready;
        }
        let before = match session {
            Some(_) => std::mem::take(&mut tunnel.datagrams),
            None => Vec::new(),
        };
        if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
            held.is_read_alone = is_personal == Some(true);
            let memory = held.memory.get_or_insert_default();
            let datagrams = memory.datagrams.get_or_insert_default();
            datagrams.extend(before.into_iter().map(|id| (id, 0)));
        }
        self.dirty.push(slot);
    }
}
