//! One socket: what is read from it in pieces, and what waits to be written.
//!
//! Two queues share the socket. `direct` holds what belongs to the connection
//! (the handshake's answer, control frames, all before the first `welcome`);
//! the session's outbox holds the numbered messages. They are written in one
//! vectored call; a frame that was written in part is always finished first.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::IpAddr;

use mio::net::TcpStream;
use smallvec::SmallVec;

use crate::gateway::frame::Frame;
use crate::session::greeting::Greeting;
use crate::session::outbox::{Outbox, OutboxFrame};
use crate::wire::websocket::{Decoder, Role};

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
    /// The socket.
    pub stream: TcpStream,
    /// Whose.
    pub address: IpAddr,
    /// How far it is.
    pub phase: Phase,
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
    pub fn new(stream: TcpStream, address: IpAddr, phase: Phase) -> Self {
        Self {
            stream,
            address,
            phase,
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

    /// Whether input has to wait.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Identifying(_))
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

    /// Bytes of memory that the connection's own frames take while they wait.
    #[must_use]
    pub fn direct_bytes(&self) -> usize {
        self.direct_bytes
    }

    /// Parts with the session. A frame of its outbox that was written in part
    /// is finished here, so that what follows is a frame again. A client that
    /// reads on may count it, so the session counts it as written; whether it
    /// arrived or not, it is kept for a resume.
    pub fn part(&mut self, outbox: &mut Outbox<Frame>) {
        if self.offset == 0 || !self.offset_is_outbox {
            return;
        }
        if let Some(frame) = outbox.waiting().next() {
            let rest = Frame::raw(frame.bytes().get(self.offset..).unwrap_or_default());
            self.direct_bytes += rest.length() + FRAME_COST;
            self.direct.get_or_insert_default().push_front(rest);
        }
        outbox.written(1, usize::MAX);
        self.offset = 0;
        self.offset_is_outbox = false;
    }

    /// Takes what waits of the connection's own frames, as bytes, for moving
    /// the connection to another worker.
    pub fn take_direct(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.direct_bytes);
        for frame in self.direct.take().into_iter().flat_map(|queue| *queue) {
            bytes.extend_from_slice(frame.bytes());
        }
        bytes.drain(..self.offset.min(bytes.len()));
        self.offset = 0;
        self.direct_bytes = 0;
        bytes
    }

    /// Reads once into `buffer`. `None` where nothing is there now.
    ///
    /// # Errors
    /// The socket's; an end of the stream is `Ok(Some(0))`.
    pub fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
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
    ) -> std::io::Result<Written> {
        let mut written = Written::default();
        loop {
            match self.write_once(outbox.as_deref()) {
                Ok(None) => {
                    self.is_blocked = false;
                    written.is_drained = true;
                    return Ok(written);
                }
                Ok(Some(0)) => return Err(ErrorKind::WriteZero.into()),
                Ok(Some(count)) => {
                    written.calls += 1;
                    written.bytes += count;
                    self.advance(count, outbox.as_deref_mut(), kept_bytes_max);
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
    fn write_once(&self, outbox: Option<&Outbox<Frame>>) -> std::io::Result<Option<usize>> {
        let mut slices = SmallVec::<[IoSlice<'_>; SLICES_MAX]>::new();
        self.gather(outbox, &mut slices);
        match slices.as_slice() {
            [] => Ok(None),
            // A plain write is cheaper than a vector of one.
            [only] => (&self.stream).write(only).map(Some),
            many => (&self.stream).write_vectored(many).map(Some),
        }
    }

    fn gather<'a>(
        &'a self,
        outbox: Option<&'a Outbox<Frame>>,
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
            slices.push(IoSlice::new(frame.bytes().get(from..).unwrap_or_default()));
        }
    }

    /// Notes that the socket took `count` bytes.
    fn advance(&mut self, count: usize, outbox: Option<&mut Outbox<Frame>>, kept_bytes_max: usize) {
        let mut left = self.offset + count;
        let mut whole = 0;
        let mut lengths = outbox.as_ref().map(|outbox| outbox.waiting());
        let mut next = move || lengths.as_mut()?.next().map(OutboxFrame::length);
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
            let Some(length) = self.front_length() else {
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

    fn front_length(&self) -> Option<usize> {
        Some(self.direct.as_ref()?.front()?.length())
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn pair() -> (Connection, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, address) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(server);
        (
            Connection::new(stream, address.ip(), Phase::Closing),
            client,
        )
    }

    #[test]
    fn a_connection_is_small() {
        assert!(
            size_of::<Connection>() <= 136,
            "{}",
            size_of::<Connection>()
        );
    }

    #[test]
    fn the_connections_own_frames_go_first_and_all_in_one_call() {
        let (mut connection, mut client) = pair();
        let mut outbox = Outbox::default();
        outbox.push(Frame::raw(b"three"));
        connection.push(Frame::raw(b"one "));
        connection.push(Frame::raw(b"two "));
        let written = connection.flush(Some(&mut outbox), 1000).unwrap();
        assert_eq!((written.calls, written.is_drained), (1, true));
        assert!(outbox.is_drained());
        let mut got = [0; 13];
        client.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"one two three");
    }

    #[test]
    fn short_frames_are_charged_for_the_memory_they_take() {
        let (mut connection, _client) = pair();
        for _ in 0..1_000 {
            connection.push(Frame::pong(b""));
        }
        assert_eq!(connection.direct_bytes(), 1_000 * (2 + FRAME_COST));
        connection.flush(None, 1000).unwrap();
        assert_eq!(connection.direct_bytes(), 0);
    }

    #[test]
    fn a_begun_frame_is_finished_when_the_session_parts() {
        // The client may have read it to its end, or not.
        for received in [0, 1] {
            let (mut connection, _client) = pair();
            let mut outbox = Outbox::default();
            outbox.push(Frame::raw(b"message"));
            connection.advance(3, Some(&mut outbox), 1000);
            connection.push(Frame::raw(b" close"));
            connection.part(&mut outbox);
            assert_eq!(connection.take_direct(), b"sage close");
            assert!(outbox.rewind(received, |frame, frames| frames.push_back(frame)));
            assert_eq!(outbox.waiting().count() as u64, 1 - received);
        }
    }

    proptest! {
        /// However the socket cuts, the bytes come out whole and no frame is
        /// interrupted by another.
        #[test]
        fn frames_are_never_torn(
            steps in proptest::collection::vec((0u8..3, 1usize..9), 1..100)
        ) {
            let (mut connection, _client) = pair();
            let mut outbox: Outbox<Frame> = Outbox::default();
            let (mut number, mut sent) = (0u32, Vec::new());
            for (step, amount) in steps {
                number += 1;
                // Frames are told apart by their first byte and length.
                let frame = Frame::raw(format!("<{number:04}{}>", "x".repeat(amount)).as_bytes());
                match step {
                    0 => connection.push(frame),
                    1 => outbox.push(frame),
                    _ => {
                        let mut slices = SmallVec::new();
                        connection.gather(Some(&outbox), &mut slices);
                        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                        drop(slices);
                        let count = all.len().min(amount * 3);
                        if count > 0 {
                            sent.extend_from_slice(&all[..count]);
                            connection.advance(count, Some(&mut outbox), 1_000_000);
                        }
                    }
                }
            }
            let mut slices = SmallVec::new();
            connection.gather(Some(&outbox), &mut slices);
            sent.extend(slices.iter().flat_map(|slice| slice.to_vec()));
            let text = String::from_utf8(sent).unwrap();
            for frame in text.split_inclusive('>') {
                prop_assert!(frame.starts_with('<') && frame.matches('<').count() == 1);
            }
        }
    }
}
