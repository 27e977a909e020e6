//! Users with a password, in memory: the store has the same, and loads them at the
//! start. So nobody has to wait for it to learn whether a user needs a password.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::portal::operator_call::OperatorCall;
use crate::portal::revocation::{Revocation, Revocations};
use crate::store::{Fact, Store, Unavailable, fact};
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;

#[derive(Debug, Default)]
struct Entries {
    hashes: HashMap<UserId, Box<str>>,
    /// Those that are being stored. A hash is of one attempt: its salt is random.
    reserved: HashMap<UserId, Box<str>>,
}

/// Which users get a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose<'h> {
    /// Those that have none.
    New,
    /// Those that have the one with this hash.
    With(&'h str),
    /// All.
    Any,
}

/// Who gives a user a password.
#[derive(Debug, Clone)]
pub(super) enum Setter {
    /// A client, in this session, which stays.
    Client(Option<SessionKey>),
    /// An operator.
    Operator(Arc<OperatorCall>),
}

/// A password that is being stored, with the store's answer to it.
struct Stored<'a> {
    user: &'a UserId,
    hash: &'a str,
    is_stored: bool,
}

impl Entries {
    /// The password of a user is being stored.
    fn reserve(
        &mut self,
        user: &UserId,
        hash: &str,
        whose: Whose<'_>,
        max: usize,
    ) -> Result<(), NotMade> {
        let before = self.hashes.get(user);
        let is_meant = match whose {
            Whose::New => before.is_none() && !self.reserved.contains_key(user),
            Whose::With(hash) => before.is_some_and(|before| **before == *hash),
            Whose::Any => true,
        };
        if !is_meant {
            return Err(NotMade::Known);
        }
        if self.reserved.contains_key(user) {
            return Err(NotMade::Changing);
        }
        let is_new = |user: &&UserId| !self.hashes.contains_key(*user);
        let new = self.reserved.keys().filter(is_new).count();
        if before.is_none() && self.hashes.len() + new >= max {
            return Err(NotMade::Full);
        }
        self.reserved.insert(user.clone(), hash.into());
        Ok(())
    }

    /// The store answered. Returns what was in the place of the password, where it is
    /// the user's now: it may have been removed meanwhile.
    fn stored(&mut self, stored: &Stored<'_>) -> Option<Option<Box<str>>> {
        let awaited = self.reserved.get(stored.user);
        if awaited.is_none_or(|hash| **hash != *stored.hash) {
            return None;
        }
        let hash = self.reserved.remove(stored.user)?;
        let user = stored.user.clone();
        stored.is_stored.then(|| self.hashes.insert(user, hash))
    }
}

/// The table.
#[derive(Debug)]
pub(in crate::portal) struct Passwords {
    entries: RwLock<Entries>,
    /// Locked by what changes the entries and notifies the store, so that both have one order.
    order: Mutex<()>,
    store: Arc<dyn Store>,
    /// Ends the sessions of users whose passwords change.
    revocations: Arc<Revocations>,
}

