//! The users that sessions of this worker watch, and what is known of them.
//!
//! A user is asked of its avatar once per worker. Sessions note only *which*
//! users changed, so however often one changes while a session waits, it takes
//! four bytes, and is told once, as it is then.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::gateway::change_log::Told;
use crate::gateway::frame::Frame;
use crate::gateway::slots::Slots;
use turntable_core::id::UserId;
use turntable_core::packet::Presence;
use turntable_wire::json_v1;

/// A user that somebody here watches.
#[derive(Debug)]
pub struct Watched {
    user: UserId,
    /// `None` before the avatar's first word.
    presence: Option<Presence>,
    watchers: Vec<u32>,
}

impl Watched {
    /// Whether the avatar has told its state.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.presence.is_some()
    }

    /// The sessions (slots) that watch it.
    #[must_use]
    pub fn watchers(&self) -> &[u32] {
        &self.watchers
    }
}

/// What became of a `watch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watching {
    /// The user's number in the table.
    pub number: u32,
    /// Whether the avatar has to be asked.
    pub is_first: bool,
    /// Whether this session did not watch it before.
    pub is_new: bool,
    /// Whether the state is known already.
    pub is_known: bool,
}

/// The table of a worker.
#[derive(Debug, Default)]
pub struct Watches {
    /// Numbers by the hash of their user's id, which stands with the user only:
    /// a map of ids would take a second place for each.
    numbers: HashTable<u32>,
    hasher: RandomState,
    users: Slots<Watched>,
}

impl Watches {
    /// The session at `slot` watches `user`.
    pub fn add(&mut self, user: &UserId, slot: u32) -> Watching {
        let (number, is_first) = match self.number(user) {
            Some(number) => (number, false),
            None => {
                let key = self.users.insert(Watched {
                    user: user.clone(),
                    presence: None,
                    watchers: Vec::new(),
                });
                let (hasher, users) = (&self.hasher, &self.users);
                let rehash = |number: &u32| {
                    let watched = users.at(*number);
                    watched.map_or(0, |watched| hasher.hash_one(&watched.user))
                };
                let hash = hasher.hash_one(user);
                self.numbers.insert_unique(hash, key.slot, rehash);
                (key.slot, true)
            }
        };
        let mut watching = Watching {
            number,
            is_first,
            is_new: false,
            is_known: false,
        };
        if let Some(watched) = self.users.at_mut(number) {
            watching.is_known = watched.is_known();
            watching.is_new = !watched.watchers.contains(&slot);
            if watching.is_new {
                let watchers = &mut watched.watchers;
                if watchers.len() == watchers.capacity() {
                    // Doubling would waste as much as a user's watchers take.
                    watchers.reserve_exact(4 + watchers.len() / 8);
                }
                watchers.push(slot);
            }
        }
        watching
    }

    /// The number of a user that somebody watches.
    #[must_use]
    pub fn number(&self, user: &UserId) -> Option<u32> {
        let is_of = |number: &u32| {
            let watched = self.users.at(*number);
            watched.is_some_and(|watched| watched.user == *user)
        };
        let hash = self.hasher.hash_one(user);
        self.numbers.find(hash, is_of).copied()
    }

    /// The session at `slot` does not watch the user of that number any more.
    /// Returns the user where nobody is left who does.
    pub fn remove(&mut self, number: u32, slot: u32) -> Option<UserId> {
        let watched = self.users.at_mut(number)?;
        if let Some(at) = watched.watchers.iter().position(|known| *known == slot) {
            watched.watchers.swap_remove(at);
        }
        if !watched.watchers.is_empty() {
            return None;
        }
        let watched = self.users.remove(number)?;
        let hash = self.hasher.hash_one(&watched.user);
        if let Ok(entry) = self.numbers.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        Some(watched.user)
    }

    /// The avatar sent a state. Returns the user's number, and whether it was
    /// not known before; `None` where nothing is new.
    pub fn update(&mut self, user: &UserId, presence: Presence) -> Option<(u32, bool)> {
        let number = self.number(user)?;
        let watched = self.users.at_mut(number)?;
        let before = watched.presence.replace(presence);
        (before != Some(presence)).then_some((number, before.is_none()))
    }

    /// The users that sessions watch.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        let watched = self.users.occupied().filter_map(|number| self.at(number));
        watched.map(|watched| &watched.user)
    }

    /// The watched user of a number.
    #[must_use]
    pub fn at(&self, number: u32) -> Option<&Watched> {
        self.users.at(number)
    }

    /// The `userchange` of these users, as they are now.
    #[must_use]
    pub fn frame(&self, numbers: &[u32]) -> Frame {
        let presence = |number: &u32| self.users.at(*number)?.presence;
        let told = numbers
            .iter()
            .filter_map(|number| Some(Told::new(*number, presence(number)?)))
            .collect();
        self.told(told, |_| true)
    }

    /// A `userchange` as it was told to a session that watches `watching`.
    /// Users that it does not watch any more are left out: their numbers may
    /// be others' by now.
    #[must_use]
    pub fn frame_again(&self, told: &[Told], watching: &[u32]) -> Frame {
        self.told(told.to_vec(), |told| watching.contains(&told.number()))
    }

    /// Writing a user and its state takes a few nanoseconds, so that nothing
    /// is gained by keeping them written.
    fn told(&self, told: Vec<Told>, is_meant: impl Fn(&Told) -> bool) -> Frame {
        Frame::changes(told, |told, out| {
            out.extend_from_slice(json_v1::USERCHANGE_HEAD);
            let start = out.len();
            for told in told.iter().filter(|told| is_meant(told)) {
                let Some(watched) = self.users.at(told.number()) else {
                    continue;
                };
                if out.len() > start {
                    out.push(b',');
                }
                json_v1::presence_fragment(&watched.user, told.presence(), out);
            }
            out.extend_from_slice(json_v1::USERCHANGE_TAIL);
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    #[test]
    fn an_avatar_is_asked_once_and_let_go_with_its_last_watcher() {
        let mut watches = Watches::default();
        let first = watches.add(&user("1:1"), 7);
        assert!(first.is_first && first.is_new && !first.is_known);
        let again = watches.add(&user("1:1"), 7);
        assert!(!again.is_first && !again.is_new);
        assert!(watches.add(&user("1:1"), 8).is_new);
        assert_eq!(watches.remove(first.number, 7), None);
        assert_eq!(watches.remove(first.number, 8), Some(user("1:1")));
        assert_eq!(watches.number(&user("1:1")), None);
    }

    #[test]
    fn changes_are_joined_as_they_are_now() {
        let mut watches = Watches::default();
        let a = watches.add(&user("1:1"), 0).number;
        let b = watches.add(&user("1:\"2"), 0).number;
        let unknown = watches.add(&user("1:3"), 0).number;
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
            text(watches.frame(&[a, unknown, b])),
            r#"{"command":"userchange","data":{"1:1":"offline","1:\"2":"busy"}}"#
        );
        // Told again, it says what it said; but not of users that are not
        // watched any more.
        let told = [Told::new(a, Presence::Online), Told::new(b, Presence::Idle)];
        assert_eq!(
            text(watches.frame_again(&told, &[a, b])),
            r#"{"command":"userchange","data":{"1:1":"online","1:\"2":"idle"}}"#
        );
        assert_eq!(
            text(watches.frame_again(&told, &[b])),
            r#"{"command":"userchange","data":{"1:\"2":"idle"}}"#
        );
    }
}
