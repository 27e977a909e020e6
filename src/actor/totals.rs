//! What all users of a node together, and each of them, may have: rooms that a user
//! created, invites, and histories of channels.
//!
//! Rooms and users are spread over the workers, so these counts are shared. They
//! are locked where a room begins or ends and where invites are sent, never by an
//! action or a message.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

use crate::actor::beginning::Beginnings;
use crate::actor::beyond_share;
use crate::actor::history_bytes::Histories;
use crate::actor::invited::Invited;
use crate::actor::state_bytes::States;
use crate::metric::Metrics;
use crate::service::offered::Offered;
use turntable_core::address::Address;
use turntable_core::id::UserId;
use turntable_core::model::ledger::{Ledger, LedgerFull, LedgerLimits};
use turntable_core::model::room::RoomSettings;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// How many rooms each user created.
type Rooms = Arc<Mutex<HashMap<UserId, usize>>>;

/// The counts of a node.
#[derive(Debug)]
pub struct Totals {
    /// Rooms by the user that created them.
    rooms: Rooms,
    invites: Mutex<Ledger>,
    /// Invites by the user that gets them.
    pub(super) invited: Invited,
    /// Channels and rooms that begin, by who lets them.
    pub(super) beginnings: Beginnings,
    /// Services that users offer.
    pub(super) offered: Arc<Offered>,
    /// What channels retain.
    pub(super) histories: Arc<Histories>,
    /// What rooms retain.
    pub(super) states: Arc<States>,
    invites_gauge: Gauge,
    metrics: Arc<Metrics>,
}

/// A room that its creator has; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Created {
    rooms: Rooms,
    by: UserId,
}

impl Created {
    /// Its creator.
    pub(super) const fn by(&self) -> &UserId {
        &self.by
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if let Some(count) = rooms.get_mut(&self.by) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                rooms.remove(&self.by);
                rooms.give_back();
            }
        }
    }
}

/// Invites that were counted; they can be taken back until they are sent.
#[derive(Debug)]
pub(super) struct Counted {
    by: Option<Address>,
    count: usize,
    until_ms: u64,
}

impl Counted {
    /// So many of them, which are counted apart from here on.
    pub(super) fn split(&mut self, count: usize) -> Self {
        let count = count.min(self.count);
        self.count -= count;
        Self { count, ..*self }
    }
}

