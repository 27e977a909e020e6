//! Users with friends: their subscriptions, and the presence that each received.
//!
//! User `i` subscribes to `i + s` for each of a fixed set of strides `s`, modulo the
//! number of users. The set is symmetric, so friendship is mutual, and spread out,
//! so friends do not connect one after the other. The received presence is one bit
//! per friend: the state of all users takes a few bytes each.

use serde_json::json;

use super::client::Script;
use super::encoding::{FIRST_USER, command, idme, message, user_id};
use super::error::BenchError;
use super::histogram::Histogram;
use super::links::Links;

type Result<T> = std::result::Result<T, BenchError>;

/// Maximum number of friends: the bits of a view.
pub(super) const FRIENDS_MAX: usize = 64;
const NO_FRIEND: u8 = u8::MAX;

/// The current phase of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserPhase {
    /// It connects, identifies, or waits for the presence of its friends.
    Coming,
    /// It is online and received the presence of its friends.
    There,
    /// It sent `bye`.
    Leaving,
    /// Its connection is closed.
    Closed,
}

struct User {
    phase: UserPhase,
    /// A bit for each friend that was reported as online.
    view: u64,
    /// Received messages of its session.
    received: u64,
    /// Time of its own last presence change, in the client's microseconds.
    changed_us: u64,
}

/// The users; connection number is user number.
pub(super) struct Crowd {
    users: Vec<User>,
    strides: Vec<usize>,
    /// The friend's bit for each distance between user numbers.
    bits: Vec<u8>,
    full: u64,
    identified: usize,
    /// Answered acknowledgements.
    pub(super) acknowledged: usize,
    /// Users whose view has every friend online.
    right: usize,
    /// Latency from a change to a friend that receives it.
    pub(super) latency_us: Histogram,
    /// Presence changes received by friends.
    pub(super) notifications: u64,
}

impl Crowd {
    /// Users with `friends` friends each.
    ///
    /// # Errors
    /// If there are too few users for so many friends, or too many friends for a
    /// view.
    pub(super) fn new(users: usize, friends: usize) -> Result<Self> {
        if friends > FRIENDS_MAX || !friends.is_multiple_of(2) || users < 4 * friends + 4 {
            return Err(BenchError::Usage(format!(
                "friends must be an even number up to {FRIENDS_MAX}, \
                 and less than a quarter of the users"
            )));
        }
        let mut strides = Vec::with_capacity(friends);
        let mut bits = vec![NO_FRIEND; users];
        // Multiples of the golden ratio are spread evenly over half of the numbers.
        let mut stride = 0;
        while strides.len() < friends {
            stride = (stride + users * 618 / 1000) % users;
            while stride == 0 || 2 * stride == users || bits.get(stride) != Some(&NO_FRIEND) {
                stride = (stride + 1) % users;
            }
            for stride in [stride, users - stride] {
                if let Some(bit) = bits.get_mut(stride) {
                    *bit = u8::try_from(strides.len()).unwrap_or(NO_FRIEND);
                }
                strides.push(stride);
            }
        }
        let user = || User {
            phase: UserPhase::Coming,
            view: 0,
            received: 0,
            changed_us: 0,
        };
        Ok(Self {
            users: (0..users).map(|_| user()).collect(),
            full: (0..friends).fold(0, |full, bit| full | 1 << bit),
            right: if friends == 0 { users } else { 0 },
            strides,
            bits,
            identified: 0,
            acknowledged: 0,
            latency_us: Histogram::new(),
            notifications: 0,
        })
    }

    /// Every user acknowledges its received messages, as the client library does
    /// every few seconds.
    pub(super) fn acknowledge(&self, links: &mut Links) -> Result<()> {
        for (link, user) in self.users.iter().enumerate() {
            let data = json!({"t0": 0, "received": user.received});
            links.send_text(link, &message("time", &data))?;
        }
        Ok(())
    }

    /// Whether every user has received every friend as online.
    pub(super) fn is_complete(&self) -> bool {
        self.right == self.users.len()
    }

    /// The number of users that have not.
    pub(super) fn wrong(&self) -> usize {
        self.users.len() - self.right
    }

    /// The current phase of a user.
    pub(super) fn phase(&self, user: usize) -> UserPhase {
        self.users
            .get(user)
            .map_or(UserPhase::Closed, |user| user.phase)
    }

    /// Sends `bye` for a user.
    ///
    /// # Errors
    /// If its connection is broken.
    pub(super) fn leave(&mut self, links: &mut Links, user: usize) -> Result<()> {
        self.forget(user, UserPhase::Leaving, links.now_us());
        links.send_text(user, &message("bye", &json!({})))
    }

    /// Records that a user connects again.
    pub(super) fn come(&mut self, user: usize) {
        if let Some(user) = self.users.get_mut(user) {
            user.phase = UserPhase::Coming;
        }
    }

    fn forget(&mut self, user: usize, phase: UserPhase, now_us: u64) {
        let full = self.full;
        if let Some(user) = self.users.get_mut(user) {
            self.right -= usize::from(user.view == full);
            user.view = 0;
            user.phase = phase;
            user.changed_us = now_us;
        }
    }

    fn watch_list(&self, user: usize) -> Vec<String> {
        let users = self.users.len();
        let friends = self.strides.iter();
        friends
            .map(|stride| user_id((user + stride) % users))
            .collect()
    }

