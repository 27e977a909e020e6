//! Who is on a channel, and what its listeners get to know of it.
//!
//! A user is a member while one of its sessions is subscribed to the path by name and
//! has a connection, or lost it less than the grace of presence ago; so a resume is
//! not seen. A user that hides its presence is no member for others. Listeners get
//! the names of all members, then each change; of many members only their number.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::id::UserId;
use crate::key::SessionKey;
use crate::packet::{MemberChange, MemberList, MemberUpdate};
use crate::rate::{Bucket, BucketSettings};

/// Changes that are sent at once; those behind them wait and are sent together.
const CHANGES: BucketSettings = BucketSettings::new(10, 50);
/// The number of members is sent at most so often.
const COUNT_MS: u64 = 1_000;

/// A session that is subscribed to a channel by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its user.
    pub user: UserId,
    /// How long ago its connection was lost, in ms; `None` while it has one.
    pub dropped_ms: Option<u64>,
    /// Whether its user hides its presence.
    pub is_hidden: bool,
}

#[derive(Debug)]
struct Seat {
    session: SessionKey,
    /// When it counts no more, while it has no connection.
    grace_until_ms: Option<u64>,
    is_hidden: bool,
}

/// A user with its sessions.
#[derive(Debug, Default)]
struct Member {
    seats: SmallVec<[Seat; 1]>,
    is_shown: bool,
}

impl Member {
    fn is_there(&self, now_ms: u64) -> bool {
        let is_there = |seat: &Seat| seat.grace_until_ms.is_none_or(|until_ms| now_ms < until_ms);
        self.seats.iter().any(is_there) && !self.seats.iter().any(|seat| seat.is_hidden)
    }
}

/// The members of one channel.
#[derive(Debug)]
pub struct Members {
    users: BTreeMap<UserId, Member>,
    sessions: HashMap<SessionKey, UserId>,
    /// Sessions without a connection, by the end of their grace.
    graces: BTreeSet<(u64, SessionKey)>,
    /// Users that are shown.
    shown: usize,
    /// Names are sent of at most so many.
    names_max: usize,
    /// Whether listeners know a number instead of names.
    is_counting: bool,
    /// What listeners were not sent yet.
    changes: BTreeMap<UserId, MemberChange>,
    /// Whether a listener was sent a list of members that has these changes already.
    has_listed: bool,
    rate: Bucket,
    /// When the changes that wait may be sent.
    due_ms: u64,
}

impl Members {
    /// Nobody. Names are sent of at most `names_max`.
    #[must_use]
    pub fn new(names_max: usize) -> Self {
        Self {
            users: BTreeMap::new(),
            sessions: HashMap::new(),
            graces: BTreeSet::new(),
            shown: 0,
            names_max,
            is_counting: names_max == 0,
            changes: BTreeMap::new(),
            has_listed: false,
            rate: Bucket::default(),
            due_ms: 0,
        }
    }

    /// The sessions as a value.
    #[must_use]
    pub fn save(&self, now_ms: u64, grace_ms: u64) -> Vec<(SessionKey, Listener)> {
        let mut saved = Vec::with_capacity(self.sessions.len());
        for (user, member) in &self.users {
            for seat in &member.seats {
                let dropped_ms = seat
                    .grace_until_ms
                    .map(|until_ms| now_ms.saturating_add(grace_ms).saturating_sub(until_ms));
                let listener = Listener {
                    user: user.clone(),
                    dropped_ms,
                    is_hidden: seat.is_hidden,
                };
                saved.push((seat.session, listener));
            }
        }
        saved
    }

    /// A session is subscribed, or is known again. Repeating it changes nothing.
    pub fn join(&mut self, session: SessionKey, listener: Listener, now_ms: u64, grace_ms: u64) {
        let Listener {
            user,
            dropped_ms,
            is_hidden,
        } = listener;
        if self.sessions.get(&session).is_some_and(|of| *of != user) {
            // It has another identity.
            self.leave(session, now_ms);
        }
        self.sessions.insert(session, user.clone());
        let member = self.users.entry(user.clone()).or_default();
        if !member.seats.iter().any(|seat| seat.session == session) {
            member.seats.push(Seat {
                session,
                grace_until_ms: None,
                is_hidden,
            });
        }
        let until_ms =
            dropped_ms.map(|ago_ms| now_ms.saturating_add(grace_ms).saturating_sub(ago_ms));
        self.set_grace(session, until_ms);
        self.hide(session, is_hidden, now_ms);
    }

    /// A session lost its connection.
    pub fn detach(&mut self, session: SessionKey, now_ms: u64, grace_ms: u64) {
        self.set_grace(session, Some(now_ms.saturating_add(grace_ms)));
        self.refresh(session, now_ms);
    }

    /// A session has a connection again.
    pub fn resume(&mut self, session: SessionKey, now_ms: u64) {
        self.set_grace(session, None);
        self.refresh(session, now_ms);
    }

