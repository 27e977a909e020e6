//! What waits to be written to one connection.
//!
//! Two queues share a connection. The direct one has what belongs to the
//! connection itself (a handshake's answer, control frames, a lasting answer's header,
//! everything before the first `welcome`); the session's outbox has the numbered
//! messages. Both are written in one vectored call; a frame that was written in
//! part is always finished first.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};

use smallvec::SmallVec;

use crate::gateway::connection::io::Io;
use crate::gateway::delivery::encoding::Reader;
use crate::gateway::delivery::frame::Frame;
use turntable_core::session::outbox::{Outbox, OutboxFrame};

/// How many frames go into one write.
const SLICES_MAX: usize = 64;

/// What a direct frame costs beside its bytes: a pong may have two, and a peer
/// that does not read must not gather a million of them.
const FRAME_COST: usize = 48;

/// What a direct frame costs.
fn cost(frame: &Frame) -> u32 {
    u32::try_from(frame.length() + FRAME_COST).unwrap_or(u32::MAX)
}

/// What a flush did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Bytes taken by the socket.
    pub(crate) bytes: usize,
    /// Calls to write.
    pub(crate) calls: u32,
    /// Whether nothing is left.
    pub(crate) is_drained: bool,
}

/// The direct queue, and how much of the foremost frame was written.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    #[expect(
        clippy::box_collection,
        reason = "most connections have none of these frames, and pay a word"
    )]
    direct: Option<Box<VecDeque<Frame>>>,
    bytes: u32,
    /// Bytes of the foremost frame that were written.
    offset: u32,
    /// Whether that frame is the outbox's.
    offset_is_outbox: bool,
    /// Whether the socket took less than there was.
    is_blocked: bool,
}

impl WriteQueue {
    /// Puts a direct frame at the end.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.bytes = self.bytes.saturating_add(cost(&frame));
        self.direct.get_or_insert_default().push_back(frame);
    }

    /// Whether there are direct frames.
    pub(crate) const fn has_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// The direct frames, in order.
    pub(crate) fn direct(&self) -> impl Iterator<Item = &Frame> {
        self.direct.iter().flat_map(|queue| queue.iter())
    }

    /// Bytes of the direct frames and what they cost.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Whether the socket took less than there was.
    pub(crate) const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Notes that the reader takes nothing now, or something again. Returns what
    /// was noted before.
    pub(crate) const fn set_blocked(&mut self, is_blocked: bool) -> bool {
        std::mem::replace(&mut self.is_blocked, is_blocked)
    }

    /// Takes the direct frames out.
    pub(crate) fn take_direct(&mut self) -> VecDeque<Frame> {
        self.bytes = 0;
        self.direct
            .take()
            .map_or_else(VecDeque::new, |queue| *queue)
    }

    /// Puts a direct frame before all others that are not begun.
    pub(crate) fn push_front(&mut self, frame: Frame) {
        self.bytes = self.bytes.saturating_add(cost(&frame));
        let queue = self.direct.get_or_insert_default();
        let begun = self.offset > 0 && !self.offset_is_outbox;
        queue.insert(usize::from(begun).min(queue.len()), frame);
    }

    /// Another socket takes what is left, from the start of a frame.
    pub(crate) const fn restart(&mut self) {
        self.offset = 0;
        self.offset_is_outbox = false;
    }

    /// Whether the foremost frame of the outbox was written in part.
    pub(crate) const fn has_begun(&self) -> bool {
        self.offset > 0 && self.offset_is_outbox
    }

    /// Parts from an outbox: the rest of a frame that was written in part stays
    /// here, and counts as written there.
    pub(crate) fn part(&mut self, outbox: &mut Outbox<Frame>, reader: &Reader<'_>) {
        if !self.has_begun() {
            return;
        }
        if let Some(frame) = outbox.waiting().next() {
            let rest = Frame::raw(
                frame
                    .bytes(reader)
                    .get(self.offset as usize..)
                    .unwrap_or_default(),
            );
            self.bytes = self.bytes.saturating_add(cost(&rest));
            self.direct.get_or_insert_default().push_front(rest);
        }
        outbox.written(1, usize::MAX);
        self.restart();
    }

    /// Takes the direct frames out as bytes, from where writing stopped.
    pub(crate) fn take_bytes(&mut self, reader: &Reader<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        for frame in self.take_direct() {
            bytes.extend_from_slice(frame.bytes(reader));
        }
        bytes.drain(..(self.offset as usize).min(bytes.len()));
        self.offset = 0;
        bytes
    }

    /// Writes what the socket takes: the direct frames, and behind them what
    /// waits in the outbox, which retains at most `retained_bytes_max` of it.
    ///
    /// # Errors
    /// The socket's, but for one that takes nothing now.
    pub(crate) fn flush(
        &mut self,
        io: &mut Io,
        mut outbox: Option<&mut Outbox<Frame>>,
        retained_bytes_max: usize,
        reader: &Reader<'_>,
    ) -> std::io::Result<Written> {
        let mut written = Written::default();
        loop {
            match self.write_once(io, outbox.as_deref(), reader) {
                Ok(None) => {
                    self.is_blocked = !io.send_rest()?;
                    written.is_drained = !self.is_blocked;
                    return Ok(written);
                }
                Ok(Some(0)) => return Err(ErrorKind::WriteZero.into()),
                Ok(Some(count)) => {
                    written.calls += 1;
                    written.bytes += count;
                    self.advance(count, outbox.as_deref_mut(), retained_bytes_max, reader);
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

    fn write_once(
        &self,
        io: &mut Io,
        outbox: Option<&Outbox<Frame>>,
        reader: &Reader<'_>,
    ) -> std::io::Result<Option<usize>> {
        let mut slices = SmallVec::<[IoSlice<'_>; SLICES_MAX]>::new();
        self.gather(outbox, reader, &mut slices);
        match slices.as_slice() {
            [] => Ok(None),
            // A plain write is cheaper than a vector of one.
            [only] => io.write(only).map(Some),
            many => io.write_vectored(many).map(Some),
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
            let from = if index == 0 { self.offset as usize } else { 0 };
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
        retained_bytes_max: usize,
        reader: &Reader<'_>,
    ) {
        let mut left = self.offset as usize + count;
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
        self.offset = open.unwrap_or_default() as u32;
        self.offset_is_outbox = is_outbox;
        drop(next);
        if let Some(outbox) = outbox
            && whole > 0
        {
            outbox.written(whole, retained_bytes_max);
        }
    }

    fn front_length(&self, reader: &Reader<'_>) -> Option<usize> {
        Some(self.direct.as_ref()?.front()?.bytes(reader).len())
    }

    fn pop_direct(&mut self) {
        if let Some(queue) = &mut self.direct {
            if let Some(frame) = queue.pop_front() {
                self.bytes = self.bytes.saturating_sub(cost(&frame));
            }
            if queue.is_empty() {
                // Most connections never need it again.
                self.direct = None;
            }
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
