//! The table of `auth.set`: which session of your own site belongs to which user.
//!
//! A sessionId is a secret: the table has its HMAC with a key of its own, and finds
//! users by that, so that neither memory nor time tells it. The store has the same, each
//! entry with the key: so a user needs credentials after a restart, too.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::portal::Portal;
use crate::portal::checker::{Identity, Refusal, Verdict};
use crate::portal::claim::Claim;
use crate::portal::key::{CODE_BYTES, Key};
use crate::store::{Fact, Store, Unavailable, fact};
use turntable_core::id::UserId;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::spare::Spare;

/// The longest sessionId, in bytes.
pub(crate) const SESSION_ID_BYTES_MAX: usize = 1_024;

type Code = [u8; CODE_BYTES];

#[derive(Debug, Default)]
struct Entries {
    by_user: HashMap<UserId, Code>,
    by_code: HashMap<Code, UserId>,
}

/// An entry as the store has it, in base64.
#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    code: String,
}

impl Stored {
    fn new(key: &Key, code: &Code) -> Self {
        Self {
            key: URL_SAFE_NO_PAD.encode(key.bytes()),
            code: URL_SAFE_NO_PAD.encode(code),
        }
    }

    fn read(text: &str) -> Option<(Key, Code)> {
        let stored: Self = serde_json::from_str(text).ok()?;
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let key = Key::of(&bytes(&stored.key)?)?;
        Some((key, bytes(&stored.code)?.try_into().ok()?))
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct AuthTable {
    key: Key,
    entries: RwLock<Entries>,
    store: Arc<dyn Store>,
}

/// Why an entry is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSet {
    /// There are as many users as may be.
    Full,
    /// Another user has this sessionId.
    Taken,
}

impl AuthTable {
    /// The entries of a store, with their key; a new one where there are none.
    ///
    /// # Errors
    /// Where they cannot be read, or the system gives no random bytes.
    pub(super) fn open(store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let (mut key, mut entries) = (None, Entries::default());
        for (user, text) in store.facts(Fact::Session).map_err(anyhow::Error::msg)? {
            let (of, code) = Stored::read(&text).ok_or_else(|| {
                anyhow::anyhow!("the entry of auth.set of {} is not readable", user.as_str())
            })?;
            key.get_or_insert(of);
            entries.by_code.insert(code, user.clone());
            entries.by_user.insert(user, code);
        }
        let key = match key {
            Some(key) => key,
            None => Key::random()?,
        };
        Ok(Self {
            key,
            entries: RwLock::new(entries),
            store,
        })
    }

    /// Writes what the table has of a user to the store.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written; it is in force until the server ends.
    pub(super) async fn keep(&self, user: &UserId) -> Result<(), ErrorBody> {
        let written = {
            // One at a time: the store gets them in the order in which they are in force.
            let entries = self.entries.write();
            let code = entries.by_user.get(user);
            let text = code.map(|code| Stored::new(&self.key, code));
            let text = text.and_then(|stored| serde_json::to_string(&stored).ok());
            fact::put(&*self.store, Fact::Session, user, text.map(Into::into))
        };
        written.await.map_err(Unavailable::in_force)
    }

    fn code(&self, session_id: &str) -> Code {
        self.key
            .code(&[b"turntable session 1", session_id.as_bytes()])
    }

    /// From now on `session_id` is the session of `user`, in place of the one before.
    ///
    /// # Errors
    /// [`NotSet`]; nothing has changed then.
    pub(super) fn set(&self, user: UserId, session_id: &str, max: usize) -> Result<(), NotSet> {
        let code = self.code(session_id);
        let entries = &mut *self.entries.write();
        if entries
            .by_code
            .get(&code)
            .is_some_and(|known| *known != user)
        {
            return Err(NotSet::Taken);
        }
        match entries.by_user.get(&user) {
            Some(before) => {
                entries.by_code.remove(before);
            }
            None if entries.by_user.len() >= max => return Err(NotSet::Full),
            None => {}
        }
        entries.by_code.insert(code, user.clone());
        entries.by_user.insert(user, code);
        Ok(())
    }

    /// The user of a session.
    pub(super) fn user(&self, session_id: &str) -> Option<UserId> {
        self.entries
            .read()
            .by_code
            .get(&self.code(session_id))
            .cloned()
    }

    /// Forgets a user. Returns whether it was there.
    pub(super) fn remove(&self, user: &UserId) -> bool {
        let entries = &mut *self.entries.write();
        let Some(code) = entries.by_user.remove(user) else {
            return false;
        };
        entries.by_code.remove(&code);
        entries.by_user.give_back();
        entries.by_code.give_back();
        true
    }

