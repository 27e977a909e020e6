//! Block lists: users that a user wants nothing of. Whom a list names gets no sign of
//! its user, and cannot invite it.
//!
//! A list that a client without lasting credentials made (a guest, a claim that is not
//! checked) has an end: nobody can come back as such a user later. What clients of one
//! address add is bounded, as all lists share the totals.

mod list;
mod writing;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::portal::Portal;
use crate::portal::guest::SECONDS_OF_DAY;
use crate::store::{Fact, Store};
use list::{List, Lists};
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use writing::Writing;

/// How often lists that are over are looked for while a maximum is reached, in seconds.
const LOOK_S: u64 = 60;
/// By how much an end has to move to be stored again, in seconds.
const RENEWAL_S: u64 = 86_400;

/// How long lists may be.
#[derive(Debug, Clone, Copy)]
pub struct BlockedMaxima {
    /// One of them.
    pub each: usize,
    /// How many there may be.
    pub lists: usize,
    /// All together.
    pub total: usize,
    /// Those that clients of one address made longer, together; each counts
    /// ten more.
    pub address: usize,
}

/// Whose change of a list it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangedBy {
    /// The address of the client; `None` for the operator.
    pub address: Option<IpAddr>,
    /// The Unix second at which the list ends unless its user comes back.
    pub ends_s: Option<u64>,
    /// The Unix second of now.
    pub now_s: u64,
}

/// What became of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockedChange {
    /// The list as it is.
    pub list: Vec<UserId>,
    /// Those that came to it or left it.
    pub changed: HashSet<UserId>,
}

/// The lists, and the store that they outlive the process in.
#[derive(Debug)]
pub struct Blocked {
    lists: RwLock<Lists>,
    /// Whether there is a list: most servers have none to look at.
    is_any: AtomicBool,
    /// Users whose list is not stored as it is in force.
    writing: Mutex<HashMap<UserId, Writing>>,
    store: Arc<dyn Store>,
}

impl Blocked {
    /// The lists of a store that are not over.
    ///
    /// # Errors
    /// A sentence, where they cannot be read.
    pub fn open(store: Arc<dyn Store>, now_s: u64) -> Result<Arc<Self>, String> {
        let mut lists = Lists::default();
        for (user, text) in store.facts(Fact::Blocked)? {
            let list = List::read(&text)
                .ok_or_else(|| format!("the block list of {} is not readable", user.as_str()))?;
            lists.put(user, list);
        }
        let blocked = Arc::new(Self {
            is_any: AtomicBool::new(false),
            lists: RwLock::new(lists),
            writing: Mutex::default(),
            store,
        });
        let over = blocked.expire(now_s);
        blocked.remove_stored(&over);
        Ok(blocked)
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
            // A list of an earlier version may have its own user, which has to see itself.
            && user != other
            && self
                .lists
                .read()
                .get(user)
                .is_some_and(|list| list.has(other))
    }

    /// The list of a user, in order.
    #[must_use]
    pub fn list(&self, user: &UserId) -> Vec<UserId> {
        let lists = self.lists.read();
        let list = lists.get(user);
        list.map(|list| list.users.to_vec()).unwrap_or_default()
    }

    /// How many users a user blocks.
    #[must_use]
    pub fn len(&self, user: &UserId) -> usize {
        let is_any = self.is_any();
        let len = || {
            self.lists
                .read()
                .get(user)
                .map_or(0, |list| list.users.len())
        };
        is_any.then(len).unwrap_or_default()
    }

