//! The budget of refusals that a client could have avoided: those of commands that it
//! sent before the `retry_ms` of the refusal before was over.
//!
//! A client that waits is never closed, however often it finds its bucket empty again.
//! That costs little: what it may send after each wait fits, so it is refused no more
//! often than it is served.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::rate::{Bucket, BucketExport, BucketSettings};

/// The longest time that a client waits for; later refusals are charged to it no more,
/// in ms.
const WAIT_MS_MAX: u32 = 600_000;

/// The budget of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flood {
    bucket: Bucket,
    /// When the client may send again, after its last refusal: the low 32 bits of Unix
    /// ms, or 1 ms later.
    retry_at_ms: Option<NonZeroU32>,
}

impl Flood {
    /// Charges a refusal with so many tokens, whose client has to wait `retry_ms`.
    ///
    /// # Errors
    /// The budget is spent.
    pub(super) fn charge(
        &mut self,
        count: u32,
        retry_ms: u64,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        let early_ms = self.early_ms(now_ms);
        self.wait(retry_ms, now_ms);
        if early_ms > 0 {
            self.bucket.take_many(count, settings, now_ms)
        } else {
            Ok(())
        }
    }

    /// Whether nothing is spent, and nothing is waited for.
    pub(super) fn is_full(&self, settings: BucketSettings, now_ms: u64) -> bool {
        self.bucket.is_full(settings, now_ms) && self.early_ms(now_ms) == 0
    }

    /// How long the client has to wait on, in ms.
    fn early_ms(self, now_ms: u64) -> u32 {
        let early = self
            .retry_at_ms
            .map_or(0, |at| at.get().wrapping_sub(now_ms as u32));
        if early <= WAIT_MS_MAX { early } else { 0 }
    }

    fn wait(&mut self, ms: u64, now_ms: u64) {
        let ms = u32::try_from(ms).map_or(WAIT_MS_MAX, |ms| ms.min(WAIT_MS_MAX));
        let at = (now_ms as u32).wrapping_add(ms);
        self.retry_at_ms = NonZeroU32::new(at).or(Some(NonZeroU32::MIN));
    }

    /// The budget as a value, at `now_ms`.
    pub(super) fn export(self, now_ms: u64) -> FloodExport {
        FloodExport {
            budget: self.bucket.export(now_ms),
            retry_in_ms: self.early_ms(now_ms),
        }
    }

    /// The budget of a value.
    pub(super) fn import(export: FloodExport, now_ms: u64) -> Self {
        let mut flood = Self {
            bucket: Bucket::import(export.budget, now_ms),
            retry_at_ms: None,
        };
        flood.wait(export.retry_in_ms.into(), now_ms);
        flood
    }
}

/// The budget as a value.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FloodExport {
    /// What is spent of it.
    pub budget: BucketExport,
    /// In how many ms the client may send again.
    pub retry_in_ms: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BucketSettings = BucketSettings::new(1, 3);

    #[test]
    fn refusals_of_a_client_that_waits_cost_nothing() {
        let mut flood = Flood::default();
        let mut now_ms = 1_732_000_000_000;
        for _ in 0..100 {
            assert_eq!(flood.charge(3, 4, SETTINGS, now_ms), Ok(()));
            now_ms += 4;
        }
    }

    #[test]
    fn refusals_of_a_client_that_does_not_wait_are_charged() {
        // At the end of the low 32 bits of a time, too.
        for start_ms in [1_732_000_000_000, (419 << 32) - 2] {
            let mut flood = Flood::default();
            let charged: Vec<bool> = (0..5)
                .map(|ms| flood.charge(1, 1_000, SETTINGS, start_ms + ms).is_ok())
                .collect();
            // Three tokens beyond the first refusal, which could not be known.
            assert_eq!(charged, [true, true, true, true, false]);
        }
    }

    #[test]
    fn no_wait_is_longer_than_it_can_tell() {
        let mut flood = Flood::default();
        assert_eq!(flood.charge(3, u64::MAX, SETTINGS, 1_000), Ok(()));
        assert_eq!(flood.charge(3, u64::MAX, SETTINGS, 1_001), Ok(()));
        assert!(flood.charge(3, u64::MAX, SETTINGS, 1_002).is_err());
    }
}
