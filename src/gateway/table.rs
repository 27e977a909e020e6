//! A table of values that keep their place until they are removed, with typed
//! keys: a late message cannot reach what took a place over, and a key of one
//! table cannot be used in another.

use std::marker::PhantomData;

use crate::gateway::slots::Slots;
use turntable_core::key::SlotKey;

/// A place of a table without its generation: four bytes, for lists inside the
/// gateway whose entries go when the value goes.
pub(crate) struct Index<K>(u32, PhantomData<K>);

impl<K> Index<K> {
    /// The place of this number.
    pub(crate) const fn new(number: u32) -> Self {
        Self(number, PhantomData)
    }

    /// The number of the place.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

impl<K: SlotKey> From<K> for Index<K> {
    fn from(key: K) -> Self {
        Self::new(key.index())
    }
}

impl<K> Clone for Index<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Index<K> {}

impl<K> PartialEq for Index<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Index<K> {}

impl<K> PartialOrd for Index<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Index<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> std::hash::Hash for Index<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K> std::fmt::Debug for Index<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: T,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Table<K, T> {
    slots: Slots<Entry<T>>,
    /// The generation of the next value: one count for all places, as a place
    /// without a value may take no memory.
    generation: u32,
    key: PhantomData<K>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self {
            slots: Slots::default(),
            generation: 0,
            key: PhantomData,
        }
    }
}

impl<K: SlotKey, T> Table<K, T> {
    /// Puts a value into a free place.
    pub(crate) fn insert(&mut self, value: T) -> K {
        let generation = self.generation;
        self.generation = generation.wrapping_add(1);
        K::new(self.slots.insert(Entry { generation, value }), generation)
    }

    /// The key that the next value gets.
    pub(crate) fn next_key(&self) -> K {
        K::new(self.slots.next_number(), self.generation)
    }

    /// A generation that no value has or gets, and that is not 0.
    pub(crate) fn unused_generation(&mut self) -> u32 {
        let generation = self.generation.max(1);
        self.generation = generation.wrapping_add(1);
        generation
    }

    /// Takes the value out; its key is void from then on.
    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        self.get(key)?;
        self.slots.remove(key.index()).map(|entry| entry.value)
    }

    /// Takes the value out; its key is void from then on, and no other value gets its place until
    /// [`Table::free_place`]: lists may still have it.
    pub(crate) fn take(&mut self, key: K) -> Option<T> {
        self.get(key)?;
        self.slots.take(key.index()).map(|entry| entry.value)
    }

    /// No list has the place of a value any more that was taken out.
    pub(crate) fn free_place(&mut self, key: K) {
        self.slots.free(key.index());
    }

    /// The value of a key, unless it was removed.
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        let entry = self.slots.get(key.index())?;
        (entry.generation == key.generation()).then_some(&entry.value)
    }

    /// The value of a key, unless it was removed.
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let entry = self.slots.get_mut(key.index())?;
        (entry.generation == key.generation()).then_some(&mut entry.value)
    }

    /// The values of two keys at once.
    pub(crate) fn pair_mut(&mut self, one: K, other: K) -> Option<(&mut T, &mut T)> {
        let (first, second) = self.slots.pair_mut(one.index(), other.index())?;
        let is_current = |entry: &Entry<T>, key: K| entry.generation == key.generation();
        if !is_current(first, one) || !is_current(second, other) {
            return None;
        }
        Some((&mut first.value, &mut second.value))
    }

    /// Whether the key's value is there.
    pub(crate) fn holds(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// The value at a place, whatever its generation.
    pub(crate) fn at_mut(&mut self, index: Index<K>) -> Option<&mut T> {
        self.slots.get_mut(index.0).map(|entry| &mut entry.value)
    }

    /// The key of the value at a place.
    pub(crate) fn key(&self, index: Index<K>) -> Option<K> {
        let entry = self.slots.get(index.0)?;
        Some(K::new(index.0, entry.generation))
    }

    /// All keys and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        let entries = self.slots.iter();
        entries.map(|(index, entry)| (K::new(index, entry.generation), &entry.value))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use turntable_core::key::ConnKey;

    use super::*;

    proptest! {
        /// A removed key finds nothing, also when its place is used again.
        #[test]
        fn stale_key_finds_nothing(steps in proptest::collection::vec((any::<bool>(), 0usize..8), 1..100)) {
            let mut table = Table::<ConnKey, usize>::default();
            let mut live = Vec::new();
            let mut gone = Vec::new();
            for (number, (adds, which)) in steps.into_iter().enumerate() {
                if adds || live.is_empty() {
                    let next = table.next_key();
                    live.push((table.insert(number), number));
                    prop_assert_eq!(live.last(), Some(&(next, number)));
                } else {
                    let (key, value) = live.swap_remove(which % live.len());
                    prop_assert_eq!(table.remove(key), Some(value));
                    gone.push(key);
                }
                for (key, value) in &live {
                    prop_assert_eq!(table.get(*key), Some(value));
                    prop_assert_eq!(table.key((*key).into()), Some(*key));
                }
                for key in &gone {
                    prop_assert!(!table.holds(*key));
                    prop_assert_eq!(table.remove(*key), None);
                }
                prop_assert_eq!(table.iter().count(), live.len());
            }
        }
    }

    #[test]
    fn stale_key_finds_nothing_once_its_page_was_given_back() {
        let mut table = Table::<ConnKey, u32>::default();
        let stale = table.insert(1);
        table.remove(stale);
        assert_eq!(table.slots.places(), 0);
        let key = table.insert(2);
        assert_eq!(Index::from(key), Index::from(stale));
        assert!(!table.holds(stale));
        assert_eq!(table.remove(stale), None);
        assert_eq!(table.get(key), Some(&2));
    }

    #[test]
    fn unused_generation_is_no_values() {
        let mut table = Table::<ConnKey, u32>::default();
        let unused = [(); 2].map(|()| table.unused_generation());
        let keys = [1, 2].map(|value| table.insert(value));
        assert!(unused[0] > 0 && unused[0] != unused[1]);
        assert!(keys.iter().all(|key| !unused.contains(&key.generation())));
    }

    #[test]
    fn two_values_can_be_changed_at_once() {
        let mut table = Table::<ConnKey, u32>::default();
        let (one, other) = (table.insert(1), table.insert(2));
        let (first, second) = table.pair_mut(one, other).unwrap();
        std::mem::swap(first, second);
        assert_eq!((table.get(one), table.get(other)), (Some(&2), Some(&1)));
        assert!(table.pair_mut(one, one).is_none());
        table.remove(other);
        assert!(table.pair_mut(one, other).is_none());
    }
}
