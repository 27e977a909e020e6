//! Token buckets of eight bytes. Every session has one per class of commands, so a
//! general crate's 40 bytes and atomics would be too expensive.

use serde::{Deserialize, Serialize};

use crate::session::settings::BucketSettings;

/// No bucket has more tokens (`BucketSettings::RANGES`).
const TOKENS_MAX: f32 = 1_000_000.0;

/// One bucket. Tokens are refilled with time; it starts full.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// Used tokens; a new bucket therefore needs no settings.
    spent: f32,
    /// The time of the last update of `spent`: the low 32 bits of Unix ms.
    at_ms: u32,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            spent: 0.0,
            at_ms: 0,
        }
    }
}

/// A bucket as a value.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BucketExport {
    /// Tokens spent when it was last used.
    pub spent: f32,
    /// How long ago that was, in ms; the low 32 bits.
    pub used_ms_ago: u32,
}

impl Bucket {
    /// The bucket as a value, at `now_ms`.
    pub(super) fn export(self, now_ms: u64) -> BucketExport {
        if self.spent == 0.0 {
            // A full bucket stays full, so nothing depends on its last use.
            return BucketExport::default();
        }
        BucketExport {
            spent: self.spent,
            used_ms_ago: (now_ms as u32).wrapping_sub(self.at_ms),
        }
    }

    /// The bucket of a value. What no bucket can have spent counts as the nearest
    /// amount that one can.
    pub(super) fn import(export: BucketExport, now_ms: u64) -> Self {
        Self {
            spent: if export.spent > 0.0 {
                export.spent.min(TOKENS_MAX)
            } else {
                0.0
            },
            at_ms: (now_ms as u32).wrapping_sub(export.used_ms_ago),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time until the next token, in ms, if none is left.
    pub fn take(&mut self, settings: BucketSettings, now_ms: u64) -> Result<(), u64> {
        if settings.per_second == 0 {
            return Ok(());
        }
        let now = now_ms as u32;
        let rate = settings.per_second as f32 / 1000.0;
        let passed = now.wrapping_sub(self.at_ms) as f32;
        self.at_ms = now;
        self.spent = (self.spent - passed * rate).max(0.0);
        if self.spent + 1.0 > settings.burst as f32 {
            let missing = self.spent + 1.0 - settings.burst as f32;
            return Err((missing / rate).ceil() as u64);
        }
        self.spent += 1.0;
        Ok(())
    }

    /// Whether nothing of it is spent at `now_ms`.
    #[must_use]
    pub fn is_full(&self, settings: BucketSettings, now_ms: u64) -> bool {
        let passed = (now_ms as u32).wrapping_sub(self.at_ms) as f32;
        self.spent <= passed * settings.per_second as f32 / 1000.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEN: BucketSettings = BucketSettings::new(10, 5);

    #[test]
    fn burst_is_accepted_then_the_rate_applies() {
        let mut bucket = Bucket::default();
        let start = 1_732_000_000_000;
        for _ in 0..5 {
            bucket.take(TEN, start).unwrap();
        }
        assert_eq!(bucket.take(TEN, start), Err(100));
        assert_eq!(bucket.take(TEN, start + 40), Err(60));
        bucket.take(TEN, start + 100).unwrap();
        assert!(bucket.take(TEN, start + 100).is_err());
    }

    #[test]
    fn bucket_is_full_again_after_a_while() {
        let mut bucket = Bucket::default();
        assert!(bucket.is_full(TEN, 5));
        bucket.take(TEN, 1_000).unwrap();
        assert!(!bucket.is_full(TEN, 1_099));
        assert!(bucket.is_full(TEN, 1_100));
    }

    #[test]
    fn zero_means_no_limit() {
        let mut bucket = Bucket::default();
        for _ in 0..10_000 {
            bucket.take(BucketSettings::new(0, 1), 5).unwrap();
        }
    }

    #[test]
    fn bucket_is_small() {
        assert_eq!(size_of::<Bucket>(), 8);
    }
}
