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

/// A frame that knows how many bytes it is.
pub trait FrameLength {
    /// Length in bytes, as written to the socket.
    fn length(&self) -> usize;
}

/// The queue of one session.
#[derive(Debug)]
pub struct Outbox<F> {
    frames: VecDeque<F>,
    /// How many frames went out of the front so far.
    forgotten: u64,
    /// How many of `frames` were written to a connection.
    cursor: usize,
    waiting_bytes: usize,
    kept_bytes: usize,
}

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            forgotten: 0,
            cursor: 0,
            waiting_bytes: 0,
            kept_bytes: 0,
        }
    }
}

impl<F: FrameLength> Outbox<F> {
    /// Puts a frame at the end.
    pub fn push(&mut self, frame: F) {
        self.waiting_bytes += frame.length();
        self.frames.push_back(frame);
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.cursor == self.frames.len()
    }

    /// The frames that wait, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &F> {
        self.frames.range(self.cursor..)
    }

    /// The first `count` waiting frames were written whole; frames over
    /// `kept_bytes_max` are forgotten, the oldest first.
    pub fn written(&mut self, count: usize, kept_bytes_max: usize) {
        for _ in 0..count {
            let Some(frame) = self.frames.get(self.cursor) else {
                break;
            };
            self.waiting_bytes -= frame.length();
            self.kept_bytes += frame.length();
            self.cursor += 1;
        }
        while self.kept_bytes > kept_bytes_max && self.cursor > 0 {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.forgotten += 1;
            self.cursor -= 1;
            self.kept_bytes -= frame.length();
        }
    }

    /// The client says that it has got `received` frames of this session.
    /// Returns whether that can be: nobody has got what was never written.
    pub fn acknowledge(&mut self, received: u64) -> bool {
        if received > self.forgotten + self.cursor as u64 {
            return false;
        }
        while self.forgotten < received && self.cursor > 0 {
            self.forget();
        }
        if self.frames.is_empty() {
            // An idle session gives its buffer back.
            self.frames = VecDeque::new();
        }
        true
    }

    /// Goes back to the frame after `received`, for a new connection. Returns
    /// `false` where that frame was forgotten or never written: then the
    /// client cannot be served without a hole.
    pub fn rewind(&mut self, received: u64) -> bool {
        if received < self.forgotten || !self.acknowledge(received) {
            return false;
        }
        self.cursor = 0;
        self.waiting_bytes += self.kept_bytes;
        self.kept_bytes = 0;
        true
    }

    /// How many frames were numbered so far.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        self.forgotten + self.frames.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl FrameLength for u64 {
        fn length(&self) -> usize {
            10
        }
    }

    fn filled(frames: u64) -> Outbox<u64> {
        let mut outbox = Outbox::default();
        (1..=frames).for_each(|frame| outbox.push(frame));
        outbox
    }

    fn waiting(outbox: &Outbox<u64>) -> Vec<u64> {
        outbox.waiting().copied().collect()
    }

    #[test]
    fn what_was_written_can_be_asked_for_again() {
        let mut outbox = filled(5);
        outbox.written(3, 1000);
        assert_eq!(waiting(&outbox), [4, 5]);
        assert!(outbox.rewind(1));
        assert_eq!(waiting(&outbox), [2, 3, 4, 5]);
        assert_eq!(outbox.waiting_bytes(), 40);
    }

    #[test]
    fn what_the_bound_pushed_out_cannot() {
        let mut outbox = filled(5);
        outbox.written(5, 20);
        assert!(!outbox.rewind(2), "frame 3 is gone");
        assert!(outbox.rewind(3));
        assert_eq!(waiting(&outbox), [4, 5]);
    }

    #[test]
    fn nobody_has_got_what_was_not_written() {
        let mut outbox = filled(5);
        outbox.written(2, 1000);
        assert!(!outbox.acknowledge(3));
        assert!(!outbox.rewind(4));
        assert!(outbox.acknowledge(2));
        assert_eq!(waiting(&outbox), [3, 4, 5]);
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
                        outbox.push(pushed);
                    },
                    1 => {
                        // Written and received.
                        let batch: Vec<u64> = outbox.waiting().take(amount as usize).copied().collect();
                        outbox.written(batch.len(), usize::MAX);
                        for frame in batch {
                            prop_assert_eq!(frame, got + 1);
                            got = frame;
                        }
                    }
                    2 => {
                        // Written and lost with the connection.
                        outbox.written(amount as usize, usize::MAX);
                        prop_assert!(outbox.rewind(got));
                    }
                    _ => prop_assert!(outbox.acknowledge(got)),
                }
                prop_assert_eq!(outbox.numbered(), pushed);
            }
        }
    }
}
