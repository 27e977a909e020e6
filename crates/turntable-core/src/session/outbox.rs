//! What a session's client has still to get, and what it may ask for again.
//!
//! One queue serves both: frames behind the cursor wait to be written, frames
//! before it were written and are kept until they are acknowledged or the
//! replay bound pushes them out. Frames are numbered implicitly from 1 (the
//! first message after the first `welcome`), as both sides count them.
//!
//! ```text
//!   first                cursor                 last
//!     | kept for a resume  | waiting to be written |
//! ```

use std::collections::VecDeque;

/// What an outbox needs to know of its frames.
pub trait OutboxFrame: Sized {
    /// Length in bytes, as written to the socket; of a condensed one, the
    /// memory it takes.
    fn length(&self) -> usize;

    /// Whether it takes less room once it is only kept.
    fn condenses(&self) -> bool {
        false
    }

    /// Makes it small, or puts it into the small one `before` it; then `None`
    /// is left.
    fn condense(self, before: Option<&mut Self>) -> Option<Self> {
        let _ = before;
        Some(self)
    }

    /// How many messages it stands for; several where it was condensed.
    fn messages(&self) -> u64 {
        1
    }

    /// Forgets its first `count` messages, fewer than it has.
    fn forget(&mut self, count: u64) {
        let _ = count;
    }
}

/// The queue of one session.
#[derive(Debug)]
pub struct Outbox<F> {
    frames: VecDeque<F>,
    /// How many messages went out of the front so far.
    forgotten: u64,
    /// How many of `frames` were written to a connection.
    cursor: u32,
    /// Whether some were forgotten that nobody has acknowledged.
    has_overflowed: bool,
    /// How many messages those stand for.
    kept: u64,
    waiting_bytes: usize,
    kept_bytes: usize,
}

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            forgotten: 0,
            cursor: 0,
            has_overflowed: false,
            kept: 0,
            waiting_bytes: 0,
            kept_bytes: 0,
        }
    }
}

impl<F: OutboxFrame> Outbox<F> {
    /// An empty queue behind so many messages; `has_overflowed` where some of them
    /// were forgotten unacknowledged.
    pub(super) fn behind(forgotten: u64, has_overflowed: bool) -> Self {
        Self {
            forgotten,
            has_overflowed,
            ..Self::default()
        }
    }

    /// How many messages were forgotten, acknowledged or not.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The frames that were written and are retained, in order.
    pub fn retained(&self) -> impl Iterator<Item = &F> {
        self.frames.range(..self.cursor())
    }

    /// Puts a frame at the end.
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

