//! The invites that were sent and may still wait for an answer: in all, and by the
//! user who sent them.
//!
//! An invite holds memory for as long as it can be answered, in its room and, where
//! the invited user is offline, at that user. So each counts for that long, also
//! where it was answered or its room ended before.

use std::collections::{HashMap, VecDeque};

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
}

#[derive(Debug)]
struct Entry {
    from: UserId,
    count: usize,
    until_ms: u64,
}

/// The invites, the oldest first.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: VecDeque<Entry>,
    by_user: HashMap<UserId, usize>,
    total: usize,
}

impl Ledger {
    /// Counts invites that `from` sends and that can be answered until `until_ms`.
    ///
    /// # Errors
    /// The limit that they would exceed; then nothing changes.
    pub fn add(
        &mut self,
        from: &UserId,
        count: usize,
        until_ms: u64,
        now_ms: u64,
        limits: LedgerLimits,
    ) -> Result<(), LedgerFull> {
        self.expire(now_ms);
        let sent = self.by_user.get(from).copied().unwrap_or_default();
        if sent.saturating_add(count) > limits.per_user_max {
            return Err(LedgerFull::User);
        }
        if self.total.saturating_add(count) > limits.total_max {
            return Err(LedgerFull::Total);
        }
        if count > 0 {
            *self.by_user.entry(from.clone()).or_default() += count;
            self.total += count;
            self.entries.push_back(Entry {
                from: from.clone(),
                count,
                until_ms,
            });
        }
        Ok(())
    }

    /// Takes back what was added last for `from` with these values: nothing was sent.
    pub fn take_back(&mut self, from: &UserId, count: usize, until_ms: u64) {
        let is_it = |entry: &Entry| {
            entry.from == *from && entry.count == count && entry.until_ms == until_ms
        };
        if let Some(at) = self.entries.iter().rposition(is_it)
            && let Some(entry) = self.entries.remove(at)
        {
            self.uncount(&entry);
        }
    }

    /// Forgets the invites that cannot be answered any more.
    pub fn expire(&mut self, now_ms: u64) {
        let is_over = |entry: &Entry| entry.until_ms <= now_ms;
        while self.entries.front().is_some_and(is_over) {
            if let Some(entry) = self.entries.pop_front() {
                self.uncount(&entry);
            }
        }
        self.entries.give_back();
        self.by_user.give_back();
    }

    fn uncount(&mut self, entry: &Entry) {
        self.total = self.total.saturating_sub(entry.count);
        if let Some(sent) = self.by_user.get_mut(&entry.from) {
            *sent = sent.saturating_sub(entry.count);
            if *sent == 0 {
                self.by_user.remove(&entry.from);
            }
        }
    }

    /// How many are counted.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
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
        let mut add =
            |from: &UserId, count, now_ms| ledger.add(from, count, now_ms + 100, now_ms, LIMITS);
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
        let mut ledger = Ledger::default();
        ledger.add(&mel, 1, 100, 0, LIMITS).unwrap();
        ledger.add(&mel, 2, 100, 0, LIMITS).unwrap();
        ledger.take_back(&mel, 2, 100);
        ledger.take_back(&mel, 2, 100);
        assert_eq!(ledger.total(), 1);
        ledger.add(&mel, 2, 100, 0, LIMITS).unwrap();
    }
}
