//! Users without an avatar in the order in which they go, by the addresses that they
//! came from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use turntable_core::id::UserId;
use turntable_core::spare::Spare;

/// An address with more than this part of all bytes loses before others do.
const SHARE: usize = 8;

/// The absent users.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// In the order in which they went, by numbers that grow.
    order: BTreeMap<u64, Absentee>,
    addresses: HashMap<IpAddr, Address>,
    /// The addresses by the bytes of their users.
    by_bytes: BTreeSet<(usize, IpAddr)>,
    bytes: usize,
    last: u64,
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
    numbers: BTreeSet<u64>,
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

    /// A user went. Returns its place.
    pub(super) fn put(&mut self, user: UserId, bytes: usize, from: Option<IpAddr>) -> u64 {
        self.last += 1;
        let number = self.last;
        self.bytes += bytes;
        if let Some(address) = from {
            let known = self.addresses.entry(address).or_default();
            self.by_bytes.remove(&(known.bytes, address));
            known.numbers.insert(number);
            known.bytes += bytes;
            self.by_bytes.insert((known.bytes, address));
        }
        self.order.insert(number, Absentee { user, bytes, from });
        number
    }

    /// The user at a place is there again, or forgotten.
    pub(super) fn remove(&mut self, number: u64) -> Option<UserId> {
        let Absentee { user, bytes, from } = self.order.remove(&number)?;
        self.bytes -= bytes;
        let Some(address) = from else {
            return Some(user);
        };
        if let Some(known) = self.addresses.get_mut(&address) {
            self.by_bytes.remove(&(known.bytes, address));
            known.numbers.remove(&number);
            known.bytes -= bytes;
            if known.numbers.is_empty() {
                self.addresses.remove(&address);
                self.addresses.give_back();
            } else {
                self.by_bytes.insert((known.bytes, address));
            }
        }
        Some(user)
    }

    /// Removes the user that goes first: the oldest of an address that has more than its
    /// share, or of all.
    pub(super) fn take_first(&mut self) -> Option<UserId> {
        let greatest = self.by_bytes.last();
        let over = greatest.filter(|(bytes, _)| *bytes > self.bytes / SHARE);
        let of_address = over.and_then(|(_, address)| {
            let known = self.addresses.get(address)?;
            known.numbers.first().copied()
        });
        let oldest = || self.order.first_key_value().map(|(number, _)| *number);
        let number = of_address.or_else(oldest)?;
        self.remove(number)
    }
}
