//! The times of users' last presence, after their avatars have ended.
//!
//! The number of users is limited: the oldest entries are removed first.

use std::collections::HashMap;
use std::collections::VecDeque;

use turntable_core::id::UserId;

/// The entries of one worker.
#[derive(Debug)]
pub struct LastSeen {
    seen: HashMap<UserId, u64>,
    /// Users in the order of insertion. A user that was inserted again occurs twice; its
    /// first occurrence is then stale.
    order: VecDeque<(UserId, u64)>,
    max: usize,
}

impl LastSeen {
    /// Stores at most `max` users.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            seen: HashMap::new(),
            order: VecDeque::new(),
            max,
        }
    }

    /// Records that `user` left at `at_ms`.
    pub fn put(&mut self, user: UserId, at_ms: u64) {
        if self.max == 0 {
            return;
        }
        self.seen.insert(user.clone(), at_ms);
        self.order.push_back((user, at_ms));
        while self.seen.len() > self.max || self.order.len() > 2 * self.max {
            let Some((user, at_ms)) = self.order.pop_front() else {
                break;
            };
            if self.seen.get(&user) == Some(&at_ms) {
                self.seen.remove(&user);
            }
        }
    }

    /// Forgets `user`.
    pub fn remove(&mut self, user: &UserId) {
        self.seen.remove(user);
    }

    /// Time of the last presence of `user`, Unix ms.
    #[must_use]
    pub fn get(&self, user: &UserId) -> Option<u64> {
        self.seen.get(user).copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(n: u64) -> UserId {
        UserId::parse(&format!("1:{n}")).unwrap()
    }

    #[test]
    fn oldest_entries_are_removed_first() {
        let mut seen = LastSeen::new(2);
        for n in 1..=3 {
            seen.put(user(n), n);
        }
        assert_eq!(seen.get(&user(1)), None);
        assert_eq!(seen.get(&user(3)), Some(3));
        seen.put(user(2), 9);
        seen.put(user(4), 10);
        assert_eq!(seen.get(&user(2)), Some(9), "it was recorded again");
        assert_eq!(seen.get(&user(3)), None);
    }

    #[test]
    fn repeated_user_takes_limited_memory() {
        let mut seen = LastSeen::new(4);
        for at in 0..1000 {
            seen.put(user(1), at);
        }
        assert!(seen.order.len() <= 8);
        assert_eq!(seen.get(&user(1)), Some(999));
    }
}
