//! A store in memory: attributes outlive their avatars, and end with the process.
//!
//! What is stored of users that are there is not counted: their avatars have it anyway.
//! Absent users are limited in number and in bytes. Where there is too much, an address
//! whose guests and users without credentials have more than its share loses first. Otherwise
//! one of the new users goes, while they have more than an eighth, else one of the others; of
//! both the one that was seen longest ago.

mod absent;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Fact, Load, Record, Saved, Store, Stored, USERS_KEY, day, note_full};
use crate::clock;
use crate::metric::Metrics;
use absent::{Absent, Over, Rank};
use turntable_core::id::UserId;
use turntable_core::payload::Payload;
use turntable_core::spare::Spare;

/// What a user takes beside its fields, and one field beside its text, in bytes.
const USER_BYTES: usize = 256;
const ATTRIBUTE_BYTES: usize = 64;

/// The key that absent users reach, for the metric of limits.
const BYTES_KEY: &str = "store.memory_bytes_max";

/// The store.
#[derive(Debug)]
pub struct MemoryStore {
    users: Mutex<Users>,
    users_max: usize,
    bytes_max: usize,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Users {
    by_id: HashMap<UserId, Entry>,
    absent: Absent,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// Where the user came from last, if no login confirms it.
    from: Option<IpAddr>,
    /// The day on which it was stored first.
    day: u64,
    /// Whether a login confirmed it, or it was there on another day.
    is_known: bool,
    /// Its place among the absent users; `None` while it has an avatar.
    absentee: Option<Rank>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let of = |(name, value): &(Box<str>, Payload)| {
            ATTRIBUTE_BYTES + name.len() + value.as_json().len()
        };
        USER_BYTES + self.record.fields().map(of).sum::<usize>()
    }
}

impl MemoryStore {
    /// Stores at most `max` absent users.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self::bounded(max, usize::MAX, Arc::default())
    }

    /// Stores at most so many absent users, of so many bytes.
    #[must_use]
    pub fn bounded(users_max: usize, bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            users: Mutex::default(),
            users_max,
            bytes_max,
            metrics,
        }
    }

    /// Forgets absent users until there are at most so many, of so many bytes. Returns
    /// whether `of` is one of them.
    fn forget_over(
        &self,
        users: &mut Users,
        users_max: usize,
        bytes_max: usize,
        of: Option<&UserId>,
    ) -> bool {
        let (mut forgotten, mut has_it) = (0, false);
        loop {
            let over = match () {
                () if users.absent.len() > users_max => Over::Users,
                () if users.absent.bytes() > bytes_max => Over::Bytes,
                () => break,
            };
            let Some(user) = users.absent.take_first(over) else {
                break;
            };
            if matches!(over, Over::Users) {
                self.metrics.reach(USERS_KEY);
            }
            has_it |= Some(&user) == of;
            users.by_id.remove(&user);
            forgotten += 1;
        }
        if forgotten > 0 {
            users.by_id.give_back();
        }
        self.metrics
            .store_memory_bytes
            .set(users.absent.bytes() as i64);
        has_it
    }
}

impl Users {
    /// The user has an avatar.
    fn come(&mut self, user: &UserId, now_ms: u64) {
        let Some(entry) = self.by_id.get_mut(user) else {
            return;
        };
        entry.is_known |= entry.day != day(now_ms);
        if let Some(absentee) = entry.absentee.take() {
            self.absent.remove(absentee);
        }
    }