    /// How many users each user with a list blocks, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<(UserId, usize)> {
        let lists = self.lists.read();
        let mut all: Vec<_> = lists
            .iter()
            .map(|(user, list)| (user.clone(), list.users.len()))
            .collect();
        all.sort();
        all
    }

    /// Replaces the list of a user by what `change` makes of it. Returns the new one, and
    /// the users that came to it or left it.
    ///
    /// # Errors
    /// `too_many` over the maxima; then nothing has changed.
    pub fn change(
        self: &Arc<Self>,
        user: &UserId,
        change: impl FnOnce(&mut Vec<UserId>),
        by: ChangedBy,
        maxima: BlockedMaxima,
    ) -> Result<BlockedChange, ErrorBody> {
        if self.lists.read().is_full(&maxima) {
            let over = self.expire_at_times(by.now_s);
            self.remove_stored(&over);
        }
        let lists = &mut *self.lists.write();
        let before = lists.get(user);
        let mut users = before.map(|list| list.users.to_vec()).unwrap_or_default();
        change(&mut users);
        users.sort();
        users.dedup();
        let count = before.map_or(0, |list| list.users.len());
        let is_longer = users.len() > count;
        let address = before.and_then(|list| list.address);
        let list = List {
            users: users.as_slice().into(),
            address: match is_longer {
                true => by.address,
                false => address,
            },
            ends_s: by.ends_s,
        };
        // Fewer are always accepted: a maximum may have been lowered.
        if is_longer {
            lists
                .accept(user, &list, &maxima)
                .map_err(|full| full.error(&maxima))?;
        }
        let changed: HashSet<UserId> = match before {
            Some(before) => before.differs_from(&list),
            None => users.iter().cloned().collect(),
        };
        if !changed.is_empty() {
            lists.put(user.clone(), list);
            self.note_any(lists);
            self.note_changed(user);
        }
        Ok(BlockedChange {
            list: users,
            changed,
        })
    }

    /// A user is here: its list ends later, or not at all. Returns whether that has to
    /// be stored.
    pub fn renew(&self, user: &UserId, ends_s: Option<u64>) -> bool {
        if !self.is_any() {
            return false;
        }
        let is_later = |before: u64| match ends_s {
            Some(ends_s) => before.saturating_add(RENEWAL_S) <= ends_s,
            None => true,
        };
        let before = self.lists.read().get(user).and_then(|list| list.ends_s);
        if !before.is_some_and(is_later) {
            return false;
        }
        self.lists.write().renew(user, ends_s);
        self.note_changed(user);
        true
    }

    /// Forgets the lists that are over. Returns whose they were.
    fn expire(&self, now_s: u64) -> Vec<UserId> {
        let lists = &mut *self.lists.write();
        let over = lists.expire(now_s);
        self.note_any(lists);
        over
    }

    /// The same, once in a while: clients cause it.
    fn expire_at_times(&self, now_s: u64) -> Vec<UserId> {
        let lists = &mut *self.lists.write();
        if now_s < lists.looked_s.saturating_add(LOOK_S) {
            return Vec::new();
        }
        let over = lists.expire(now_s);
        self.note_any(lists);
        over
    }

    fn note_any(&self, lists: &Lists) {
        self.is_any.store(!lists.is_empty(), Ordering::Relaxed);
    }

    /// Lists that are over need not be in the store any more. One of them may be there
    /// again meanwhile: what is in force is written.
    fn remove_stored(self: &Arc<Self>, over: &[UserId]) {
        for user in over {
            // One that is not removed now is at the next start.
            self.save(user);
        }
    }
}

impl Portal {
    /// The Unix second at which what a user left is of no use, unless it comes back: a
    /// guest whose token is over, or a user that no credentials say who it is. `None` for
    /// others.
    pub(crate) fn provisional_until_s(
        &self,
        user: &UserId,
        is_provisional: bool,
        now_s: u64,
    ) -> Option<u64> {
        let days = self.settings().guest_days;
        self.is_unconfirmed(user, is_provisional)
            .then(|| now_s.saturating_add(days * SECONDS_OF_DAY))
    }

