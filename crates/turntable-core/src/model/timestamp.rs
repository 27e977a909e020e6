//! Corrects the timestamps of one sender's actions.
//!
//! A client's timestamp is moved by the estimated clock offset, limited to
//! [now - max lag, now], and never decreases for one sender. The limit is the lag that
//! was measured for the sender, and at most `room.max_lag_ms`. So a client with a
//! false clock can only choose a time within the lag that it has.

use serde::{Deserialize, Serialize};

/// How late the messages of a client are, and how far back its timestamps may lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Half the round trip that one in twenty exceeded, in ms; `None` where it is not
    /// measured.
    pub measured_ms: Option<u32>,
    /// How far before the receipt of a message its timestamps may lie, in ms.
    pub credit_ms: u32,
}

/// What the gateway knows of the clock of a message's sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SenderClock {
    /// Server's clock minus the client's, in ms; `None` before any sample.
    pub offset_ms: Option<f64>,
    /// How late the client's messages are.
    pub lag: Lag,
    /// Unix ms when the gateway received the message.
    pub received_ms: u64,
}

impl SenderClock {
    /// A clock whose timestamps only `room.max_lag_ms` limits.
    #[must_use]
    pub const fn trusted(offset_ms: Option<f64>) -> Self {
        Self {
            offset_ms,
            lag: Lag {
                measured_ms: None,
                credit_ms: u32::MAX,
            },
            received_ms: 0,
        }
    }

    /// How far before `now_ms` a timestamp may lie, in ms. The time between the
    /// message's receipt and now is the server's, so it is no sender's loss.
    #[must_use]
    pub const fn limit_ms(&self, now_ms: u64, max_lag_ms: u64) -> u64 {
        let inside_ms = now_ms.saturating_sub(self.received_ms);
        let credit_ms = inside_ms.saturating_add(self.lag.credit_ms as u64);
        if credit_ms < max_lag_ms {
            credit_ms
        } else {
            max_lag_ms
        }
    }
}

/// Corrects the timestamps of one sender.
///
/// ```
/// use turntable_core::model::timestamp::Corrector;
/// let mut corrector = Corrector::default();
/// let corrected = [900.0, 950.0, 5_000.0].map(|client_ms| {
///     corrector.correct(client_ms, Some(10_000.0), 11_000, 1_000)
/// });
/// assert_eq!(corrected, [10_900, 10_950, 11_000]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corrector {
    last_ms: u64,
}

impl Corrector {
    /// A corrector whose first timestamp is not before `last_ms`.
    #[must_use]
    pub const fn after(last_ms: u64) -> Self {
        Self { last_ms }
    }

    /// The last corrected timestamp, Unix ms; 0 before the first.
    #[must_use]
    pub const fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// How long ago the last stamp was, in ms; `None` before the first.
    #[must_use]
    pub const fn age_ms(&self, now_ms: u64) -> Option<u64> {
        match self.last_ms {
            0 => None,
            last_ms => Some(now_ms.saturating_sub(last_ms)),
        }
    }

    /// A corrector whose last stamp was so long ago.
    #[must_use]
    pub const fn of_age(age_ms: Option<u64>, now_ms: u64) -> Self {
        let last_ms = match age_ms {
            Some(age_ms) => now_ms.saturating_sub(age_ms),
            None => 0,
        };
        Self { last_ms }
    }

