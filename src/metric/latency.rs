//! Durations, counted by their length.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Which lengths are distinguished.
pub trait Scale: Copy + fmt::Debug {
    /// The upper limits of the buckets, in ms.
    const BUCKETS_MS: &'static [f64];
}

/// What the server itself does.
#[derive(Debug, Clone, Copy)]
pub enum Work {}

impl Scale for Work {
    const BUCKETS_MS: &'static [f64] = &[
        1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
    ];
}

/// Calls, which end with `services.NAME.timeout_ms` at the latest.
#[derive(Debug, Clone, Copy)]
pub enum Calls {}

impl Scale for Calls {
    const BUCKETS_MS: &'static [f64] = &[
        1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
        30_000.0, 60_000.0,
    ];
}

/// Round trips to clients.
#[derive(Debug, Clone, Copy)]
pub enum RoundTrips {}

impl Scale for RoundTrips {
    const BUCKETS_MS: &'static [f64] = &[
        5.0, 10.0, 20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0,
    ];
}

fn histogram<S: Scale>() -> Histogram {
    Histogram::new(S::BUCKETS_MS.iter().copied())
}

/// How many durations were how long.
#[derive(Debug, Clone)]
pub struct Latency<S: Scale = Work>(pub(super) Histogram, PhantomData<S>);

impl<S: Scale> Latency<S> {
    /// Counts one, in ms.
    pub fn observe(&self, ms: f64) {
        self.0.observe(ms);
    }

    /// Counts one.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64() * 1_000.0);
    }
}

impl<S: Scale> Default for Latency<S> {
    fn default() -> Self {
        Self(histogram::<S>(), PhantomData)
    }
}

/// The same, separately for each label.
#[derive(Clone)]
pub struct LatencyBy<L, S: Scale = Work>(
    pub(super) Family<L, Histogram, fn() -> Histogram>,
    PhantomData<S>,
);

impl<L: Clone + Eq + std::hash::Hash, S: Scale> LatencyBy<L, S> {
    /// That of a label.
    pub fn of(&self, label: &L) -> Latency<S> {
        Latency(self.0.get_or_create(label).clone(), PhantomData)
    }
}

impl<L: Clone + Eq + std::hash::Hash, S: Scale> Default for LatencyBy<L, S> {
    fn default() -> Self {
        Self(Family::new_with_constructor(histogram::<S>), PhantomData)
    }
}

impl<L: EncodeLabelSet, S: Scale> fmt::Debug for LatencyBy<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LatencyBy")
    }
}
