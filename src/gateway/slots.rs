//! Values by number, in pages: a value keeps its number until it is removed, and a
//! page without values takes no memory.
//!
//! One list of all places could only be cut at its end, and one value there, of a
//! client that came at the peak, would hold the memory of all that have gone. The
//! lowest free number is given out, so that the pages at the end empty.

use turntable_core::spare::Spare;

/// Values of a page: as many as a word has bits.
const PAGE: usize = 64;

#[derive(Debug)]
struct Page<T> {
    /// `PAGE` places, or none.
    places: Box<[Option<T>]>,
    /// A bit for each place without a value.
    free: u64,
}

impl<T> Page<T> {
    fn empty() -> Self {
        Self {
            places: Box::default(),
            free: u64::MAX,
        }
    }

    const fn is_empty(&self) -> bool {
        self.free == u64::MAX
    }
}

/// The values.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    pages: Vec<Page<T>>,
    /// A bit for each page with a free place.
    open: Vec<u64>,
    /// No word of `open` before this one has a bit.
    open_from: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            open: Vec::new(),
            open_from: 0,
        }
    }
}

const fn split(number: u32) -> (usize, usize) {
    (number as usize / PAGE, number as usize % PAGE)
}

impl<T> Slots<T> {
    fn open_page(&self) -> Option<usize> {
        let words = self.open.iter().enumerate().skip(self.open_from);
        let mut words = words.filter(|(_, word)| **word != 0);
        let (at, word) = words.next()?;
        Some(at * PAGE + word.trailing_zeros() as usize)
    }

    /// The number that the next value gets.
    pub(crate) fn next_number(&self) -> u32 {
        let page = self.open_page().unwrap_or(self.pages.len());
        let free = self.pages.get(page).map_or(u64::MAX, |page| page.free);
        (page * PAGE) as u32 + free.trailing_zeros()
    }

