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

/// How a connection ended, or an attempt.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loss {
    /// The close code, if the server sent one.
    pub(crate) code: Option<u16>,
    /// How long the connection had its welcome, if it had one.
    pub(crate) lasted: Option<Duration>,
    /// How long the server wants to be left alone at least.
    pub(crate) asked: Option<Duration>,
    /// Whether it ended without a close code, and not by this client: the server may have
    /// crashed.
    pub(crate) is_cut: bool,
}

/// The attempts since a connection lasted, and over which time the clients of a server that
/// crashed come back.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    /// Of the last `welcome`.
    spread: Duration,
    /// Whether the last connection with a welcome was cut, and none has had one since.
    is_cut: bool,
}

impl Backoff {
    /// The connection has its welcome. `spread`: over which time the server wants its clients
    /// back after a crash, in which it cannot say so.
    pub(crate) fn welcomed(&mut self, spread: Duration) {
        self.spread = spread;
        self.is_cut = false;
    }

    /// The delay before the next attempt; `random`: from 0 to 1.
    pub(crate) fn delay(&mut self, bounds: Reconnect, loss: Loss, random: f64) -> Duration {
        // One that ends at once is no better than none.
        if loss.lasted.is_some_and(|lasted| lasted >= bounds.max) {
            self.attempts = 0;
        }
        if loss.lasted.is_some() {
            self.is_cut = loss.is_cut;
        }
        let grown = bounds.min.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        let is_slow = loss.code.is_some_and(|code| SLOW.contains(&code));
        let most = if is_slow { bounds.max } else { grown }.min(bounds.max);
        let spread = if self.is_cut {
            self.spread
        } else {
            Duration::ZERO
        };
        let asked = loss.asked.unwrap_or_default();
        // What the server asks for is a time over which its clients are spread, too.
        asked + most.max(asked).max(spread).mul_f64(random.clamp(0.0, 1.0))
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
        let loss = Loss {
            lasted,
            ..Loss::default()
        };
        let mut delay = || backoff.delay(bounds, loss, 1.0).as_millis();
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
            let loss = Loss {
                code,
                asked,
                ..Loss::default()
            };
            Backoff::default().delay(bounds, loss, random)
        };
        assert_eq!(delay(None, None, 0.0), Duration::ZERO);
        assert_eq!(delay(None, None, 0.5), 100 * MS);
        assert_eq!(delay(Some(4007), None, 1.0), bounds.max);
        assert_eq!(delay(None, Some(1_000 * MS), 0.0), 1_000 * MS);
        assert_eq!(delay(None, Some(1_000 * MS), 1.0), 2_000 * MS);
        assert!((0.0..=1.0).contains(&random()));
    }

    #[test]
    fn clients_of_a_server_that_crashed_are_spread_over_the_time_of_its_welcome() {
        let mut backoff = Backoff::default();
        let mut lost = |welcome_ms: Option<u32>, is_cut| {
            let welcome = welcome_ms.map(|ms| ms * MS);
            if let Some(spread) = welcome {
                backoff.welcomed(spread);
            }
            let loss = Loss {
                lasted: welcome.map(|_| 60_000 * MS),
                is_cut,
                ..Loss::default()
            };
            backoff.delay(Reconnect::default(), loss, 1.0).as_millis()
        };
        assert_eq!(lost(Some(30_000), true), 30_000);
        // The server is not back.
        assert_eq!(lost(None, true), 30_000);
        // It closed the connection, or this client did: it has not crashed.
        assert_eq!(lost(Some(30_000), false), 200);
        assert_eq!(lost(None, true), 400);
        // It has few clients now.
        assert_eq!(lost(Some(0), true), 200);
    }
}