/// Why a user does not get a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotMade {
    /// The user has one, or another one.
    Known,
    /// Another one of the user is being stored.
    Changing,
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
    pub(in crate::portal) fn new(
        store: Arc<dyn Store>,
        revocations: Arc<Revocations>,
    ) -> Result<Self, String> {
        let hashes = store.facts(Fact::Password)?.into_iter().collect();
        Ok(Self {
            entries: RwLock::new(Entries {
                hashes,
                reserved: HashMap::new(),
            }),
            order: Mutex::default(),
            store,
            revocations,
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

    /// Removes the password of a user, at once. Returns whether there was one; the future
    /// says whether it is durable.
    pub(in crate::portal) fn remove(
        &self,
        user: &UserId,
    ) -> (bool, impl Future<Output = bool> + use<>) {
        let (was_there, removed) = {
            let _order = self.order.lock();
            let entries = &mut *self.entries.write();
            let was_there = entries.hashes.remove(user).is_some();
            // One that is being made does not come back behind this.
            entries.reserved.remove(user);
            let removed = fact::put(&*self.store, Fact::Password, user, None);
            (was_there, removed)
        };
        (was_there, async { removed.await.is_ok() })
    }

    /// Gives a user a password; done when it is durable. Then sessions of the user end
    /// that were begun without it, but for that of its setter: if it is the user's first,
    /// those whose clients have shown nothing that says who they are, else all.
    pub(super) async fn put(
        self: &Arc<Self>,
        user: &UserId,
        hash: Box<str>,
        whose: Whose<'_>,
        max: usize,
        setter: Setter,
    ) -> Result<(), NotMade> {
        let (done, made) = oneshot::channel();
        let (table, of, is_put) = (self.clone(), user.clone(), hash.clone());
        // The entry appears with the store's answer, whether anybody waits for it or not.
        let saved = move |result: Result<(), Unavailable>| {
            let before = table.entries.write().stored(&Stored {
                user: &of,
                hash: &is_put,
                is_stored: result.is_ok(),
            });
            let is_made = before.is_some();
            if let Some(before) = before {
                let (except, operator) = match setter {
                    Setter::Client(session) => (session, None),
                    Setter::Operator(call) => (None, Some(call)),
                };
                table.revocations.end(Revocation {
                    user: of,
                    is_provisional: before.is_none(),
                    except,
                    operator,
                });
            }
            // Nobody may wait.
            let _ = done.send(is_made);
        };
        {
            let _order = self.order.lock();
            self.entries.write().reserve(user, &hash, whose, max)?;
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

    fn table() -> Arc<Passwords> {
        let store = Arc::new(MemoryStore::new(0));
        Arc::new(Passwords::new(store, Arc::default()).unwrap())
    }

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    #[tokio::test]
    async fn user_is_made_once_and_within_the_limit() {
        let table = table();
        let make = |number, hash: &str, max| {
            let (table, hash) = (table.clone(), hash.into());
            async move {
                table
                    .put(&user(number), hash, Whose::New, max, Setter::Client(None))
                    .await
            }
        };
        assert_eq!(make(1, "a", 1).await, Ok(()));
        assert!(table.has(&user(1)) && !table.has(&user(2)));
        assert_eq!(make(1, "b", 2).await, Err(NotMade::Known));
        assert_eq!(table.hash(&user(1)).as_deref(), Some("a"));
        assert_eq!(make(2, "b", 1).await, Err(NotMade::Full));
    }

    #[tokio::test]
    async fn password_is_replaced_where_it_is_the_one_that_was_shown() {
        let table = table();
        let put = |hash: &str, whose| {
            let (table, hash) = (table.clone(), hash.into());
            async move {
                table
                    .put(&user(1), hash, whose, 1, Setter::Client(None))
                    .await
            }
        };
        assert_eq!(put("a", Whose::With("a")).await, Err(NotMade::Known));
        assert_eq!(put("a", Whose::Any).await, Ok(()));
        assert_eq!(put("b", Whose::With("x")).await, Err(NotMade::Known));
        assert_eq!(
            put("b", Whose::With("a")).await,
            Ok(()),
            "it takes no place"
        );
        assert_eq!(put("c", Whose::With("a")).await, Err(NotMade::Known));
        assert_eq!(put("d", Whose::Any).await, Ok(()));
        assert_eq!(table.hash(&user(1)).as_deref(), Some("d"));
        let reserve = |hash: &str, whose| {
            let entries = &mut *table.entries.write();
            entries.reserve(&user(1), hash, whose, 1)
        };
        assert_eq!(reserve("e", Whose::Any), Ok(()));
        assert_eq!(reserve("f", Whose::With("d")), Err(NotMade::Changing));
        // Until it is stored, the one before is right.
        assert_eq!(table.hash(&user(1)).as_deref(), Some("d"));
    }

    #[tokio::test]
    async fn user_that_is_removed_while_it_is_made_is_not_there() {
        let table = table();
        let reserve = |hash: &str| {
            let entries = &mut *table.entries.write();
            entries.reserve(&user(1), hash, Whose::New, 1).unwrap();
        };
        let made = |hash: &str| {
            let stored = Stored {
                user: &user(1),
                hash,
                is_stored: true,
            };
            table.entries.write().stored(&stored).is_some()
        };
        reserve("a");
        assert!(table.remove(&user(1)).1.await);
        assert!(!made("a") && !table.has(&user(1)));
        // The next one is another.
        reserve("b");
        assert!(!made("a") && !table.has(&user(1)));
        assert!(made("b") && table.has(&user(1)));
    }

    #[tokio::test]
    async fn sessions_that_were_begun_without_the_password_end() {
        let revocations = Arc::<Revocations>::default();
        let ended = Arc::new(Mutex::new(Vec::new()));
        let noted = ended.clone();
        revocations.listen(move |revocation| noted.lock().push(revocation));
        let store = Arc::new(MemoryStore::new(0));
        let table = Arc::new(Passwords::new(store, revocations).unwrap());
        let (user, own) = (user(1), Some(SessionKey::from_number(7)));
        for (hash, whose) in [("a", Whose::New), ("b", Whose::With("a"))] {
            let put = table.put(&user, hash.into(), whose, 1, Setter::Client(own));
            put.await.unwrap();
            let expected = Revocation {
                is_provisional: whose == Whose::New,
                except: own,
                ..Revocation::all(user.clone())
            };
            assert_eq!(ended.lock().pop(), Some(expected));
        }
        let call = Arc::new(OperatorCall::of_program("user/setPassword", None));
        let setter = Setter::Operator(call.clone());
        let put = table.put(&user, "c".into(), Whose::Any, 1, setter);
        put.await.unwrap();
        let expected = Revocation {
            operator: Some(call),
            ..Revocation::all(user.clone())
        };
        assert_eq!(ended.lock().pop(), Some(expected));
        let known = table.put(&user, "c".into(), Whose::New, 1, Setter::Client(None));
        assert_eq!(known.await, Err(NotMade::Known));
        assert_eq!(ended.lock().pop(), None);
    }

    #[tokio::test]
    async fn password_that_is_removed_is_gone_although_the_store_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::store::settings::StoreSettings {
            path: folder.path().join("store").to_str().unwrap().to_owned(),
            ..Default::default()
        };
        let store = crate::store::open(&settings, 0, None, &Default::default()).unwrap();
        let table = Arc::new(Passwords::new(store.clone(), Arc::default()).unwrap());
        let user = user(1);
        let put = table.put(&user, "a".into(), Whose::New, 1, Setter::Client(None));
        put.await.unwrap();
        store.stop();
        let (was_there, stored) = table.remove(&user);
        assert!(was_there && !table.has(&user));
        assert!(!stored.await);
        assert!(!table.remove(&user).0);
    }
}
