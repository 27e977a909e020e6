//! Users with a password, in memory: the store has the same, and loads them at the
//! start. So nobody has to wait for it to learn whether a user needs a password.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::oneshot;

use crate::store::{Fact, Store, Unavailable};
use turntable_core::id::UserId;

#[derive(Debug, Default)]
struct Entries {
    hashes: HashMap<UserId, Box<str>>,
    /// Users that are being made.
    reserved: HashSet<UserId>,
}

/// The table.
#[derive(Debug)]
pub(in crate::portal) struct Passwords {
    entries: RwLock<Entries>,
    store: Arc<dyn Store>,
}

/// Why a user is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotMade {
    /// The user has a password.
    Known,
    /// There are as many users as may be.
    Full,
    /// It cannot be stored now.
    Unavailable,
}

impl Passwords {
    /// The users of a store.
    ///
    /// # Errors
    /// A sentence, where it cannot be read.
    pub(in crate::portal) fn new(store: Arc<dyn Store>) -> Result<Self, String> {
        let hashes = store.facts(Fact::Password)?.into_iter().collect();
        Ok(Self {
            entries: RwLock::new(Entries {
                hashes,
                reserved: HashSet::new(),
            }),
            store,
        })
    }

    /// Whether a user has a password.
    pub(in crate::portal) fn has(&self, user: &UserId) -> bool {
        self.entries.read().hashes.contains_key(user)
    }

    /// The hash of a user's password.
    pub(super) fn hash(&self, user: &UserId) -> Option<Box<str>> {
        self.entries.read().hashes.get(user).cloned()
    }

    /// Removes the password of a user. Returns whether that is durable.
    pub(in crate::portal) async fn remove(&self, user: &UserId) -> bool {
        let (done, removed) = oneshot::channel();
        let saved = move |result: Result<(), Unavailable>| {
            // Nobody may wait.
            let _ = done.send(result.is_ok());
        };
        {
            let entries = &mut *self.entries.write();
            entries.hashes.remove(user);
            let (fact, saved) = (Fact::Password, Box::new(saved));
            self.store.set_fact(fact, user, None, saved);
        }
        removed.await.unwrap_or(false)
    }

    /// Makes a user; done when it is durable.
    pub(super) async fn make(
        self: &Arc<Self>,
        user: &UserId,
        hash: Box<str>,
        max: usize,
    ) -> Result<(), NotMade> {
        {
            let entries = &mut *self.entries.write();
            if entries.hashes.contains_key(user) || entries.reserved.contains(user) {
                return Err(NotMade::Known);
            }
            if entries.hashes.len() + entries.reserved.len() >= max {
                return Err(NotMade::Full);
            }
            entries.reserved.insert(user.clone());
        }
        let (done, made) = oneshot::channel();
        let (table, of, stored) = (self.clone(), user.clone(), hash.clone());
        // The entry appears with the store's answer, whether anybody waits for it or not.
        let saved = move |result: Result<(), Unavailable>| {
            let entries = &mut *table.entries.write();
            entries.reserved.remove(&of);
            if result.is_ok() {
                entries.hashes.insert(of, stored);
            }
            // Nobody may wait.
            let _ = done.send(result.is_ok());
        };
        let (fact, saved) = (Fact::Password, Box::new(saved));
        self.store.set_fact(fact, user, Some(hash), saved);
        match made.await {
            Ok(true) => Ok(()),
            _ => Err(NotMade::Unavailable),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn user_is_made_once_and_within_the_limit() {
        let table = Arc::new(Passwords::new(Arc::new(MemoryStore::new(0))).unwrap());
        let user = |n: u32| UserId::parse(&format!("1:{n}")).unwrap();
        assert_eq!(table.make(&user(1), "a".into(), 1).await, Ok(()));
        assert!(table.has(&user(1)) && !table.has(&user(2)));
        let known = table.make(&user(1), "b".into(), 2).await;
        assert_eq!(known, Err(NotMade::Known));
        assert_eq!(table.hash(&user(1)).as_deref(), Some("a"));
        let full = table.make(&user(2), "b".into(), 1).await;
        assert_eq!(full, Err(NotMade::Full));
    }
}
