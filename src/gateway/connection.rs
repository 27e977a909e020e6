//! One line: what is read from its socket in pieces, and what waits to be
//! written.
//!
//! A line of a door whose bytes go in requests and answers has no socket, or
//! has one now and then. Two queues share the line. `direct` holds what belongs
//! to the line itself (a handshake's answer, control frames, a tunnel's header,
//! all before the first `welcome`); the session's outbox holds the numbered
//! messages. They are written in one vectored call; a frame that was written in
//! part is always finished first.

pub mod io;

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::IpAddr;

use mio::net::TcpStream;
use smallvec::SmallVec;

use crate::gateway::dialect::{Dialect, Reader};
use crate::gateway::door::DoorLine;
use crate::gateway::frame::Frame;
use turntable_core::session::greeting::Greeting;
use turntable_core::session::outbox::{Outbox, OutboxFrame};
use turntable_wire::websocket::{Decoder, Role};

/// How many frames go into one write.
const SLICES_MAX: usize = 64;

/// What a frame of the connection itself takes beside its bytes: a pong may
/// have two, and a peer that does not read must not gather a million of them.
const FRAME_COST: usize = 48;

/// How far a connection is.
#[derive(Debug)]
pub enum Phase {
    /// Sends everything back.
    Echo,
    /// Has not said who it is.
    Greeting(Greeting),
    /// Has; the avatar of this session (slot) was asked to take it in.
    Identifying(u32),
    /// Carries the session at this slot.
    Session(u32),
    /// Carries no session itself: other lines, or nothing yet.
    Carrier,
    /// Was sent a close frame, or answered one; nothing counts any more.
    Closing,
}

/// What a flush did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes taken by the socket.
    pub bytes: usize,
    /// Calls to write.
    pub calls: u32,
    /// Whether nothing is left.
    pub is_drained: bool,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// The socket, where the line has one now.
    pub stream: Option<TcpStream>,
    /// Whose.
    pub address: IpAddr,
    /// How far it is.
    pub phase: Phase,
    /// How its messages are written.
    pub dialect: Dialect,
    /// What a door other than a WebSocket keeps.
    pub door: Option<Box<DoorLine>>,
    /// The frames that come in.
    pub decoder: Decoder,
    /// Input that waits while the connection is being identified.
    pub held: Option<Box<[u8]>>,
    #[expect(
        clippy::box_collection,
        reason = "most connections have none of these frames, and pay a word"
    )]
    direct: Option<Box<VecDeque<Frame>>>,
    direct_bytes: usize,
    /// Bytes of the foremost frame that were written.
    offset: usize,
    /// Whether that frame is the outbox's.
    offset_is_outbox: bool,
    /// The mark of the ping that is on its way; 0 while there is none.
    pub ping: u64,
    /// Whether anything came in since the last heartbeat.
    pub was_heard: bool,
    /// Whether the socket took less than there was.
    pub is_blocked: bool,
    /// Whether the socket has input that was not read.
    pub has_unread: bool,
    /// Whether the other end has sent its last byte, which the socket tells
    /// only once.
    pub is_read_closed: bool,
    /// Whether a timer measures the client's clock.
    pub is_measured: bool,
    /// Whether a close frame is among the direct ones, or was.
    last_is_queued: bool,
}

impl Connection {
    /// A connection whose handshake is done.
    #[must_use]
    pub fn new(stream: Option<TcpStream>, address: IpAddr, phase: Phase) -> Self {
        Self {
            stream,
            address,
            phase,
            dialect: Dialect::default(),
            door: None,
            decoder: Decoder::new(Role::Server),
            held: None,
            direct: None,
            direct_bytes: 0,
            offset: 0,
            offset_is_outbox: false,
            ping: 0,
            was_heard: true,
            is_blocked: false,
            has_unread: false,
            is_read_closed: false,
            is_measured: false,
            last_is_queued: false,
        }
    }

