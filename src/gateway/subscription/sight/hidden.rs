//! The watched users of one session that read as offline, and when the backend is asked
//! about them again. Pure.

use thin_vec::ThinVec;

use crate::gateway::session::SessionEntry;
use crate::gateway::subscription::profile::ProfileChange;
use turntable_core::key::UserNumber;
use turntable_core::packet::Presence;

/// What a session does not see.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Watched users that read as offline, in order.
    hidden: ThinVec<UserNumber>,
    /// When the backend is asked again, Unix ms; 0: not.
    ask_at_ms: u64,
}

impl Sight {
    /// The backend is asked again at that time, unless it is before. Returns whether a
    /// timer is needed.
    pub(super) const fn ask_at(&mut self, at_ms: u64) -> bool {
        let is_first = self.ask_at_ms == 0 || at_ms < self.ask_at_ms;
        if is_first {
            self.ask_at_ms = at_ms;
        }
        is_first
    }

    /// Whether the backend has to be asked by now. Then it is not due any more.
    pub(super) fn take_due(&mut self, now_ms: u64) -> bool {
        let is_due = (1..=now_ms).contains(&self.ask_at_ms);
        if is_due {
            self.ask_at_ms = 0;
        }
        is_due
    }
}

/// A watched user as its gateway knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its number.
    pub(super) number: UserNumber,
    /// Its state, where the avatar has reported it.
    pub(super) presence: Option<Presence>,
    /// Whether it has public attributes, or had some.
    pub(super) has_profile: bool,
}

impl SessionEntry {
    /// The watched users that read as offline, in order.
    pub(crate) fn hidden(&self) -> &[UserNumber] {
        let sight = self
            .extras
            .as_ref()
            .and_then(|extras| extras.sight.as_ref());
        sight.map_or(&[], |sight| &sight.hidden)
    }

    /// Whether a watched user reads as offline, whatever its state is.
    pub(crate) fn hides(&self, number: UserNumber) -> bool {
        let hidden = self.hidden();
        !hidden.is_empty() && hidden.binary_search(&number).is_ok()
    }

    /// A watched user reads as offline from now on.
    pub(crate) fn hide(&mut self, number: UserNumber) {
        let extras = self.extras.get_or_insert_default();
        let hidden = &mut extras.sight.get_or_insert_default().hidden;
        if let Err(at) = hidden.binary_search(&number) {
            hidden.insert(at, number);
        }
    }

    /// The same, and what its profile has of changes is not for the session.
    pub(super) fn hide_profile(&mut self, number: UserNumber) {
        self.hide(number);
        self.profiles.retain(|change| change.number != number);
    }

    /// A user is not hidden any more, or not watched. Returns whether it was.
    pub(crate) fn unhide(&mut self, number: UserNumber) -> bool {
        let Some(extras) = &mut self.extras else {
            return false;
        };
        let Some(sight) = &mut extras.sight else {
            return false;
        };
        let Ok(at) = sight.hidden.binary_search(&number) else {
            return false;
        };
        sight.hidden.remove(at);
        if sight.hidden.is_empty() && sight.ask_at_ms == 0 {
            extras.sight = None;
            self.extras.take_if(|extras| extras.are_empty());
        }
        true
    }

    /// The session sees a user from now on, or does not; one that it does not watch stays
    /// as it is. Returns whether there is something to send now, and was nothing before.
    pub(super) fn show(&mut self, user: Known, is_seen: bool) -> bool {
        let Known { number, .. } = user;
        if !self.session.watching.contains(&number) || self.hides(number) != is_seen {
            return false;
        }
        let was_empty = !self.has_changes();
        if is_seen {
            self.unhide(number);
            if user.presence.is_some() && user.has_profile {
                self.profiles.push(ProfileChange::again(number));
            }
        } else {
            self.hide_profile(number);
        }
        let is_offline = user.presence.is_none_or(|state| state == Presence::Offline);
        if !is_offline {
            self.changed.push(number);
        }
        was_empty && self.has_changes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::testing::user;
    use turntable_core::id::SessionId;
    use turntable_core::key::{ConnKey, SessionKey, SlotKey as _};
    use turntable_core::session::Session;

    /// A session that watches these users.
    fn watching(numbers: &[u32]) -> SessionEntry {
        let id = SessionId::from_bits([1; 16]);
        let (key, connection) = (SessionKey::from_number(1), ConnKey::new(1, 0));
        let mut session = Session::new(key, id, user("1:1"), connection, 0);
        session.watching = numbers
            .iter()
            .map(|number| UserNumber::from_bits(*number))
            .collect();
        SessionEntry::new(session, 1_000)
    }

    fn known(number: u32, presence: Option<Presence>, has_profile: bool) -> Known {
        Known {
            number: UserNumber::from_bits(number),
            presence,
            has_profile,
        }
    }

    #[test]
    fn hidden_users_are_in_order_and_none_take_no_memory() {
        let mut entry = watching(&[1, 2, 3]);
        for number in [3, 1, 3, 2] {
            entry.hide(UserNumber::from_bits(number));
        }
        assert_eq!(entry.hidden(), [1, 2, 3].map(UserNumber::from_bits));
        for number in [2, 3, 1] {
            assert!(entry.hides(UserNumber::from_bits(number)));
            assert!(entry.unhide(UserNumber::from_bits(number)));
            assert!(
                !entry.hides(UserNumber::from_bits(number))
                    && !entry.unhide(UserNumber::from_bits(number))
            );
        }
        assert!(entry.extras.is_none() && entry.hidden().is_empty());
    }

    #[test]
    fn user_that_is_shown_or_hidden_is_a_change_where_the_client_sees_a_difference() {
        let mut entry = watching(&[1, 2, 3]);
        let online = Some(Presence::Online);
        // It is seen already, or not watched.
        assert!(!entry.show(known(1, online, true), true));
        assert!(!entry.show(known(9, online, true), false));
        let extras = entry.extras.as_ref();
        assert!(extras.is_none_or(|extras| extras.sight.is_none()));
        // Offline and unknown ones look the same, seen or not.
        assert!(!entry.show(known(1, None, false), false));
        assert!(!entry.show(known(2, Some(Presence::Offline), false), false));
        assert_eq!(entry.hidden(), [1, 2].map(UserNumber::from_bits));
        assert!(entry.show(known(3, online, true), false));
        assert!(!entry.show(known(1, online, true), true), "it has changes");
        assert_eq!(entry.changed.as_slice(), [3, 1].map(UserNumber::from_bits));
        let profiles = entry.profiles.iter().map(|change| change.number);
        assert_eq!(profiles.collect::<Vec<_>>(), [UserNumber::from_bits(1)]);
        // What it has of the profile goes with the user.
        entry.show(known(1, online, true), false);
        assert!(entry.profiles.is_empty());
    }

    #[test]
    fn backend_is_asked_at_the_first_time_that_was_set() {
        let mut sight = Sight::default();
        assert!(!sight.take_due(u64::MAX));
        assert!(sight.ask_at(50) && !sight.ask_at(60) && sight.ask_at(40));
        assert!(!sight.take_due(39));
        assert!(sight.take_due(40) && !sight.take_due(40));
        assert!(sight.ask_at(60));
    }
}
