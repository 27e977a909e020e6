//! What a channel retains of its messages: the last ones, without a gap.
//!
//! Messages are retained as the frames that were sent, so retaining one is a
//! reference to bytes that exist. They go from the front only, so what is left
//! always ends with the channel's last message or is empty.

pub mod shares;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::frame::SharedFrame;
use crate::id::MessageId;

/// What a message takes beside its frame.
const ENTRY_BYTES: usize = 64;

/// How much of a channel is retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Maximum messages; 0: none.
    pub messages_max: usize,
    /// How long each is retained, in ms.
    pub age_ms: u64,
    /// Maximum bytes.
    pub bytes_max: usize,
    /// How long the last message is retained whatever the others are, in ms; 0: as
    /// long as they are.
    pub last_value_ms: u64,
}

impl Retention {
    /// Whether anything is retained.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.messages_max > 0 || self.last_value_ms > 0
    }
}

/// A retained message.
#[derive(Debug, Clone, PartialEq)]
struct Retained {
    v1: Arc<[u8]>,
    id: MessageId,
    at_ms: u64,
}

impl Retained {
    /// The frame, without the other encodings that the first receivers needed: they
    /// would take memory that is not counted.
    fn frame(&self) -> SharedFrame {
        SharedFrame::new(self.v1.clone(), self.id)
    }
}

/// A history as a value: how long ago each message was published, in ms, and its frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HistorySnapshot(Vec<(u64, SharedFrame)>);

/// The retained messages of one channel.
#[derive(Debug, Default)]
pub struct History {
    messages: VecDeque<Retained>,
    bytes: usize,
}

impl History {
    /// The history as a value, at `now_ms`.
    #[must_use]
    pub fn save(&self, now_ms: u64) -> HistorySnapshot {
        let message = |message: &Retained| (now_ms.saturating_sub(message.at_ms), message.frame());
        HistorySnapshot(self.messages.iter().map(message).collect())
    }

    /// The history of a value.
    #[must_use]
    pub fn restore(snapshot: HistorySnapshot, now_ms: u64) -> Self {
        let mut history = Self::default();
        for (ago_ms, frame) in snapshot.0 {
            history.push(&frame, now_ms.saturating_sub(ago_ms));
        }
        history
    }

