//! Token buckets of eight bytes. Every session has one per class of commands, so a
//! general crate's 40 bytes and atomics would be too expensive.
//!
//! A token is a command, a user, an action or a byte: what makes work is charged by
//! how much work it makes.

use serde::{Deserialize, Serialize};

/// No bucket has spent more tokens: twice the greatest burst of
/// [`BucketSettings::BYTE_RANGES`].
const TOKENS_MAX: f32 = 2_000_000_000.0;

/// One token bucket: `burst` tokens at once, refilled at `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Tokens per second; 0: no limit.
    pub per_second: u32,
    /// Tokens in a burst.
    pub burst: u32,
}

impl BucketSettings {
    /// The range of each number in a bucket of commands, users, actions or frames.
    pub const RANGES: &[(&str, u64, u64)] =
        &[("per_second", 0, 1_000_000), ("burst", 1, 1_000_000)];

    /// The range of each number in a bucket of bytes.
    pub const BYTE_RANGES: &[(&str, u64, u64)] = &[
        ("per_second", 0, 1_000_000_000),
        ("burst", 1, 1_000_000_000),
    ];

    /// A bucket with these two numbers.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

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
    #[must_use]
    pub fn export(self, now_ms: u64) -> BucketExport {
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
    #[must_use]
    pub fn import(export: BucketExport, now_ms: u64) -> Self {
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
        self.take_many(1, settings, now_ms)
    }

    /// Takes `count` tokens, or none. More than a whole burst is possible while the
    /// bucket is full: what follows then waits until all of them are refilled.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub fn take_many(
        &mut self,
        count: u32,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        if settings.per_second == 0 || count == 0 {
            return Ok(());
        }
        self.refill(settings, now_ms);
        let missing = self.spent + count.min(settings.burst) as f32 - settings.burst as f32;
        if missing > 0.0 {
            return Err((missing / per_ms(settings)).ceil() as u64);
        }
        self.spend(count);
        Ok(())
    }

    /// Takes `count` tokens whether they are left or not, for work that is done: what
    /// follows waits until they are refilled.
    pub fn pay(&mut self, count: u32, settings: BucketSettings, now_ms: u64) {
        if settings.per_second > 0 {
            self.refill(settings, now_ms);
            self.spend(count);
        }
    }

    /// Gives back `count` tokens that were taken for something that is not done.
    pub fn give_back(&mut self, count: u32) {
        self.spent = (self.spent - count as f32).max(0.0);
    }

    /// Whether nothing of it is spent at `now_ms`.
    #[must_use]
    pub fn is_full(&self, settings: BucketSettings, now_ms: u64) -> bool {
        self.spent <= self.passed_ms(now_ms) as f32 * per_ms(settings)
    }

    fn spend(&mut self, count: u32) {
        self.spent = (self.spent + count as f32).min(TOKENS_MAX);
    }

    /// The time since the last refill. A thread may have looked at the clock before the
    /// one that refilled it.
    const fn passed_ms(&self, now_ms: u64) -> u32 {
        let now = now_ms as u32;
        match self.at_ms.wrapping_sub(now) {
            0..=BACK_MS_MAX => 0,
            _ => now.wrapping_sub(self.at_ms),
        }
    }

    fn refill(&mut self, settings: BucketSettings, now_ms: u64) {
        let refilled = self.passed_ms(now_ms) as f32 * per_ms(settings);
        // The number has 24 bits: what is too small to be subtracted waits for more.
        if refilled >= self.spent * f32::EPSILON * 8.0 {
            self.spent = (self.spent - refilled).max(0.0);
            self.at_ms = now_ms as u32;
        }
    }
}

/// How much earlier than the last time another may be, in ms.
const BACK_MS_MAX: u32 = 60_000;

fn per_ms(settings: BucketSettings) -> f32 {
    settings.per_second as f32 / 1000.0
}

/// A number of bytes or elements as tokens.
#[must_use]
pub fn tokens(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEN: BucketSettings = BucketSettings::new(10, 5);
    const START: u64 = 1_732_000_000_000;

    #[test]
    fn burst_is_accepted_then_the_rate_applies() {
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            bucket.take(TEN, START).unwrap();
        }
        assert_eq!(bucket.take(TEN, START), Err(100));
        assert_eq!(bucket.take(TEN, START + 40), Err(60));
        bucket.take(TEN, START + 100).unwrap();
        assert!(bucket.take(TEN, START + 100).is_err());
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
    fn time_of_a_thread_that_is_behind_refills_nothing() {
        let mut bucket = Bucket::default();
        bucket.take_many(5, TEN, START).unwrap();
        assert!(bucket.take(TEN, START - 3).is_err());
        assert!(!bucket.is_full(TEN, START - 3));
        assert_eq!(bucket.take(TEN, START), Err(100));
    }

    #[test]
    fn zero_means_no_limit() {
        let mut bucket = Bucket::default();
        for _ in 0..10_000 {
            bucket.take(BucketSettings::new(0, 1), 5).unwrap();
        }
        bucket.pay(1_000, BucketSettings::new(0, 1), 5);
        bucket.take(TEN, 5).unwrap();
    }

    #[test]
    fn many_tokens_are_taken_together_or_not_at_all() {
        let mut bucket = Bucket::default();
        bucket.take_many(3, TEN, START).unwrap();
        assert_eq!(bucket.take_many(3, TEN, START), Err(100));
        bucket.take_many(2, TEN, START).unwrap();
        bucket.take_many(0, TEN, START).unwrap();
        assert_eq!(bucket.take(TEN, START), Err(100));
    }

    #[test]
    fn more_than_a_burst_waits_for_a_full_bucket_and_is_paid_afterwards() {
        let mut bucket = Bucket::default();
        bucket.take(TEN, START).unwrap();
        assert_eq!(bucket.take_many(20, TEN, START), Err(100));
        bucket.take_many(20, TEN, START + 100).unwrap();
        assert_eq!(bucket.take(TEN, START + 100), Err(1_600));
        bucket.take(TEN, START + 1_700).unwrap();
    }

    #[test]
    fn work_that_is_done_is_paid_by_what_follows() {
        let mut bucket = Bucket::default();
        bucket.pay(25, TEN, START);
        assert_eq!(bucket.take(TEN, START), Err(2_100));
        bucket.take(TEN, START + 2_100).unwrap();
    }

    #[test]
    fn small_refills_of_a_large_bucket_are_not_lost() {
        let settings = BucketSettings::new(100, 1_000_000_000);
        let mut bucket = Bucket::default();
        bucket.take_many(1_000_000_000, settings, START).unwrap();
        for ms in 1..60_000 {
            let _ = bucket.take_many(1_000_000, settings, START + ms);
        }
        let export = bucket.export(START + 60_000);
        // 6,000 tokens; numbers of this size are multiples of 64.
        let refilled = 1_000_000_000.0 - export.spent;
        assert!((refilled - 6_000.0).abs() < 700.0, "{refilled}");
    }

    #[test]
    fn bucket_is_small() {
        assert_eq!(size_of::<Bucket>(), 8);
    }
}
