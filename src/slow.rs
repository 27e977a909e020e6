//! The log of what took long: a worker's turn, messages that waited for a worker, ticks of
//! rooms, the store, services, calls of the operator.
//!
//! Each kind is one line in ten seconds at the most, with the number of those that were left
//! out. The threshold is one for the process, as the log is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;
use crate::log_limit::LogLimit;

/// From how many ms on something is slow; 0: nothing is.
static SLOW_MS: AtomicU64 = AtomicU64::new(0);

/// What may be slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A turn of a gateway.
    Turn,
    /// A message that waited in a mailbox.
    Wait,
    /// A tick of a room.
    Tick,
    /// A commit of the store.
    Commit,
    /// A call to a service.
    Service,
    /// A call of the operator.
    Management,
}

static LIMITS: [LogLimit; 6] = [const { LogLimit::new() }; 6];

/// Sets from how many ms on something is slow; 0: nothing is.
pub fn set(slow_ms: u64) {
    SLOW_MS.store(slow_ms, Ordering::Relaxed);
}

/// The begin of something that may be slow; `None` where nothing is.
#[must_use]
pub fn begin() -> Option<Instant> {
    (SLOW_MS.load(Ordering::Relaxed) > 0).then(Instant::now)
}

/// The end of what began at `since`.
pub fn end(since: Option<Instant>, kind: Kind, what: impl FnOnce() -> String) {
    if let Some(since) = since {
        note(since.elapsed(), kind, what);
    }
}

/// Something took so long. `what` is the begin of the line, up to "took".
pub fn note(took: Duration, kind: Kind, what: impl FnOnce() -> String) {
    let slow_ms = SLOW_MS.load(Ordering::Relaxed);
    if slow_ms == 0 || took.as_millis() < u128::from(slow_ms) {
        return;
    }
    let limit = LIMITS.get(kind as usize);
    if let Some(left_out) = limit.and_then(|limit| limit.admit(clock::now_ms())) {
        let what = what();
        log::warn!("slow: {what} took {} ms{left_out}", took.as_millis());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fast_enough_is_not_described() {
        let never = || -> String { unreachable!("it is not slow") };
        note(Duration::from_secs(60), Kind::Turn, never);
        assert_eq!(begin(), None);
        set(100);
        note(Duration::from_millis(99), Kind::Turn, never);
        assert!(begin().is_some());
        let mut lines = 0;
        for _ in 0..3 {
            note(Duration::from_millis(100), Kind::Turn, || {
                lines += 1;
                "a test".to_owned()
            });
        }
        assert_eq!(lines, 1, "the others are counted");
        set(0);
    }
}
