//! Guests that were erased: the tokens that they had are of no use any more.
//!
//! A guest is known by its token alone, so its erasure would be undone by the next
//! identification. What is left of it is its id, as long as such a token would be good.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::portal::Portal;
use crate::portal::checker::Verdict;
use crate::portal::checkers::Checkers;
use crate::portal::claim::Claim;
use crate::portal::guest::SECONDS_OF_DAY;
use crate::portal::settings::PortalSettings;
use crate::store::{Fact, Store, fact};
use turntable_core::id::UserId;

/// What is stored of a guest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    /// The Unix second of its erasure.
    At(u64),
    /// All tokens that were issued until then have expired, as that of this guest: its
    /// entry stays when others are forgotten, and says so if tokens are good for longer.
    Over {
        /// The Unix second.
        until: u64,
        /// That of its erasure, where it was erased again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<u64>,
    },
}

#[derive(Debug, Default)]
struct Guests {
    /// Each with the Unix second of its erasure.
    by_user: HashMap<UserId, u64>,
    /// The last one whose tokens have expired, and the Unix second of its erasure.
    over: Option<(UserId, u64)>,
}

impl Guests {
    /// What is stored of a guest; `None`: nothing.
    fn text(&self, user: &UserId) -> Option<Box<str>> {
        let at = self.by_user.get(user).copied();
        let over = self.over.as_ref().filter(|(last, _)| last == user);
        let entry = match over {
            Some((_, until)) => Entry::Over { until: *until, at },
            None => Entry::At(at?),
        };
        serde_json::to_string(&entry).ok().map(Into::into)
    }
}

/// The guests.
#[derive(Debug)]
pub(super) struct Erased {
    guests: RwLock<Guests>,
    store: Arc<dyn Store>,
}

impl Erased {
    /// Those of a store.
    ///
    /// # Errors
    /// A sentence, where they cannot be read.
    pub(super) fn open(store: Arc<dyn Store>) -> Result<Self, String> {
        let mut guests = Guests::default();
        for (user, text) in store.facts(Fact::Erased)? {
            match serde_json::from_str(&text) {
                Ok(Entry::At(at_s)) => {
                    guests.by_user.insert(user, at_s);
                }
                Ok(Entry::Over { until, at }) => {
                    guests.by_user.extend(at.map(|at_s| (user.clone(), at_s)));
                    if guests.over.as_ref().is_none_or(|(_, last)| *last < until) {
                        guests.over = Some((user, until));
                    }
                }
                Err(_) => return Err(format!("the erasure of {} is not readable", user.as_str())),
            }
        }
        Ok(Self {
            guests: RwLock::new(guests),
            store,
        })
    }

    fn has(&self, user: &UserId) -> bool {
        let guests = self.guests.read();
        !guests.by_user.is_empty() && guests.by_user.contains_key(user)
    }

    /// Until when all tokens that were issued have expired, in Unix seconds.
    fn over_s(&self) -> u64 {
        let over = &self.guests.read().over;
        over.as_ref().map_or(0, |(_, until)| *until)
    }

    /// A guest is erased. Returns whether that is durable.
    async fn note(&self, user: &UserId, now_s: u64) -> bool {
        let written = {
            let guests = &mut *self.guests.write();
            guests.by_user.insert(user.clone(), now_s);
            fact::put(&*self.store, Fact::Erased, user, guests.text(user))
        };
        written.await.is_ok()
    }

    /// Forgets those whose tokens have expired by now.
    pub(super) fn expire(&self, settings: &PortalSettings, now_ms: u64) {
        let (now_s, lifetime_s) = (now_ms / 1_000, settings.guest_days * SECONDS_OF_DAY);
        let is_over = |at_s: u64| at_s.saturating_add(lifetime_s) <= now_s;
        let guests = &mut *self.guests.write();
        let over = guests.by_user.extract_if(|_, at_s| is_over(*at_s));
        let over: Vec<(UserId, u64)> = over.collect();
        let newest = over.iter().max_by_key(|(_, at_s)| *at_s).cloned();
        let last_s = guests.over.as_ref().map_or(0, |(_, until)| *until);
        let newest = newest.filter(|(_, at_s)| *at_s > last_s);
        let mut changed: Vec<UserId> = over.into_iter().map(|(user, _)| user).collect();
        if let Some((user, until)) = newest {
            let before = guests.over.replace((user.clone(), until));
            changed.extend(before.map(|(user, _)| user));
            // Before those that it stands for are removed.
            changed.insert(0, user);
        }
        for user in changed {
            // One that is not removed now is at the next start.
            let (text, done) = (guests.text(&user), Box::new(|_| {}));
            self.store.set_fact(Fact::Erased, &user, text, done);
        }
    }
}

