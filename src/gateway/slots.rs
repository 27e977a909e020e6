//! Slots by index and generation, so that a late message cannot reach whoever
//! took a slot over.

/// A place in [`Slots`], good for one use of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The index.
    pub slot: u32,
    /// Which use of the index.
    pub generation: u32,
}

/// Places that are added at once, at the least.
const GROWTH_MIN: usize = 16;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A table of values that keep their place until they are removed.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// Puts a value into a free place.
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            place.value = Some(value);
            return Key {
                slot,
                generation: place.generation,
            };
        }
        if self.slots.len() == self.slots.capacity() {
            // Doubling would leave up to half of it empty, for as long as the
            // worker lives.
            self.slots.reserve_exact(GROWTH_MIN + self.slots.len() / 4);
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        Key {
            slot,
            generation: 0,
        }
    }

    /// Takes the value out and makes its key void.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let place = self.slots.get_mut(slot as usize)?;
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        Some(value)
    }

    /// The value at a slot, whatever its generation.
    #[must_use]
    pub fn at(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.value.as_ref()
    }

    /// The value at a slot, whatever its generation.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.value.as_mut()
    }

    /// Whether `key` is still good.
    #[must_use]
    pub fn holds(&self, key: Key) -> bool {
        self.slots
            .get(key.slot as usize)
            .is_some_and(|place| place.generation == key.generation && place.value.is_some())
    }

    /// The key of the value at a slot.
    #[must_use]
    pub fn key(&self, slot: u32) -> Option<Key> {
        let place = self.slots.get(slot as usize)?;
        place.value.as_ref().map(|_| Key {
            slot,
            generation: place.generation,
        })
    }

    /// All slots in use.
    pub fn occupied(&self) -> impl Iterator<Item = u32> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, place)| place.value.is_some())
            .map(|(slot, _)| slot as u32)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_misses_the_new_owner() {
        let mut slots = Slots::default();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first.slot), Some('a'));
        let second = slots.insert('b');
        assert_eq!(first.slot, second.slot);
        assert!(!slots.holds(first));
        assert!(slots.holds(second));
        assert_eq!(slots.key(second.slot), Some(second));
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.occupied().collect::<Vec<_>>(), [0]);
        assert_eq!(slots.remove(7), None);
    }
}
