//! The users that sessions of this worker watch, and their states.
//!
//! An avatar sends each state once per worker. A session notes only *which* of
//! its watched users changed: however often one changes while the session waits,
//! that takes four bytes, and one entry of one `userchange` with the state at
//! the time of writing.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;
use thin_vec::ThinVec;

use crate::gateway::delivery::change_log::Change;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::delivery::round_frames::RoundFrames;
use crate::gateway::subscription::profile::{ProfileChange, Profiles};
use crate::gateway::subscription::reach::Reach;
use crate::gateway::subscription::topic::Subscriber;
use crate::gateway::subscription::users::{Users, Watched};
use turntable_core::id::UserId;
use turntable_core::key::UserNumber;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::packet::Presence;
use turntable_core::spare::fitting;
use turntable_wire::json_v1;

/// The outcome of a `watch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watching {
    /// The user's number in the table.
    pub(crate) number: UserNumber,
    /// Whether no session of this worker watched it before.
    pub(crate) is_first: bool,
    /// Whether this session did not watch it before.
    pub(crate) is_new: bool,
    /// Whether the state is known already.
    pub(crate) is_known: bool,
}

/// The table of a worker.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Numbers by the hash of their user's id. The id is stored with the user
    /// only: a map of ids would store each twice.
    numbers: HashTable<UserNumber>,
    hasher: RandomState,
    users: Users,
    profiles: Profiles,
    /// What was written in this round.
    round: RoundFrames,
    /// The watchers on all workers.
    reach: Arc<Reach>,
}

impl Watches {
    /// No sessions; the watchers on all workers are counted in `reach`.
    pub(crate) fn new(reach: Arc<Reach>) -> Self {
        Self {
            reach,
            ..Self::default()
        }
    }

    /// The avatar reported public attributes. Returns what its watchers are to be
    /// sent, where their snapshots do not wait for it.
    pub(crate) fn update_profile(
        &mut self,
        user: &UserId,
        changes: &AttributeChanges,
        is_whole: bool,
    ) -> Option<ProfileChange> {
        let number = self.number(user)?;
        let is_known = self.users.get(number)?.is_known();
        let change = self.profiles.update(number, changes, is_whole)?;
        is_known.then_some(change)
    }

    /// Whether a user has public attributes, or had some.
    pub(crate) fn has_profile(&self, number: UserNumber) -> bool {
        self.profiles.has(number)
    }

    /// A `profiles` of what changed, as much as one message should have; the rest
    /// stays in the list. `None` where there is nothing to send. In a round sessions share
    /// what is the same.
    pub(crate) fn profile_frame(
        &mut self,
        changes: &mut ThinVec<ProfileChange>,
        is_round: bool,
    ) -> Option<Frame> {
        let users = &self.users;
        let user = |number: UserNumber| users.get(number).map(Watched::user);
        self.profiles.frame(changes, is_round, user)
    }

    /// The round is over: forgets the messages that were written in it.
    pub(crate) fn end_round(&mut self) {
        self.profiles.forget_frame();
        self.round.clear();
    }