    /// The corrected timestamp, in whole Unix ms of the server: `client_ms` moved
    /// by `offset_ms` (server minus client), within [`now_ms` - `max_lag_ms`,
    /// `now_ms`] and not before the sender's last one. Without an offset it is
    /// `now_ms`. If the server's clock is set back, the range takes precedence over
    /// the order.
    pub fn correct(
        &mut self,
        client_ms: f64,
        offset_ms: Option<f64>,
        now_ms: u64,
        max_lag_ms: u64,
    ) -> u64 {
        // Rounding the offset before the addition preserves the distances between whole
        // timestamps; rounding down keeps a current timestamp from exceeding now.
        let moved_ms = offset_ms.map_or(f64::NAN, |offset_ms| {
            (client_ms + offset_ms.floor()).floor()
        });
        // A cast saturates, so a huge timestamp remains in the future.
        let moved_ms = if moved_ms.is_nan() {
            now_ms
        } else {
            moved_ms as u64
        };
        let corrected_ms = moved_ms
            .max(now_ms.saturating_sub(max_lag_ms))
            .max(self.last_ms)
            .min(now_ms);
        self.last_ms = corrected_ms;
        corrected_ms
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    #[test]
    fn timestamp_without_an_offset_is_now() {
        let mut corrector = Corrector::default();
        assert_eq!(corrector.correct(10_223_232.0, None, NOW, 1_000), NOW);
        assert_eq!(corrector.correct(f64::NAN, Some(0.0), NOW, 1_000), NOW);
    }

    #[test]
    fn timestamps_are_limited_to_the_lag() {
        let offset_ms = Some(NOW as f64);
        let correct =
            |client_ms| Corrector::default().correct(client_ms, offset_ms, NOW, 1_000) as i64;
        let now = NOW as i64;
        assert_eq!(correct(-250.0) - now, -250);
        assert_eq!(correct(-5_000.0) - now, -1_000);
        assert_eq!(correct(5_000.0) - now, 0);
        assert_eq!(correct(f64::MAX) - now, 0);
        assert_eq!(correct(f64::NEG_INFINITY) - now, -1_000);
    }

    #[test]
    fn credit_counts_from_the_receipt_and_ends_at_the_limit() {
        let clock = SenderClock {
            offset_ms: Some(0.0),
            lag: Lag {
                measured_ms: Some(40),
                credit_ms: 50,
            },
            received_ms: NOW,
        };
        assert_eq!(clock.limit_ms(NOW, 1_000), 50);
        // The message waited inside the server.
        assert_eq!(clock.limit_ms(NOW + 30, 1_000), 80);
        assert_eq!(clock.limit_ms(NOW + 30, 60), 60);
        assert_eq!(SenderClock::trusted(None).limit_ms(NOW, 1_000), 1_000);
    }

    #[test]
    fn clock_set_back_preserves_the_range() {
        let mut corrector = Corrector::after(NOW);
        let earlier = NOW - 60_000;
        assert_eq!(corrector.correct(0.0, None, earlier, 1_000), earlier);
    }

    proptest! {
        #[test]
        fn any_timestamps_are_in_range_and_in_order(
            stamps in prop::collection::vec(
                (any::<f64>(), prop::option::of(any::<f64>()), 0..2_000u64),
                1..50,
            ),
        ) {
            let mut corrector = Corrector::default();
            let mut now_ms = NOW;
            let mut last_ms = 0;
            for (client_ms, offset_ms, passed_ms) in stamps {
                now_ms += passed_ms;
                let corrected_ms = corrector.correct(client_ms, offset_ms, now_ms, 1_000);
                prop_assert!((now_ms - 1_000..=now_ms).contains(&corrected_ms));
                prop_assert!(corrected_ms >= last_ms);
                last_ms = corrected_ms;
            }
        }

        #[test]
        fn plausible_timestamps_keep_their_distances(
            offset_ms in -1e12..1.8e12f64,
            mut ages_ms in prop::collection::vec(0..=990u32, 2..20),
        ) {
            ages_ms.sort_unstable_by(|a, b| b.cmp(a));
            let mut corrector = Corrector::default();
            // A client that counts whole milliseconds, starting at `now`.
            let client_now_ms = (NOW as f64 - offset_ms).floor() - 1.0;
            let corrected: Vec<u64> = ages_ms
                .iter()
                .map(|age_ms| {
                    let client_ms = client_now_ms - f64::from(*age_ms);
                    corrector.correct(client_ms, Some(offset_ms), NOW, 1_000)
                })
                .collect();
            for (ages, stamps) in ages_ms.windows(2).zip(corrected.windows(2)) {
                prop_assert_eq!(u64::from(ages[0] - ages[1]), stamps[1] - stamps[0]);
            }
        }
    }
}
