//! Something that is logged at most so often, whatever clients do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;

/// The limit of one log line.
#[derive(Debug)]
pub struct Occasional {
    interval_ms: u64,
    /// Unix ms of the last time; 0: never.
    last_ms: AtomicU64,
}

impl Occasional {
    /// At most once in `interval`.
    #[must_use]
    pub const fn every(interval: Duration) -> Self {
        Self {
            interval_ms: interval.as_millis() as u64,
            last_ms: AtomicU64::new(0),
        }
    }

    /// Whether the line may be written now; if so, the interval begins.
    pub fn may_log(&self) -> bool {
        self.may_log_at(clock::now_ms())
    }

    fn may_log_at(&self, now_ms: u64) -> bool {
        let last_ms = self.last_ms.load(Ordering::Relaxed);
        let is_due = last_ms == 0 || now_ms >= last_ms.saturating_add(self.interval_ms);
        is_due
            && self
                .last_ms
                .compare_exchange(last_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_written_once_in_its_interval() {
        let line = Occasional::every(Duration::from_millis(100));
        assert!(line.may_log_at(1_000));
        assert!(!line.may_log_at(1_000));
        assert!(!line.may_log_at(1_099));
        assert!(line.may_log_at(1_100));
    }
}
