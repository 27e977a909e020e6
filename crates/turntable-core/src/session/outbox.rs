//! The outgoing messages of a session, and the messages retained for a resume.
//!
//! One queue serves both: frames after the cursor wait to be written, frames before
//! it were written and are retained until they are acknowledged or exceed the
//! replay limit. Frames are numbered implicitly from 1 (the first message after the
//! first `welcome`), as both sides count them.
//!
//! ```text
//!   first                cursor                 last
//!     | retained           | waiting to be written |
//! ```

use std::collections::VecDeque;

/// The frame operations that an outbox needs.
pub trait OutboxFrame: Sized {
    /// Length in bytes, as written to the socket; of a condensed frame, its memory.
    fn length(&self) -> usize;

    /// Whether it takes less memory when it is only retained.
    fn condenses(&self) -> bool {
        false
    }

    /// Condenses it, or merges it into the condensed frame `before` it; then
    /// returns `None`.
    fn condense(self, before: Option<&mut Self>) -> Option<Self> {
        let _ = before;
        Some(self)
    }

    /// The number of messages in it; several if it was condensed.
    fn messages(&self) -> u64 {
        1
    }

    /// Drops its first `count` messages, fewer than it contains.
    fn forget(&mut self, count: u64) {
        let _ = count;
    }
}

/// The queue of one session.
#[derive(Debug)]
pub struct Outbox<F> {
    frames: VecDeque<F>,
    /// The number of messages dropped from the front.
    dropped: u64,
    /// The number of `frames` that were written to a connection.
    cursor: u32,
    /// The number of messages written when the cursor was last moved back.
    written_before: u64,
    /// Whether unacknowledged messages were dropped.
    has_overflowed: bool,
    /// The number of messages in those frames.
    retained: u64,
    waiting_bytes: usize,
    retained_bytes: usize,
}

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            dropped: 0,
            cursor: 0,
            written_before: 0,
            has_overflowed: false,
            retained: 0,
            waiting_bytes: 0,
            retained_bytes: 0,
        }
    }
}

impl<F: OutboxFrame> Outbox<F> {
    /// An empty queue behind so many messages; `has_overflowed` where some of them
    /// were dropped unacknowledged.
    pub(super) fn behind(dropped: u64, has_overflowed: bool) -> Self {
        Self {
            dropped,
            has_overflowed,
            ..Self::default()
        }
    }

    /// How many messages were dropped, acknowledged or not.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The number of messages written when the cursor was last moved back.
    pub(super) const fn written_before(&self) -> u64 {
        self.written_before
    }

    /// So many messages were written to connections before.
    pub(super) const fn note_written_before(&mut self, count: u64) {
        self.written_before = count;
    }

    /// Replaces every frame by what `of` makes of it, of the same length and with
    /// as many messages.
    pub fn replace_each(&mut self, of: impl Fn(&F) -> F) {
        for frame in &mut self.frames {
            *frame = of(frame);
        }
    }

    /// The frames that were written and are retained, in order.
    pub fn retained(&self) -> impl Iterator<Item = &F> {
        self.frames.range(..self.cursor())
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: F) {
        self.waiting_bytes += frame.length();
        if self.frames.capacity() == 0 {
            // Most sessions never have more at one time.
            self.frames.reserve_exact(2);
        }
        self.frames.push_back(frame);
    }

    fn cursor(&self) -> usize {
        self.cursor as usize
    }

    /// The bytes that wait to be written.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The frames that wait to be written.
    #[must_use]
    pub fn waiting_len(&self) -> usize {
        self.frames.len() - self.cursor()
    }