impl Totals {
    /// Nothing counted. Gateways look into `offered`, too.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, offered: Arc<Offered>) -> Self {
        Self {
            rooms: Arc::default(),
            invites: Mutex::default(),
            invited: Invited::default(),
            beginnings: Beginnings::default(),
            offered,
            histories: Arc::new(Histories::new(&metrics)),
            states: Arc::new(States::new(&metrics)),
            invites_gauge: metrics.invites.clone(),
            metrics,
        }
    }

    /// Counts a room that `user` creates.
    ///
    /// # Errors
    /// `too_many` over `room.rooms_per_user_max`.
    pub(super) fn create_room(
        &self,
        user: &UserId,
        settings: &RoomSettings,
    ) -> Result<Created, ErrorBody> {
        let max = settings.rooms_per_user_max;
        let mut rooms = self.rooms.lock();
        let count = rooms.get(user).copied().unwrap_or_default();
        if count >= max {
            self.metrics.reach("room.rooms_per_user_max");
            return Err(ErrorBody::new(
                ErrorCode::TooMany,
                format!("at most {max} rooms that one user created exist at one time"),
            )
            .with("max", max as u64));
        }
        rooms.insert(user.clone(), count + 1);
        Ok(Created {
            rooms: self.rooms.clone(),
            by: user.clone(),
        })
    }

    /// Counts invites that a user is about to send from an address.
    ///
    /// # Errors
    /// `too_many` over `room.invites_per_user_max`, `unavailable` over
    /// `room.invites_total_max`; near that `too_many`, where the address has more than its share.
    pub(super) fn count_invites(
        &self,
        from: (&UserId, Option<Address>),
        count: usize,
        settings: &RoomSettings,
        now_ms: u64,
    ) -> Result<Counted, ErrorBody> {
        let limits = LedgerLimits {
            total_max: settings.invites_total_max,
            per_user_max: settings.invites_per_user_max,
        };
        let until_ms = now_ms.saturating_add(settings.invite_ttl_ms);
        let counted = Counted {
            by: from.1,
            count,
            until_ms,
        };
        if count == 0 {
            return Ok(counted);
        }
        let mut invites = self.invites.lock();
        let added = invites.add(from, count, until_ms, now_ms, limits);
        self.invites_gauge.set(invites.total() as i64);
        drop(invites);
        match added {
            Ok(()) => Ok(counted),
            Err(LedgerFull::Share) => Err(beyond_share(
                &self.metrics,
                "invites",
                "room.invites_total_max",
            )),
            Err(LedgerFull::User) => {
                self.metrics.reach("room.invites_per_user_max");
                let max = limits.per_user_max;
                Err(ErrorBody::new(
                    ErrorCode::TooMany,
                    format!("at most {max} invites of one user can be answered at one time"),
                )
                .with("max", max as u64))
            }
            Err(LedgerFull::Total) => {
                self.metrics.reach("room.invites_total_max");
                Err(ErrorBody::new(
                    ErrorCode::Unavailable,
                    "as many invites wait for an answer as may; try again later",
                )
                .with("max", limits.total_max as u64))
            }
        }
    }

    /// Takes invites back that were not sent.
    pub(super) fn take_back(&self, from: &UserId, counted: &Counted) {
        if counted.count == 0 {
            return;
        }
        let mut invites = self.invites.lock();
        invites.take_back((from, counted.by), counted.count, counted.until_ms);
        self.invites_gauge.set(invites.total() as i64);
    }

    /// Brings the gauge of invites up to date.
    pub(super) fn survey(&self, settings: &RoomSettings, now_ms: u64) {
        self.invited.sweep(settings.invites_to_user, now_ms);
        let mut invites = self.invites.lock();
        invites.expire(now_ms);
        self.invites_gauge.set(invites.total() as i64);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    #[test]
    fn rooms_count_for_their_creator_until_they_end() {
        let totals = Totals::new(Arc::new(Metrics::default()), Arc::default());
        let settings = RoomSettings {
            rooms_per_user_max: 2,
            ..RoomSettings::default()
        };
        let create = |id| totals.create_room(&user(id), &settings);
        let first = create("1:1").unwrap();
        let second = create("1:1").unwrap();
        let refused = create("1:1").unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooMany);
        let _other = create("1:2").unwrap();
        drop(first);
        let third = create("1:1").unwrap();
        drop((second, third));
        assert_eq!(totals.rooms.lock().len(), 1);
    }

    #[test]
    fn invites_over_a_limit_say_which() {
        let metrics = Arc::new(Metrics::default());
        let totals = Totals::new(metrics.clone(), Arc::default());
        let settings = RoomSettings {
            invites_per_user_max: 3,
            invites_total_max: 4,
            invite_ttl_ms: 1_000,
            ..RoomSettings::default()
        };
        let count = |id, count, now_ms| {
            let counted = totals.count_invites((&user(id), None), count, &settings, now_ms);
            counted.map_err(|error| error.code)
        };
        let mut counted = count("1:1", 3, 0).unwrap();
        assert_eq!(count("1:1", 1, 0).unwrap_err(), ErrorCode::TooMany);
        assert_eq!(count("1:2", 2, 0).unwrap_err(), ErrorCode::Unavailable);
        assert_eq!(metrics.invites.get(), 3);
        // Some invited users get too many, and then the join is refused.
        totals.take_back(&user("1:1"), &counted.split(1));
        assert_eq!(metrics.invites.get(), 2);
        totals.take_back(&user("1:1"), &counted);
        assert_eq!(metrics.invites.get(), 0);
        count("1:2", 2, 0).unwrap();
        totals.survey(&settings, 1_000);
        assert_eq!(metrics.invites.get(), 0);
    }
}
