//! The server's clock: Unix time that never runs backwards.
//!
//! The wall clock is read once, at start; from then on time passes as the
//! monotonic clock says. A step of the wall clock can therefore neither break
//! the order of a room nor every client's clock estimate at once.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Anchor {
    started: Instant,
    unix_ms: f64,
}

fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    ANCHOR.get_or_init(|| Anchor {
        started: Instant::now(),
        unix_ms: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64() * 1e3),
    })
}

/// Now, in Unix milliseconds with a fraction.
#[must_use]
pub fn now_exact_ms() -> f64 {
    let anchor = anchor();
    anchor.unix_ms + anchor.started.elapsed().as_secs_f64() * 1e3
}

/// Now, in whole Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    now_exact_ms() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_runs_backwards() {
        let stamps: Vec<f64> = (0..1000).map(|_| now_exact_ms()).collect();
        assert!(
            stamps
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a <= b))
        );
    }
}
