//! Whom the sessions of a user watch, where two users see each other only while both
//! watch the other (`presence.watch = "mutual"`).
//!
//! ```text
//! A watches B        avatar of A                          avatar of B
//!   Watching ──────►  notes it
//!                     WatchedBy {A, true} ──────────────►  B does not watch A: nothing
//! B watches A                                              notes it  ◄────── Watching
//!                     A watches B: both do ◄─────────────  WatchedBy {B, true}
//!   Seeing   ◄──────  Mutual {A, true} ─────────────────►  B watches A: both do
//!                                                                     ──────► Seeing
//! ```
//!
//! Nothing is stored of users that are absent: they are seen as offline in any case, and
//! say what they watch when they come.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::id::UserId;
use crate::key::SessionKey;

/// A user that sessions of another one watch.
#[derive(Debug, Default)]
struct Watched {
    sessions: SmallVec<[SessionKey; 1]>,
    /// Whether it watches the user of these sessions.
    is_mutual: bool,
}

/// The users that the sessions of one user watch.
#[derive(Debug, Default)]
pub struct Watching(BTreeMap<UserId, Watched>);

impl Watching {
    /// A session watches these users. Returns those that no session watched before, which
    /// have to be notified; and those that watch the user, too.
    pub fn add(&mut self, session: SessionKey, users: Vec<UserId>) -> (Vec<UserId>, Vec<UserId>) {
        let (mut new, mut mutual) = (Vec::new(), Vec::new());
        for user in users {
            let watched = self.0.entry(user.clone()).or_default();
            if watched.is_mutual {
                mutual.push(user);
            } else if watched.sessions.is_empty() {
                new.push(user);
            }
            if !watched.sessions.contains(&session) {
                watched.sessions.push(session);
            }
        }
        (new, mutual)
    }

    /// A session does not watch these users any more. Returns those that no session
    /// watches now, which have to be notified.
    pub fn remove(&mut self, session: SessionKey, users: &[UserId]) -> Vec<UserId> {
        let mut left = Vec::new();
        for user in users {
            let Some(watched) = self.0.get_mut(user) else {
                continue;
            };
            watched.sessions.retain(|known| *known != session);
            if watched.sessions.is_empty() {
                self.0.remove(user);
                left.push(user.clone());
            }
        }
        left
    }

    /// A session ended. Returns those that no session watches now.
    pub fn end(&mut self, session: SessionKey) -> Vec<UserId> {
        let of_session = self.0.iter();
        let of_session = of_session.filter(|(_, watched)| watched.sessions.contains(&session));
        let users: Vec<UserId> = of_session.map(|(user, _)| user.clone()).collect();
        self.remove(session, &users)
    }

    /// Another user watches the user of these sessions from now on, or does not. Returns
    /// the sessions that watch that other one, and see it accordingly; `None` where there
    /// are none.
    pub fn watched_by(&mut self, user: &UserId, is_watching: bool) -> Option<&[SessionKey]> {
        let watched = self.0.get_mut(user)?;
        watched.is_mutual = is_watching;
        Some(&watched.sessions)
    }