    /// The bytes that were written and are retained.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        self.retained_bytes
    }

    /// How many messages were written, or dropped, so far.
    #[must_use]
    pub const fn messages_written(&self) -> u64 {
        self.dropped + self.retained
    }

    /// How many messages were written and are retained.
    #[must_use]
    pub const fn messages_retained(&self) -> u64 {
        self.retained
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.cursor() == self.frames.len()
    }

    /// The waiting frames, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &F> {
        self.frames.range(self.cursor()..)
    }

    /// The first `count` waiting frames were written completely; retained frames
    /// over `replay_bytes_max` are dropped, the oldest first.
    pub fn written(&mut self, count: usize, replay_bytes_max: usize) {
        for _ in 0..count {
            let Some(frame) = self.frames.get(self.cursor()) else {
                break;
            };
            self.waiting_bytes -= frame.length();
            self.retained += 1;
            if frame.condenses() {
                self.condense();
            } else {
                self.retained_bytes += frame.length();
                self.cursor += 1;
            }
        }
        while self.retained_bytes > replay_bytes_max && self.cursor > 0 {
            self.has_overflowed = true;
            self.forget();
        }
    }

    /// Drops everything that was written, acknowledged or not: it cannot be
    /// requested again.
    pub fn forget_retained(&mut self) {
        while self.cursor > 0 {
            self.has_overflowed = true;
            self.forget();
        }
        self.frames.shrink_to_fit();
    }

    /// Condenses the frame at the cursor.
    fn condense(&mut self) {
        let Some(frame) = self.frames.remove(self.cursor()) else {
            return;
        };
        let mut before = match self.cursor().checked_sub(1) {
            Some(at) => self.frames.get_mut(at),
            None => None,
        };
        self.retained_bytes -= before.as_ref().map_or(0, |before| before.length());
        let rest = frame.condense(before.as_deref_mut());
        self.retained_bytes += before.map_or(0, |before| before.length());
        if let Some(rest) = rest {
            self.retained_bytes += rest.length();
            self.frames.insert(self.cursor(), rest);
            self.cursor += 1;
        }
    }

    fn forget(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.dropped += frame.messages();
            self.retained -= frame.messages();
            self.cursor -= 1;
            self.retained_bytes -= frame.length();
        }
    }

    /// The client acknowledges the first `received` messages of this session.
    /// Returns whether that many were written.
    pub fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.sent() {
            // Of a connection before: they are written again, and acknowledged later.
            return received <= self.written_before;
        }
        if received >= self.dropped {
            self.has_overflowed = false;
        }
        while self.dropped < received {
            let Some(front) = self.frames.front_mut() else {
                break;
            };
            let due = received - self.dropped;
            if front.messages() <= due {
                self.forget();
                continue;
            }
            self.retained_bytes -= front.length();
            front.forget(due);
            self.retained_bytes += front.length();
            self.dropped += due;
            self.retained -= due;
        }
        if self.frames.is_empty() {
            // Frees the buffer of an idle session.
            self.frames = VecDeque::new();
        }
        true
    }

    /// The number of messages written so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.dropped + self.retained
    }

    /// The number of messages dropped because they were acknowledged; `None` if
    /// unacknowledged ones were dropped, too.
    #[must_use]
    pub fn acknowledged(&self) -> Option<u64> {
        (!self.has_overflowed).then_some(self.dropped)
    }

    /// The retained frame that contains the message with that number.
    #[must_use]
    pub fn numbered_frame(&self, number: u64) -> Option<&F> {
        let mut last = self.dropped;
        self.frames.range(..self.cursor()).find(|frame| {
            last += frame.messages();
            last >= number && number > self.dropped
        })
    }

    /// The number of the last retained frame for which `is` returns true.
    pub fn find(&self, is: impl Fn(&F) -> bool) -> Option<u64> {
        let mut number = self.sent();
        for frame in self.frames.range(..self.cursor()).rev() {
            if is(frame) {
                return Some(number);
            }
            number -= frame.messages();
        }
        None
    }

    /// Whether every message after `received` is available, and that many were written
    /// at some time.
    #[must_use]
    pub fn can_rewind(&self, received: u64) -> bool {
        let written = self.sent().max(self.written_before);
        (self.dropped..=written).contains(&received)
    }

    /// Moves the cursor behind the messages up to `received`, which were written to a
    /// connection before that of a late request moved it back.
    fn skip_written(&mut self, received: u64) {
        while self.sent() < received {
            let Some(frame) = self.frames.get(self.cursor()) else {
                break;
            };
            self.waiting_bytes -= frame.length();
            self.retained_bytes += frame.length();
            self.retained += 1;
            self.cursor += 1;
        }
    }

    /// Moves the cursor back to the message after `received`, for a new connection;
    /// `restore` converts a condensed frame to one frame per message. Returns
    /// `false` if that message was dropped or never written: the client would miss
    /// messages.
    pub fn rewind(&mut self, received: u64, mut restore: impl FnMut(F, &mut VecDeque<F>)) -> bool {
        if !self.can_rewind(received) {
            return false;
        }
        self.written_before = self.written_before.max(self.sent());
        self.skip_written(received);
        self.acknowledge(received);
        let cursor = self.cursor();
        let frames = std::mem::take(&mut self.frames);
        for (index, frame) in frames.into_iter().enumerate() {
            if index < cursor {
                restore(frame, &mut self.frames);
            } else {
                self.frames.push_back(frame);
            }
        }
        self.cursor = 0;
        self.retained = 0;
        self.retained_bytes = 0;
        self.waiting_bytes = self.frames.iter().map(OutboxFrame::length).sum();
        true
    }

    /// All frames, those that wait too, for removing content that must not be
    /// repeated. What was or will be written of them, their length and number of
    /// messages must not change.
    pub fn frames_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.frames.iter_mut()
    }

    /// The number of messages numbered so far.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        self.dropped + self.retained + (self.frames.len() - self.cursor()) as u64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "outbox_tests.rs"]
mod tests;
