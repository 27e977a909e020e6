//! Log lines that may repeat: one of a kind in a while, with the number of those that
//! were left out.
//!
//! What a client can cause is logged at `debug` and counted. What the server or its
//! system causes is a warning or an error, and may repeat as often as clients come; a
//! log that fills the disk would be a second fault.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long a line is not written again, in ms.
const EVERY_MS: u64 = 10_000;

/// The limit of one kind of line, in a `static` beside it.
#[derive(Debug, Default)]
pub struct LogLimit {
    /// Unix ms from which on the next line is written.
    next_ms: AtomicU64,
    left_out: AtomicU64,
}

impl LogLimit {
    /// A limit that has seen no line.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next_ms: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line is written at `now_ms`. If so, the end of it, which says how many
    /// were left out since the last one.
    pub fn admit(&self, now_ms: u64) -> Option<LeftOut> {
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let later_ms = now_ms.saturating_add(EVERY_MS);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        // Of several threads one writes.
        let is_admitted = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, later_ms, set, get)
                .is_ok();
        if is_admitted {
            return Some(LeftOut(self.left_out.swap(0, Ordering::Relaxed)));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// The end of a line: how many were left out before it; nothing if none were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut(u64);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({count} more since the last such line)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_counted_and_not_written() {
        let limit = LogLimit::new();
        let start_ms = 1_732_000_000_000;
        assert_eq!(limit.admit(start_ms), Some(LeftOut(0)));
        for after_ms in [0, 1, EVERY_MS - 1] {
            assert_eq!(limit.admit(start_ms + after_ms), None);
        }
        let next = limit.admit(start_ms + EVERY_MS);
        assert_eq!(next, Some(LeftOut(3)));
        let text = next.map(|left_out| left_out.to_string());
        assert_eq!(text.as_deref(), Some(" (3 more since the last such line)"));
        assert_eq!(limit.admit(start_ms + 2 * EVERY_MS), Some(LeftOut(0)));
        assert_eq!(LeftOut(0).to_string(), "");
    }
}
