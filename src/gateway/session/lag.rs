//! What is measured of a client's path beside the pings of its transport: the
//! kernel's round trip, and whether this machine slept.

use crate::clock;
use crate::gateway::Gateway;
use crate::log_limit::LogLimit;
use turntable_core::key::SessionSlot;
use turntable_core::session::clock::settings::KernelRtt;

/// A shorter sleep of this machine does not count, in ms.
const SLEEP_MS: u64 = 100;

/// Every gateway notices a sleep.
static SLEPT: LogLimit = LogLimit::new();

impl Gateway {
    /// Reads the kernel's round trip for a client that acts and whose transport has no
    /// pings, as often as others are pinged. A namespace has its carrier's socket.
    pub(super) fn measure_path(&mut self, session: SessionSlot, now_ms: f64) {
        let settings = self.settings.time;
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let connection = entry.session.connection();
        let connection = connection.and_then(|key| self.connections.get(key));
        let Some(connection) = connection.filter(|found| !found.transport.has_pings()) else {
            return;
        };
        let clock = entry.session.clock();
        if settings.kernel_rtt == KernelRtt::Off
            || clock.is_measured_within(settings.ping_acting_ms, now_ms)
        {
            return;
        }
        let carrier = connection.transport.carrier();
        let carrier = carrier.and_then(|key| self.connections.get(key));
        let Some(trip) = carrier.unwrap_or(connection).kernel_round_trip() else {
            return;
        };
        clock.round_trips(trip.least_ms, trip.usual_ms, now_ms);
        let lag = clock.lag(now_ms, settings.allowance_ms);
        let metrics = &self.shared.metrics;
        metrics.kernel_round_trip.observe(trip.usual_ms);
        metrics.credit.observe(f64::from(lag.credit_ms));
    }

    /// After a sleep of this machine nothing is known of clients' clocks: the server's
    /// stood still. It was suspended for `suspended_ms` since it started.
    pub(crate) fn check_sleep(&mut self, suspended_ms: u64) {
        let slept_ms = suspended_ms.saturating_sub(self.suspended_ms);
        self.suspended_ms = suspended_ms;
        if slept_ms < SLEEP_MS {
            return;
        }
        if let Some(left_out) = SLEPT.admit(clock::now_ms()) {
            log::warn!("this machine slept for {slept_ms} ms: clocks are measured anew{left_out}");
        }
        self.sessions.restart_clocks();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin, entry, gateway};

    #[test]
    fn clocks_are_measured_anew_after_a_sleep_of_this_machine() {
        let owners = Arc::new(Noted::default());
        let mut gateway = gateway(0, &owners);
        let session = begin(&mut gateway);
        let now_ms = crate::clock::now_exact_ms();
        let clock = entry(&mut gateway, session).session.clock();
        clock.time_exchange(0.0, now_ms);
        let before_ms = gateway.suspended_ms;
        let is_known = |gateway: &mut Gateway| {
            let clock = entry(gateway, session).session.clock();
            clock.offset(now_ms, 2_000.0).is_some()
        };
        gateway.check_sleep(before_ms + SLEEP_MS - 1);
        assert!(is_known(&mut gateway));
        gateway.check_sleep(before_ms + 60_000);
        assert!(!is_known(&mut gateway));
    }
}
