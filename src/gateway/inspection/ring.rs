//! The last entries of something, bounded in number and bytes: the oldest go first.

use std::collections::VecDeque;

use turntable_core::spare::Spare as _;

/// Something whose memory is known.
pub(super) trait Measured {
    /// What it takes beside its place in the ring, in bytes.
    fn heap_bytes(&self) -> usize;
}

/// How much a ring may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RingLimits {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

/// The last entries.
#[derive(Debug)]
pub(super) struct Ring<T> {
    entries: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T: Measured> Ring<T> {
    fn cost(entry: &T) -> usize {
        size_of::<T>() + entry.heap_bytes()
    }

    /// Puts an entry behind the others.
    pub(super) fn push(&mut self, entry: T, limits: RingLimits) {
        self.bytes += Self::cost(&entry);
        self.entries.push_back(entry);
        while self.entries.len() > limits.entries || self.bytes > limits.bytes {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= Self::cost(&oldest);
        }
    }

    /// The entries, the oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter()
    }

    /// Drops those that are not retained.
    pub(super) fn retain(&mut self, is_retained: impl FnMut(&T) -> bool) {
        self.entries.retain(is_retained);
        self.entries.give_back();
        self.bytes = self.entries.iter().map(Self::cost).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Measured for usize {
        fn heap_bytes(&self) -> usize {
            *self
        }
    }

    fn entries(ring: &Ring<usize>) -> Vec<usize> {
        ring.iter().copied().collect()
    }

    #[test]
    fn oldest_entries_go_first() {
        let mut ring = Ring::default();
        let limits = RingLimits {
            entries: 3,
            bytes: 100,
        };
        for entry in [1, 2, 3, 4] {
            ring.push(entry, limits);
        }
        assert_eq!(entries(&ring), [2, 3, 4]);
        // Eight bytes for the place of each.
        ring.push(80, limits);
        assert_eq!(entries(&ring), [4, 80]);
        ring.retain(|entry| *entry == 4);
        assert_eq!((entries(&ring), ring.bytes), (vec![4], 12));
        // One that is longer than all has no room.
        ring.push(100, limits);
        assert_eq!((entries(&ring), ring.bytes), (vec![], 0));
    }
}
