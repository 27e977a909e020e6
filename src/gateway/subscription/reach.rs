//! How many sessions of all workers are on each topic, and watch each user.
//!
//! What the subscribers get of a message is paid for before its owner sees it: a client that sends
//! a thousand at once would else have them all delivered before the first one is paid. Gateways
//! count their sessions in and out; who publishes looks. A message to a path reaches those on it
//! and those that are on it or above with subpaths; a session that is both counts twice. A change
//! of a user's presence or public attributes reaches those that watch it.
//!
//! Topics and users are known by a hash with a random key: two of the same hash would pay for each other.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::spare::Spare;

/// Others decide to watch a user: more of them cost its address nothing, or they could keep it from
/// doing anything. What they get has a bound, as each gets the changes of all its users together.
const WATCHERS_MAX: usize = 1_000;
/// Parts of the table, each with its own lock.
const PARTS: usize = 64;

/// A topic, by its path, or a user.
#[derive(Debug, Clone, Copy, Hash)]
enum Kind<'p> {
    Room(&'p str),
    Channel(&'p str),
    Below(&'p str),
    User(&'p str),
}

impl<'p> Kind<'p> {
    fn of(topic: &'p Topic) -> Self {
        match topic {
            Topic::Room(path) => Self::Room(path.as_str()),
            Topic::Channel(path) => Self::Channel(path.as_str()),
            Topic::Below(path) => Self::Below(path.as_str()),
        }
    }
}

/// The sessions on each topic and of each watched user, by the hash of it.
type Part = Mutex<FxHashMap<u64, u32>>;

/// How many sessions of all workers are on each topic, and watch each user.
#[derive(Debug)]
pub(crate) struct Reach {
    parts: [Part; PARTS],
    key: RandomState,
    /// Those with subpaths, on all paths; while there are none they are not searched for.
    below: AtomicUsize,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Part::default()),
            key: RandomState::new(),
            below: AtomicUsize::new(0),
        }
    }
}

impl Reach {
    /// One more session is on a topic.
    pub(crate) fn enter(&self, topic: &Topic) {
        self.add(Kind::of(topic));
        if matches!(topic, Topic::Below(_)) {
            self.below.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One that was on it is not.
    pub(crate) fn exit(&self, topic: &Topic) {
        self.remove(Kind::of(topic));
        if matches!(topic, Topic::Below(_)) {
            self.below.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// One more session watches a user.
    pub(super) fn watch(&self, user: &UserId) {
        self.add(Kind::User(user.as_str()));
    }

    /// One that watched it does not.
    pub(super) fn unwatch(&self, user: &UserId) {
        self.remove(Kind::User(user.as_str()));
    }

    /// How many sessions that watch a user are paid for.
    pub(crate) fn of_user(&self, user: &UserId) -> usize {
        self.on(Kind::User(user.as_str())).min(WATCHERS_MAX)
    }

    /// How many sessions joined this very path.
    pub(crate) fn of_path(&self, path: &ChannelId) -> usize {
        self.on(Kind::Channel(path.as_str())) + self.on(Kind::Below(path.as_str()))
    }

    /// How many sessions get a message that is published on a path.
    pub(crate) fn of_channel(&self, path: &ChannelId) -> usize {
        let exact = self.on(Kind::Channel(path.as_str()));
        if self.below.load(Ordering::Relaxed) == 0 {
            return exact;
        }
        let covering = std::iter::once(path.as_str()).chain(path.ancestors());
        let below = covering.map(|path| self.on(Kind::Below(path)));
        exact + below.sum::<usize>()
    }

    /// How many sessions are members of a room.
    pub(crate) fn of_room(&self, path: &ChannelId) -> usize {
        self.on(Kind::Room(path.as_str()))
    }

    fn add(&self, kind: Kind<'_>) {
        let hash = self.hash(kind);
        *self.part(hash).lock().entry(hash).or_default() += 1;
    }

    fn remove(&self, kind: Kind<'_>) {
        let hash = self.hash(kind);
        let mut part = self.part(hash).lock();
        if let Some(count) = part.get_mut(&hash) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                part.remove(&hash);
                part.give_back();
            }
        }
    }

    fn on(&self, kind: Kind<'_>) -> usize {
        let hash = self.hash(kind);
        let part = self.part(hash).lock();
        part.get(&hash).map_or(0, |count| *count as usize)
    }

    fn hash(&self, kind: Kind<'_>) -> u64 {
        self.key.hash_one(kind)
    }

    /// How many topics and users have sessions.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().len()).sum()
    }

    fn part(&self, hash: u64) -> &Part {
        // The low bits choose the place in the part.
        let [first, ..] = &self.parts;
        self.parts.get((hash >> 58) as usize).unwrap_or(first)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn message_reaches_those_on_its_path_and_above_with_subpaths() {
        let reach = Reach::default();
        let path = |text: &str| ChannelId::parse(text).unwrap();
        let topics = [
            Topic::Channel(path("a/b")),
            Topic::Channel(path("a/b")),
            Topic::Below(path("a/b")),
            Topic::Below(path("a")),
            // Of which it reaches none.
            Topic::Channel(path("a")),
            Topic::Below(path("a/b/c")),
            Topic::Room(path("a/b")),
        ];
        for topic in &topics {
            reach.enter(topic);
        }
        assert_eq!(reach.of_channel(&path("a/b")), 4);
        assert_eq!(reach.of_room(&path("a/b")), 1);
        assert_eq!(reach.of_channel(&path("b")), 0);
        assert_eq!(reach.of_path(&path("a/b")), 3);
        for topic in &topics {
            reach.exit(topic);
        }
        assert_eq!((reach.of_channel(&path("a/b")), reach.len()), (0, 0));
    }

    #[test]
    fn watchers_of_a_user_are_counted() {
        let reach = Reach::default();
        let [one, other] = ["1:1", "1:2"].map(|text| UserId::parse(text).unwrap());
        reach.watch(&one);
        reach.watch(&one);
        // A channel of that name is none.
        reach.enter(&Topic::Channel(ChannelId::parse("1").unwrap()));
        assert_eq!((reach.of_user(&one), reach.of_user(&other)), (2, 0));
        reach.unwatch(&one);
        assert_eq!((reach.of_user(&one), reach.len()), (1, 2));
        reach.unwatch(&one);
        assert_eq!((reach.of_user(&one), reach.len()), (0, 1));
    }
}
