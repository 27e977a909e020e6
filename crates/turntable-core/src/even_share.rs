//! What the clients of each address have of something of which there may be so many.
//!
//! A bound for each address does not keep some addresses together from taking all. So in the
//! last quarter an address may have no more than is left then, an even share with all that come
//! later: one takes half of the quarter, the next one a quarter of it, and so on. How many
//! addresses there are does not matter, as one client may have thousands of them.

use std::collections::HashMap;

use crate::address::Address;
use crate::spare::Spare;

/// Whether an address that has `count` may have `more`, of at most `total_max`, while there are so
/// many in all. The first one that it has needs no share.
///
/// ```
/// use turntable_core::even_share::has_share;
/// assert!(has_share(60, 15, 60, 100));
/// assert!(has_share(0, 12, 75, 100) && !has_share(0, 13, 75, 100));
/// assert!(has_share(0, 1, 99, 100) && !has_share(1, 1, 99, 100));
/// ```
#[must_use]
pub const fn has_share(count: usize, more: usize, total: usize, total_max: usize) -> bool {
    let first = total_max - total_max / 4;
    let after = total.saturating_add(more);
    let wanted = count.saturating_add(more);
    more == 0 || after <= first || wanted <= 1 || wanted <= total_max.saturating_sub(after)
}

/// Counts by address.
#[derive(Debug, Default)]
pub struct EvenShares {
    by_address: HashMap<Address, usize>,
    total: usize,
}

impl EvenShares {
    /// How many there are, those of no address included.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// How many an address has.
    #[must_use]
    pub fn of(&self, address: Address) -> usize {
        self.by_address.get(&address).copied().unwrap_or_default()
    }

    /// Whether an address may have so many more, of at most `total_max`: not those of the last
    /// quarter that are beyond its even share. That there are fewer than `total_max` is not
    /// looked at.
    ///
    /// ```
    /// use turntable_core::address::Address;
    /// use turntable_core::even_share::EvenShares;
    /// let [one, other, third] = [1, 2, 3].map(Address::from_number);
    /// let mut shares = EvenShares::default();
    /// shares.add(Some(one), 40);
    /// shares.add(Some(other), 34);
    /// assert!(shares.has_room(one, 1, 100));
    /// assert!(!shares.has_room(one, 2, 100));
    /// assert!(shares.has_room(third, 13, 100));
    /// assert!(!shares.has_room(third, 14, 100));
    /// ```
    #[must_use]
    pub fn has_room(&self, address: Address, more: usize, total_max: usize) -> bool {
        self.has_room_beside(address, more, 0, total_max)
    }

    /// The same where so many exist `beside` those that are counted.
    #[must_use]
    pub fn has_room_beside(
        &self,
        address: Address,
        more: usize,
        beside: usize,
        total_max: usize,
    ) -> bool {
        let total = self.total.saturating_add(beside);
        has_share(self.of(address), more, total, total_max)
    }

    /// Counts so many more; without an address in all alone.
    pub fn add(&mut self, by: Option<Address>, count: usize) {
        self.total += count;
        match by {
            Some(address) if count > 0 => *self.by_address.entry(address).or_default() += count,
            _ => {}
        }
    }

    /// Counts so many less.
    pub fn remove(&mut self, by: Option<Address>, count: usize) {
        self.total = self.total.saturating_sub(count);
        let Some(address) = by else {
            return;
        };
        if let Some(known) = self.by_address.get_mut(&address) {
            *known = known.saturating_sub(count);
            if *known == 0 {
                self.by_address.remove(&address);
                self.by_address.give_back();
            }
        }
    }

    /// How many addresses have any.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.by_address.len()
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0 && self.by_address.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_quarter_is_for_addresses_with_less_than_an_even_share() {
        let mut shares = EvenShares::default();
        let mut take = |number| {
            let address = Address::from_number(number);
            let has_room = shares.has_room(address, 1, 100);
            shares.add(Some(address), usize::from(has_room));
            has_room
        };
        assert_eq!((0..200).filter(|number| take(number % 2)).count(), 75);
        // Half of what is left, and again.
        assert_eq!((0..100).filter(|_| take(7)).count(), 12);
        assert_eq!((0..100).filter(|_| take(8)).count(), 6);
        assert!(take(9) && !take(7) && !take(0));
        let seven = Address::from_number(7);
        assert!(shares.has_room(seven, 0, 100), "it is no more than before");
    }

    #[test]
    fn what_has_no_address_counts_in_all_alone() {
        let mut shares = EvenShares::default();
        shares.add(None, 80);
        let address = Address::from_number(1);
        assert!(shares.has_room(address, 10, 100));
        assert!(!shares.has_room(address, 11, 100), "of what is left");
        assert!(shares.has_room_beside(address, 5, 10, 100));
        assert!(!shares.has_room_beside(address, 6, 10, 100));
        shares.add(Some(address), 3);
        shares.remove(None, 80);
        assert_eq!((shares.total(), shares.of(address)), (3, 3));
        shares.remove(Some(address), 3);
        assert!(shares.is_empty());
    }
}
