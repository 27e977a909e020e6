//! What a channel counts towards the total of all histories: the gauge of the metrics
//! is that total, over all workers.

use prometheus_client::metrics::gauge::Gauge;

use crate::metric::Metrics;

/// The bytes of one channel's history. They are given back when the channel ends, also
/// by a panic.
#[derive(Debug)]
pub(super) struct HistoryBytes {
    total: Gauge,
    own: i64,
}

impl HistoryBytes {
    /// Those of a channel without a history.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            total: metrics.history_bytes.clone(),
            own: 0,
        }
    }

    /// How many bytes this channel may have where all together may have `total_max`.
    pub(super) fn budget(&self, total_max: usize) -> usize {
        let others = usize::try_from(self.total.get() - self.own).unwrap_or_default();
        total_max.saturating_sub(others)
    }

    /// The channel has so many.
    pub(super) fn set(&mut self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if bytes != self.own {
            self.total.inc_by(bytes - self.own);
            self.own = bytes;
        }
    }
}

impl Drop for HistoryBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_may_have_what_the_others_leave() {
        let metrics = Metrics::default();
        let (mut one, mut other) = (HistoryBytes::new(&metrics), HistoryBytes::new(&metrics));
        one.set(70);
        other.set(20);
        assert_eq!((one.budget(100), other.budget(100)), (80, 30));
        one.set(90);
        assert_eq!(other.budget(100), 10);
        assert_eq!(other.budget(50), 0);
        drop(one);
        assert_eq!((metrics.history_bytes.get(), other.budget(100)), (20, 100));
    }
}