    /// Whether no login confirms a user: a guest, or one that needed no credentials. Any
    /// client can make up such users.
    pub(crate) fn is_unconfirmed(&self, user: &UserId, is_provisional: bool) -> bool {
        is_provisional || self.checkers().guests.is_guest(user)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use turntable_core::reason::ErrorCode;

    const MAXIMA: BlockedMaxima = BlockedMaxima {
        each: 2,
        lists: 1,
        total: 10,
        address: 99,
    };

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn sorted(users: HashSet<UserId>) -> Vec<UserId> {
        let mut users: Vec<_> = users.into_iter().collect();
        users.sort();
        users
    }

    fn blocked() -> Arc<Blocked> {
        Blocked::open(Arc::new(MemoryStore::new(0)), 0).unwrap()
    }

    /// Replaces a list; returns whose place changed.
    fn put(
        blocked: &Arc<Blocked>,
        of: u32,
        list: &[u32],
        maxima: BlockedMaxima,
    ) -> Result<Vec<UserId>, ErrorBody> {
        let next: Vec<UserId> = list.iter().map(|number| user(*number)).collect();
        let change = blocked.change(&user(of), |list| *list = next, ChangedBy::default(), maxima);
        change.map(|change| sorted(change.changed))
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
        assert_eq!(changed.unwrap(), [user(2), user(4)]);
        assert_eq!(blocked.list(&user(1)), [user(3), user(4)]);
        let added = |list: &mut Vec<UserId>| {
            list.retain(|known| *known != user(3));
            list.push(user(5));
        };
        let change = blocked
            .change(&user(1), added, ChangedBy::default(), MAXIMA)
            .unwrap();
        assert_eq!(change.list, [user(4), user(5)]);
        assert_eq!(sorted(change.changed), [user(3), user(5)]);
        assert_eq!(put(&blocked, 1, &[], MAXIMA).unwrap().len(), 2);
        assert!(!blocked.blocks(&user(1), &user(3)));
        assert!(!blocked.is_any() && blocked.lists.read().is_empty());
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
        assert_eq!(blocked.all(), [(user(1), 1), (user(2), 1)]);
    }

    fn from(address: [u8; 4]) -> ChangedBy {
        ChangedBy {
            address: Some(address.into()),
            ..ChangedBy::default()
        }
    }

    /// Replaces a list by so many users. Returns which maximum is reached.
    fn lengthen(
        blocked: &Arc<Blocked>,
        of: u32,
        len: u32,
        by: ChangedBy,
        address: usize,
    ) -> Option<u64> {
        let maxima = BlockedMaxima {
            each: 99,
            lists: 9,
            total: 999,
            address,
        };
        let replace = |list: &mut Vec<UserId>| *list = (100..100 + len).map(user).collect();
        let refused = blocked.change(&user(of), replace, by, maxima).err();
        refused.and_then(|error| error.detail("max"))
    }

    #[test]
    fn clients_of_one_address_take_no_more_than_their_share() {
        let (blocked, one, other) = (blocked(), from([10, 0, 0, 1]), from([10, 0, 0, 2]));
        assert_eq!(lengthen(&blocked, 1, 10, one, 40), None);
        assert_eq!(lengthen(&blocked, 2, 11, one, 40), Some(40));
        assert_eq!(lengthen(&blocked, 2, 10, one, 40), None);
        assert_eq!(
            lengthen(&blocked, 3, 1, one, 40),
            Some(40),
            "a list counts, too"
        );
        assert_eq!(lengthen(&blocked, 3, 9, other, 40), None);
        // The operator is no client.
        assert_eq!(lengthen(&blocked, 4, 90, ChangedBy::default(), 40), None);
        // What is removed is given back; a list that grows elsewhere counts there.
        assert_eq!(lengthen(&blocked, 1, 0, one, 40), None);
        assert_eq!(lengthen(&blocked, 2, 12, other, 50), None);
        assert_eq!(lengthen(&blocked, 5, 30, one, 40), None);
    }

    #[test]
    fn few_addresses_do_not_take_all_lists() {
        let blocked = blocked();
        let maxima = BlockedMaxima {
            each: 99,
            lists: 12,
            total: 400,
            address: 250,
        };
        let block = |of: u32, len: u32, last: u8| {
            let replace = |list: &mut Vec<UserId>| *list = (100..100 + len).map(user).collect();
            let change = blocked.change(&user(of), replace, from([10, 0, 0, last]), maxima);
            change.is_ok()
        };
        // Nine of twelve are three quarters.
        assert!((0..5).all(|of| block(of, 1, 1)) && (5..9).all(|of| block(of, 1, 2)));
        assert!(!block(9, 1, 1) && !block(9, 1, 2));
        assert!(block(9, 1, 3) && !block(10, 1, 3) && block(10, 1, 4));
        // Those that exist may be longer, up to three quarters of all users.
        assert!(block(0, 90, 1) && block(5, 90, 2) && block(6, 60, 2) && block(9, 50, 3));
        assert!(!block(6, 70, 2));
        assert!(!block(9, 90, 3) && block(9, 60, 3));
    }

    #[test]
    fn list_of_a_guest_ends_unless_the_guest_comes_back() {
        let blocked = blocked();
        let until = |ends_s| ChangedBy {
            ends_s,
            ..ChangedBy::default()
        };
        for of in 1..4 {
            assert_eq!(lengthen(&blocked, of, 2, until(Some(500)), 40), None);
        }
        assert!(!blocked.renew(&user(1), Some(500 + RENEWAL_S - 1)));
        assert!(blocked.renew(&user(1), Some(500 + RENEWAL_S)));
        assert!(blocked.renew(&user(2), None), "it has credentials now");
        assert!(!blocked.renew(&user(2), Some(600)));
        assert!(!blocked.renew(&user(9), None));
        assert_eq!(blocked.expire(500), [user(3)]);
        assert_eq!(blocked.expire(500 + RENEWAL_S), [user(1)]);
        assert_eq!(blocked.all(), [(user(2), 2)]);
    }

    #[test]
    fn lists_that_are_over_make_room() {
        let blocked = blocked();
        let by = ChangedBy {
            ends_s: Some(100),
            ..ChangedBy::default()
        };
        let replace = |list: &mut Vec<UserId>| *list = vec![user(9)];
        blocked.change(&user(1), replace, by, MAXIMA).unwrap();
        let put = |now_s| {
            let by = ChangedBy {
                now_s,
                ..ChangedBy::default()
            };
            blocked.change(&user(2), replace, by, MAXIMA).map(|_| ())
        };
        assert_eq!(put(99).unwrap_err().detail("max"), Some(1));
        // Not at each attempt.
        assert!(put(100).is_err());
        assert!(put(99 + LOOK_S).is_ok());
        assert_eq!(blocked.all(), [(user(2), 1)]);
    }
}
