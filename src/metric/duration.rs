//! Durations that are counted by their length.

use prometheus_client::metrics::histogram::Histogram;

/// How many durations were how long.
#[derive(Debug, Clone)]
pub struct Durations(pub(super) Histogram);

impl Durations {
    /// The upper limits of the buckets, in ms.
    const BUCKETS_MS: [f64; 10] = [
        5.0, 10.0, 20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0,
    ];

    /// Counts one, in ms.
    pub fn observe(&self, ms: f64) {
        self.0.observe(ms);
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new(Self::BUCKETS_MS))
    }
}