    /// The messages that were stored: when each was published, and its frame.
    pub fn load(&mut self, messages: Vec<(u64, SharedFrame)>) {
        self.clear();
        for (at_ms, frame) in messages {
            self.push(&frame, at_ms);
        }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn push(&mut self, frame: &SharedFrame, at_ms: u64) {
        let (v1, id) = (frame.v1().clone(), frame.id());
        self.bytes += ENTRY_BYTES + v1.len();
        self.messages.push_back(Retained { v1, id, at_ms });
    }

    /// Retains the next message, within `retention` and `budget` bytes.
    pub fn retain(
        &mut self,
        frame: &SharedFrame,
        retention: &Retention,
        budget: usize,
        now_ms: u64,
    ) {
        if retention.is_any() {
            self.push(frame, now_ms);
        } else {
            self.clear();
        }
        self.expire(retention, budget, now_ms);
    }

    /// Drops the oldest messages until there are at most so many bytes.
    pub fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            self.drop_oldest();
        }
        self.release_if_empty();
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.bytes -= ENTRY_BYTES + oldest.v1.len();
        }
    }

    fn release_if_empty(&mut self) {
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    /// Drops what may not be retained any more.
    pub fn expire(&mut self, retention: &Retention, budget: usize, now_ms: u64) {
        while let Some(oldest) = self.messages.front() {
            let is_value = self.messages.len() == 1 && retention.last_value_ms > 0;
            let is_over = self.bytes > budget
                || now_ms >= oldest.at_ms.saturating_add(self.age_max_ms(retention))
                || (!is_value
                    && (self.messages.len() > retention.messages_max.max(1)
                        || retention.messages_max == 0 && retention.last_value_ms == 0
                        || self.bytes > retention.bytes_max));
            if !is_over {
                break;
            }
            self.drop_oldest();
        }
        self.release_if_empty();
    }

    /// How long the oldest message may be retained.
    fn age_max_ms(&self, retention: &Retention) -> u64 {
        let age_ms = match retention.messages_max {
            0 => 0,
            _ => retention.age_ms,
        };
        match self.messages.len() {
            1 => age_ms.max(retention.last_value_ms),
            _ => age_ms,
        }
    }

    /// When the oldest message has to go.
    #[must_use]
    pub fn expires_ms(&self, retention: &Retention) -> Option<u64> {
        let oldest = self.messages.front()?;
        Some(oldest.at_ms.saturating_add(self.age_max_ms(retention)))
    }

    /// The last `count` messages, in their order; `None` where not so many are
    /// retained.
    #[must_use]
    pub fn last(&self, count: u64) -> Option<Vec<SharedFrame>> {
        let first = self
            .messages
            .len()
            .checked_sub(usize::try_from(count).ok()?)?;
        Some(self.messages.range(first..).map(Retained::frame).collect())
    }

    /// The last `count` messages, or all where there are fewer.
    #[must_use]
    pub fn at_most(&self, count: usize) -> Vec<SharedFrame> {
        self.last(self.messages.len().min(count) as u64)
            .unwrap_or_default()
    }

    /// The memory of the oldest message, which goes first, in bytes.
    #[must_use]
    pub fn oldest_bytes(&self) -> usize {
        let oldest = self.messages.front();
        oldest.map_or(0, |oldest| ENTRY_BYTES + oldest.v1.len())
    }

    /// The memory of the messages, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention {
        messages_max: 3,
        age_ms: 1_000,
        bytes_max: 10_000,
        last_value_ms: 0,
    };

    fn frame(number: u128, bytes: usize) -> SharedFrame {
        SharedFrame::new(vec![b'x'; bytes].into(), MessageId::from(number))
    }

    fn ids(history: &History) -> Vec<u128> {
        let all = history.at_most(usize::MAX);
        all.iter().map(|frame| frame.id().0).collect()
    }

    fn with(retention: &Retention, count: u128, bytes: usize) -> History {
        let mut history = History::default();
        for number in 1..=count {
            history.retain(&frame(number, bytes), retention, usize::MAX, number as u64);
        }
        history
    }

    #[test]
    fn count_size_and_age_limit_it_from_the_front() {
        let mut history = with(&RETENTION, 5, 10);
        assert_eq!(ids(&history), [3, 4, 5]);
        assert_eq!(history.expires_ms(&RETENTION), Some(1_003));
        history.expire(&RETENTION, usize::MAX, 1_003);
        assert_eq!(ids(&history), [4, 5]);
        history.retain(&frame(6, 9_800), &RETENTION, usize::MAX, 1_003);
        assert_eq!(ids(&history), [5, 6]);
        // One that is longer than all may be leaves nothing.
        history.retain(&frame(7, 10_000), &RETENTION, usize::MAX, 1_003);
        assert!(ids(&history).is_empty());
        assert_eq!(history.bytes(), 0);
    }

    #[test]
    fn a_budget_limits_it() {
        let mut history = with(&RETENTION, 3, 36);
        assert_eq!(history.bytes(), 300);
        history.expire(&RETENTION, 250, 3);
        assert_eq!(ids(&history), [2, 3]);
        history.retain(&frame(4, 36), &RETENTION, 0, 4);
        assert!(ids(&history).is_empty());
        let mut history = with(&RETENTION, 3, 36);
        history.shrink(200);
        assert_eq!(ids(&history), [2, 3]);
        history.shrink(99);
        assert_eq!((ids(&history), history.bytes()), (Vec::new(), 0));
    }

    #[test]
    fn more_than_is_retained_is_not_given() {
        let history = with(&RETENTION, 5, 10);
        assert_eq!(history.last(3).unwrap().len(), 3);
        assert_eq!(history.last(4), None);
        assert_eq!(history.last(0).unwrap().len(), 0);
        assert_eq!(history.at_most(2).len(), 2);
    }

    #[test]
    fn the_last_value_outlives_the_others() {
        let retention = Retention {
            last_value_ms: 5_000,
            bytes_max: 200,
            ..RETENTION
        };
        let mut history = with(&retention, 2, 10);
        history.expire(&retention, usize::MAX, 2_000);
        assert_eq!(ids(&history), [2]);
        history.retain(&frame(3, 4_000), &retention, usize::MAX, 2_000);
        assert_eq!(ids(&history), [3], "whatever its size");
        history.expire(&retention, usize::MAX, 7_000);
        assert!(ids(&history).is_empty());
        let alone = Retention {
            messages_max: 0,
            ..retention
        };
        assert_eq!(ids(&with(&alone, 4, 10)), [4]);
    }

    #[test]
    fn nothing_is_retained_without_a_retention() {
        let none = Retention::default();
        let mut history = with(&RETENTION, 3, 10);
        history.retain(&frame(4, 10), &none, usize::MAX, 4);
        assert_eq!((ids(&history), history.bytes()), (Vec::new(), 0));
    }
}
