//! The services that users offer, by the names of their owners.
//!
//! Directories enter an owner as it begins, and take it out as it ends. Gateways look here
//! before they take an offer, so that a client learns in the answer that there is no room.

use std::collections::HashSet;

use parking_lot::RwLock;

use turntable_core::spare::Spare;

/// The key that says how many there may be.
pub const KEY: &str = "functions.services_max";

/// The services that users of the node offer.
#[derive(Debug, Default)]
pub struct Offered(RwLock<HashSet<Box<str>>>);

impl Offered {
    /// Whether those of these that do not exist have room among `max`.
    #[must_use]
    pub fn has_room(&self, owners: &[Box<str>], max: usize) -> bool {
        let known = self.0.read();
        let new = owners.iter().filter(|owner| !known.contains(*owner));
        let new = new.count();
        new == 0 || known.len() + new <= max
    }

    /// One begins, if there is room for it among `max`. Returns whether there is.
    #[must_use]
    pub fn begin(&self, owner: &str, max: usize) -> bool {
        let mut known = self.0.write();
        let has_room = known.len() < max || known.contains(owner);
        if has_room {
            known.insert(owner.into());
        }
        has_room
    }

    /// One exists, as gateways announce it.
    pub fn put(&self, owner: Box<str>) {
        self.0.write().insert(owner);
    }

    /// One ended.
    pub fn end(&self, owner: &str) {
        let mut known = self.0.write();
        if known.remove(owner) {
            known.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_exist_take_no_more_room() {
        let offered = Offered::default();
        let names = |names: &[&str]| -> Vec<Box<str>> {
            names.iter().map(|name| Box::from(*name)).collect()
        };
        assert!(offered.begin("a", 2));
        assert!(offered.has_room(&names(&["a", "b"]), 2));
        assert!(
            !offered.has_room(&names(&["a", "b", "c"]), 2),
            "one too many"
        );
        assert!(offered.begin("b", 2));
        assert!(!offered.begin("c", 2) && offered.begin("a", 2));
        // One that is announced is there, whatever the configuration allows now.
        offered.put("d".into());
        assert!(offered.has_room(&names(&["a", "d"]), 2));
        assert!(!offered.has_room(&names(&["c"]), 3));
        offered.end("a");
        offered.end("a");
        assert!(offered.has_room(&names(&["c"]), 3));
    }
}