    /// Whether a user has an entry.
    pub(super) fn has(&self, user: &UserId) -> bool {
        self.entries.read().by_user.contains_key(user)
    }

    /// All users, sorted.
    pub(super) fn users(&self) -> Vec<UserId> {
        let mut users: Vec<UserId> = self.entries.read().by_user.keys().cloned().collect();
        users.sort();
        users
    }

    /// The verdict on `{"sessionId": S}`. A wrong one is refused for good.
    pub(super) fn check(&self, claim: &Claim) -> Verdict {
        let Some(session_id) = claim.value("sessionId") else {
            return Verdict::Pass;
        };
        let refused = Verdict::Refuse(Refusal {
            reason: Reason::Invalid,
            is_final: true,
        });
        let Some(session_id) = session_id.as_str() else {
            return refused;
        };
        let code = self.code(session_id);
        let entries = self.entries.read();
        let user = match claim.user() {
            Some(user) => entries
                .by_user
                .get(user)
                .is_some_and(|known| bool::from(known.ct_eq(&code)))
                .then_some(user),
            None => entries.by_code.get(&code),
        };
        match user {
            Some(user) => Verdict::Accept(Identity::new(user.clone())),
            None => refused,
        }
    }
}

impl Portal {
    /// `auth.set`: this is the user's session from now on, and after a restart when
    /// [`Portal::keep_session`] has written it. Returns whether the user needed no
    /// credentials before: then sessions that showed none are not the user's.
    ///
    /// # Errors
    /// [`NotSet`].
    pub fn set_session(&self, user: UserId, session_id: &str) -> Result<bool, NotSet> {
        let max = self.settings().sessions_max;
        let was_free = !self.needs_credentials(&user, &self.checkers());
        self.auth.set(user, session_id, max)?;
        Ok(was_free)
    }

    /// Writes the user's session, or that there is none, to the store.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written; it is in force until the server ends.
    pub async fn keep_session(&self, user: &UserId) -> Result<(), ErrorBody> {
        self.auth.keep(user).await
    }

    /// `auth.check`: whose session this is.
    #[must_use]
    pub fn session_user(&self, session_id: &str) -> Option<UserId> {
        self.auth.user(session_id)
    }

    /// `auth.remove`: the user has no session any more, nor after a restart when
    /// [`Portal::keep_session`] has written that. Returns whether it had one.
    pub fn remove_session(&self, user: &UserId) -> bool {
        self.auth.remove(user)
    }

    /// `auth.listAll`: the users with a session.
    #[must_use]
    pub fn session_users(&self) -> Vec<UserId> {
        self.auth.users()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use turntable_core::payload::Payload;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    fn check(table: &AuthTable, of: Option<&str>, session_id: &str) -> Option<UserId> {
        let credentials = serde_json::json!({"sessionId": session_id}).to_string();
        let credentials = Payload::from_json(&credentials);
        match table.check(&Claim::new(of.map(user), Some(&credentials), None)) {
            Verdict::Accept(identity) => Some(identity.user),
            _ => None,
        }
    }

    #[test]
    fn session_is_accepted_for_its_user_alone() {
        let table = AuthTable::open(Arc::new(MemoryStore::new(0))).unwrap();
        table.set(user("1:1"), "abc", 2).unwrap();
        assert_eq!(check(&table, Some("1:1"), "abc"), Some(user("1:1")));
        assert_eq!(check(&table, None, "abc"), Some(user("1:1")));
        assert_eq!(check(&table, Some("1:2"), "abc"), None);
        assert_eq!(check(&table, Some("1:1"), "abd"), None);
        assert_eq!(table.set(user("1:2"), "abc", 2), Err(NotSet::Taken));
        table.set(user("1:1"), "new", 2).unwrap();
        assert_eq!(check(&table, None, "abc"), None);
        assert!(table.remove(&user("1:1")));
        assert!(!table.remove(&user("1:1")));
        assert_eq!(check(&table, None, "new"), None);
    }

    #[test]
    fn full_table_takes_no_other_user() {
        let table = AuthTable::open(Arc::new(MemoryStore::new(0))).unwrap();
        table.set(user("1:1"), "a", 1).unwrap();
        assert_eq!(table.set(user("1:2"), "b", 1), Err(NotSet::Full));
        table.set(user("1:1"), "c", 1).unwrap();
        assert_eq!(table.users(), [user("1:1")]);
    }
}