    /// Whom they watch.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        self.0.keys().cloned().collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn session(user: usize, number: usize) -> SessionKey {
        SessionKey::from_number((user * 10 + number) as u64)
    }

    const USERS: usize = 3;
    const SESSIONS: usize = 2;

    #[derive(Debug, Clone)]
    enum Step {
        Add(usize, usize, usize),
        Remove(usize, usize, usize),
        End(usize, usize),
        /// A user becomes invisible, or visible.
        Hide(usize),
        /// One message arrives.
        Arrive,
    }

    #[derive(Debug)]
    enum Message {
        WatchedBy { to: usize, by: usize, on: bool },
        Mutual { to: usize, with: usize },
    }

    /// Avatars that send each other messages, which arrive in their order.
    #[derive(Default)]
    struct World {
        avatars: [Watching; USERS],
        /// Users that are invisible: others do not learn what they watch.
        are_hidden: [bool; USERS],
        messages: VecDeque<Message>,
        /// What each session watches, and whom it sees.
        watches: BTreeSet<(usize, usize, usize)>,
        sees: BTreeSet<(usize, usize, usize)>,
    }

    impl World {
        fn number(user: &UserId) -> usize {
            user.name().parse().unwrap()
        }

        fn show(&mut self, of: usize, other: usize, on: bool) -> bool {
            let sessions = self.avatars[of].watched_by(&user(other), on);
            let sessions = sessions.map(<[SessionKey]>::to_vec);
            let is_watching = sessions.is_some();
            for key in sessions.into_iter().flatten() {
                let number = (0..SESSIONS).find(|n| session(of, *n) == key).unwrap();
                if on {
                    self.sees.insert((of, number, other));
                } else {
                    self.sees.remove(&(of, number, other));
                }
            }
            is_watching
        }

        fn tell(&mut self, by: usize, users: Vec<UserId>, on: bool) {
            let on = on && !self.are_hidden[by];
            let messages = users.iter().map(|user| Message::WatchedBy {
                to: Self::number(user),
                by,
                on,
            });
            self.messages.extend(messages);
        }

        fn step(&mut self, step: &Step) {
            match *step {
                Step::Add(of, number, other) => {
                    let key = session(of, number);
                    let (new, mutual) = self.avatars[of].add(key, vec![user(other)]);
                    self.watches.insert((of, number, other));
                    for user in mutual {
                        self.sees.insert((of, number, Self::number(&user)));
                    }
                    self.tell(of, new, true);
                }
                Step::Remove(of, number, other) => {
                    let left = self.avatars[of].remove(session(of, number), &[user(other)]);
                    self.watches.remove(&(of, number, other));
                    self.sees.remove(&(of, number, other));
                    self.tell(of, left, false);
                }
                Step::End(of, number) => {
                    let left = self.avatars[of].end(session(of, number));
                    self.watches
                        .retain(|known| (known.0, known.1) != (of, number));
                    self.sees.retain(|known| (known.0, known.1) != (of, number));
                    self.tell(of, left, false);
                }
                Step::Hide(of) => {
                    self.are_hidden[of] = !self.are_hidden[of];
                    self.tell(of, self.avatars[of].users(), true);
                }
                Step::Arrive => match self.messages.pop_front() {
                    Some(Message::WatchedBy { to, by, on }) => {
                        // One that is hidden watches, too, and may see the other.
                        let is_seen = self.show(to, by, on) && !self.are_hidden[to];
                        let answer = is_seen.then_some(Message::Mutual { to: by, with: to });
                        self.messages.extend(answer);
                    }
                    Some(Message::Mutual { to, with }) => {
                        self.show(to, with, true);
                    }
                    None => {}
                },
            }
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        let place = (0..USERS, 0..SESSIONS, 0..USERS);
        let other = place.prop_filter("another user", |(of, _, other)| of != other);
        prop_oneof![
            3 => other.clone().prop_map(|(of, n, other)| Step::Add(of, n, other)),
            2 => other.prop_map(|(of, n, other)| Step::Remove(of, n, other)),
            1 => (0..USERS, 0..SESSIONS).prop_map(|(of, n)| Step::End(of, n)),
            1 => (0..USERS).prop_map(Step::Hide),
            4 => Just(Step::Arrive),
        ]
    }

    proptest! {
        /// When all messages have arrived, a session sees exactly those that it watches, that
        /// have a session that watches its user, and that are not hidden.
        #[test]
        fn two_users_see_each_other_while_both_watch(steps in prop::collection::vec(step(), 0..60)) {
            let mut world = World::default();
            for step in &steps {
                world.step(step);
            }
            while !world.messages.is_empty() {
                world.step(&Step::Arrive);
            }
            let is_watched_by = |of: usize, other: usize| {
                !world.are_hidden[other]
                    && (0..SESSIONS).any(|n| world.watches.contains(&(other, n, of)))
            };
            let expected: BTreeSet<_> = world
                .watches
                .iter()
                .copied()
                .filter(|(of, _, other)| is_watched_by(*of, *other))
                .collect();
            prop_assert_eq!(&world.sees, &expected);
        }
    }
}
