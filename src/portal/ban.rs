//! Banned users: they are refused, whatever their credentials are, until their ban ends
//! or is lifted.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::store::{Fact, Store, Unavailable, fact};
use turntable_core::id::UserId;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// The longest ban that ends, in seconds: 100 years. What clients get of it is a number that
/// each of them can represent.
pub const SECONDS_MAX: u64 = 3_155_760_000;

/// The longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 1_024;

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Unix ms at which it ends; `None`: when it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// A sentence for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

impl Ban {
    fn is_over(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| until_ms <= now_ms)
    }

    /// What the user gets.
    #[must_use]
    pub fn error(&self, now_ms: u64) -> ErrorBody {
        let reason = self.reason.as_deref().unwrap_or("this user is banned");
        let error = ErrorBody::new(ErrorCode::Forbidden, reason).because(Reason::Banned);
        match self.until_ms {
            Some(until_ms) => {
                let left_ms = until_ms.saturating_sub(now_ms);
                error.with("retry_ms", left_ms.min(SECONDS_MAX * 1_000))
            }
            None => error,
        }
    }
}

/// The table, and the store that it outlives the process in.
#[derive(Debug)]
pub struct Bans {
    table: RwLock<HashMap<UserId, Ban>>,
    store: Arc<dyn Store>,
}

impl Bans {
    /// The bans of a store.
    ///
    /// # Errors
    /// A sentence, where they cannot be read.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, String> {
        let read = |(user, text): (UserId, Box<str>)| match serde_json::from_str(&text) {
            Ok(ban) => Ok((user, ban)),
            Err(_) => Err(format!("the ban of {} is not readable", user.as_str())),
        };
        let table = store.facts(Fact::Ban)?.into_iter().map(read);
        Ok(Self {
            table: RwLock::new(table.collect::<Result<_, _>>()?),
            store,
        })
    }

    /// Writes to the store what is in force for a user.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written; it is in force until the server ends.
    pub async fn keep(&self, user: &UserId) -> Result<(), ErrorBody> {
        let written = {
            // One at a time: the store gets them in the order in which they are in force.
            let table = self.table.write();
            let ban = table.get(user);
            let text = ban.and_then(|ban| serde_json::to_string(ban).ok());
            fact::put(&*self.store, Fact::Ban, user, text.map(Into::into))
        };
        written.await.map_err(Unavailable::in_force)
    }

    /// Bans a user, in place of a ban before.
    ///
    /// # Errors
    /// `too_many` where `max` users are banned.
    pub fn put(&self, user: UserId, ban: Ban, max: usize, now_ms: u64) -> Result<(), ErrorBody> {
        let table = &mut *self.table.write();
        if table.len() >= max && !table.contains_key(&user) {
            table.retain(|_, ban| !ban.is_over(now_ms));
            if table.len() >= max {
                let message = "as many users are banned as may be (portal.bans_max)";
                return Err(ErrorBody::new(ErrorCode::TooMany, message).with("max", max as u64));
            }
        }
        table.insert(user, ban);
        Ok(())
    }

    /// Lifts a ban. Returns whether there was one.
    pub fn lift(&self, user: &UserId, now_ms: u64) -> bool {
        let table = &mut *self.table.write();
        let lifted = table.remove(user);
        table.give_back();
        lifted.is_some_and(|ban| !ban.is_over(now_ms))
    }

    /// Whether a user may be here.
    ///
    /// # Errors
    /// `forbidden`, with the reason of the ban.
    pub fn admit(&self, user: &UserId, now_ms: u64) -> Result<(), ErrorBody> {
        let table = self.table.read();
        match table.get(user) {
            Some(ban) if !ban.is_over(now_ms) => Err(ban.error(now_ms)),
            _ => Ok(()),
        }
    }

    /// The bans that are in force, in the order of their users.
    #[must_use]
    pub fn list(&self, now_ms: u64) -> Vec<(UserId, Ban)> {
        let table = self.table.read();
        let bans = table.iter().filter(|(_, ban)| !ban.is_over(now_ms));
        let mut bans: Vec<_> = bans
            .map(|(user, ban)| (user.clone(), ban.clone()))
            .collect();
        bans.sort_by(|(one, _), (other, _)| one.cmp(other));
        bans
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn ban(until_ms: Option<u64>) -> Ban {
        Ban {
            until_ms,
            reason: Some("cheating".into()),
        }
    }

    #[test]
    fn ban_holds_until_its_end_or_until_it_is_lifted() {
        let bans = Bans::open(Arc::new(MemoryStore::new(0))).unwrap();
        bans.put(user(1), ban(Some(100)), 2, 0).unwrap();
        bans.put(user(2), ban(None), 2, 0).unwrap();
        let error = bans.admit(&user(1), 40).unwrap_err();
        assert_eq!(error.reason, Some(Reason::Banned));
        assert_eq!(error.detail("retry_ms"), Some(60));
        assert_eq!(&*error.message, "cheating");
        assert!(bans.admit(&user(1), 100).is_ok());
        assert_eq!(bans.list(100), [(user(2), ban(None))]);
        assert!(bans.admit(&user(2), u64::MAX).is_err());
        assert!(bans.lift(&user(2), 100));
        assert!(!bans.lift(&user(2), 100));
        assert!(!bans.lift(&user(1), 100), "it was over");
        assert!(bans.admit(&user(2), 100).is_ok());
    }

    #[test]
    fn full_table_forgets_bans_that_are_over() {
        let bans = Bans::open(Arc::new(MemoryStore::new(0))).unwrap();
        bans.put(user(1), ban(Some(100)), 1, 0).unwrap();
        let error = bans.put(user(2), ban(None), 1, 50).unwrap_err();
        assert_eq!(error.code, ErrorCode::TooMany);
        bans.put(user(1), ban(Some(200)), 1, 50).unwrap();
        bans.put(user(2), ban(None), 1, 200).unwrap();
        assert_eq!(bans.list(0).len(), 1);
    }
}
