//! Users that a session watched which ended.
//!
//! Each costs about as much as one that a command names, and a session may have watched thousands:
//! they are left in parts, which take turns with what others want. Until then the watchers of these
//! users list the session's place, where nothing is; no other session gets it.

use std::collections::VecDeque;

use thin_vec::ThinVec;

use crate::gateway::Gateway;
use crate::gateway::intake::USERS_AT_ONCE;
use crate::gateway::work::Continued;
use turntable_core::key::{SessionSlot, UserNumber};
use turntable_core::spare::Spare as _;

/// What sessions watched that ended, the first one first.
#[derive(Debug, Default)]
pub(crate) struct Unwatching(VecDeque<(SessionSlot, ThinVec<UserNumber>)>);

impl Unwatching {
    /// How many users are to be left.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, users)| users.len()).sum()
    }

    /// Takes out a part of the first one. Returns whether it was the last.
    fn part(&mut self) -> Option<(SessionSlot, ThinVec<UserNumber>, bool)> {
        let (session, users) = self.0.front_mut()?;
        let session = *session;
        let part = users.split_off(users.len().saturating_sub(USERS_AT_ONCE));
        let is_last = users.is_empty();
        if is_last {
            self.0.pop_front();
            self.0.give_back();
        }
        Some((session, part, is_last))
    }
}

impl Gateway {
    /// A session that ends does not watch these users any more: a part of them from now on.
    /// Returns whether its place is listed until the others are left.
    pub(super) fn unwatch_later(
        &mut self,
        session: SessionSlot,
        mut users: ThinVec<UserNumber>,
    ) -> bool {
        let part = users.split_off(users.len().saturating_sub(USERS_AT_ONCE));
        for number in part {
            self.unwatch(number, session);
        }
        let is_listed = !users.is_empty();
        if is_listed {
            if self.subscriptions.unwatching.0.is_empty() {
                self.continued.push_back(Continued::Unwatching);
            }
            self.subscriptions.unwatching.0.push_back((session, users));
        }
        is_listed
    }

    /// The next part.
    pub(in crate::gateway) fn unwatch_some(&mut self) {
        let Some((session, part, is_last)) = self.subscriptions.unwatching.part() else {
            return;
        };
        self.intake.names(part.len());
        for number in part {
            self.unwatch(number, session);
        }
        if is_last {
            self.sessions.free_place(session);
        }
        if !self.subscriptions.unwatching.0.is_empty() {
            self.continued.push_back(Continued::Unwatching);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin, begin_as, gateway, user};
    use crate::gateway::work::Next;
    use turntable_core::key::SlotKey as _;

    /// Turns until nothing goes on; returns how many.
    fn turns(gateway: &mut Gateway) -> usize {
        let mut count = 0;
        loop {
            count += 1;
            gateway.intake.begin_turn();
            if gateway.go_on() == Next::None {
                return count;
            }
        }
    }

    #[test]
    fn users_of_a_session_that_ended_are_left_in_parts() {
        const USERS: usize = 15 * USERS_AT_ONCE;
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let (one, other) = (begin(&mut gateway), begin_as(&mut gateway, 2));
        let users: Vec<_> = (0..USERS)
            .map(|number| user(&format!("9:{number}")))
            .collect();
        for session in [one, other] {
            gateway.subscribe(session, users.clone(), None);
        }
        turns(&mut gateway);
        let watched = |gateway: &Gateway| gateway.subscriptions.watches.users().count();
        assert_eq!(watched(&gateway), USERS);
        gateway.intake.begin_turn();
        gateway.bye(one);
        gateway.run();
        assert!(!gateway.sessions.holds(one));
        turns(&mut gateway);
        // The other one watches them on.
        assert_eq!(watched(&gateway), USERS);
        gateway.intake.begin_turn();
        gateway.bye(other);
        gateway.run();
        let left = watched(&gateway);
        assert!((USERS - 8 * USERS_AT_ONCE..USERS).contains(&left), "{left}");
        // A session that comes meanwhile has another place: it is sent nothing of these users,
        // and goes on watching those of them that it wants.
        let next = begin_as(&mut gateway, 3);
        let places = [one, other, next].map(|session| session.index());
        let [_, lost, new] = places;
        assert_ne!(new, lost, "{places:?}");
        assert!(turns(&mut gateway) > 1);
        assert_eq!(watched(&gateway), 0);
        assert_eq!(begin_as(&mut gateway, 4).index(), other.index());
    }
}
