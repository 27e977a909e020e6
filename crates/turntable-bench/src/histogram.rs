//! Latencies in bounded memory: a log-linear histogram.
//!
//! Each power of two is divided into 128 equal buckets, so that a reported quantile is
//! at most 0.8 % above the true one at any scale. Values are microseconds; values up
//! to 2^36 (19 hours) have separate buckets.

/// Bits that select a bucket within one power of two.
const SUB_BITS: u32 = 7;
/// The highest power of two with buckets of its own.
const EXPONENT_MAX: u32 = 36;
const BUCKETS: usize = ((EXPONENT_MAX - SUB_BITS + 2) as usize) << SUB_BITS;

/// Counts of values by size.
#[derive(Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    /// A histogram without values.
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max: 0,
        }
    }

    /// Counts one value.
    pub(super) fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// Adds the values of another histogram to this one.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// Removes all values.
    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max = 0;
    }

    /// How many values were counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The greatest value, exactly.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The value that a `share` (0 to 1) of all values does not exceed: the upper end
    /// of its bucket.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut passed = 0;
        for (index, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed >= wanted {
                return bucket_end(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let value = value.min((1 << (EXPONENT_MAX + 1)) - 1);
    let exponent = 63 - (value | 1).leading_zeros();
    let shift = exponent.saturating_sub(SUB_BITS);
    // Below 2 * 128 the bucket is the value itself.
    ((shift as usize) << SUB_BITS) + usize::try_from(value >> shift).unwrap_or(usize::MAX)
}

fn bucket_end(index: usize) -> u64 {
    let shift = (index >> SUB_BITS).saturating_sub(1);
    let first = (index - (shift << SUB_BITS)) as u64;
    ((first + 1) << shift) - 1
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn value_is_within_its_bucket(value in 0u64..1 << 36) {
            let end = bucket_end(bucket(value));
            prop_assert!(end >= value);
            prop_assert!(end - value <= value / 128);
        }

        #[test]
        fn quantiles_agree_with_a_sorted_list(mut values in prop::collection::vec(0u64..5_000_000, 1..300)) {
            let mut histogram = Histogram::new();
            for value in &values {
                histogram.record(*value);
            }
            values.sort_unstable();
            for percent in [50usize, 90, 99, 100] {
                let rank = (values.len() * percent).div_ceil(100).max(1);
                let exact = *values.get(rank - 1).expect("a rank within the list");
                let reported = histogram.quantile(percent as f64 / 100.0);
                prop_assert!(reported >= exact && reported - exact <= exact / 128, "{reported} for {exact}");
            }
        }
    }

    #[test]
    fn merging_equals_counting_in_one_histogram() {
        let (mut one, mut other, mut both) = (Histogram::new(), Histogram::new(), Histogram::new());
        for value in 0..1000u64 {
            if value % 3 == 0 { &mut one } else { &mut other }.record(value * value);
            both.record(value * value);
        }
        one.merge(&other);
        assert_eq!(one.counts, both.counts);
        assert_eq!((one.total(), one.max()), (both.total(), both.max()));
    }

    #[test]
    fn values_beyond_the_last_bucket_update_the_maximum() {
        let mut histogram = Histogram::new();
        histogram.record(u64::MAX);
        assert_eq!(histogram.max(), u64::MAX);
        assert_eq!(histogram.total(), 1);
        assert!(histogram.quantile(0.5) >= 1 << EXPONENT_MAX);
    }
}
