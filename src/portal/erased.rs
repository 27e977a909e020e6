//! Guests that were erased: the tokens that they had are of no use any more.
//!
//! A guest is known by its token alone, so its erasure would be undone by the next
//! identification. What is left of it is its id, as long as such a token would be good.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::clock;
use crate::portal::Portal;
use crate::portal::checker::Verdict;
use crate::portal::checkers::Checkers;
use crate::portal::claim::Claim;
use crate::portal::guest::SECONDS_OF_DAY;
use crate::portal::settings::PortalSettings;
use crate::store::{Fact, Store, fact};
use turntable_core::id::UserId;

/// The guests, each with the Unix second of its erasure.
#[derive(Debug)]
pub(super) struct Erased {
    guests: RwLock<HashMap<UserId, u64>>,
    store: Arc<dyn Store>,
}

impl Erased {
    /// Those of a store.
    ///
    /// # Errors
    /// A sentence, where they cannot be read.
    pub(super) fn open(store: Arc<dyn Store>) -> Result<Self, String> {
        let read = |(user, text): (UserId, Box<str>)| match text.parse() {
            Ok(at_s) => Ok((user, at_s)),
            Err(_) => Err(format!("the erasure of {} is not readable", user.as_str())),
        };
        let guests = store.facts(Fact::Erased)?.into_iter().map(read);
        Ok(Self {
            guests: RwLock::new(guests.collect::<Result<_, _>>()?),
            store,
        })
    }

    fn has(&self, user: &UserId) -> bool {
        let guests = self.guests.read();
        !guests.is_empty() && guests.contains_key(user)
    }

    /// A guest is erased. Returns whether that is durable.
    async fn note(&self, user: &UserId, now_s: u64) -> bool {
        self.guests.write().insert(user.clone(), now_s);
        let text = Some(now_s.to_string().into());
        let written = fact::put(&*self.store, Fact::Erased, user, text);
        written.await.is_ok()
    }

    /// Forgets those whose tokens have expired by now.
    pub(super) fn expire(&self, settings: &PortalSettings, now_ms: u64) {
        let (now_s, lifetime_s) = (now_ms / 1_000, settings.guest_days * SECONDS_OF_DAY);
        let is_over = |at_s: u64| at_s.saturating_add(lifetime_s) <= now_s;
        let guests = &mut *self.guests.write();
        let over: Vec<UserId> = guests
            .extract_if(|_, at_s| is_over(*at_s))
            .map(|(user, _)| user)
            .collect();
        for user in over {
            // One that is not removed now is at the next start.
            self.store
                .set_fact(Fact::Erased, &user, None, Box::new(|_| {}));
        }
    }
}

impl Portal {
    /// The verdict of `guest`.
    pub(super) fn check_guest(&self, claim: &Claim, checkers: &Checkers) -> Verdict {
        match checkers.guests.check(claim, clock::now_ms()) {
            Verdict::Accept(identity) if self.kept.erased.has(&identity.user) => Verdict::invalid(),
            verdict => verdict,
        }
    }

    /// The tokens of a user that is a guest are of no use from now on. Returns whether
    /// that is durable.
    pub(super) async fn erase_guest(&self, user: &UserId) -> bool {
        if !self.checkers.get().guests.is_guest(user) {
            return true;
        }
        let (settings, now_ms) = (self.settings.get(), clock::now_ms());
        self.kept.erased.expire(&settings, now_ms);
        self.kept.erased.note(user, now_ms / 1_000).await
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
        erased.expire(&settings, end_ms);
        assert!(!erased.has(&user));
    }
}
