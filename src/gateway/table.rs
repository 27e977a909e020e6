//! A table of values that keep their place until they are removed, with typed
//! keys: a late message cannot reach what took a place over, and a key of one
//! table cannot be used in another.

use std::marker::PhantomData;

use turntable_core::key::SlotKey;

/// Places that are added at once, at the least.
const GROWTH_MIN: usize = 16;

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
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Table<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    key: PhantomData<K>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            key: PhantomData,
        }
    }
}

impl<K: SlotKey, T> Table<K, T> {
    /// Puts a value into a free place.
    pub(crate) fn insert(&mut self, value: T) -> K {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.slots.get_mut(index as usize)
        {
            place.value = Some(value);
            return K::new(index, place.generation);
        }
        if self.slots.len() == self.slots.capacity() {
            // Doubling would leave up to half of it empty, for as long as the
            // worker lives.
            self.slots.reserve_exact(GROWTH_MIN + self.slots.len() / 4);
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        K::new(index, 0)
    }

    /// The key that the next value gets.
    pub(crate) fn next_key(&self) -> K {
        let index = self.free.last().copied();
        let index = index.unwrap_or(self.slots.len() as u32);
        let place = self.slots.get(index as usize);
        K::new(index, place.map_or(0, |place| place.generation))
    }

    /// Takes the value out; its key is void from then on.
    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        let place = self.slots.get_mut(key.index() as usize)?;
        if place.generation != key.generation() {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index());
        Some(value)
    }

    /// The value of a key, unless it was removed.
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        let place = self.slots.get(key.index() as usize)?;
        let value = place.value.as_ref()?;
        (place.generation == key.generation()).then_some(value)
    }

    /// The value of a key, unless it was removed.
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let place = self.slots.get_mut(key.index() as usize)?;
        let value = place.value.as_mut()?;
        (place.generation == key.generation()).then_some(value)
    }

    /// The values of two keys at once.
    pub(crate) fn pair_mut(&mut self, one: K, other: K) -> Option<(&mut T, &mut T)> {
        let indexes = [one.index() as usize, other.index() as usize];
        let [first, second] = self.slots.get_disjoint_mut(indexes).ok()?;
        let is_current = |place: &Slot<T>, key: K| place.generation == key.generation();
        if !is_current(first, one) || !is_current(second, other) {
            return None;
        }
        first.value.as_mut().zip(second.value.as_mut())
    }

    /// Whether the key's value is there.
    pub(crate) fn holds(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// The value at a place, whatever its generation.
    pub(crate) fn at_mut(&mut self, index: Index<K>) -> Option<&mut T> {
        self.slots.get_mut(index.0 as usize)?.value.as_mut()
    }

    /// The key of the value at a place.
    pub(crate) fn key(&self, index: Index<K>) -> Option<K> {
        let place = self.slots.get(index.0 as usize)?;
        place.value.as_ref()?;
        Some(K::new(index.0, place.generation))
    }

    /// All keys and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        (0..).zip(&self.slots).filter_map(|(index, place)| {
            let value = place.value.as_ref()?;
            Some((K::new(index, place.generation), value))
        })
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