impl Portal {
    /// The verdict of `guest`.
    pub(super) fn check_guest(&self, claim: &Claim, checkers: &Checkers) -> Verdict {
        let over_s = self.persistent.erased.over_s();
        match checkers.guests.check(claim, clock::now_ms(), over_s) {
            Verdict::Accept(identity) if self.persistent.erased.has(&identity.user) => {
                Verdict::invalid()
            }
            verdict => verdict,
        }
    }

    /// The tokens of a user that is a guest are of no use from now on. Returns whether
    /// that is durable.
    pub(super) async fn erase_guest(&self, user: &UserId) -> bool {
        // Also one of the realm that guests had before.
        if !self.checkers().guests.may_be_guest(user) {
            return true;
        }
        let (settings, now_ms) = (self.settings(), clock::now_ms());
        self.persistent.erased.expire(&settings, now_ms);
        self.persistent.erased.note(user, now_ms / 1_000).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn erasure_is_remembered_as_long_as_a_token_is_good() {
        let erased = Erased::open(Arc::new(MemoryStore::new(0))).unwrap();
        let user = UserId::parse("guest:x").unwrap();
        assert!(erased.note(&user, 1_000).await);
        let settings = PortalSettings {
            guest_days: 2,
            ..PortalSettings::default()
        };
        let end_ms = (1_000 + 2 * SECONDS_OF_DAY) * 1_000;
        erased.expire(&settings, end_ms - 1);
        assert!(erased.has(&user));
        assert_eq!(erased.over_s(), 0);
        erased.expire(&settings, end_ms);
        assert!(!erased.has(&user));
        // It would be good again if tokens were good for longer from now on.
        assert_eq!(erased.over_s(), 1_000);
    }

    #[tokio::test]
    async fn last_erasure_that_is_over_stays_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::store::settings::StoreSettings {
            path: folder.path().join("store").to_str().unwrap().to_owned(),
            ..Default::default()
        };
        let open = || crate::store::open(&settings, 0, None, &Default::default()).unwrap();
        let store = open();
        let user = |name: &str| UserId::parse(&format!("guest:{name}")).unwrap();
        let erased = Erased::open(store.clone()).unwrap();
        for (name, at_s) in [("a", 10), ("b", 30), ("c", 20), ("d", 1_000_000)] {
            assert!(erased.note(&user(name), at_s).await);
        }
        let portal = PortalSettings {
            guest_days: 1,
            ..PortalSettings::default()
        };
        erased.expire(&portal, (30 + SECONDS_OF_DAY) * 1_000);
        drop(erased);
        store.stop();
        let again = Erased::open(open()).unwrap();
        assert_eq!(again.over_s(), 30);
        assert!(again.has(&user("d")) && !again.has(&user("b")));
        again.expire(&portal, (1_000_000 + SECONDS_OF_DAY) * 1_000);
        assert_eq!(again.over_s(), 1_000_000);
        again.store.stop();
        let facts = open().facts(Fact::Erased).unwrap();
        assert_eq!(facts.len(), 1, "{facts:?}");
    }

    #[tokio::test]
    async fn guest_that_is_erased_again_keeps_what_its_entry_says_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::store::settings::StoreSettings {
            path: folder.path().join("store").to_str().unwrap().to_owned(),
            ..Default::default()
        };
        let open = || {
            let store = crate::store::open(&settings, 0, None, &Default::default()).unwrap();
            (Erased::open(store.clone()).unwrap(), store)
        };
        let user = |name: &str| UserId::parse(&format!("guest:{name}")).unwrap();
        let portal = PortalSettings {
            guest_days: 1,
            ..PortalSettings::default()
        };
        let over_ms = |at_s: u64| (at_s + SECONDS_OF_DAY) * 1_000;
        let (erased, store) = open();
        assert!(erased.note(&user("a"), 10).await);
        erased.expire(&portal, over_ms(10));
        assert!(erased.note(&user("a"), 1_000_000).await);
        store.stop();
        let (erased, store) = open();
        assert!(erased.has(&user("a")));
        assert_eq!(erased.over_s(), 10);
        erased.expire(&portal, over_ms(1_000_000));
        store.stop();
        let (erased, store) = open();
        assert!(!erased.has(&user("a")));
        assert_eq!(erased.over_s(), 1_000_000);
        // Another one is the last while it is erased.
        for (name, at_s) in [("b", 2_000_000), ("a", 2_000_001)] {
            assert!(erased.note(&user(name), at_s).await);
        }
        erased.expire(&portal, over_ms(2_000_000));
        store.stop();
        let (erased, store) = open();
        assert!(erased.has(&user("a")) && !erased.has(&user("b")));
        assert_eq!(erased.over_s(), 2_000_000);
        store.stop();
    }
}