    /// The avatar of the user saves.
    fn save(&mut self, user: &UserId, record: Record, now_ms: u64) {
        self.come(user, now_ms);
        if record.is_empty() {
            self.by_id.remove(user);
            self.by_id.give_back();
        } else if let Some(entry) = self.by_id.get_mut(user) {
            entry.is_known |= record.is_known;
            entry.record = record;
        } else {
            let entry = Entry {
                is_known: record.is_known,
                record,
                from: None,
                day: day(now_ms),
                absentee: None,
            };
            self.by_id.insert(user.clone(), entry);
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, user: &UserId) -> Option<Stored> {
        let users = self.users.lock();
        let known = users.by_id.get(user);
        Some(known.map_or_else(Stored::default, |entry| Stored {
            record: entry.record.clone(),
            last_seen_ms: None,
        }))
    }

    fn load(&self, user: &UserId, load: Load) {
        load(Ok(self.get(user).unwrap_or_default()));
    }

    /// An avatar saves: its user is there.
    fn save(&self, user: &UserId, record: Record, saved: Option<Saved>) {
        self.users.lock().save(user, record, clock::now_ms());
        if let Some(saved) = saved {
            saved(Ok(()));
        }
    }

    fn avatar_began(&self, user: &UserId) {
        let users = &mut *self.users.lock();
        users.come(user, clock::now_ms());
        self.metrics
            .store_memory_bytes
            .set(users.absent.bytes() as i64);
    }

    fn session_ends(&self, user: &UserId, from: Option<IpAddr>) {
        if let Some(entry) = self.users.lock().by_id.get_mut(user) {
            entry.from = from;
        }
    }

    fn avatar_ended(&self, user: &UserId) {
        let users = &mut *self.users.lock();
        let Some(entry) = users.by_id.get_mut(user) else {
            return;
        };
        if entry.absentee.is_some() {
            return;
        }
        let (bytes, from, is_known) = (entry.bytes(), entry.from, entry.is_known);
        let rank = users.absent.put(user.clone(), bytes, from, is_known);
        entry.absentee = Some(rank);
        if users.absent.bytes() > self.bytes_max {
            self.metrics.reach(BYTES_KEY);
        }
        if self.forget_over(users, self.users_max, self.bytes_max, Some(user)) {
            note_full(1);
        }
    }

    fn relieve(&self, is_all: bool) {
        let users = &mut *self.users.lock();
        let bytes_max = match is_all {
            true => 0,
            false => users.absent.bytes() / 2,
        };
        self.forget_over(users, self.users_max, bytes_max, None);
    }

    /// Nothing: the directories have that in memory (`last_seen`).
    fn seen(&self, _: &UserId, _: u64) {}

    /// Those that are set are in the memory of the portal.
    fn facts(&self, _: Fact) -> Result<Vec<(UserId, Box<str>)>, String> {
        Ok(Vec::new())
    }

    fn set_fact(&self, _: Fact, _: &UserId, _: Option<Box<str>>, saved: Saved) {
        saved(Ok(()));
    }

    fn stop(&self) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::backup::Attributes;

    /// With `USER_BYTES` and `ATTRIBUTE_BYTES` a user has 1,000 bytes.
    const TEXT_BYTES: usize = 1_000 - USER_BYTES - ATTRIBUTE_BYTES - 1;

    fn user(n: u32) -> UserId {
        UserId::parse(&format!("1:{n}")).unwrap()
    }

    fn some() -> Attributes {
        let text = format!("\"{}\"", "x".repeat(TEXT_BYTES - 2));
        [("a".into(), Payload::from_json(&text))].into()
    }

    fn store(users_max: usize, bytes_max: usize) -> MemoryStore {
        MemoryStore::bounded(users_max, bytes_max, Arc::default())
    }

    /// A user comes from an address, sets something and goes.
    fn visit(store: &MemoryStore, n: u32, from: Option<[u8; 4]>) {
        store.avatar_began(&user(n));
        store.save(&user(n), some().into(), None);
        store.session_ends(&user(n), from.map(IpAddr::from));
        store.avatar_ended(&user(n));
    }

    fn has(store: &MemoryStore, n: u32) -> bool {
        !store.get(&user(n)).unwrap().record.attributes.is_empty()
    }

    #[test]
    fn users_gone_longest_ago_go_first_and_empty_ones_at_once() {
        let store = store(2, usize::MAX);
        for n in [1, 2, 1, 3] {
            visit(&store, n, None);
        }
        assert_eq!([1, 2, 3].map(|n| has(&store, n)), [true, false, true]);
        store.save(&user(1), Record::default(), None);
        assert!(!has(&store, 1));
        let users = store.users.lock();
        assert_eq!((users.absent.len(), users.by_id.len()), (1, 1));
    }

    #[test]
    fn users_that_are_there_stay_and_do_not_count() {
        let store = store(9, 2_000);
        for n in 1..=5 {
            store.avatar_began(&user(n));
            store.save(&user(n), some().into(), None);
        }
        store.relieve(true);
        assert!((1..=5).all(|n| has(&store, n)));
        for n in 1..=5 {
            store.avatar_ended(&user(n));
        }
        assert!(!has(&store, 3) && has(&store, 4) && has(&store, 5));
        assert_eq!(store.metrics.store_memory_bytes.get(), 2_000);
        // One that comes back is there again.
        store.avatar_began(&user(4));
        visit(&store, 6, None);
        visit(&store, 7, None);
        assert_eq!(
            [4, 5, 6, 7].map(|n| has(&store, n)),
            [true, false, true, true]
        );
    }

    #[test]
    fn what_a_user_hides_counts() {
        let store = store(9, usize::MAX);
        let record = Record {
            profile: Some(some()),
            ..some().into()
        };
        store.save(&user(1), record.clone(), None);
        store.avatar_ended(&user(1));
        let bytes = store.metrics.store_memory_bytes.get();
        assert_eq!(bytes, 2_000 - USER_BYTES as i64);
        // It counts where there is nothing else, and no more when it is gone.
        let hidden = Record {
            attributes: Attributes::default(),
            ..record
        };
        store.save(&user(1), hidden, None);
        store.avatar_ended(&user(1));
        assert_eq!(store.metrics.store_memory_bytes.get(), 1_000);
        store.save(&user(1), Record::default(), None);
        store.avatar_ended(&user(1));
        store.avatar_began(&user(1));
        assert_eq!(store.metrics.store_memory_bytes.get(), 0);
    }

    #[test]
    fn address_over_its_share_loses_its_own_users() {
        let store = store(1_000, 16_000);
        visit(&store, 1, Some([10, 0, 0, 1]));
        visit(&store, 2, None);
        for n in 100..200 {
            visit(&store, n, Some([10, 0, 0, 9]));
        }
        assert!(has(&store, 1) && has(&store, 2) && has(&store, 199));
        assert_eq!(store.users.lock().absent.len(), 16);
        // From many addresses with little each, those seen longest ago go.
        for n in 200..212 {
            visit(&store, n, Some([10, 0, 1, n as u8]));
        }
        assert!(has(&store, 1) && has(&store, 199) && has(&store, 211));
        visit(&store, 212, Some([10, 0, 1, 212]));
        assert!(!has(&store, 1) && has(&store, 2) && has(&store, 199));
    }

    #[test]
    fn new_users_have_an_eighth_and_take_no_other_place() {
        const DAY: u64 = 86_400_000;
        let store = store(24, usize::MAX);
        let put = |n: u32, is_known, now_ms| {
            let record = Record {
                is_known,
                ..some().into()
            };
            store.users.lock().save(&user(n), record, now_ms);
            store.avatar_ended(&user(n));
        };
        let left = |numbers: std::ops::Range<u32>| {
            let left = numbers.filter(|n| has(&store, *n));
            left.collect::<Vec<_>>()
        };
        // One comes on two days, the others have identified.
        put(0, false, DAY);
        store.users.lock().come(&user(0), 2 * DAY);
        store.avatar_ended(&user(0));
        for n in 1..24 {
            put(n, true, 2 * DAY);
        }
        // They have all places, but for those that new ones take.
        for n in 100..1_000 {
            put(n, false, 3 * DAY);
        }
        assert_eq!(left(0..24), (3..24).collect::<Vec<_>>());
        assert_eq!(left(100..1_000), [997, 998, 999]);
        // A known one takes the place of one that is.
        put(24, true, 3 * DAY);
        assert_eq!(left(0..25), (4..25).collect::<Vec<_>>());
        assert_eq!(left(100..1_000), [997, 998, 999]);
        assert_eq!(store.users.lock().absent.len(), 24);
        // A new one is known when it identifies, and stays so.
        put(997, true, 3 * DAY);
        put(997, false, 3 * DAY);
        for n in 1_000..1_010 {
            put(n, false, 3 * DAY);
        }
        assert!(has(&store, 997) && !has(&store, 998));
    }

    #[test]
    fn new_users_have_an_eighth_of_the_bytes() {
        let store = store(usize::MAX, 24_000);
        let put = |n: u32, is_known, texts: usize| {
            let name = |text: usize| (format!("a{text}").into(), Payload::from_json("\"x\""));
            let mut attributes: Vec<_> = some().iter().cloned().collect();
            attributes.extend((1..texts).map(name));
            let record = Record {
                is_known,
                ..Attributes::from(attributes).into()
            };
            store.save(&user(n), record, None);
            store.avatar_ended(&user(n));
        };
        for n in 0..24 {
            put(n, true, 1);
        }
        for n in 100..200 {
            put(n, false, 10);
        }
        let left = (0..24).filter(|n| has(&store, *n)).count();
        assert!((20..=22).contains(&left), "{left}");
        assert!(has(&store, 199) && !has(&store, 190));
        // One that alone is longer than their share finds a place, and the next takes it.
        put(200, false, 60);
        put(201, false, 60);
        assert!(has(&store, 201) && !has(&store, 200));
        let left = (0..24).filter(|n| has(&store, *n)).count();
        assert!((16..=22).contains(&left), "{left}");
    }

    #[test]
    fn memory_of_absent_users_is_given_back_when_it_is_needed() {
        let store = store(1_000, usize::MAX);
        for n in 0..1_000 {
            visit(&store, n, None);
        }
        store.relieve(false);
        assert_eq!([499, 500].map(|n| has(&store, n)), [false, true]);
        store.relieve(true);
        assert_eq!(store.users.lock().absent.len(), 0);
        assert!(store.users.lock().by_id.capacity() < 100);
        assert_eq!(store.metrics.store_memory_bytes.get(), 0);
    }
}
