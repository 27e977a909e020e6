//! How long messages wait in the mailboxes of a worker: once a second it posts one to itself that
//! measures it, so that no message carries a time. A worker that is stuck posts its own late, so
//! they count from when they were due.

use std::time::{Duration, Instant};

use actix::{Message, Recipient};

/// The time between two.
const PERIOD: Duration = Duration::from_secs(1);
/// What was due in this time is posted; it is enough for any worker that goes on.
const BEHIND_MAX: Duration = Duration::from_secs(60);

/// A message that was to be posted at this time.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Probe(Instant);

impl Probe {
    /// How long it waited until now.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The actors of a worker that measure how long it takes until their messages are handled.
#[derive(Debug)]
pub struct Probed {
    /// The gateway.
    pub gateway: Recipient<Probe>,
    /// The directory.
    pub directory: Recipient<Probe>,
}

impl Probed {
    /// Posts a probe to both that was due at this time.
    pub(super) fn post(&self, due: Instant) {
        self.gateway.do_send(Probe(due));
        self.directory.do_send(Probe(due));
    }
}

/// When the probes of a worker are due.
#[derive(Debug, Default)]
pub struct Schedule {
    last: Option<Instant>,
}

impl Schedule {
    /// Since when the probes were due that are to be posted now. The worker looks once in `look`,
    /// which is no wait.
    pub fn take(&mut self, now: Instant, look: Duration) -> Vec<Instant> {
        let last = self.last.unwrap_or(now);
        let mut last = now
            .checked_sub(BEHIND_MAX)
            .map_or(last, |begin| begin.max(last));
        let mut due = Vec::new();
        while now.saturating_duration_since(last) >= PERIOD {
            last += PERIOD;
            due.push((last + look).min(now));
        }
        self.last = Some(last);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_count_from_when_they_were_due() {
        let begin = Instant::now() + BEHIND_MAX;
        let look = Duration::from_millis(50);
        let mut schedule = Schedule::default();
        let mut waits = |at_ms: u64| {
            let now = begin + Duration::from_millis(at_ms);
            let due = schedule.take(now, look).into_iter();
            due.map(|due| (now - due).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(0), []);
        assert_eq!(waits(950), []);
        assert_eq!(waits(1_040), [0], "the look comes when it comes");
        assert_eq!(waits(1_990), []);
        assert_eq!(waits(2_000), [0]);
        // As many as an undisturbed worker would have posted.
        assert_eq!(waits(5_500), [2_450, 1_450, 450]);
        assert_eq!(waits(6_000), [0]);
        assert_eq!(waits(3_600_000).len(), 60);
        assert_eq!(waits(3_601_000), [0]);
    }
}
