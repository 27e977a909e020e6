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

/// How long lists may be.
#[derive(Debug, Clone, Copy)]
pub struct BlockedMaxima {
    /// One of them.
    pub each: usize,
    /// How many there may be.
    pub lists: usize,
    /// All together.
    pub total: usize,
}

/// What became of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockedChange {
    /// The list as it is.
    pub list: Vec<UserId>,
    /// Those that came to it or left it.
    pub changed: Vec<UserId>,
}

#[derive(Debug, Default)]
struct Lists {
    by_user: HashMap<UserId, Box<[UserId]>>,
    /// Users in all of them.
    total: usize,
}

/// The lists, and the store that they outlive the process in.
#[derive(Debug)]
pub struct Blocked {
    lists: RwLock<Lists>,
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
            lists: RwLock::new(Lists {
                total: lists.values().map(|list| list.len()).sum(),
                by_user: lists,
            }),
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
                .by_user
                .get(user)
                .is_some_and(|list| list.binary_search(other).is_ok())
    }

    /// The list of a user, in order.
    #[must_use]
    pub fn list(&self, user: &UserId) -> Vec<UserId> {
        let lists = self.lists.read();
        lists
            .by_user
            .get(user)
            .map(|list| list.to_vec())
            .unwrap_or_default()
    }

    /// Replaces the list of a user by what `change` makes of it. Returns the new one, and
    /// the users that came to it or left it.
    ///
    /// # Errors
    /// `too_many` over the maxima; then nothing has changed.
    pub fn change(
        &self,
        user: &UserId,
        change: impl FnOnce(&mut Vec<UserId>),
        maxima: BlockedMaxima,
    ) -> Result<BlockedChange, ErrorBody> {
        let lists = &mut *self.lists.write();
        let before = lists.by_user.get(user);
        let mut list: Vec<UserId> = before.map(|list| list.to_vec()).unwrap_or_default();
        change(&mut list);
        list.sort();
        list.dedup();
        let (count, is_new) = (before.map_or(0, |list| list.len()), before.is_none());
        let too_many = |message: String, max: usize| {
            let error = ErrorBody::new(ErrorCode::TooMany, message);
            Err(error.with("max", max as u64))
        };
        // Fewer are always accepted: a maximum may have been lowered.
        if list.len() > count {
            let (each, all) = (maxima.each, maxima.total);
            if list.len() > each {
                let message = format!("a user blocks at most {each} users (portal.blocked_max)");
                return too_many(message, each);
            }
            if is_new && lists.by_user.len() >= maxima.lists {
                let message = "as many users have a block list as may (portal.block_lists_max)";
                return too_many(message.to_owned(), maxima.lists);
            }
            if lists.total - count + list.len() > all {
                let message =
                    "all block lists are as long as they may be (portal.blocked_total_max)";
                return too_many(message.to_owned(), all);
            }
        }
        lists.total = lists.total - count + list.len();
        let before = lists.by_user.remove(user).unwrap_or_default();
        let added = list.iter().filter(|user| !before.contains(user)).cloned();
        let mut changed: Vec<UserId> = added.collect();
        changed.extend(before.iter().filter(|user| !list.contains(user)).cloned());
        match list.is_empty() {
            true => lists.by_user.give_back(),
            false => {
                lists.by_user.insert(user.clone(), list.clone().into());
            }
        }
        self.is_any
            .store(!lists.by_user.is_empty(), Ordering::Relaxed);
        Ok(BlockedChange { list, changed })
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
            let list = lists.by_user.get(user);
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

    const MAXIMA: BlockedMaxima = BlockedMaxima {
        each: 2,
        lists: 1,
        total: 10,
    };

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn blocked() -> Blocked {
        Blocked::open(Arc::new(MemoryStore::new(0))).unwrap()
    }

    /// Replaces a list; returns whose place changed.
    fn put(
        blocked: &Blocked,
        of: u32,
        list: &[u32],
        maxima: BlockedMaxima,
    ) -> Result<Vec<UserId>, ErrorBody> {
        let next: Vec<UserId> = list.iter().map(|number| user(*number)).collect();
        let change = blocked.change(&user(of), |list| *list = next, maxima);
        change.map(|change| change.changed)
    }

    #[test]
    fn list_is_replaced_and_names_what_changed() {
        let blocked = blocked();
        assert!(!blocked.blocks(&user(1), &user(2)));
        let changed = put(&blocked, 1, &[3, 2, 3], MAXIMA);
        assert_eq!(changed.unwrap(), [user(2), user(3)]);
        assert!(blocked.blocks(&user(1), &user(2)) && blocked.blocks(&user(1), &user(3)));
        assert!(!blocked.blocks(&user(2), &user(1)));
        let changed = put(&blocked, 1, &[3, 4], MAXIMA);
        assert_eq!(changed.unwrap(), [user(4), user(2)]);
        assert_eq!(blocked.list(&user(1)), [user(3), user(4)]);
        let added = |list: &mut Vec<UserId>| {
            list.retain(|known| *known != user(3));
            list.push(user(5));
        };
        let change = blocked.change(&user(1), added, MAXIMA).unwrap();
        assert_eq!(change.list, [user(4), user(5)]);
        assert_eq!(change.changed, [user(5), user(3)]);
        assert_eq!(put(&blocked, 1, &[], MAXIMA).unwrap().len(), 2);
        assert!(!blocked.blocks(&user(1), &user(3)));
        let lists = blocked.lists.read();
        assert_eq!((lists.by_user.len(), lists.total), (0, 0));
    }

    #[test]
    fn maxima_bound_one_list_their_number_and_all_together() {
        let blocked = blocked();
        let refused = |of, list: &[u32], maxima| {
            let error = put(&blocked, of, list, maxima).unwrap_err();
            (error.code, error.detail("max"))
        };
        let too_many = |max| (ErrorCode::TooMany, Some(max));
        assert_eq!(refused(1, &[2, 3, 4], MAXIMA), too_many(2));
        put(&blocked, 1, &[2, 3], MAXIMA).unwrap();
        assert_eq!(refused(2, &[1], MAXIMA), too_many(1));
        let wide = BlockedMaxima {
            lists: 9,
            total: 3,
            ..MAXIMA
        };
        assert_eq!(refused(2, &[1, 3], wide), too_many(3));
        put(&blocked, 2, &[1], wide).unwrap();
        // Fewer and others are accepted although the maximum was lowered.
        let narrow = BlockedMaxima { each: 0, ..MAXIMA };
        assert_eq!(put(&blocked, 1, &[2, 9], narrow).unwrap().len(), 2);
        assert_eq!(put(&blocked, 1, &[9], narrow).unwrap(), [user(2)]);
        assert_eq!(refused(1, &[9, 2], narrow), too_many(0));
        assert_eq!(blocked.lists.read().total, 2);
    }
}
