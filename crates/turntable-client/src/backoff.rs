//! When to connect again: a random part of a time that grows with each attempt, so that
//! clients of a restarted server do not come back all at once.

use std::time::Duration;

/// Close codes of clients that were too fast: they wait as long as the last attempt.
const SLOW: [u16; 2] = [4006, 4007];

/// The bounds of the delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// The greatest delay of the first attempt.
    pub min: Duration,
    /// The greatest delay at all.
    pub max: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(200),
            max: Duration::from_secs(20),
        }
    }
}

/// The attempts since a connection lasted.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The delay before the next attempt. `lasted`: how long the last connection had its
    /// welcome; `asked`: what the server wants to be waited at least; `random`: from 0 to 1.
    pub(crate) fn delay(
        &mut self,
        bounds: Reconnect,
        code: Option<u16>,
        lasted: Option<Duration>,
        asked: Option<Duration>,
        random: f64,
    ) -> Duration {
        // One that ends at once is no better than none.
        if lasted.is_some_and(|lasted| lasted >= bounds.max) {
            self.attempts = 0;
        }
        let grown = bounds.min.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        let is_slow = code.is_some_and(|code| SLOW.contains(&code));
        let most = if is_slow { bounds.max } else { grown }.min(bounds.max);
        let asked = asked.unwrap_or_default();
        // What the server asks for is a time over which its clients are spread, too.
        asked + most.max(asked).mul_f64(random.clamp(0.0, 1.0))
    }
}

/// A random number from 0 to 1.
pub(crate) fn random() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        // Any other number is as good, if not as random.
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn delays(backoff: &mut Backoff, lasted: Option<Duration>, count: usize) -> Vec<u128> {
        let bounds = Reconnect {
            min: 100 * MS,
            max: 1_000 * MS,
        };
        let mut delay = || backoff.delay(bounds, None, lasted, None, 1.0).as_millis();
        (0..count).map(|_| delay()).collect()
    }

    #[test]
    fn delays_grow_until_a_connection_lasted() {
        let mut backoff = Backoff::default();
        let grown = [100, 200, 400, 800, 1_000, 1_000];
        assert_eq!(delays(&mut backoff, Some(MS), 6), grown);
        assert_eq!(delays(&mut backoff, Some(2_000 * MS), 1), [100]);
    }

    #[test]
    fn delay_is_a_random_part_and_respects_the_server() {
        let bounds = Reconnect::default();
        let delay = |code, asked, random| {
            let mut backoff = Backoff::default();
            backoff.delay(bounds, code, None, asked, random)
        };
        assert_eq!(delay(None, None, 0.0), Duration::ZERO);
        assert_eq!(delay(None, None, 0.5), 100 * MS);
        assert_eq!(delay(Some(4007), None, 1.0), bounds.max);
        assert_eq!(delay(None, Some(1_000 * MS), 0.0), 1_000 * MS);
        assert_eq!(delay(None, Some(1_000 * MS), 1.0), 2_000 * MS);
        assert!((0.0..=1.0).contains(&random()));
    }
}
