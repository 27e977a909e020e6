//! Durations from one millisecond on, counted by their length: of what the server does and of
//! those that it calls.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// The upper limits of the buckets, in ms.
const BUCKETS_MS: [f64; 12] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
];

fn histogram() -> Histogram {
    Histogram::new(BUCKETS_MS)
}

/// How many durations were how long.
#[derive(Debug, Clone)]
pub struct Latency(pub(super) Histogram);

impl Latency {
    /// Counts one, in ms.
    pub fn observe(&self, ms: f64) {
        self.0.observe(ms);
    }

    /// Counts one.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64() * 1_000.0);
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self(histogram())
    }
}

/// The same, separately for each label.
#[derive(Clone)]
pub struct LatencyBy<L>(pub(super) Family<L, Histogram, fn() -> Histogram>);

impl<L: Clone + Eq + std::hash::Hash> LatencyBy<L> {
    /// That of a label.
    pub fn of(&self, label: &L) -> Latency {
        Latency(self.0.get_or_create(label).clone())
    }
}

impl<L: Clone + Eq + std::hash::Hash> Default for LatencyBy<L> {
    fn default() -> Self {
        Self(Family::new_with_constructor(histogram))
    }
}

impl<L: EncodeLabelSet> fmt::Debug for LatencyBy<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LatencyBy")
    }
}
