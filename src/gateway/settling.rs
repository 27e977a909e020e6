//! Puts writing off while input keeps coming.
//!
//! A burst comes as many small reads. If each led to a write, a socket would
//! be written to as often as the burst has messages; waiting for its end (for
//! microseconds, and only while there is something to do) makes one write of
//! them. Without input nothing waits.

use std::time::{Duration, Instant};

/// Turns that writing waits for once input came in beside it: what was read
/// passes a directory and an owner before it comes back.
const SETTLE_TURNS: u8 = 2;
/// How long writing waits for input to end at the most.
const SETTLE_MAX: Duration = Duration::from_micros(150);

/// Whether writing waits.
#[derive(Debug, Default)]
pub(super) struct Settling {
    turns: u8,
    since: Option<Instant>,
}

impl Settling {
    /// Whether what waits should be written in this turn.
    pub(super) fn is_over(&mut self, has_output: bool, had_input: bool) -> bool {
        if !has_output {
            *self = Self::default();
            return true;
        }
        if had_input {
            self.turns = SETTLE_TURNS;
        }
        if self.turns == 0 {
            self.since = None;
            return true;
        }
        self.turns -= 1;
        let is_over = self.since.get_or_insert_with(Instant::now).elapsed() >= SETTLE_MAX;
        if is_over {
            *self = Self::default();
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_message_is_written_at_once() {
        let mut settling = Settling::default();
        assert!(
            settling.is_over(false, true),
            "read, and nothing to write yet"
        );
        assert!(settling.is_over(true, false));
    }

    #[test]
    fn end_of_a_burst_is_awaited_for_a_bounded_time() {
        let mut settling = Settling::default();
        assert!(!settling.is_over(true, true));
        assert!(!settling.is_over(true, false));
        assert!(settling.is_over(true, false), "nothing more came");
        let start = Instant::now();
        while !settling.is_over(true, true) {
            assert!(start.elapsed() < Duration::from_secs(5), "it ends");
        }
        assert!(start.elapsed() >= SETTLE_MAX);
    }
}