    /// The session (slot) whose outbox this connection writes.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        match self.phase {
            Phase::Session(slot) => Some(slot),
            _ => None,
        }
    }

    /// The name of its door for an operator.
    #[must_use]
    pub fn door_name(&self) -> &'static str {
        match (&self.door, self.dialect) {
            (Some(door), _) => door.kind.name(),
            (None, Dialect::MsgpackV2) => "websocket_v2",
            (None, _) => "websocket",
        }
    }

    /// Whether input has to wait.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Identifying(_))
            || self.door.as_ref().is_some_and(|door| door.is_paused())
    }

    /// Whether it counts as a connection.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.door.as_ref().is_none_or(|door| door.is_counted())
    }

    /// Whether a close frame was sent or answered.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.last_is_queued
    }

    /// Puts the last frame; what the session still has is not for this
    /// connection any more.
    pub fn begin_closing(&mut self, last: Frame) {
        self.phase = Phase::Closing;
        self.held = None;
        self.last_is_queued = true;
        self.push(last);
    }

    /// Puts a frame of the connection itself in front of the session's.
    pub fn push(&mut self, frame: Frame) {
        self.direct_bytes += frame.length() + FRAME_COST;
        self.direct.get_or_insert_default().push_back(frame);
    }

    /// Whether frames of the connection itself wait.
    #[must_use]
    pub fn has_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Takes what waits of the connection's own frames.
    pub fn take_direct(&mut self) -> VecDeque<Frame> {
        self.direct_bytes = 0;
        self.direct
            .take()
            .map_or_else(VecDeque::new, |queue| *queue)
    }

    /// Puts a frame of the connection itself in front of all others that were
    /// not begun.
    pub fn push_front(&mut self, frame: Frame) {
        self.direct_bytes += frame.length() + FRAME_COST;
        let queue = self.direct.get_or_insert_default();
        let begun = self.offset > 0 && !self.offset_is_outbox;
        queue.insert(usize::from(begun).min(queue.len()), frame);
    }

    /// The line goes on over another socket: what was begun begins again.
    pub fn restart(&mut self) {
        self.offset = 0;
        self.offset_is_outbox = false;
    }

    /// Whether a frame of the session's outbox was written in part.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.offset > 0 && self.offset_is_outbox
    }

    /// Bytes of memory that the connection's own frames take while they wait.
    #[must_use]
    pub fn direct_bytes(&self) -> usize {
        self.direct_bytes
    }

    /// Parts with the session. A frame of its outbox that was written in part
    /// is finished here, so that what follows is a frame again. A client that
    /// reads on may count it, so the session counts it as written; whether it
    /// arrived or not, it is kept for a resume.
    pub fn part(&mut self, outbox: &mut Outbox<Frame>, reader: &Reader<'_>) {
        if !self.has_begun() {
            return;
        }
        if let Some(frame) = outbox.waiting().next() {
            let rest = Frame::raw(frame.bytes(reader).get(self.offset..).unwrap_or_default());
            self.direct_bytes += rest.length() + FRAME_COST;
            self.direct.get_or_insert_default().push_front(rest);
        }
        outbox.written(1, usize::MAX);
        self.offset = 0;
        self.offset_is_outbox = false;
    }

    /// Takes what waits of the connection's own frames, as bytes, for moving
    /// the connection to another worker.
    pub fn take_bytes(&mut self, reader: &Reader<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.direct_bytes);
        for frame in self.take_direct() {
            bytes.extend_from_slice(frame.bytes(reader));
        }
        bytes.drain(..self.offset.min(bytes.len()));
        self.offset = 0;
        bytes
    }

    /// Reads once into `buffer`. `None` where nothing is there now.
    ///
    /// # Errors
    /// The socket's; an end of the stream is `Ok(Some(0))`.
    pub fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<Option<usize>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        loop {
            match stream.read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// The socket's; the connection is lost then.
    pub fn flush(
        &mut self,
        mut outbox: Option<&mut Outbox<Frame>>,
        kept_bytes_max: usize,
        reader: &Reader<'_>,
    ) -> std::io::Result<Written> {
        let mut written = Written::default();
        loop {
            match self.write_once(outbox.as_deref(), reader) {
                Ok(None) => {
                    self.is_blocked = false;
                    written.is_drained = true;
                    return Ok(written);
                }
                Ok(Some(0)) => return Err(ErrorKind::WriteZero.into()),
                Ok(Some(count)) => {
                    written.calls += 1;
                    written.bytes += count;
                    self.advance(count, outbox.as_deref_mut(), kept_bytes_max, reader);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return Ok(written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One call to write. `None` where nothing waits.
    fn write_once(
        &self,
        outbox: Option<&Outbox<Frame>>,
        reader: &Reader<'_>,
    ) -> std::io::Result<Option<usize>> {
        let Some(mut stream) = self.stream.as_ref() else {
            return Ok(None);
        };
        let mut slices = SmallVec::<[IoSlice<'_>; SLICES_MAX]>::new();
        self.gather(outbox, reader, &mut slices);
        match slices.as_slice() {
            [] => Ok(None),
            // A plain write is cheaper than a vector of one.
            [only] => stream.write(only).map(Some),
            many => stream.write_vectored(many).map(Some),
        }
    }

    fn gather<'a>(
        &'a self,
        outbox: Option<&'a Outbox<Frame>>,
        reader: &Reader<'_>,
        slices: &mut SmallVec<[IoSlice<'a>; SLICES_MAX]>,
    ) {
        let direct = self.direct.iter().flat_map(|queue| queue.iter());
        let mut waiting = outbox.into_iter().flat_map(Outbox::waiting);
        let begun = if self.offset > 0 && self.offset_is_outbox {
            waiting.next()
        } else {
            None
        };
        let frames = begun.into_iter().chain(direct).chain(waiting);
        for (index, frame) in frames.take(SLICES_MAX).enumerate() {
            let from = if index == 0 { self.offset } else { 0 };
            slices.push(IoSlice::new(
                frame.bytes(reader).get(from..).unwrap_or_default(),
            ));
        }
    }

    /// Notes that the socket took `count` bytes.
    fn advance(
        &mut self,
        count: usize,
        outbox: Option<&mut Outbox<Frame>>,
        kept_bytes_max: usize,
        reader: &Reader<'_>,
    ) {
        let mut left = self.offset + count;
        let mut whole = 0;
        let mut lengths = outbox.as_ref().map(|outbox| outbox.waiting());
        let mut next = move || Some(lengths.as_mut()?.next()?.bytes(reader).len());
        let mut open = None;
        if self.offset > 0
            && self.offset_is_outbox
            && let Some(length) = next()
        {
            if left >= length {
                left -= length;
                whole += 1;
            } else {
                open = Some(left);
            }
        }
        let mut is_outbox = open.is_some();
        while open.is_none() {
            let Some(length) = self.front_length(reader) else {
                break;
            };
            if left < length {
                open = Some(left);
            } else {
                left -= length;
                self.pop_direct();
            }
        }
        if open.is_none() {
            while let Some(length) = next() {
                if left < length {
                    is_outbox = left > 0;
                    break;
                }
                left -= length;
                whole += 1;
            }
            open = Some(left);
        }
        self.offset = open.unwrap_or_default();
        self.offset_is_outbox = is_outbox;
        drop(next);
        if let Some(outbox) = outbox
            && whole > 0
        {
            outbox.written(whole, kept_bytes_max);
        }
    }

    fn front_length(&self, reader: &Reader<'_>) -> Option<usize> {
        Some(self.direct.as_ref()?.front()?.bytes(reader).len())
    }

    fn pop_direct(&mut self) {
        if let Some(queue) = &mut self.direct {
            if let Some(frame) = queue.pop_front() {
                self.direct_bytes -= frame.length() + FRAME_COST;
            }
            if queue.is_empty() {
                // Most connections never need it again.
                self.direct = None;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
