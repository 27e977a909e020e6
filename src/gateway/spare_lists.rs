//! Short lists that are empty and have memory, for the next ones that begin.
//!
//! A session's list of changes begins and ends with each message. Its memory would be
//! allocated and freed as often, and a session that retains it has it for nothing most of
//! its time.

use thin_vec::ThinVec;

/// So many lists are retained.
const LISTS: usize = 1_024;
/// Of longer ones the memory is freed, in elements.
const ELEMENTS: usize = 64;

/// The lists.
#[derive(Debug)]
pub(crate) struct SpareLists<T>(Vec<ThinVec<T>>);

impl<T> Default for SpareLists<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SpareLists<T> {
    /// Gives a list memory that is about to get its first element.
    pub(crate) fn give(&mut self, list: &mut ThinVec<T>) {
        if list.capacity() == 0
            && let Some(spare) = self.0.pop()
        {
            *list = spare;
        }
    }

    /// Takes the memory of a list that is used no more.
    pub(crate) fn take(&mut self, mut list: ThinVec<T>) {
        if (1..=ELEMENTS).contains(&list.capacity()) && self.0.len() < LISTS {
            list.clear();
            self.0.push(list);
        }
    }

    /// Frees the memory of all.
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_short_lists_goes_to_the_next() {
        let mut spare = SpareLists::default();
        let mut list = ThinVec::new();
        spare.give(&mut list);
        assert_eq!(list.capacity(), 0);
        list.push(7);
        let memory = list.as_ptr();
        spare.take(list);
        let mut next = ThinVec::new();
        spare.give(&mut next);
        assert_eq!((next.as_ptr(), next.len()), (memory, 0));
        // One that has memory retains it.
        spare.take(ThinVec::with_capacity(8));
        spare.give(&mut next);
        assert_eq!(next.as_ptr(), memory);
    }

    #[test]
    fn memory_of_many_or_long_lists_is_freed() {
        let mut spare = SpareLists::default();
        spare.take(ThinVec::<u32>::with_capacity(ELEMENTS + 1));
        spare.take(ThinVec::new());
        assert!(spare.0.is_empty());
        for _ in 0..2 * LISTS {
            spare.take(ThinVec::with_capacity(4));
        }
        assert_eq!(spare.0.len(), LISTS);
        spare.clear();
        assert_eq!(spare.0.capacity(), 0);
    }
}
