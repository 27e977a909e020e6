//! A store in memory: attributes outlive their avatars, and end with the process.
//!
//! The number of users is limited; those that were saved longest ago go first.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use super::{Fact, Load, Saved, Store, Stored};
use turntable_core::backup::Attributes;
use turntable_core::id::UserId;
use turntable_core::spare::Spare;

/// The store.
#[derive(Debug)]
pub struct MemoryStore {
    users: Mutex<Users>,
    max: usize,
}

#[derive(Debug, Default)]
struct Users {
    by_id: HashMap<UserId, (u64, Attributes)>,
    /// By the number of their last save.
    order: BTreeMap<u64, UserId>,
    saves: u64,
}

impl MemoryStore {
    /// Stores at most `max` users.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            users: Mutex::default(),
            max,
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, user: &UserId) -> Option<Stored> {
        let users = self.users.lock();
        let known = users.by_id.get(user);
        Some(
            known.map_or_else(Stored::default, |(_, attributes)| Stored {
                attributes: attributes.clone(),
                last_seen_ms: None,
            }),
        )
    }

    fn load(&self, user: &UserId, load: Load) {
        load(Ok(self.get(user).unwrap_or_default()));
    }

    fn save(&self, user: &UserId, attributes: Attributes, saved: Option<Saved>) {
        let users = &mut *self.users.lock();
        if let Some((number, _)) = users.by_id.remove(user) {
            users.order.remove(&number);
        }
        if attributes.is_empty() {
            users.by_id.give_back();
        } else {
            users.saves += 1;
            users.order.insert(users.saves, user.clone());
            users.by_id.insert(user.clone(), (users.saves, attributes));
        }
        while users.by_id.len() > self.max {
            let Some((_, oldest)) = users.order.pop_first() else {
                break;
            };
            users.by_id.remove(&oldest);
        }
        if let Some(saved) = saved {
            saved(Ok(()));
        }
    }

    /// Nothing: the directories have that in memory (`last_seen`).
    fn seen(&self, _: &UserId, _: u64) {}

    /// Those that are set are in the memory of the portal.
    fn facts(&self, _: Fact) -> Result<Vec<(UserId, Box<str>)>, String> {
        Ok(Vec::new())
    }

    fn set_fact(&self, _: Fact, _: &UserId, _: Option<Box<str>>, saved: Saved) {
        saved(Ok(()));
    }

    fn stop(&self) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::payload::Payload;

    #[test]
    fn users_saved_longest_ago_go_first_and_empty_ones_at_once() {
        let store = MemoryStore::new(2);
        let user = |n: u32| UserId::parse(&format!("1:{n}")).unwrap();
        let some: Attributes = [("a".into(), Payload::from_json("1"))].into();
        for n in [1, 2, 1, 3] {
            store.save(&user(n), some.clone(), None);
        }
        let get = |n| store.get(&user(n)).unwrap().attributes;
        assert_eq!(get(2), Attributes::default());
        assert_eq!(get(1), some.clone());
        store.save(&user(1), Attributes::default(), None);
        assert_eq!(get(1), Attributes::default());
        assert_eq!(store.users.lock().order.len(), 1);
    }
}
