//! Block lists: users that a user wants nothing of. Whom a list names gets no sign of
//! its user, and cannot invite it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use tokio::sync::oneshot;

use crate::store::{Fact, Store, Unavailable};
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// The lists, and the store that they outlive the process in.
#[derive(Debug)]
pub struct Blocked {
    lists: RwLock<HashMap<UserId, Box<[UserId]>>>,
    /// Whether there is a list: most servers have none to look at.
    is_any: AtomicBool,
    store: Arc<dyn Store>,
}

impl Blocked {
    /// The lists of a store.
    ///
    /// # Errors
    /// A sentence, where they cannot be read.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, String> {
        let read = |(user, text): (UserId, Box<str>)| match serde_json::from_str(&text) {
            Ok(list) => Ok((user, list)),
            Err(_) => Err(format!(
                "the block list of {} is not readable",
                user.as_str()
            )),
        };
        let lists = store.facts(Fact::Blocked)?.into_iter().map(read);
        let lists: HashMap<UserId, Box<[UserId]>> = lists.collect::<Result<_, _>>()?;
        Ok(Self {
            is_any: AtomicBool::new(!lists.is_empty()),
            lists: RwLock::new(lists),
            store,
        })
    }

    /// Whether there is a list.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    /// Whether `user` blocks `other`.
    #[must_use]
    pub fn blocks(&self, user: &UserId, other: &UserId) -> bool {
        self.is_any()
            && self
                .lists
                .read()
                .get(user)
                .is_some_and(|list| list.binary_search(other).is_ok())
    }

    /// The list of a user, in order.
    #[must_use]
    pub fn list(&self, user: &UserId) -> Vec<UserId> {
        let lists = self.lists.read();
        lists
            .get(user)
            .map(|list| list.to_vec())
            .unwrap_or_default()
    }

    /// Replaces the list of a user, of at most `max` in all lists together. Returns whose
    /// place changed.
    ///
    /// # Errors
    /// `too_many` where there are as many lists as may be; then nothing has changed.
    pub fn put(
        &self,
        user: &UserId,
        mut list: Vec<UserId>,
        lists_max: usize,
    ) -> Result<Vec<UserId>, ErrorBody> {
        list.sort();
        list.dedup();
        let lists = &mut *self.lists.write();
        if !list.is_empty() && lists.len() >= lists_max && !lists.contains_key(user) {
            let message = "as many users have a block list as may (portal.block_lists_max)";
            let error = ErrorBody::new(ErrorCode::TooMany, message);
            return Err(error.with("max", lists_max as u64));
        }
        let before = lists.remove(user).unwrap_or_default();
        let added = list.iter().filter(|user| !before.contains(user)).cloned();
        let mut changed: Vec<UserId> = added.collect();
        changed.extend(before.iter().filter(|user| !list.contains(user)).cloned());
        match list.is_empty() {
            true => lists.give_back(),
            false => {
                lists.insert(user.clone(), list.into());
            }
        }
        self.is_any.store(!lists.is_empty(), Ordering::Relaxed);
        Ok(changed)
    }

    /// Writes the list of a user to the store.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written; it is in force until the server ends.
    pub async fn keep(&self, user: &UserId) -> Result<(), ErrorBody> {
        let (done, written) = oneshot::channel();
        let saved = move |saved: Result<(), Unavailable>| {
            // Who waits for it may have gone.
            let _ = done.send(saved);
        };
        {
            // One at a time: the store gets them in the order in which they are in force.
            let lists = self.lists.write();
            let list = lists.get(user);
            let text = list.and_then(|list| serde_json::to_string(list).ok());
            let (text, saved) = (text.map(Into::into), Box::new(saved));
            self.store.set_fact(Fact::Blocked, user, text, saved);
        }
        match written.await {
            Ok(Ok(())) => Ok(()),
            _ => Err(ErrorBody::new(
                ErrorCode::Unavailable,
                "it is in force, but the store cannot be written: it ends with the server",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[test]
    fn list_is_replaced_and_names_what_changed() {
        let user = |number: u32| UserId::parse(&format!("1:{number}")).unwrap();
        let blocked = Blocked::open(Arc::new(MemoryStore::new(0))).unwrap();
        assert!(!blocked.blocks(&user(1), &user(2)));
        let changed = blocked.put(&user(1), vec![user(3), user(2), user(3)], 1);
        assert_eq!(changed.unwrap(), [user(2), user(3)]);
        assert!(blocked.blocks(&user(1), &user(2)) && blocked.blocks(&user(1), &user(3)));
        assert!(!blocked.blocks(&user(2), &user(1)));
        let full = blocked.put(&user(2), vec![user(1)], 1).unwrap_err();
        assert_eq!(full.code, ErrorCode::TooMany);
        let changed = blocked.put(&user(1), vec![user(3), user(4)], 1);
        assert_eq!(changed.unwrap(), [user(4), user(2)]);
        assert_eq!(blocked.list(&user(1)), [user(3), user(4)]);
        assert_eq!(blocked.put(&user(1), Vec::new(), 1).unwrap().len(), 2);
        assert!(!blocked.blocks(&user(1), &user(3)));
        assert!(blocked.lists.read().is_empty());
    }
}