    /// Whether so many more users can be watched. What counts is the numbers that there
    /// are; memory ends long before.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        self.numbers.len() + count < UserNumber::PLACES as usize
    }

    /// `session` watches `user`. There is room for it ([`Self::has_room`]).
    pub(crate) fn add(&mut self, user: &UserId, session: Subscriber) -> Watching {
        let (number, is_first) = match self.number(user) {
            Some(number) => (number, false),
            None => (self.insert(user), true),
        };
        let mut watching = Watching {
            number,
            is_first,
            is_new: false,
            is_known: false,
        };
        if let Some(watched) = self.users.get_mut(number) {
            watching.is_known = watched.is_known();
            watching.is_new = watched.add(session);
            if watching.is_new {
                self.reach.watch(user);
            }
        }
        watching
    }

    fn insert(&mut self, user: &UserId) -> UserNumber {
        let number = self.users.insert(user.clone());
        let (hasher, users) = (&self.hasher, &self.users);
        let rehash = |number: &UserNumber| hash(hasher, users, *number);
        self.numbers
            .insert_unique(hasher.hash_one(user), number, rehash);
        number
    }

    /// Gives back the memory of users that are watched no more.
    fn give_back(&mut self) {
        if let Some(capacity) = fitting(self.numbers.len(), self.numbers.capacity()) {
            let (hasher, users) = (&self.hasher, &self.users);
            let rehash = |number: &UserNumber| hash(hasher, users, *number);
            self.numbers.shrink_to(capacity, rehash);
        }
    }

    /// The number of a user that is watched here.
    pub(crate) fn number(&self, user: &UserId) -> Option<UserNumber> {
        let is_of = |number: &UserNumber| {
            let watched = self.users.get(*number);
            watched.is_some_and(|watched| watched.user() == user)
        };
        let hash = self.hasher.hash_one(user);
        self.numbers.find(hash, is_of).copied()
    }

    /// `session` does not watch the user of that number any more. Returns the
    /// user where no session of this worker watches it any more.
    pub(crate) fn remove(&mut self, number: UserNumber, session: Subscriber) -> Option<UserId> {
        let watched = self.users.get_mut(number)?;
        if watched.remove(session) {
            self.reach.unwatch(watched.user());
        }
        if !watched.watchers().is_empty() {
            return None;
        }
        let watched = self.users.remove(number)?;
        self.profiles.remove(number);
        self.round.clear();
        let hash = self.hasher.hash_one(watched.user());
        if let Ok(entry) = self.numbers.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.give_back();
        Some(watched.into_user())
    }

    /// The avatar reported a state. Returns the user's number, and whether its
    /// state was unknown before; `None` where nothing is new.
    pub(crate) fn update(
        &mut self,
        user: &UserId,
        presence: Presence,
    ) -> Option<(UserNumber, bool)> {
        self.report(self.number(user)?, presence)
    }

    /// The same for the user of a number.
    pub(crate) fn report(
        &mut self,
        number: UserNumber,
        presence: Presence,
    ) -> Option<(UserNumber, bool)> {
        let watched = self.users.get_mut(number)?;
        let before = watched.report(presence);
        (before != Some(presence)).then_some((number, before.is_none()))
    }

    /// The users that sessions watch.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.users.iter().map(Watched::user)
    }

    /// The watched user of a number.
    pub(crate) fn at(&self, number: UserNumber) -> Option<&Watched> {
        self.users.get(number)
    }

    /// The `userchange` of these users, with their states now; those in `hidden`, which
    /// is in order, read as offline.
    pub(crate) fn frame(&self, numbers: &[UserNumber], hidden: &[UserNumber]) -> Frame {
        self.write(&self.changes(numbers, hidden), |_| true)
    }

    /// The same in a round, in which other sessions may get the same message. A session
    /// gets one `userchange` in each round, so that it has none twice.
    pub(crate) fn frame_of_round(
        &mut self,
        numbers: &[UserNumber],
        hidden: &[UserNumber],
    ) -> Frame {
        let changes = self.changes(numbers, hidden);
        let mut round = std::mem::take(&mut self.round);
        let frame = round.of(&changes, || self.write(&changes, |_| true));
        self.round = round;
        frame
    }

    fn changes(&self, numbers: &[UserNumber], hidden: &[UserNumber]) -> SmallVec<[Change; 8]> {
        let presence = |number: &UserNumber| {
            let presence = self.users.get(*number)?.presence()?;
            match !hidden.is_empty() && hidden.binary_search(number).is_ok() {
                true => Some(Presence::Offline),
                false => Some(presence),
            }
        };
        let change = |number: &UserNumber| Some(Change::new(*number, presence(number)?));
        numbers.iter().filter_map(change).collect()
    }

    /// A `userchange` as it was sent to a session that watches `watching`. Users
    /// that it does not watch any more are left out: their numbers may be other
    /// users' by now. A session may have retained a hundred messages of a thousand
    /// users, so each change is one look into a set.
    pub(crate) fn frame_again<S: BuildHasher>(
        &self,
        changes: &[Change],
        watching: &HashSet<UserNumber, S>,
    ) -> Frame {
        self.write(changes, |change| watching.contains(&change.number()))
    }

    /// Writing a user and its state takes a few nanoseconds, so nothing is gained
    /// by storing them written.
    fn write(&self, changes: &[Change], is_meant: impl Fn(&Change) -> bool) -> Frame {
        Frame::changes(changes, |changes, out| {
            out.extend_from_slice(json_v1::USERCHANGE_HEAD);
            let start = out.len();
            for change in changes.iter().filter(|change| is_meant(change)) {
                let Some(watched) = self.at(change.number()) else {
                    continue;
                };
                if out.len() > start {
                    out.push(b',');
                }
                json_v1::presence_fragment(watched.user(), change.presence(), out);
            }
            out.extend_from_slice(json_v1::USERCHANGE_TAIL);
        })
    }
}

