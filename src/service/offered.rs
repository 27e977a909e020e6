//! The services that users offer, by the names of their owners.
//!
//! Directories enter an owner as it begins, and take it out as it ends. Gateways look here
//! before they take an offer, so that a client learns in the answer that there is no room. One
//! counts for the address of the client that offered it first: near the most that there may be,
//! addresses with more than an even share begin no more.

use std::collections::HashMap;

use parking_lot::RwLock;

use turntable_core::address::Address;
use turntable_core::even_share::EvenShares;
use turntable_core::spare::Spare;

/// The key that says how many there may be.
pub const KEY: &str = "functions.services_max";

/// The services that users of the node offer.
#[derive(Debug, Default)]
pub struct Offered(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Each with the address of the client that began it.
    by_owner: HashMap<Box<str>, Option<Address>>,
    shares: EvenShares,
}

/// Why a service does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// There are as many as there may be.
    Full,
    /// There are nearly as many, and clients of the address began more than an even share.
    Share,
}

impl Known {
    fn check(&self, more: usize, by: Option<Address>, max: usize) -> Result<(), NoRoom> {
        if self.by_owner.len() + more > max {
            return Err(NoRoom::Full);
        }
        match by.is_none_or(|address| self.shares.has_room(address, more, max)) {
            true => Ok(()),
            false => Err(NoRoom::Share),
        }
    }

    fn add(&mut self, owner: Box<str>, by: Option<Address>) {
        self.by_owner.insert(owner, by);
        self.shares.add(by, 1);
    }
}

impl Offered {
    /// Whether those of these that do not exist have room among `max`, as services of a client
    /// at an address.
    ///
    /// # Errors
    /// Why they have none.
    pub fn check(
        &self,
        owners: &[Box<str>],
        by: Option<Address>,
        max: usize,
    ) -> Result<(), NoRoom> {
        let known = self.0.read();
        let new = owners.iter();
        let new = new.filter(|owner| !known.by_owner.contains_key(&***owner));
        match new.count() {
            0 => Ok(()),
            new => known.check(new, by, max),
        }
    }

    /// One begins because of a client at an address, if there is room for it among `max`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn begin(&self, owner: &str, by: Option<Address>, max: usize) -> Result<(), NoRoom> {
        let mut known = self.0.write();
        if !known.by_owner.contains_key(owner) {
            known.check(1, by, max)?;
            known.add(owner.into(), by);
        }
        Ok(())
    }

    /// One exists, as gateways announce it.
    pub fn put(&self, owner: Box<str>) {
        let mut known = self.0.write();
        if !known.by_owner.contains_key(&owner) {
            known.add(owner, None);
        }
    }

    /// One ended.
    pub fn end(&self, owner: &str) {
        let mut known = self.0.write();
        if let Some(by) = known.by_owner.remove(owner) {
            known.by_owner.give_back();
            known.shares.remove(by, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_exist_take_no_more_room() {
        let offered = Offered::default();
        let has_room = |names: &[&str], max| {
            let names: Vec<Box<str>> = names.iter().map(|name| Box::from(*name)).collect();
            offered.check(&names, None, max)
        };
        let begin = |name: &str| offered.begin(name, None, 2);
        assert_eq!(begin("a"), Ok(()));
        assert_eq!(has_room(&["a", "b"], 2), Ok(()));
        assert_eq!(has_room(&["a", "b", "c"], 2), Err(NoRoom::Full));
        assert_eq!(begin("b"), Ok(()));
        assert_eq!((begin("c"), begin("a")), (Err(NoRoom::Full), Ok(())));
        // One that is announced is there, whatever the configuration allows now.
        offered.put("d".into());
        assert_eq!(has_room(&["a", "d"], 2), Ok(()));
        assert_eq!(has_room(&["c"], 3), Err(NoRoom::Full));
        offered.end("a");
        offered.end("a");
        assert_eq!(has_room(&["c"], 3), Ok(()));
    }

    #[test]
    fn service_counts_for_the_address_that_began_it_until_it_ends() {
        let offered = Offered::default();
        let begin = |name: &str, number| {
            let address = Address::from_number(number);
            offered.begin(name, Some(address), 8)
        };
        for name in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(begin(name, 1), Ok(()));
        }
        assert_eq!(begin("g", 1), Err(NoRoom::Share));
        assert_eq!(begin("f", 1), Ok(()), "it exists");
        // What clients of another address offer too is still of the first.
        assert_eq!((begin("a", 2), begin("g", 2)), (Ok(()), Ok(())));
        offered.end("b");
        offered.end("a");
        assert_eq!(begin("h", 1), Ok(()));
        assert_eq!(begin("i", 1), Err(NoRoom::Share));
    }
}
