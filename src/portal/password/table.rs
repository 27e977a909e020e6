//! Users with a password, in memory: the store has the same, and loads them at the
//! start. So nobody has to wait for it to learn whether a user needs a password.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::store::{Fact, Store, Unavailable};
use turntable_core::id::UserId;

#[derive(Debug, Default)]
struct Entries {
    hashes: HashMap<UserId, Box<str>>,
    /// Users that are being made. A hash is of one attempt: its salt is random.
    reserved: HashMap<UserId, Box<str>>,
}

impl Entries {
    /// A user is being made.
    fn reserve(&mut self, user: &UserId, hash: &str, max: usize) -> Result<(), NotMade> {
        if self.hashes.contains_key(user) || self.reserved.contains_key(user) {
            return Err(NotMade::Known);
        }
        if self.hashes.len() + self.reserved.len() >= max {
            return Err(NotMade::Full);
        }
        self.reserved.insert(user.clone(), hash.into());
        Ok(())
    }

    /// The store answered to the making of a user. Returns whether the user is there: it
    /// may have been removed meanwhile.
    fn made(&mut self, user: UserId, hash: &str, is_stored: bool) -> bool {
        let is_awaited = self.reserved.get(&user).is_some_and(|of| **of == *hash);
        if !is_awaited {
            return false;
        }
        let hash = self.reserved.remove(&user).filter(|_| is_stored);
        let is_made = hash.is_some();
        self.hashes.extend(hash.map(|hash| (user, hash)));
        is_made
    }
}

/// The table.
#[derive(Debug)]
pub(in crate::portal) struct Passwords {
    entries: RwLock<Entries>,
    /// Held by who changes the entries and tells the store, so that both have one order.
    order: Mutex<()>,
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
                reserved: HashMap::new(),
            }),
            order: Mutex::default(),
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
            let _order = self.order.lock();
            let entries = &mut *self.entries.write();
            entries.hashes.remove(user);
            // One that is being made does not come back behind this.
            entries.reserved.remove(user);
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
        let (done, made) = oneshot::channel();
        let (table, of, stored) = (self.clone(), user.clone(), hash.clone());
        // The entry appears with the store's answer, whether anybody waits for it or not.
        let saved = move |result: Result<(), Unavailable>| {
            let is_made = table.entries.write().made(of, &stored, result.is_ok());
            // Nobody may wait.
            let _ = done.send(is_made);
        };
        {
            let _order = self.order.lock();
            self.entries.write().reserve(user, &hash, max)?;
            // A store may answer at once.
            let (fact, saved) = (Fact::Password, Box::new(saved));
            self.store.set_fact(fact, user, Some(hash), saved);
        }
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

    #[tokio::test]
    async fn user_that_is_removed_while_it_is_made_is_not_there() {
        let table = Arc::new(Passwords::new(Arc::new(MemoryStore::new(0))).unwrap());
        let user = UserId::parse("1:1").unwrap();
        let reserve = |hash: &str| table.entries.write().reserve(&user, hash, 1).unwrap();
        let made = |hash: &str| table.entries.write().made(user.clone(), hash, true);
        reserve("a");
        assert!(table.remove(&user).await);
        assert!(!made("a") && !table.has(&user));
        // The next one is another.
        reserve("b");
        assert!(!made("a") && !table.has(&user));
        assert!(made("b") && table.has(&user));
    }
}
