//! The rules of whom a session sees: its own user, block lists, and `presence.watch`. Pure.
//!
//! Where an avatar or the backend decides, a rule may not know yet: `None`.

use crate::portal::Portal;
use crate::portal::blocked::Blocked;
use turntable_core::id::UserId;
use turntable_core::model::permission::Who;
use turntable_core::model::settings::{PresenceSettings, WatchPolicy};

/// How long after a failure the backend is asked again, in ms.
const ASK_AGAIN_MS: u64 = 10_000;

/// The answers of the backend that are remembered.
pub(crate) trait Remembered {
    /// Whether a user may watch another one.
    fn may_watch(&self, watcher: &UserId, user: &UserId) -> Option<bool>;
}

impl Remembered for Portal {
    fn may_watch(&self, watcher: &UserId, user: &UserId) -> Option<bool> {
        self.remembered_watch(watcher, user)
    }
}

/// What decides whom sessions see.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// The section `[presence]`.
    pub(crate) settings: &'a PresenceSettings,
    /// Block lists.
    pub(crate) blocked: &'a Blocked,
    /// The answers of the backend.
    pub(crate) answers: &'a dyn Remembered,
}

impl Rules<'_> {
    /// Whether every session sees every user.
    pub(crate) fn hide_nobody(&self) -> bool {
        self.settings.watch == WatchPolicy::Everyone && !self.blocked.is_any()
    }

    /// Whether a session sees a user, as far as that is known.
    pub(crate) fn sees(&self, who: Who<'_>, user: &UserId) -> Option<bool> {
        if who.user() == user {
            return Some(true);
        }
        if self.blocks(who.user(), user) {
            return Some(false);
        }
        match self.settings.watch {
            WatchPolicy::Everyone => Some(true),
            WatchPolicy::Rule => Some(who.may_watch(user)),
            WatchPolicy::Mutual => None,
            WatchPolicy::Backend => self.answers.may_watch(who.user(), user),
        }
    }

    /// The same of each of these users.
    pub(super) fn see(&self, who: Who<'_>, users: Vec<UserId>) -> Vec<(UserId, Option<bool>)> {
        let users = users.into_iter();
        users
            .map(|user| {
                let is_seen = self.sees(who, &user);
                (user, is_seen)
            })
            .collect()
    }

    /// Whether a block list hides a user from another one. It stands above all else.
    pub(super) fn blocks(&self, watcher: &UserId, user: &UserId) -> bool {
        self.blocked.blocks(user, watcher)
    }

    /// Whether a `lookup` of a session shows a user; `None` where the backend has to say.
    /// `is_shown`: whether the session watches the user and sees it.
    pub(super) fn looks_up(
        &self,
        who: Who<'_>,
        user: &UserId,
        is_shown: impl FnOnce() -> bool,
    ) -> Option<bool> {
        let known = self.sees(who, user);
        match self.settings.watch {
            // Those that see each other are those that watch each other.
            WatchPolicy::Mutual => known.or_else(|| Some(is_shown())),
            _ => known,
        }
    }

    /// How long after an answer of the backend, or after none, it is asked again.
    pub(super) fn ask_again_ms(&self, is_answered: bool) -> u64 {
        match is_answered {
            true => self.settings.watch_cache_ms,
            false => ASK_AGAIN_MS.min(self.settings.watch_cache_ms),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::user;
    use crate::portal::blocked::{BlockedMaxima, ChangedBy};
    use crate::store::memory::MemoryStore;
    use turntable_core::model::permission::{RoleSettings, Roles};

    /// Watched users of `1:1`.
    type Answers = BTreeMap<&'static str, bool>;

    impl Remembered for Answers {
        fn may_watch(&self, watcher: &UserId, user: &UserId) -> Option<bool> {
            assert_eq!(watcher.as_str(), "1:1");
            self.get(user.as_str()).copied()
        }
    }

    fn blocked() -> Arc<Blocked> {
        Blocked::open(Arc::new(MemoryStore::new(0)), 0).unwrap()
    }

    /// `1:9` blocks `1:1`.
    fn block(blocked: &Arc<Blocked>) {
        let maxima = BlockedMaxima {
            each: 9,
            lists: 9,
            total: 9,
            address: 99,
        };
        let add = |list: &mut Vec<UserId>| list.push(user("1:1"));
        let by = ChangedBy::default();
        blocked.change(&user("1:9"), add, by, maxima).unwrap();
    }

    fn settings(watch: WatchPolicy) -> PresenceSettings {
        PresenceSettings {
            watch,
            ..PresenceSettings::default()
        }
    }

    #[test]
    fn policy_decides_whom_a_session_sees_and_block_lists_stand_above_it() {
        let blocked = blocked();
        let answers = Answers::from([("1:2", true), ("1:3", false), ("1:9", true)]);
        let mut roles = RoleSettings::embedded();
        let role = serde_json::from_str(r#"{"watch": ["1:2"]}"#).unwrap();
        roles.insert("watcher".to_owned(), role);
        let permissions = Roles::new(roles).permissions(&["watcher"], &[]);
        let (mel, permissions) = (user("1:1"), permissions.map(Arc::new));
        let who = Who::new(&mel, &permissions);
        let (yes, no) = (Some(true), Some(false));
        for (watch, expected) in [
            (WatchPolicy::Everyone, [yes, yes, yes, yes, no]),
            (WatchPolicy::Rule, [yes, yes, no, no, no]),
            (WatchPolicy::Mutual, [yes, None, None, None, no]),
            (WatchPolicy::Backend, [yes, yes, no, None, no]),
        ] {
            let settings = settings(watch);
            let rules = Rules {
                settings: &settings,
                blocked: &blocked,
                answers: &answers,
            };
            if !blocked.is_any() {
                assert!(rules.hide_nobody());
                block(&blocked);
            }
            assert!(!rules.hide_nobody(), "{watch:?}");
            let users = ["1:1", "1:2", "1:3", "1:4", "1:9"].map(user);
            let seen = rules.see(who, users.to_vec()).into_iter();
            let seen: Vec<_> = seen.map(|(_, is_seen)| is_seen).collect();
            assert_eq!(seen, expected, "{watch:?}");
        }
    }

    #[test]
    fn lookup_shows_users_that_watch_each_other_and_leaves_others_to_the_backend() {
        let (blocked, answers) = (blocked(), Answers::new());
        block(&blocked);
        let mel = user("1:1");
        let looks_up = |watch, of: &str, is_shown| {
            let rules = Rules {
                settings: &settings(watch),
                blocked: &blocked,
                answers: &answers,
            };
            rules.looks_up(Who::of(&mel), &user(of), || is_shown)
        };
        assert_eq!(looks_up(WatchPolicy::Mutual, "1:2", true), Some(true));
        assert_eq!(looks_up(WatchPolicy::Mutual, "1:2", false), Some(false));
        assert_eq!(looks_up(WatchPolicy::Mutual, "1:1", false), Some(true));
        assert_eq!(looks_up(WatchPolicy::Mutual, "1:9", true), Some(false));
        assert_eq!(looks_up(WatchPolicy::Backend, "1:2", true), None);
        assert_eq!(looks_up(WatchPolicy::Everyone, "1:2", false), Some(true));
    }

    #[test]
    fn backend_that_fails_is_asked_again_soon() {
        let (blocked, answers) = (blocked(), Answers::new());
        let again_ms = |watch_cache_ms, is_answered| {
            let settings = PresenceSettings {
                watch_cache_ms,
                ..PresenceSettings::default()
            };
            let rules = Rules {
                settings: &settings,
                blocked: &blocked,
                answers: &answers,
            };
            rules.ask_again_ms(is_answered)
        };
        assert_eq!(again_ms(60_000, true), 60_000);
        assert_eq!(again_ms(60_000, false), ASK_AGAIN_MS);
        assert_eq!(again_ms(1_000, false), 1_000);
    }
}
