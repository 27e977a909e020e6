//! The invites that were sent and may still wait for an answer: in all, and by the
//! user who sent them. The last quarter of all is for addresses whose clients sent less
//! than an even share ([`EvenShares`]).
//!
//! An invite holds memory for as long as it can be answered, in its room and, where
//! the invited user is offline, at that user. So each counts for that long, also
//! where it was answered or its room ended before.

use std::collections::{HashMap, VecDeque};

use crate::address::Address;
use crate::even_share::EvenShares;
use crate::id::UserId;
use crate::spare::Spare;

/// How many invites may be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLimits {
    /// Those of all users.
    pub total_max: usize,
    /// Those of one user.
    pub per_user_max: usize,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerFull {
    /// That of all users.
    Total,
    /// That of the user.
    User,
    /// The even share of the address, with nearly as many as there may be in all.
    Share,
}

#[derive(Debug)]
struct Entry {
    from: UserId,
    by: Option<Address>,
    count: usize,
    until_ms: u64,
}

/// The invites, the oldest first.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: VecDeque<Entry>,
    by_user: HashMap<UserId, usize>,
    shares: EvenShares,
}

impl Ledger {
    /// Counts invites that `from` sends from an address and that can be answered until
    /// `until_ms`.
    ///
    /// # Errors
    /// The limit that they would exceed; then nothing changes.
    pub fn add(
        &mut self,
        from: (&UserId, Option<Address>),
        count: usize,
        until_ms: u64,
        now_ms: u64,
        limits: LedgerLimits,
    ) -> Result<(), LedgerFull> {
        self.expire(now_ms);
        let (from, by) = from;
        let sent = self.by_user.get(from).copied().unwrap_or_default();
        if sent.saturating_add(count) > limits.per_user_max {
            return Err(LedgerFull::User);
        }
        if self.total().saturating_add(count) > limits.total_max {
            return Err(LedgerFull::Total);
        }
        let has_share = |address| self.shares.has_room(address, count, limits.total_max);
        if !by.is_none_or(has_share) {
            return Err(LedgerFull::Share);
        }
        if count > 0 {
            *self.by_user.entry(from.clone()).or_default() += count;
            self.shares.add(by, count);
            self.entries.push_back(Entry {
                from: from.clone(),
                by,
                count,
                until_ms,
            });
        }
        Ok(())
    }

    /// Takes back so many of what was added last with these values: they were not sent.
    pub fn take_back(&mut self, from: (&UserId, Option<Address>), count: usize, until_ms: u64) {
        let is_it = |entry: &Entry| {
            (&entry.from, entry.by) == from && entry.until_ms == until_ms && entry.count >= count
        };
        let Some(at) = self.entries.iter().rposition(is_it) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.count -= count;
            if entry.count == 0 {
                self.entries.remove(at);
            }
            self.uncount(from, count);
        }
    }

    /// Forgets the invites that cannot be answered any more.
    pub fn expire(&mut self, now_ms: u64) {
        let is_over = |entry: &Entry| entry.until_ms <= now_ms;
        while self.entries.front().is_some_and(is_over) {
            if let Some(entry) = self.entries.pop_front() {
                self.uncount((&entry.from, entry.by), entry.count);
            }
        }
        self.entries.give_back();
        self.by_user.give_back();
    }

    fn uncount(&mut self, (from, by): (&UserId, Option<Address>), count: usize) {
        self.shares.remove(by, count);
        if let Some(sent) = self.by_user.get_mut(from) {
            *sent = sent.saturating_sub(count);
            if *sent == 0 {
                self.by_user.remove(from);
            }
        }
    }

    /// How many are counted.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.shares.total()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMITS: LedgerLimits = LedgerLimits {
        total_max: 5,
        per_user_max: 3,
    };

    #[test]
    fn invites_count_by_user_and_in_all_for_as_long_as_they_can_be_answered() {
        let [mel, tom] = ["1:1", "1:2"].map(|user| UserId::parse(user).unwrap());
        let mut ledger = Ledger::default();
        let mut add = |from: &UserId, count, now_ms| {
            ledger.add((from, None), count, now_ms + 100, now_ms, LIMITS)
        };
        assert_eq!(add(&mel, 2, 0), Ok(()));
        assert_eq!(add(&mel, 2, 10), Err(LedgerFull::User));
        assert_eq!(add(&mel, 1, 10), Ok(()));
        assert_eq!(add(&tom, 3, 20), Err(LedgerFull::Total));
        assert_eq!(add(&tom, 2, 20), Ok(()));
        assert_eq!(add(&tom, 0, 20), Ok(()));
        assert_eq!(add(&mel, 1, 99), Err(LedgerFull::User));
        assert_eq!(add(&mel, 1, 100), Ok(()), "two are over");
        assert_eq!(ledger.total(), 4);
        ledger.expire(1_000);
        assert_eq!(ledger.total(), 0);
        assert!(ledger.by_user.is_empty() && ledger.entries.is_empty());
    }

    #[test]
    fn what_was_not_sent_does_not_count() {
        let mel = UserId::parse("1:1").unwrap();
        let from = (&mel, None);
        let mut ledger = Ledger::default();
        ledger.add(from, 1, 100, 0, LIMITS).unwrap();
        ledger.add(from, 2, 100, 0, LIMITS).unwrap();
        ledger.take_back(from, 2, 100);
        ledger.take_back(from, 2, 100);
        assert_eq!(ledger.total(), 1);
        ledger.add(from, 2, 100, 0, LIMITS).unwrap();
        // A part of them.
        ledger.take_back(from, 1, 100);
        assert_eq!(ledger.total(), 2);
        ledger.take_back(from, 1, 100);
        ledger.take_back(from, 1, 100);
        assert_eq!(ledger.total(), 0);
        assert!(ledger.by_user.is_empty() && ledger.entries.is_empty());
    }

    #[test]
    fn last_quarter_is_for_addresses_that_sent_less_than_an_even_share() {
        let users = ["1:1", "1:2", "1:3"].map(|user| UserId::parse(user).unwrap());
        let [mel, tom, eve] = &users;
        let [near, far] = [1, 2].map(Address::from_number).map(Some);
        let limits = LedgerLimits {
            total_max: 20,
            per_user_max: 10,
        };
        let mut ledger = Ledger::default();
        let mut add = |from, count, now_ms| ledger.add(from, count, now_ms + 100, now_ms, limits);
        assert_eq!(add((mel, near), 8, 0), Ok(()));
        assert_eq!(add((tom, near), 7, 0), Ok(()));
        assert_eq!(add((eve, near), 1, 0), Err(LedgerFull::Share));
        assert_eq!(add((eve, far), 6, 50), Err(LedgerFull::Total));
        assert_eq!(add((eve, far), 2, 50), Ok(()));
        assert_eq!(add((eve, far), 1, 50), Err(LedgerFull::Share));
        assert_eq!(add((eve, near), 1, 100), Ok(()), "those of others are over");
        ledger.expire(1_000);
        assert!(ledger.shares.is_empty());
    }
}
