//! Who plays in which room, of the users whose avatars are on this worker.
//!
//! It outlives both: the replacement of a lost avatar reads here in which rooms
//! its user plays, and when a room is lost the directory finds here for whom the
//! new one has to confirm it.

use std::collections::{BTreeSet, HashMap};

use turntable_core::id::{ChannelId, UserId};
use turntable_core::spare::Spare;

/// Users by room.
#[derive(Debug, Default)]
pub struct Playing(HashMap<ChannelId, BTreeSet<UserId>>);

impl Playing {
    /// The user entered a room, or left it.
    pub(super) fn set(&mut self, room: &ChannelId, user: &UserId, playing: bool) {
        if playing {
            let users = self.0.entry(room.clone()).or_default();
            users.insert(user.clone());
        } else if let Some(users) = self.0.get_mut(room) {
            users.remove(user);
            if users.is_empty() {
                self.0.remove(room);
                self.0.give_back();
            }
        }
    }

    /// The users that play in a room.
    pub(super) fn users(&self, room: &ChannelId) -> Vec<UserId> {
        self.0.get(room).into_iter().flatten().cloned().collect()
    }

    /// The rooms that a user plays in. It looks at all rooms: it is for losses.
    pub(super) fn rooms(&self, user: &UserId) -> Vec<ChannelId> {
        let rooms = self.0.iter().filter(|(_, users)| users.contains(user));
        rooms.map(|(room, _)| room.clone()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_users_are_found_from_each_other() {
        let [a, b] = ["a", "b"].map(|room| ChannelId::parse(room).unwrap());
        let [one, two] = ["1:1", "1:2"].map(|user| UserId::parse(user).unwrap());
        let mut playing = Playing::default();
        for (room, user) in [(&a, &one), (&a, &one), (&a, &two), (&b, &one)] {
            playing.set(room, user, true);
        }
        assert_eq!(playing.users(&a), [one.clone(), two.clone()]);
        let mut rooms = playing.rooms(&one);
        rooms.sort();
        assert_eq!(rooms, [a.clone(), b.clone()]);
        playing.set(&a, &one, false);
        assert_eq!(playing.rooms(&one), std::slice::from_ref(&b));
        playing.set(&b, &one, false);
        playing.set(&a, &two, false);
        assert!(playing.0.is_empty());
    }
}