    /// The user of a session hides its presence, or does not any more.
    pub fn hide(&mut self, session: SessionKey, is_hidden: bool, now_ms: u64) {
        if let Some(seat) = self.seat(session) {
            seat.is_hidden = is_hidden;
        }
        self.refresh(session, now_ms);
    }

    /// A session is not subscribed any more.
    pub fn leave(&mut self, session: SessionKey, now_ms: u64) {
        self.set_grace(session, None);
        let Some(user) = self.sessions.remove(&session) else {
            return;
        };
        if let Some(member) = self.users.get_mut(&user) {
            member.seats.retain(|seat| seat.session != session);
        }
        self.refresh_user(&user, now_ms);
    }

    /// Ends the graces that are over.
    pub fn advance(&mut self, now_ms: u64) {
        while let Some((until_ms, session)) = self.graces.first().copied() {
            if until_ms > now_ms {
                break;
            }
            self.graces.pop_first();
            self.refresh(session, now_ms);
        }
    }

    /// What listeners are to be sent now.
    pub fn take_change(&mut self, now_ms: u64) -> Option<MemberUpdate> {
        if self.changes.is_empty() {
            return None;
        }
        let was_counting = self.is_counting;
        self.is_counting = match was_counting {
            // Not back and forth with each member.
            true => self.shown > self.names_max - self.names_max / 4 || self.names_max == 0,
            false => self.shown > self.names_max,
        };
        match (was_counting, self.is_counting) {
            (true, true) if now_ms < self.due_ms => return None,
            (false, false) => {
                if now_ms < self.due_ms {
                    return None;
                }
                if let Err(retry_ms) = self.rate.take(CHANGES, now_ms) {
                    self.due_ms = now_ms.saturating_add(retry_ms.max(1));
                    return None;
                }
            }
            _ => {}
        }
        let changes = std::mem::take(&mut self.changes);
        self.has_listed = false;
        Some(match (was_counting, self.is_counting) {
            (_, true) => {
                self.due_ms = now_ms.saturating_add(COUNT_MS);
                MemberUpdate::Count(self.shown as u64)
            }
            (true, false) => {
                let all = self.names(None).into_iter();
                MemberUpdate::Names(all.map(|user| (user, MemberChange::Joined)).collect())
            }
            (false, false) => MemberUpdate::Names(changes.into_iter().collect()),
        })
    }

    /// Listeners know the members as they are.
    pub fn note_sent(&mut self) {
        self.changes = BTreeMap::new();
        self.has_listed = false;
        self.is_counting = self.shown > self.names_max || self.names_max == 0;
    }

    /// A listener is sent the members as they are, the others are not.
    pub fn note_listed(&mut self) {
        self.has_listed = !self.changes.is_empty();
    }

    /// The members as a client gets them that joins as `own`, which it always is.
    #[must_use]
    pub fn list(&self, own: Option<&UserId>) -> MemberList {
        match self.is_counting {
            true => MemberList::Count(self.shown as u64),
            false => MemberList::Names(self.names(own)),
        }
    }

    /// When something has to be done.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let grace = self.graces.first().map(|(until_ms, _)| *until_ms);
        let due = (!self.changes.is_empty()).then_some(self.due_ms);
        grace.into_iter().chain(due).min()
    }

    fn names(&self, own: Option<&UserId>) -> Vec<UserId> {
        let is_named = |(user, member): &(&UserId, &Member)| member.is_shown || Some(*user) == own;
        let named = self.users.iter().filter(is_named);
        named.map(|(user, _)| user.clone()).collect()
    }

    fn seat(&mut self, session: SessionKey) -> Option<&mut Seat> {
        let member = self.users.get_mut(self.sessions.get(&session)?)?;
        let mut seats = member.seats.iter_mut();
        seats.find(|seat| seat.session == session)
    }

    fn set_grace(&mut self, session: SessionKey, until_ms: Option<u64>) {
        let Some(seat) = self.seat(session) else {
            return;
        };
        let before = std::mem::replace(&mut seat.grace_until_ms, until_ms);
        if let Some(until_ms) = before {
            self.graces.remove(&(until_ms, session));
        }
        if let Some(until_ms) = until_ms {
            self.graces.insert((until_ms, session));
        }
    }

    fn refresh(&mut self, session: SessionKey, now_ms: u64) {
        if let Some(user) = self.sessions.get(&session).cloned() {
            self.refresh_user(&user, now_ms);
        }
    }

    /// Notes whether a user is shown or not, where that has changed.
    fn refresh_user(&mut self, user: &UserId, now_ms: u64) {
        let Some(member) = self.users.get_mut(user) else {
            return;
        };
        let is_there = member.is_there(now_ms);
        if member.is_shown != is_there {
            member.is_shown = is_there;
            let change = match is_there {
                true => MemberChange::Joined,
                false => MemberChange::Left,
            };
            self.shown = match is_there {
                true => self.shown + 1,
                false => self.shown - 1,
            };
            // A change that nobody was sent is undone by its opposite.
            if self.has_listed || self.changes.remove(user).is_none() {
                self.changes.insert(user.clone(), change);
            }
        }
        if member.seats.is_empty() {
            self.users.remove(user);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