    fn receive(&mut self, user: usize, payload: &[u8], now_us: u64) {
        let (count, full) = (self.users.len(), self.full);
        let is_first = self.phase(user) == UserPhase::Coming;
        let mut view = self.users.get(user).map_or(0, |user| user.view);
        self.right -= usize::from(view == full);
        each_change(payload, |friend, is_online| {
            let distance = (friend + count - user % count) % count;
            let Some(bit) = self.bits.get(distance).filter(|bit| **bit != NO_FRIEND) else {
                return;
            };
            let mask = 1u64 << bit;
            if (view & mask != 0) == is_online {
                return;
            }
            view ^= mask;
            // The initial states are not changes.
            if let Some(friend) = self.users.get(friend)
                && !is_first
                && is_online == matches!(friend.phase, UserPhase::Coming | UserPhase::There)
            {
                self.notifications += 1;
                self.latency_us
                    .record(now_us.saturating_sub(friend.changed_us));
            }
        });
        self.right += usize::from(view == full);
        if let Some(user) = self.users.get_mut(user) {
            user.view = view;
            if user.phase == UserPhase::Coming {
                user.phase = UserPhase::There;
            }
        }
        self.identified += usize::from(is_first);
    }
}

/// Calls `each` with every known user in a `userchange`, and whether it is
/// online.
fn each_change(payload: &[u8], mut each: impl FnMut(usize, bool)) {
    const REALM: &[u8] = b"\"1:";
    let mut rest = payload;
    while let Some(start) = rest.windows(REALM.len()).position(|window| window == REALM) {
        rest = rest.get(start + REALM.len()..).unwrap_or_default();
        let mut number = 0usize;
        while let [digit @ b'0'..=b'9', tail @ ..] = rest {
            number = number
                .wrapping_mul(10)
                .wrapping_add(usize::from(digit - b'0'));
            rest = tail;
        }
        if let Some(state) = rest.strip_prefix(b"\":\"")
            && let Some(user) = number.checked_sub(FIRST_USER)
        {
            each(user, !state.starts_with(b"off"));
        }
    }
}

impl Script for Crowd {
    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()> {
        if !matches!(command(payload), b"idyou" | b"welcome")
            && let Some(user) = self.users.get_mut(link)
        {
            user.received += 1;
        }
        match command(payload) {
            b"time" => {
                self.acknowledged += 1;
                Ok(())
            }
            b"userchange" => {
                self.receive(link, payload, now_us);
                Ok(())
            }
            b"idyou" => {
                if let Some(user) = self.users.get_mut(link) {
                    user.changed_us = links.now_us();
                }
                links.send_text(link, &idme(link))
            }
            b"welcome" => {
                let list = self.watch_list(link);
                links.send_text(link, &message("subscribe", &json!(list)))
            }
            _ => super::refused(payload),
        }
    }

    fn closed(&mut self, _links: &mut Links, link: usize, why: &str) -> Result<()> {
        if self.phase(link) != UserPhase::Leaving {
            return Err(BenchError::Conversation(format!(
                "user {link} was disconnected: {why}"
            )));
        }
        if let Some(user) = self.users.get_mut(link) {
            user.phase = UserPhase::Closed;
        }
        Ok(())
    }

    fn ready(&self) -> usize {
        self.identified
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn friendship_is_mutual_and_of_the_requested_size(
            half in 1usize..=32, more in 0usize..3000, user in 0usize..3000,
        ) {
            let users = 8 * half + 4 + more;
            let user = user % users;
            let crowd = Crowd::new(users, 2 * half).unwrap();
            let list = crowd.watch_list(user);
            let distinct: HashSet<&String> = list.iter().collect();
            prop_assert_eq!(distinct.len(), 2 * half);
            prop_assert!(!list.contains(&user_id(user)));
            for friend in 0..users {
                if list.contains(&user_id(friend)) {
                    prop_assert!(crowd.watch_list(friend).contains(&user_id(user)));
                }
            }
        }
    }

    fn userchange<'a>(states: impl IntoIterator<Item = (&'a String, &'a str)>) -> String {
        let states: serde_json::Map<_, _> = states
            .into_iter()
            .map(|(user, state)| (user.clone(), json!(state)))
            .collect();
        message("userchange", &json!(states))
    }

    #[test]
    fn view_is_complete_when_every_friend_is_online() {
        let mut crowd = Crowd::new(12, 2).unwrap();
        let friends = crowd.watch_list(5);
        let states = [(&friends[0], "online"), (&friends[1], "offline")];
        crowd.receive(5, userchange(states).as_bytes(), 0);
        assert_eq!((crowd.ready(), crowd.wrong()), (1, 12));
        crowd.receive(5, userchange([(&friends[1], "busy")]).as_bytes(), 700);
        assert_eq!(crowd.wrong(), 11);
        // The initial states are not changes; the friend's return is one, once.
        assert_eq!((crowd.notifications, crowd.latency_us.max()), (1, 700));
        crowd.receive(5, userchange([(&friends[1], "online")]).as_bytes(), 900);
        assert_eq!((crowd.notifications, crowd.wrong()), (1, 11));
        crowd.receive(5, userchange([(&friends[0], "offline")]).as_bytes(), 900);
        assert_eq!(crowd.wrong(), 12);
    }

    #[test]
    fn unknown_users_and_other_payloads_change_nothing() {
        let mut crowd = Crowd::new(12, 2).unwrap();
        let list = crowd.watch_list(5);
        let stranger = (0..12)
            .map(user_id)
            .find(|user| !list.contains(user))
            .unwrap();
        crowd.receive(5, userchange([(&stranger, "online")]).as_bytes(), 0);
        crowd.receive(5, b"{\"1:99999999999999999999999\":\"online\",\"1:\"", 0);
        assert_eq!((crowd.wrong(), crowd.notifications), (12, 0));
    }

    #[test]
    fn too_few_users_for_the_friends_are_refused() {
        assert!(Crowd::new(10, 50).is_err());
        assert!(Crowd::new(10_000, 65).is_err());
        assert!(Crowd::new(10_000, 66).is_err());
    }
}
