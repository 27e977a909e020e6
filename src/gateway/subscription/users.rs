//! The users that sessions of a worker watch, by their numbers.

use crate::gateway::slots::Slots;
use crate::gateway::subscription::topic::Subscriber;
use turntable_core::id::UserId;
use turntable_core::key::{SlotKey, UserNumber};
use turntable_core::packet::Presence;
use turntable_core::spare::Spare;

/// A user that sessions of this worker watch.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Its number, which says which use of its place this is.
    number: UserNumber,
    user: UserId,
    /// `None` before the avatar's first report.
    presence: Option<Presence>,
    watchers: Vec<Subscriber>,
}

impl Watched {
    /// Who it is.
    pub(crate) const fn user(&self) -> &UserId {
        &self.user
    }

    /// Its state, where the avatar has reported it.
    pub(crate) const fn presence(&self) -> Option<Presence> {
        self.presence
    }

    /// Whether the avatar has reported its state.
    pub(crate) fn is_known(&self) -> bool {
        self.presence.is_some()
    }

    /// The sessions that watch it.
    pub(crate) fn watchers(&self) -> &[Subscriber] {
        &self.watchers
    }

    /// A session watches it. Returns whether it did not before.
    pub(super) fn add(&mut self, session: Subscriber) -> bool {
        let watchers = &mut self.watchers;
        let is_new = !has(watchers, session);
        if is_new {
            if watchers.len() == watchers.capacity() {
                // Doubling would waste as much as a user's watchers take.
                watchers.reserve_exact(4 + watchers.len() / 8);
            }
            watchers.push(session);
        }
        is_new
    }

    /// A session does not watch it any more. Returns whether it did.
    pub(super) fn remove(&mut self, session: Subscriber) -> bool {
        let watchers = &mut self.watchers;
        let at = watchers.iter().position(|known| *known == session);
        if let Some(at) = at {
            watchers.swap_remove(at);
        }
        if !watchers.is_empty() {
            watchers.give_back();
        }
        at.is_some()
    }

    /// Its avatar reported a state. Returns the one before.
    pub(super) const fn report(&mut self, presence: Presence) -> Option<Presence> {
        self.presence.replace(presence)
    }

    /// Who it was.
    pub(super) fn into_user(self) -> UserId {
        self.user
    }

    /// For how many watchers it has memory.
    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.watchers.capacity()
    }
}

/// The users by their numbers.
#[derive(Debug, Default)]
pub(super) struct Users {
    slots: Slots<Watched>,
    /// The generation of the next number.
    generation: u32,
}

impl Users {
    /// Puts a user into a free place.
    pub(super) fn insert(&mut self, user: UserId) -> UserNumber {
        let number = UserNumber::new(self.slots.next_number(), self.generation);
        self.generation = self.generation.wrapping_add(1);
        self.slots.insert(Watched {
            number,
            user,
            presence: None,
            watchers: Vec::new(),
        });
        number
    }

    /// The user of a number, unless it was removed.
    pub(super) fn get(&self, number: UserNumber) -> Option<&Watched> {
        let watched = self.slots.get(number.index())?;
        (watched.number == number).then_some(watched)
    }

    /// The user of a number, unless it was removed.
    pub(super) fn get_mut(&mut self, number: UserNumber) -> Option<&mut Watched> {
        let watched = self.slots.get_mut(number.index())?;
        (watched.number == number).then_some(watched)
    }

    /// Takes a user out; its number is void from then on.
    pub(super) fn remove(&mut self, number: UserNumber) -> Option<Watched> {
        self.get(number)?;
        self.slots.remove(number.index())
    }

    /// The users.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.slots.iter().map(|(_, watched)| watched)
    }

    /// Places that take memory.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.slots.places()
    }
}

/// Watchers that are compared together.
const COMPARED: usize = 16;

/// Whether a session is among the watchers. `contains` compares one after another, as the type
/// is not a plain number.
fn has(watchers: &[Subscriber], session: Subscriber) -> bool {
    let is_among = |some: &[Subscriber]| {
        let is_any = |is_any, watcher: &Subscriber| is_any | (*watcher == session);
        some.iter().fold(false, is_any)
    };
    watchers.chunks(COMPARED).any(is_among)
}