/// The hash of the user of a number.
fn hash(hasher: &RandomState, users: &Users, number: UserNumber) -> u64 {
    let watched = users.get(number);
    watched.map_or(0, |watched| hasher.hash_one(watched.user()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use proptest::prelude::*;
    use rustc_hash::{FxBuildHasher, FxHashSet};
    use turntable_core::key::SlotKey as _;

    use super::*;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    #[test]
    fn first_and_last_watcher_of_a_worker_are_reported() {
        let mut watches = Watches::default();
        let first = watches.add(&user("1:1"), Subscriber::new(7));
        assert!(first.is_first && first.is_new && !first.is_known);
        let again = watches.add(&user("1:1"), Subscriber::new(7));
        assert!(!again.is_first && !again.is_new);
        assert!(watches.add(&user("1:1"), Subscriber::new(8)).is_new);
        assert_eq!(watches.remove(first.number, Subscriber::new(7)), None);
        assert_eq!(
            watches.remove(first.number, Subscriber::new(8)),
            Some(user("1:1"))
        );
        assert_eq!(watches.number(&user("1:1")), None);
    }

    #[test]
    fn changes_are_merged_with_the_states_at_writing() {
        let mut watches = Watches::default();
        let a = watches.add(&user("1:1"), Subscriber::new(0)).number;
        let b = watches.add(&user("1:\"2"), Subscriber::new(0)).number;
        let unknown = watches.add(&user("1:3"), Subscriber::new(0)).number;
        assert_eq!(
            watches.update(&user("1:1"), Presence::Online),
            Some((a, true))
        );
        watches.update(&user("1:\"2"), Presence::Busy);
        assert_eq!(
            watches.update(&user("1:1"), Presence::Offline),
            Some((a, false))
        );
        let text = |frame: Frame| frame.as_message().unwrap().text().to_owned();
        assert_eq!(
            text(watches.frame(&[a, unknown, b], &[])),
            r#"{"command":"userchange","data":{"1:1":"offline","1:\"2":"busy"}}"#
        );
        assert_eq!(
            text(watches.frame(&[a, b], &[b])),
            r#"{"command":"userchange","data":{"1:1":"offline","1:\"2":"offline"}}"#
        );
        // A retained message is written as it was sent, without users that
        // are not watched any more.
        let changes = [
            Change::new(a, Presence::Online),
            Change::new(b, Presence::Idle),
        ];
        assert_eq!(
            text(watches.frame_again(&changes, &FxHashSet::from_iter([a, b]))),
            r#"{"command":"userchange","data":{"1:1":"online","1:\"2":"idle"}}"#
        );
        assert_eq!(
            text(watches.frame_again(&changes, &FxHashSet::from_iter([b]))),
            r#"{"command":"userchange","data":{"1:\"2":"idle"}}"#
        );
    }

    #[test]
    fn number_of_a_user_that_is_watched_no_more_is_not_that_of_the_next() {
        let mut watches = Watches::default();
        let before = watches.add(&user("1:1"), Subscriber::new(0)).number;
        watches.remove(before, Subscriber::new(0));
        let after = watches.add(&user("1:2"), Subscriber::new(0)).number;
        assert_eq!(after.index(), before.index());
        assert!(watches.at(before).is_none());
        assert_eq!(watches.remove(before, Subscriber::new(0)), None);
        assert_eq!(watches.at(after).unwrap().user(), &user("1:2"));
    }

    #[test]
    fn users_that_are_watched_no_more_take_no_memory() {
        const USERS: u32 = 20_000;
        let mut watches = Watches::default();
        let mut watch = |n: u32| watches.add(&user(&format!("1:{n}")), Subscriber::new(n));
        let numbers: Vec<UserNumber> = (0..USERS).map(|n| watch(n).number).collect();
        // One that began at the peak goes on.
        for (n, number) in (0..USERS - 1).zip(&numbers) {
            watches.remove(*number, Subscriber::new(n));
        }
        let last = format!("1:{}", USERS - 1);
        assert_eq!(watches.number(&user(&last)), numbers.last().copied());
        assert!(watches.users.places() < 100, "{}", watches.users.places());
        let capacity = watches.numbers.capacity();
        assert!(capacity < 100, "{capacity}");
    }

    #[test]
    fn watchers_that_have_gone_take_no_memory() {
        let mut watches = Watches::default();
        let mut number = None;
        for n in 0..10_000 {
            number = Some(watches.add(&user("1:1"), Subscriber::new(n)).number);
        }
        for n in 1..10_000 {
            watches.remove(number.unwrap(), Subscriber::new(n));
        }
        let watched = watches.at(number.unwrap()).unwrap();
        assert!(watched.capacity() < 100);
    }

    proptest! {
        /// What is written again is what a look at each watched user would give.
        #[test]
        fn retained_message_is_repeated_for_watched_users(
            sent in prop::collection::vec((0..8usize, 0..4usize), 0..40),
            is_watched in prop::collection::vec(any::<bool>(), 8),
        ) {
            let states = [
                Presence::Offline,
                Presence::Idle,
                Presence::Busy,
                Presence::Online,
            ];
            let mut watches = Watches::default();
            let numbers: Vec<UserNumber> = (0..8)
                .map(|n| watches.add(&user(&format!("1:{n}")), Subscriber::new(0)).number)
                .collect();
            let watching = numbers.iter().zip(&is_watched);
            let watching: FxHashSet<UserNumber> = watching
                .filter(|(_, is_watched)| **is_watched)
                .map(|(number, _)| *number)
                .collect();
            let changes: Vec<Change> = sent
                .iter()
                .map(|(user, state)| Change::new(numbers[*user], states[*state]))
                .collect();
            let expected: Vec<String> = sent
                .iter()
                .filter(|(user, _)| is_watched[*user])
                .map(|(user, state)| format!(r#""1:{user}":"{}""#, states[*state].name()))
                .collect();
            let expected = expected.join(",");
            let expected = format!(r#"{{"command":"userchange","data":{{{expected}}}}}"#);
            let frame = watches.frame_again(&changes, &watching);
            prop_assert_eq!(frame.as_message().unwrap().text(), expected);
        }
    }

    /// Counts the looks into a set.
    #[derive(Debug, Clone, Default)]
    struct Counting(Rc<Cell<usize>>);

    impl BuildHasher for Counting {
        type Hasher = <FxBuildHasher as BuildHasher>::Hasher;

        fn build_hasher(&self) -> Self::Hasher {
            self.0.set(self.0.get() + 1);
            FxBuildHasher.build_hasher()
        }
    }

    #[test]
    fn resume_looks_once_at_each_change_that_is_repeated() {
        const USERS: u32 = 1_000;
        const SNAPSHOTS: usize = 62;
        let watches = Watches::default();
        let looks = Counting::default();
        let mut watching = HashSet::with_capacity_and_hasher(USERS as usize, looks.clone());
        watching.extend((0..USERS).map(UserNumber::from_bits));
        let changes: Vec<Change> = (0..USERS)
            .map(|number| Change::new(UserNumber::from_bits(number), Presence::Online))
            .collect();
        looks.0.set(0);
        for _ in 0..SNAPSHOTS {
            drop(watches.frame_again(&changes, &watching));
        }
        assert_eq!(looks.0.get(), SNAPSHOTS * changes.len());
    }
}
