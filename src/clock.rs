//! The server's clock: Unix time that never decreases, the only one in the server.
//!
//! The wall clock is read once, at start; afterwards the time since boot is added,
//! which the kernel counts through a suspend too. So a step of the wall clock changes
//! neither the order of a room nor the clients' clock estimates, and a machine that was
//! suspended has the right time at once.
//!
//! Message ids have their time from here ([`MessageIds`]), so a message's id and its
//! `time` agree.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ulid::Generator;

use turntable_core::id::MessageId;

/// What the clock is counted from.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    /// The time since boot then.
    booted: Duration,
    /// The wall clock then, in Unix milliseconds.
    unix_ms: f64,
}

impl Anchor {
    /// Unix milliseconds when the machine is up for as long as `booted`.
    fn unix_ms(&self, booted: Duration) -> f64 {
        self.unix_ms + booted.saturating_sub(self.booted).as_secs_f64() * 1e3
    }
}

fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| Anchor {
        booted: turntable_sys::since_boot(),
        unix_ms: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64() * 1e3),
    })
}

/// Now, in Unix milliseconds with a fraction.
#[must_use]
pub fn now_exact_ms() -> f64 {
    let anchor = anchor();
    anchor.unix_ms(turntable_sys::since_boot())
}

/// Now, in whole Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    now_exact_ms() as u64
}

/// Makes message ids: unique, with the time of this clock, and each greater than all
/// that this generator made before. Ids of two generators have no order within a
/// millisecond; the order of a stream is in its offsets.
#[derive(Debug, Default)]
pub struct MessageIds(Generator);

impl MessageIds {
    /// A generator that has made none.
    #[must_use]
    pub const fn new() -> Self {
        Self(Generator::new())
    }

    /// The next id.
    pub fn next_id(&mut self) -> MessageId {
        self.at(now_ms())
    }

    /// The next id, at `unix_ms`.
    fn at(&mut self, unix_ms: u64) -> MessageId {
        let time = UNIX_EPOCH + Duration::from_millis(unix_ms);
        self.0
            .generate_from_datetime(time)
            .unwrap_or_else(|overflow| overflow.commit_overflow_increment())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHOR: Anchor = Anchor {
        booted: Duration::from_secs(100),
        unix_ms: 1_732_000_000_000.25,
    };

    #[test]
    fn clock_never_decreases() {
        let stamps: Vec<f64> = (0..1000).map(|_| now_exact_ms()).collect();
        assert!(
            stamps
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a <= b))
        );
    }

    #[test]
    fn clock_goes_on_through_a_suspend() {
        // An hour in which no program ran: the time since boot has it.
        let before = ANCHOR.unix_ms(Duration::from_secs(101));
        let after = ANCHOR.unix_ms(Duration::from_secs(3_701));
        assert_eq!(before, 1_732_000_001_000.25);
        assert_eq!(after - before, 3_600_000.0);
    }

    #[test]
    fn clock_is_the_wall_clock_at_start() {
        assert_eq!(ANCHOR.unix_ms(ANCHOR.booted), ANCHOR.unix_ms);
        // A reading of another thread that is older than the anchor.
        assert_eq!(ANCHOR.unix_ms(Duration::ZERO), ANCHOR.unix_ms);
    }

    #[test]
    fn message_ids_have_the_time_of_this_clock() {
        // Another year than the wall clock's.
        let unix_ms = 1_000_000_000_000;
        let mut ids = MessageIds::new();
        let first = ids.at(unix_ms);
        assert_eq!(first.timestamp_ms(), unix_ms);
        let second = ids.at(unix_ms);
        assert!(first < second, "in one millisecond");
        assert_eq!(ids.at(unix_ms + 1).timestamp_ms(), unix_ms + 1);
        let now = now_ms();
        let made = ids.next_id().timestamp_ms();
        assert!((now..=now + 1_000).contains(&made), "{made} at {now}");
    }
}
