//! Users without an avatar in the order in which they go, by the addresses that they
//! came from. New ones, which are not known, go first while they have more than their share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::store::new_ones_go_first;
use turntable_core::id::UserId;
use turntable_core::spare::Spare;

/// An address with more than this part of all bytes loses before others do.
const SHARE: usize = 8;

/// The place of an absent user: whether it is known, then a number that grows.
pub(super) type Rank = (bool, u64);

/// The absent users.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// Those that are not known, then the others, both in the order in which they left.
    order: BTreeMap<Rank, Absentee>,
    addresses: HashMap<IpAddr, Address>,
    /// The addresses by the bytes of their users.
    by_bytes: BTreeSet<(usize, IpAddr)>,
    bytes: usize,
    /// How many are not known, and their bytes.
    new: usize,
    new_bytes: usize,
    last: u64,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    Users,
    Bytes,
}

#[derive(Debug)]
struct Absentee {
    user: UserId,
    bytes: usize,
    from: Option<IpAddr>,
}

/// The users of one address.
#[derive(Debug, Default)]
struct Address {
    ranks: BTreeSet<Rank>,
    bytes: usize,
}

impl Absent {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// What they take, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A user left. Returns its place.
    pub(super) fn put(
        &mut self,
        user: UserId,
        bytes: usize,
        from: Option<IpAddr>,
        is_known: bool,
    ) -> Rank {
        self.last += 1;
        let rank = (is_known, self.last);
        self.bytes += bytes;
        if !is_known {
            self.new += 1;
            self.new_bytes += bytes;
        }
        if let Some(address) = from {
            let known = self.addresses.entry(address).or_default();
            self.by_bytes.remove(&(known.bytes, address));
            known.ranks.insert(rank);
            known.bytes += bytes;
            self.by_bytes.insert((known.bytes, address));
        }
        self.order.insert(rank, Absentee { user, bytes, from });
        rank
    }

    /// The user at a place is there again, or forgotten.
    pub(super) fn remove(&mut self, rank: Rank) -> Option<UserId> {
        let Absentee { user, bytes, from } = self.order.remove(&rank)?;
        self.bytes -= bytes;
        if !rank.0 {
            self.new -= 1;
            self.new_bytes -= bytes;
        }
        let Some(address) = from else {
            return Some(user);
        };
        if let Some(known) = self.addresses.get_mut(&address) {
            self.by_bytes.remove(&(known.bytes, address));
            known.ranks.remove(&rank);
            known.bytes -= bytes;
            if known.ranks.is_empty() {
                self.addresses.remove(&address);
                self.addresses.give_back();
            } else {
                self.by_bytes.insert((known.bytes, address));
            }
        }
        Some(user)
    }

    /// Removes the user that goes first: that of an address that has more than its share,
    /// or of all.
    pub(super) fn take_first(&mut self, over: Over) -> Option<UserId> {
        let greatest = self.by_bytes.last();
        let is_over = greatest.filter(|(bytes, _)| *bytes > self.bytes / SHARE);
        let of_address = is_over.and_then(|(_, address)| {
            let known = self.addresses.get(address)?;
            known.ranks.first().copied()
        });
        let rank = of_address.or_else(|| self.first_of_all(over))?;
        self.remove(rank)
    }

    fn first_of_all(&self, over: Over) -> Option<Rank> {
        let (new, all) = match over {
            Over::Users => (self.new, self.order.len()),
            Over::Bytes => (self.new_bytes, self.bytes),
        };
        // A single one stays, however long its attributes are.
        let least = match self.new > 1 && new_ones_go_first(new as u64, all as u64) {
            true => (false, 0),
            false => (true, 0),
        };
        let mut known = self.order.range(least..);
        let first = known.next().or_else(|| self.order.first_key_value());
        first.map(|(rank, _)| *rank)
    }
}
