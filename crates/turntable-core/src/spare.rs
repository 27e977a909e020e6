//! Tables that live longer than what is in them give the memory of a peak back.
//!
//! A table is shrunk when less than an eighth of it is used, to twice of what is
//! used. Until it is shrunk again, more entries are removed than were moved, so
//! the cost of each removal is constant.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

/// So much room is never given back.
const SPARE_MIN: usize = 64;

/// How much room a table of `len` entries should be shrunk to, where it has too
/// much.
#[must_use]
pub const fn fitting(len: usize, capacity: usize) -> Option<usize> {
    if capacity > SPARE_MIN && len < capacity / 8 {
        Some(len * 2)
    } else {
        None
    }
}

/// A table that gives memory back.
pub trait Spare {
    /// Shrinks the table where it is mostly empty; to be called after a removal.
    fn give_back(&mut self);
}

impl<K: Eq + Hash, V, S: BuildHasher> Spare for HashMap<K, V, S> {
    fn give_back(&mut self) {
        if let Some(capacity) = fitting(self.len(), self.capacity()) {
            self.shrink_to(capacity);
        }
    }
}

impl<T: Eq + Hash, S: BuildHasher> Spare for HashSet<T, S> {
    fn give_back(&mut self) {
        if let Some(capacity) = fitting(self.len(), self.capacity()) {
            self.shrink_to(capacity);
        }
    }
}

impl<T> Spare for Vec<T> {
    fn give_back(&mut self) {
        if let Some(capacity) = fitting(self.len(), self.capacity()) {
            self.shrink_to(capacity);
        }
    }
}

impl<T> Spare for VecDeque<T> {
    fn give_back(&mut self) {
        if let Some(capacity) = fitting(self.len(), self.capacity()) {
            self.shrink_to(capacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_shrinks_with_what_is_in_it() {
        let mut map: HashMap<u32, u32> = (0..100_000).map(|n| (n, n)).collect();
        let mut shrunk = 0;
        for n in 0..100_000 {
            map.remove(&n);
            let before = map.capacity();
            map.give_back();
            shrunk += usize::from(map.capacity() < before);
            let rest = map.len();
            assert!(map.capacity() <= SPARE_MIN.max(rest * 8 + 8) * 2, "{rest}");
        }
        assert!(shrunk <= 10, "{shrunk}");
        assert!(map.capacity() <= SPARE_MIN);
    }

    #[test]
    fn small_and_filled_tables_keep_their_room() {
        assert_eq!(fitting(0, SPARE_MIN), None);
        assert_eq!(fitting(100, 800), None);
        assert_eq!(fitting(99, 800), Some(198));
        let mut queue: VecDeque<u32> = (0..10_000).collect();
        queue.clear();
        queue.give_back();
        assert_eq!(queue.capacity(), 0);
    }
}
