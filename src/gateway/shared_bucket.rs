//! A token bucket that all workers take from.

use std::sync::atomic::{AtomicU64, Ordering};

use turntable_core::rate::BucketSettings;

/// A bucket that all workers take from: the Unix ns when it is full again. One atomic
/// operation per command, and no lock.
#[derive(Debug, Default)]
pub(super) struct SharedBucket(AtomicU64);

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

impl SharedBucket {
    /// Takes so many tokens, or none. More than a burst is possible while it is full.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub(super) fn take(
        &self,
        count: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        let per_second = u64::from(settings.per_second);
        if per_second == 0 || count == 0 {
            return Ok(());
        }
        let ns = |count: u64| count.saturating_mul(NS_PER_S) / per_second;
        let (cost, burst) = (ns(count as u64), ns(settings.burst.into()));
        let now = now_ms.saturating_mul(NS_PER_MS);
        let spent = |full_at: u64| full_at.saturating_sub(now);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let has_room = spent(full_at).saturating_add(cost.min(burst)) <= burst;
                has_room.then(|| full_at.max(now).saturating_add(cost))
            });
        taken.map(drop).map_err(|full_at| {
            let needed = spent(full_at).saturating_add(cost.min(burst));
            let missing = needed.saturating_sub(burst);
            missing.div_ceil(NS_PER_MS)
        })
    }

    /// Gives back so many tokens that were taken.
    pub(super) fn give_back(&self, count: usize, settings: BucketSettings) {
        let ns = (count as u64).saturating_mul(NS_PER_S);
        let Some(ns) = ns.checked_div(settings.per_second.into()) else {
            return;
        };
        let give = |full_at: u64| Some(full_at.saturating_sub(ns));
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, give);
    }

    /// Takes so many tokens whether they are there or not, for something that is done; at
    /// most what a full bucket lacks after a burst too many.
    pub(super) fn pay(&self, count: usize, settings: BucketSettings, now_ms: u64) {
        let per_second = u64::from(settings.per_second);
        if per_second == 0 {
            return;
        }
        let ns = |count: u64| count.saturating_mul(NS_PER_S) / per_second;
        let now = now_ms.saturating_mul(NS_PER_MS);
        let latest = now.saturating_add(ns(u64::from(settings.burst).saturating_mul(2)));
        let pay = |full_at: u64| {
            let paid = full_at.max(now).saturating_add(ns(count as u64));
            Some(paid.min(latest.max(full_at)))
        };
        // It does not fail.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
    }

    /// The time until nothing is owed that was paid beyond a burst, in ms.
    pub(super) fn owes_ms(&self, settings: BucketSettings, now_ms: u64) -> u64 {
        let per_second = u64::from(settings.per_second);
        if per_second == 0 {
            return 0;
        }
        let burst = u64::from(settings.burst).saturating_mul(NS_PER_S) / per_second;
        let now = now_ms.saturating_mul(NS_PER_MS);
        let spent = self.0.load(Ordering::Relaxed).saturating_sub(now);
        spent.saturating_sub(burst).div_ceil(NS_PER_MS)
    }

    pub(super) fn is_full(&self, now_ms: u64) -> bool {
        self.0.load(Ordering::Relaxed) <= now_ms.saturating_mul(NS_PER_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_later_is_missing_for_a_burst_at_the_most() {
        const RATE: BucketSettings = BucketSettings::new(1_000, 5_000);
        let (bucket, now_ms) = (SharedBucket::default(), 1_700_000_000_000);
        bucket.pay(4_000, RATE, now_ms);
        assert_eq!(bucket.take(1_001, RATE, now_ms), Err(1));
        assert_eq!(bucket.take(1_000, RATE, now_ms), Ok(()));
        for _ in 0..9 {
            bucket.pay(60_000, RATE, now_ms);
        }
        assert_eq!(bucket.take(1, RATE, now_ms), Err(5_001));
        assert_eq!(bucket.owes_ms(RATE, now_ms), 5_000);
        assert_eq!(bucket.owes_ms(RATE, now_ms + 5_000), 0);
        assert_eq!(bucket.take(1, RATE, now_ms + 5_001), Ok(()));
        assert!(bucket.is_full(now_ms + 10_002));
        assert_eq!(bucket.take(5_000, RATE, now_ms + 10_002), Ok(()));
        bucket.give_back(1_000, RATE);
        assert_eq!(bucket.take(1_001, RATE, now_ms + 10_002), Err(1));
        assert_eq!(bucket.take(1_000, RATE, now_ms + 10_002), Ok(()));
        let none = BucketSettings::new(0, 1);
        bucket.give_back(1, none);
        bucket.pay(1, none, now_ms);
        assert_eq!(bucket.owes_ms(none, now_ms), 0);
        assert_eq!(bucket.take(1 << 30, none, now_ms), Ok(()));
    }
}