    /// Puts a value into the lowest free place. Returns its number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let number = self.next_number();
        let (at, place) = split(number);
        if at == self.pages.len() {
            self.pages.push(Page::empty());
            self.set_open(at, true);
        }
        if let Some(page) = self.pages.get_mut(at) {
            if page.places.is_empty() {
                page.places = std::iter::repeat_with(|| None).take(PAGE).collect();
            }
            if let Some(place) = page.places.get_mut(place) {
                *place = Some(value);
            }
            page.free &= !(1 << place);
            if page.free == 0 {
                self.set_open(at, false);
            }
        }
        number
    }

    fn set_open(&mut self, page: usize, is_open: bool) {
        let (word, bit) = (page / PAGE, 1 << (page % PAGE));
        if self.open.len() <= word {
            self.open.resize(word + 1, 0);
        }
        if let Some(word) = self.open.get_mut(word) {
            *word = if is_open { *word | bit } else { *word & !bit };
        }
        if is_open {
            self.open_from = self.open_from.min(word);
        } else if self.open_from == word {
            let words = self.open.iter().skip(word);
            self.open_from += words.take_while(|word| **word == 0).count();
        }
    }

    /// Takes a value out. Its number is free from then on.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.take(number)?;
        self.free(number);
        Some(value)
    }

    /// Takes a value out whose number is not free until [`Slots::free`].
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        let (at, place) = split(number);
        self.pages.get_mut(at)?.places.get_mut(place)?.take()
    }

    /// A number whose value was taken out is free from now on.
    pub(crate) fn free(&mut self, number: u32) {
        let (at, place) = split(number);
        let Some(page) = self.pages.get_mut(at) else {
            return;
        };
        if page.places.get(place).is_none_or(Option::is_some) {
            return;
        }
        page.free |= 1 << place;
        if page.is_empty() {
            page.places = Box::default();
        }
        self.set_open(at, true);
        while self.pages.last().is_some_and(Page::is_empty) {
            self.pages.pop();
            self.set_open(self.pages.len(), false);
        }
        self.pages.give_back();
        self.open.truncate(self.pages.len().div_ceil(PAGE));
        self.open_from = self.open_from.min(self.open.len());
    }

    /// The value of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (at, place) = split(number);
        self.pages.get(at)?.places.get(place)?.as_ref()
    }

    /// The value of a number.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (at, place) = split(number);
        self.pages.get_mut(at)?.places.get_mut(place)?.as_mut()
    }

    /// The values of two numbers at once.
    pub(crate) fn pair_mut(&mut self, one: u32, other: u32) -> Option<(&mut T, &mut T)> {
        let ((page, first), (other_page, second)) = (split(one), split(other));
        let (first, second) = if page == other_page {
            let places = &mut self.pages.get_mut(page)?.places;
            let [first, second] = places.get_disjoint_mut([first, second]).ok()?;
            (first, second)
        } else {
            let [page, other_page] = self.pages.get_disjoint_mut([page, other_page]).ok()?;
            let first = page.places.get_mut(first)?;
            (first, other_page.places.get_mut(second)?)
        };
        first.as_mut().zip(second.as_mut())
    }

    /// All numbers and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = (0..).step_by(PAGE).zip(&self.pages);
        pages.flat_map(|(first, page)| {
            let places = (first..).zip(&page.places);
            places.filter_map(|(number, place)| Some((number, place.as_ref()?)))
        })
    }

    /// Places that take memory.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.pages.iter().map(|page| page.places.len()).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The values are those of a map whose lowest free number is used next.
        #[test]
        fn values_keep_their_numbers(
            steps in prop::collection::vec((0..3_u8, 0..300_usize, 1..150_usize), 1..12),
        ) {
            let mut slots = Slots::default();
            let mut model = BTreeMap::<u32, usize>::new();
            for (number, (what, first, count)) in steps.into_iter().enumerate() {
                let mut next = 0;
                for at in first..first + count {
                    if what > 0 {
                        next = (next..).find(|n| !model.contains_key(n)).unwrap();
                        prop_assert_eq!(slots.next_number(), next);
                        prop_assert_eq!(slots.insert(number + at), next);
                        model.insert(next, number + at);
                    } else {
                        let removed = model.remove(&(at as u32));
                        prop_assert_eq!(slots.remove(at as u32), removed);
                    }
                }
                let all: Vec<(u32, usize)> = slots.iter().map(|(n, v)| (n, *v)).collect();
                prop_assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
                let pages: std::collections::BTreeSet<u32> =
                    model.keys().map(|n| n / PAGE as u32).collect();
                prop_assert_eq!(slots.places(), pages.len() * PAGE);
            }
        }
    }

    #[test]
    fn number_of_a_value_that_was_taken_out_is_free_later() {
        let mut slots = Slots::default();
        for number in 0..3 {
            slots.insert(number);
        }
        assert_eq!(slots.take(1), Some(1));
        assert_eq!((slots.take(1), slots.get(1)), (None, None));
        assert_eq!(slots.iter().count(), 2);
        assert_eq!(slots.insert(3), 3);
        slots.free(1);
        // One that has a value stays.
        slots.free(2);
        slots.free(1_000);
        assert_eq!((slots.insert(4), slots.insert(5)), (1, 4));
        for number in [0, 2, 3, 1] {
            slots.remove(number);
        }
        slots.take(4);
        assert_eq!(slots.places(), PAGE);
        slots.free(4);
        assert_eq!(slots.places(), 0);
    }

    #[test]
    fn two_values_are_found_in_one_page_and_in_two() {
        let mut slots = Slots::default();
        for number in 0..200 {
            assert_eq!(slots.insert(number), number);
        }
        for (one, other) in [(0, 1), (3, 150), (150, 3)] {
            let (first, second) = slots.pair_mut(one, other).unwrap();
            assert_eq!((*first, *second), (one, other));
        }
        assert!(slots.pair_mut(7, 7).is_none());
        slots.remove(150);
        assert!(slots.pair_mut(3, 150).is_none());
    }

    #[test]
    fn value_at_the_end_holds_its_page_only() {
        let mut slots = Slots::default();
        for number in 0..100_000_u32 {
            slots.insert(number);
        }
        for number in 0..99_999 {
            slots.remove(number);
        }
        assert_eq!(slots.places(), PAGE);
        assert_eq!(slots.get(99_999), Some(&99_999));
        slots.remove(99_999);
        assert_eq!(slots.places(), 0);
        assert!(slots.pages.capacity() <= 64 && slots.pages.is_empty());
    }
}
