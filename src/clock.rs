//! The server's clock: Unix time that never decreases.
//!
//! The wall clock is read once, at start; afterwards the monotonic clock is added. A
//! step of the wall clock therefore changes neither the order of a room nor the
//! clients' clock estimates.

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
    fn clock_never_decreases() {
        let stamps: Vec<f64> = (0..1000).map(|_| now_exact_ms()).collect();
        assert!(
            stamps
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a <= b))
        );
    }
}
