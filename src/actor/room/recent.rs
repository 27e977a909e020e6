//! The last actions of a room, for its operator: the messages that had them, as they were
//! sent. A message is shared with its receivers, so there is one more reference for each, however
//! many members get it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use turntable_core::frame::SharedFrame;
use turntable_core::spare::Spare as _;

/// What a message takes beside its text.
const MESSAGE_BYTES: usize = 64;

/// How many bytes may be retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Of the room.
    pub(super) room: usize,
    /// Of all rooms of the worker.
    pub(super) worker: usize,
}

/// The last actions of one room.
#[derive(Debug)]
pub(super) struct Recent {
    /// Each message, and the number of its first action.
    messages: VecDeque<(u64, SharedFrame)>,
    bytes: usize,
    /// Those of all rooms of the worker.
    of_worker: Rc<Cell<usize>>,
    /// How many actions there were.
    total: u64,
    /// Unix ms of the last message.
    last_ms: Option<u64>,
}

fn cost(frame: &SharedFrame) -> usize {
    frame.v1().len() + MESSAGE_BYTES
}

impl Recent {
    /// Nothing yet, on a worker whose rooms have so many bytes.
    pub(super) const fn new(of_worker: Rc<Cell<usize>>) -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            of_worker,
            total: 0,
            last_ms: None,
        }
    }

    /// How many actions there were.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Unix ms when the last ones were sent.
    pub(super) const fn last_ms(&self) -> Option<u64> {
        self.last_ms
    }

    /// A message with so many actions was sent.
    pub(super) fn push(&mut self, actions: usize, frame: SharedFrame, limits: Limits, now_ms: u64) {
        let first = self.total + 1;
        self.total += actions as u64;
        self.last_ms = Some(now_ms);
        let bytes = cost(&frame);
        if bytes > limits.room {
            return self.clear();
        }
        self.messages.push_back((first, frame));
        self.count(bytes);
        while self.bytes > limits.room || self.of_worker.get() > limits.worker {
            let Some((_, oldest)) = self.messages.pop_front() else {
                break;
            };
            self.discount(cost(&oldest));
        }
    }

    /// The messages with actions behind one, by their numbers; all without one.
    pub(super) fn behind(&self, behind: Option<u64>) -> Vec<(u64, SharedFrame)> {
        let behind = behind.unwrap_or(0);
        let ends = self.messages.iter().skip(1).map(|(first, _)| first - 1);
        let ends = ends.chain([self.total]);
        let messages = self.messages.iter().zip(ends);
        let wanted = messages.filter(|(_, last)| *last > behind);
        wanted.map(|(message, _)| message.clone()).collect()
    }

    /// Forgets the actions, and not how many there were.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.messages.give_back();
        self.discount(self.bytes);
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.of_worker.set(self.of_worker.get() + bytes);
    }

    fn discount(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.of_worker
            .set(self.of_worker.get().saturating_sub(bytes));
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.discount(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turntable_core::id::MessageId;
    use turntable_wire::frame::text_frame;

    fn frame(bytes: usize) -> SharedFrame {
        let v1 = text_frame(|out| out.resize(out.len() + bytes, b'x'));
        SharedFrame::new(v1, MessageId::nil())
    }

    const ROOM: Limits = Limits {
        room: 1_000,
        worker: 1_500,
    };

    fn numbers(recent: &Recent, behind: Option<u64>) -> Vec<u64> {
        recent
            .behind(behind)
            .iter()
            .map(|(first, _)| *first)
            .collect()
    }

    #[test]
    fn messages_behind_an_action_are_found_by_number() {
        let mut recent = Recent::new(Rc::default());
        for actions in [1, 3, 2] {
            recent.push(actions, frame(10), ROOM, 5);
        }
        assert_eq!((recent.total(), recent.last_ms()), (6, Some(5)));
        assert_eq!(numbers(&recent, None), [1, 2, 5]);
        assert_eq!(numbers(&recent, Some(1)), [2, 5]);
        assert_eq!(numbers(&recent, Some(3)), [2, 5]);
        assert_eq!(numbers(&recent, Some(4)), [5]);
        assert_eq!(numbers(&recent, Some(6)), [0; 0]);
    }

    #[test]
    fn bytes_of_a_room_and_of_a_worker_are_bounded() {
        let worker = Rc::new(Cell::new(0));
        let mut one = Recent::new(worker.clone());
        for _ in 0..10 {
            one.push(1, frame(200), ROOM, 0);
        }
        assert!((500..=1_000).contains(&one.bytes), "{}", one.bytes);
        assert_eq!(one.total(), 10);
        let mut other = Recent::new(worker.clone());
        for _ in 0..10 {
            other.push(1, frame(200), ROOM, 0);
        }
        assert!(worker.get() <= 1_500, "{}", worker.get());
        assert!(!other.messages.is_empty());
        // One that is too long has no room, and leaves no hole.
        other.push(1, frame(2_000), ROOM, 0);
        assert_eq!(other.behind(None), []);
        drop(one);
        drop(other);
        assert_eq!(worker.get(), 0);
    }
}