    /// Bytes that wait to be written.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.cursor() == self.frames.len()
    }

    /// The frames that wait, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &F> {
        self.frames.range(self.cursor()..)
    }

    /// The first `count` waiting frames were written whole; what is kept over
    /// `kept_bytes_max` is forgotten, the oldest first.
    pub fn written(&mut self, count: usize, kept_bytes_max: usize) {
        for _ in 0..count {
            let Some(frame) = self.frames.get(self.cursor()) else {
                break;
            };
            self.waiting_bytes -= frame.length();
            self.kept += 1;
            if frame.condenses() {
                self.condense();
            } else {
                self.kept_bytes += frame.length();
                self.cursor += 1;
            }
        }
        while self.kept_bytes > kept_bytes_max && self.cursor > 0 {
            self.has_overflowed = true;
            self.forget();
        }
    }

    /// Keeps the frame at the cursor in its smaller form.
    fn condense(&mut self) {
        let Some(frame) = self.frames.remove(self.cursor()) else {
            return;
        };
        let mut before = match self.cursor().checked_sub(1) {
            Some(at) => self.frames.get_mut(at),
            None => None,
        };
        self.kept_bytes -= before.as_ref().map_or(0, |before| before.length());
        let rest = frame.condense(before.as_deref_mut());
        self.kept_bytes += before.map_or(0, |before| before.length());
        if let Some(rest) = rest {
            self.kept_bytes += rest.length();
            self.frames.insert(self.cursor(), rest);
            self.cursor += 1;
        }
    }

    fn forget(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.forgotten += frame.messages();
            self.kept -= frame.messages();
            self.cursor -= 1;
            self.kept_bytes -= frame.length();
        }
    }

    /// The client says that it has got `received` messages of this session.
    /// Returns whether that can be: nobody has got what was never written.
    pub fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.sent() {
            return false;
        }
        if received >= self.forgotten {
            self.has_overflowed = false;
        }
        while self.forgotten < received {
            let Some(front) = self.frames.front_mut() else {
                break;
            };
            let due = received - self.forgotten;
            if front.messages() <= due {
                self.forget();
                continue;
            }
            self.kept_bytes -= front.length();
            front.forget(due);
            self.kept_bytes += front.length();
            self.forgotten += due;
            self.kept -= due;
        }
        if self.frames.is_empty() {
            // An idle session gives its buffer back.
            self.frames = VecDeque::new();
        }
        true
    }

    /// How many messages were written so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.forgotten + self.kept
    }

    /// How many messages were forgotten because they were acknowledged; `None`
    /// where others were, too.
    #[must_use]
    pub fn acknowledged(&self) -> Option<u64> {
        (!self.has_overflowed).then_some(self.forgotten)
    }

    /// The kept frame that has the message of that number.
    #[must_use]
    pub fn numbered_frame(&self, number: u64) -> Option<&F> {
        let mut last = self.forgotten;
        self.frames.range(..self.cursor()).find(|frame| {
            last += frame.messages();
            last >= number && number > self.forgotten
        })
    }

    /// The number of the last kept frame that `is` holds for.
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

    /// Whether everything after `received` is there.
    #[must_use]
    pub fn can_rewind(&self, received: u64) -> bool {
        (self.forgotten..=self.sent()).contains(&received)
    }

    /// Goes back to the message after `received`, for a new connection;
    /// `restore` makes frames of a kept one again, one for each message.
    /// Returns `false` where that message was forgotten or never written: then
    /// the client cannot be served without a hole.
    pub fn rewind(&mut self, received: u64, mut restore: impl FnMut(F, &mut VecDeque<F>)) -> bool {
        if !self.can_rewind(received) {
            return false;
        }
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
        self.kept = 0;
        self.kept_bytes = 0;
        self.waiting_bytes = self.frames.iter().map(OutboxFrame::length).sum();
        true
    }

    /// The kept frames, for taking out of them what must not be told again.
    /// Their length and messages have to stay.
    pub fn retained_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.frames.range_mut(..self.cursor as usize)
    }

    /// How many messages were numbered so far.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        self.forgotten + self.kept + (self.frames.len() - self.cursor()) as u64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Messages by number; those divisible by three condense.
    #[derive(Debug, Clone)]
    struct Sample {
        numbers: Vec<u64>,
        is_small: bool,
    }

    impl Sample {
        fn new(number: u64) -> Self {
            Self {
                numbers: vec![number],
                is_small: false,
            }
        }

        fn restore(self, frames: &mut VecDeque<Self>) {
            frames.extend(self.numbers.into_iter().map(Self::new));
        }
    }

    impl OutboxFrame for Sample {
        fn length(&self) -> usize {
            if self.is_small {
                self.numbers.len()
            } else {
                10
            }
        }

        fn condenses(&self) -> bool {
            self.numbers.iter().any(|number| number % 3 != 0)
        }

        fn condense(mut self, before: Option<&mut Self>) -> Option<Self> {
            match before {
                Some(before) if before.is_small => {
                    before.numbers.append(&mut self.numbers);
                    None
                }
                _ => {
                    self.is_small = true;
                    Some(self)
                }
            }
        }

        fn messages(&self) -> u64 {
            self.numbers.len() as u64
        }

        fn forget(&mut self, count: u64) {
            self.numbers.drain(..count as usize);
        }
    }

    fn filled(frames: u64) -> Outbox<Sample> {
        let mut outbox = Outbox::default();
        (1..=frames).for_each(|number| outbox.push(Sample::new(number)));
        outbox
    }

    fn waiting(outbox: &Outbox<Sample>) -> Vec<u64> {
        outbox
            .waiting()
            .flat_map(|sample| sample.numbers.iter().copied())
            .collect()
    }

    #[test]
    fn what_was_written_can_be_asked_for_again() {
        let mut outbox = filled(5);
        outbox.written(3, 1000);
        assert_eq!(waiting(&outbox), [4, 5]);
        assert!(outbox.rewind(1, Sample::restore));
        assert_eq!(waiting(&outbox), [2, 3, 4, 5]);
        assert_eq!(outbox.waiting_bytes(), 40);
    }

    #[test]
    fn what_the_bound_pushed_out_cannot() {
        // Kept: 1 and 2 in two bytes, 3 in ten, 4 and 5 in two.
        let mut outbox = filled(5);
        outbox.written(5, 12);
        assert!(!outbox.rewind(1, Sample::restore), "2 is gone with 1");
        assert!(outbox.rewind(2, Sample::restore));
        assert_eq!(waiting(&outbox), [3, 4, 5]);
    }

    #[test]
    fn nobody_has_got_what_was_not_written() {
        let mut outbox = filled(5);
        outbox.written(2, 1000);
        assert!(!outbox.acknowledge(3));
        assert!(!outbox.rewind(4, Sample::restore));
        assert!(outbox.acknowledge(2));
        assert_eq!(waiting(&outbox), [3, 4, 5]);
    }

    #[test]
    fn condensed_messages_are_acknowledged_one_by_one() {
        let mut outbox = filled(2);
        outbox.written(2, 1000);
        assert_eq!(outbox.frames.len(), 1, "one frame for both");
        assert!(outbox.acknowledge(1));
        assert_eq!(outbox.numbered(), 2);
        assert!(outbox.rewind(1, Sample::restore));
        assert_eq!(waiting(&outbox), [2]);
    }

    proptest! {
        /// Any order of pushes, writes, acknowledgements and cuts: the client
        /// gets 1, 2, 3, ... without hole or repeat.
        #[test]
        fn a_client_sees_every_number_once(
            steps in proptest::collection::vec((0u8..4, 0u64..6), 1..200)
        ) {
            let mut outbox = Outbox::default();
            let (mut pushed, mut got) = (0u64, 0u64);
            for (step, amount) in steps {
                match step {
                    0 => for _ in 0..amount {
                        pushed += 1;
                        outbox.push(Sample::new(pushed));
                    },
                    1 => {
                        // Written and received.
                        let batch: Vec<u64> =
                            waiting(&outbox).into_iter().take(amount as usize).collect();
                        outbox.written(batch.len(), usize::MAX);
                        for number in batch {
                            prop_assert_eq!(number, got + 1);
                            got = number;
                        }
                    }
                    2 => {
                        // Written and lost with the connection.
                        outbox.written(amount as usize, usize::MAX);
                        prop_assert!(outbox.rewind(got, Sample::restore));
                    }
                    _ => prop_assert!(outbox.acknowledge(got)),
                }
                prop_assert_eq!(outbox.numbered(), pushed);
                prop_assert_eq!(
                    outbox.kept_bytes,
                    outbox.frames.iter().take(outbox.cursor()).map(OutboxFrame::length).sum::<usize>()
                );
                prop_assert_eq!(
                    outbox.waiting_bytes,
                    outbox.waiting().map(OutboxFrame::length).sum::<usize>()
                );
            }
        }
    }
}
