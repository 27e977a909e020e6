//! Lists on their way to the store: one write of a user at a time. Changes that come
//! meanwhile are written together by the next one.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Blocked;
use crate::store::{Fact, Unavailable};
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;

/// What is not stored of one user.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Whether a write is under way.
    is_open: bool,
    /// Those that wait for the next write.
    waiters: Vec<oneshot::Sender<Result<(), Unavailable>>>,
    /// Whether there is a next one.
    is_next: bool,
    /// Whether the list has changed since the last write began.
    is_changed: bool,
}

impl Blocked {
    /// Whether the list of a user is in the store as it is in force.
    #[must_use]
    pub fn is_stored(&self, user: &UserId) -> bool {
        !self.writing.lock().contains_key(user)
    }

    /// The list of a user has changed.
    pub(super) fn note_changed(&self, user: &UserId) {
        let mut all = self.writing.lock();
        all.entry(user.clone()).or_default().is_changed = true;
    }

    /// Writes the list of a user to the store.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written; it is in force until the server ends.
    pub async fn keep(self: &Arc<Self>, user: &UserId) -> Result<(), ErrorBody> {
        let (done, written) = oneshot::channel();
        self.request(user, Some(done));
        let written = written.await.unwrap_or(Err(Unavailable));
        written.map_err(Unavailable::in_force)
    }

    /// The same, for nobody who waits.
    pub fn save(self: &Arc<Self>, user: &UserId) {
        self.request(user, None);
    }

    fn request(
        self: &Arc<Self>,
        user: &UserId,
        waiter: Option<oneshot::Sender<Result<(), Unavailable>>>,
    ) {
        let begins = {
            let mut all = self.writing.lock();
            let writing = all.entry(user.clone()).or_default();
            writing.waiters.extend(waiter);
            writing.is_next = true;
            !std::mem::replace(&mut writing.is_open, true)
        };
        if begins {
            self.write(user);
        }
    }

    fn write(self: &Arc<Self>, user: &UserId) {
        let waiters = {
            let mut all = self.writing.lock();
            let writing = all.entry(user.clone()).or_default();
            writing.is_next = false;
            writing.is_changed = false;
            std::mem::take(&mut writing.waiters)
        };
        let text = self.lists.read().get(user).and_then(|list| list.text());
        let (blocked, of) = (self.clone(), user.clone());
        let saved = move |saved: Result<(), Unavailable>| {
            let is_next = blocked.written(&of, saved.is_ok());
            for waiter in waiters {
                // Who waited may have gone.
                let _ = waiter.send(saved);
            }
            if is_next {
                blocked.write(&of);
            }
        };
        self.store
            .set_fact(Fact::Blocked, user, text, Box::new(saved));
    }

    /// A write has ended. Returns whether another one follows.
    fn written(&self, user: &UserId, is_stored: bool) -> bool {
        let mut all = self.writing.lock();
        let Some(writing) = all.get_mut(user) else {
            return false;
        };
        if writing.is_next {
            return true;
        }
        writing.is_open = false;
        if is_stored && !writing.is_changed {
            all.remove(user);
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::portal::blocked::{BlockedMaxima, ChangedBy};
    use crate::store::{Load, Record, Saved, Store, Stored};

    const MAXIMA: BlockedMaxima = BlockedMaxima {
        each: 9,
        lists: 9,
        total: 9,
        address: 99,
    };

    /// A store that answers when the test says so.
    #[derive(Default)]
    struct Slow {
        writes: Mutex<Vec<(Option<Box<str>>, Saved)>>,
    }

    impl std::fmt::Debug for Slow {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Slow")
        }
    }

    impl Store for Slow {
        fn get(&self, _: &UserId) -> Option<Stored> {
            None
        }
        fn load(&self, _: &UserId, _: Load) {}
        fn save(&self, _: &UserId, _: Record, _: Option<Saved>) {}
        fn seen(&self, _: &UserId, _: u64) {}
        fn facts(&self, _: Fact) -> Result<Vec<(UserId, Box<str>)>, String> {
            Ok(Vec::new())
        }
        fn set_fact(&self, _: Fact, _: &UserId, text: Option<Box<str>>, saved: Saved) {
            self.writes.lock().push((text, saved));
        }
        fn stop(&self) {}
    }

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn add(blocked: &Arc<Blocked>, number: u32) {
        let add = |list: &mut Vec<UserId>| list.push(user(number));
        let change = blocked.change(&user(1), add, ChangedBy::default(), MAXIMA);
        change.unwrap();
    }

    #[tokio::test]
    async fn changes_during_a_write_are_written_together() {
        let store = Arc::new(Slow::default());
        let blocked = Blocked::open(store.clone(), 0).unwrap();
        let waits: Vec<_> = (2..7)
            .map(|number| {
                add(&blocked, number);
                let (done, written) = oneshot::channel();
                blocked.request(&user(1), Some(done));
                written
            })
            .collect();
        let next = || store.writes.lock().pop();
        let (text, saved) = next().unwrap();
        assert_eq!(text.as_deref(), Some(r#"["1:2"]"#));
        assert!(next().is_none(), "one at a time");
        saved(Ok(()));
        assert!(!blocked.is_stored(&user(1)));
        let (text, saved) = next().unwrap();
        let all = r#"["1:2","1:3","1:4","1:5","1:6"]"#;
        assert_eq!(text.as_deref(), Some(all));
        saved(Err(Unavailable));
        for (at, written) in waits.into_iter().enumerate() {
            let expected = if at == 0 { Ok(()) } else { Err(Unavailable) };
            assert_eq!(written.await.unwrap(), expected);
        }
        // What failed is written with the next call, although nothing changes.
        assert!(!blocked.is_stored(&user(1)));
        blocked.save(&user(1));
        let (text, saved) = next().unwrap();
        assert_eq!(text.as_deref(), Some(all));
        saved(Ok(()));
        assert!(next().is_none() && blocked.is_stored(&user(1)));
    }

    #[test]
    fn list_that_ends_is_removed_behind_and_before_other_writes_of_its_user() {
        let store = Arc::new(Slow::default());
        let blocked = Blocked::open(store.clone(), 0).unwrap();
        let put = |of: u32, by: ChangedBy, lists| {
            let maxima = BlockedMaxima { lists, ..MAXIMA };
            let add = |list: &mut Vec<UserId>| list.push(user(9));
            blocked.change(&user(of), add, by, maxima).unwrap();
        };
        let ends = ChangedBy {
            ends_s: Some(100),
            ..ChangedBy::default()
        };
        let later = ChangedBy {
            now_s: 1_000,
            ..ChangedBy::default()
        };
        put(1, ends, 1);
        // Makes room for another list.
        put(2, later, 1);
        put(1, later, 2);
        blocked.save(&user(1));
        let next = || store.writes.lock().pop();
        let (text, saved) = next().unwrap();
        assert_eq!(text, None);
        assert!(next().is_none(), "one at a time");
        saved(Ok(()));
        let (text, saved) = next().unwrap();
        assert_eq!(text.as_deref(), Some(r#"["1:9"]"#));
        saved(Ok(()));
        assert!(next().is_none() && blocked.is_stored(&user(1)));
    }
}
