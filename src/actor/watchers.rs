//! Which gateways watch users that have no avatar.
//!
//! A user that is only watched needs no actor: nobody but its watchers knows of it,
//! and what they see does not change. The directory answers for it and stores who
//! watches. An avatar that starts takes its user's watchers from here, and gives
//! them back when it ends; both happen on the worker's thread, between two calls.

use std::collections::HashMap;

use prometheus_client::metrics::gauge::Gauge;

use turntable_core::id::UserId;
use turntable_core::key::GatewayId;
use turntable_core::model::interest::Interest;
use turntable_core::spare::Spare;

/// Gateways by user, of one worker.
#[derive(Debug)]
pub(super) struct Watchers {
    by_user: HashMap<UserId, Interest>,
    /// The users of all workers.
    gauge: Gauge,
}

impl Watchers {
    /// No watchers. `gauge` counts the users.
    pub(super) fn new(gauge: Gauge) -> Self {
        Self {
            by_user: HashMap::new(),
            gauge,
        }
    }

    /// `gateway` watches a user.
    pub(super) fn add(&mut self, user: UserId, gateway: GatewayId) {
        let watchers = self.by_user.entry(user).or_default();
        if watchers.is_empty() {
            self.gauge.inc();
        }
        watchers.add(gateway);
    }

    /// `gateway` does not watch a user any more.
    pub(super) fn remove(&mut self, user: &UserId, gateway: GatewayId) {
        let Some(watchers) = self.by_user.get_mut(user) else {
            return;
        };
        watchers.remove(gateway);
        if watchers.is_empty() {
            self.take(user);
        }
    }

    /// Takes the watchers of a user whose avatar starts.
    pub(super) fn take(&mut self, user: &UserId) -> Interest {
        let Some(watchers) = self.by_user.remove(user) else {
            return Interest::default();
        };
        self.gauge.dec();
        self.by_user.give_back();
        watchers
    }

    /// Stores the watchers of a user whose avatar ended.
    pub(super) fn put_back(&mut self, user: UserId, watchers: Interest) {
        if !watchers.is_empty() && self.by_user.insert(user, watchers).is_none() {
            self.gauge.inc();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use turntable_core::key::{NodeId, WorkerId};

    use super::*;

    fn gateway(worker: u16) -> GatewayId {
        GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        }
    }

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    #[test]
    fn watchers_are_a_set_that_is_taken_and_given_back() {
        let mut watchers = Watchers::new(Gauge::default());
        for worker in [0, 1, 0] {
            watchers.add(user(1), gateway(worker));
        }
        watchers.add(user(2), gateway(0));
        watchers.remove(&user(2), gateway(1));
        watchers.remove(&user(3), gateway(0));
        assert_eq!(watchers.gauge.get(), 2);
        let taken = watchers.take(&user(1));
        assert_eq!(taken.gateways(), [gateway(0), gateway(1)]);
        assert!(watchers.take(&user(1)).is_empty());
        assert_eq!(watchers.gauge.get(), 1);
        watchers.put_back(user(1), taken);
        watchers.put_back(user(4), Interest::default());
        assert_eq!(watchers.gauge.get(), 2);
        for (user, worker) in [(user(1), 0), (user(1), 1), (user(2), 0)] {
            watchers.remove(&user, gateway(worker));
        }
        assert_eq!(watchers.gauge.get(), 0);
        assert!(watchers.by_user.is_empty());
    }

    #[test]
    fn users_that_are_not_watched_any_more_take_no_memory() {
        let mut watchers = Watchers::new(Gauge::default());
        for number in 0..10_000 {
            watchers.add(user(number), gateway(0));
        }
        for number in 1..10_000 {
            watchers.remove(&user(number), gateway(0));
        }
        assert!(watchers.by_user.capacity() < 100);
        assert_eq!(watchers.gauge.get(), 1);
    }
}
