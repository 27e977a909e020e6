//! What some metrics were in the last minutes, so that who opens the console sees how they came
//! to what they are.
//!
//! Every [`PERIOD`] the chosen families are encoded as `GET /metrics` encodes them, and each
//! series gets one number more. So a sample costs what a scrape of these families costs, and
//! nothing for each session, user or room.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Weak;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::time::MissedTickBehavior;

use crate::metric::Metrics;

/// Time between two samples.
pub const PERIOD: Duration = Duration::from_secs(2);
/// Samples of series that charts show: five minutes.
const CHART_SAMPLES: usize = 150;
/// Samples of the others: one minute.
const MINUTE_SAMPLES: usize = 31;

/// Families whose series charts show.
const CHARTS: [&str; 7] = [
    "connections",
    "actors",
    "deliveries",
    "commands",
    "resident_bytes",
    "ping_round_trip_ms",
    "kernel_round_trip_ms",
];

/// Families of which the last minute is enough.
const MINUTES: [&str; 9] = [
    "sent_bytes",
    "received_bytes",
    "errors",
    "connections_closed",
    "limits_reached",
    "handshakes_refused",
    "service_calls",
    "service_errors",
    "service_call_ms",
];

/// The samples of the last minutes.
pub struct Past {
    registry: Registry,
    samples: Mutex<Samples>,
}

/// What is shown of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// How long ago each sample was taken, the oldest first.
    pub ages: Vec<Duration>,
    /// By the name of a series, with its labels as in `GET /metrics`, its values in the last
    /// samples: as many as there are, so the last one is of the last sample. A series that was 0
    /// in all of them is left out.
    pub series: BTreeMap<String, Vec<f64>>,
}

#[derive(Debug, Default)]
struct Samples {
    taken: VecDeque<Instant>,
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Default)]
struct Series {
    values: VecDeque<f64>,
    /// Whether it is in the sample that is being added.
    is_there: bool,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past")
            .field("samples", &self.samples.lock().taken.len())
            .finish_non_exhaustive()
    }
}

impl Past {
    /// Without a sample, of these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let is_chosen = |name: &str| CHARTS.contains(&name) || MINUTES.contains(&name);
        Self {
            registry: metrics.registry_of(is_chosen),
            samples: Mutex::default(),
        }
    }

    /// Takes a sample.
    pub fn sample(&self, now: Instant) {
        let mut text = String::new();
        // A string takes everything.
        if encode(&mut text, &self.registry).is_ok() {
            self.samples.lock().add(now, &text);
        }
    }

    /// The samples.
    pub fn show(&self, now: Instant) -> Shown {
        self.samples.lock().show(now)
    }
}

impl Samples {
    /// Adds a sample: the text of the families.
    fn add(&mut self, now: Instant, text: &str) {
        push(&mut self.taken, now, CHART_SAMPLES);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let value = value.parse().unwrap_or_default();
            match self.series.get_mut(name) {
                Some(series) => series.add(name, value),
                None => {
                    let mut series = Series::default();
                    series.add(name, value);
                    self.series.insert(name.to_owned(), series);
                }
            }
        }
        // One that is gone would be taken for one of this moment.
        self.series
            .retain(|_, series| std::mem::take(&mut series.is_there));
    }

    fn show(&self, now: Instant) -> Shown {
        let is_shown = |series: &Series| series.values.iter().any(|value| *value != 0.0);
        let shown = self.series.iter().filter(|(_, series)| is_shown(series));
        let ages = self.taken.iter();
        Shown {
            ages: ages.map(|at| now.saturating_duration_since(*at)).collect(),
            series: shown
                .map(|(name, series)| (name.clone(), series.values.iter().copied().collect()))
                .collect(),
        }
    }
}

impl Series {
    fn add(&mut self, name: &str, value: f64) {
        self.is_there = true;
        push(&mut self.values, value, samples_of(name));
    }
}

fn push<T>(all: &mut VecDeque<T>, value: T, max: usize) {
    if all.len() >= max {
        all.pop_front();
    }
    all.push_back(value);
}

/// How many samples of a series are retained. Those of buckets are compared over a minute.
fn samples_of(series: &str) -> usize {
    let name = series.split('{').next().unwrap_or_default();
    let family = name.strip_prefix("turntable_").unwrap_or(name);
    let is_of = |of: &&str| family.strip_prefix(*of).is_some_and(is_end);
    match CHARTS.iter().any(is_of) {
        true => CHART_SAMPLES,
        false => MINUTE_SAMPLES,
    }
}

/// Whether this is behind the name of a family in the names of its series that charts show.
fn is_end(end: &str) -> bool {
    matches!(end, "" | "_total" | "_sum" | "_count")
}

/// Takes a sample every [`PERIOD`], for as long as there is one who reads them.
pub async fn watch(past: Weak<Past>) {
    let mut interval = tokio::time::interval(PERIOD);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(past) = past.upgrade() else {
            return;
        };
        past.sample(Instant::now());
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use turntable_core::reason::ErrorCode;

    const ERRORS: &str = "turntable_errors_total{name=\"forbidden\"}";

    #[test]
    fn series_have_the_values_of_the_last_samples() {
        let metrics = Metrics::begun();
        let past = Past::new(&metrics);
        let start = Instant::now();
        assert_eq!(past.show(start), Shown::default());
        for number in 0..3 {
            metrics.connections.set(number);
            metrics.error(ErrorCode::Forbidden, None);
            past.sample(start + PERIOD * u32::try_from(number).unwrap_or_default());
        }
        let shown = past.show(start + PERIOD * 3);
        assert_eq!(shown.ages, [PERIOD * 3, PERIOD * 2, PERIOD]);
        assert_eq!(shown.series["turntable_connections"], [0.0, 1.0, 2.0]);
        assert_eq!(shown.series[ERRORS], [1.0, 2.0, 3.0]);
        // Those that were always 0, and those of other families.
        assert_eq!(shown.series.len(), 2, "{:?}", shown.series);
    }

    #[test]
    fn charts_have_five_minutes_and_the_rest_has_one() {
        let metrics = Metrics::begun();
        let past = Past::new(&metrics);
        metrics.connections.set(1);
        metrics.error(ErrorCode::Forbidden, None);
        metrics.ping_round_trip.observe(7.0);
        let service = metrics.service("forum");
        service.calls.inc();
        let start = Instant::now();
        for number in 0..200 {
            past.sample(start + PERIOD * number);
        }
        let shown = past.show(start + PERIOD * 199);
        assert_eq!(shown.ages.len(), CHART_SAMPLES);
        assert_eq!(shown.ages[0], PERIOD * 149);
        let length = |name: &str| shown.series[name].len();
        assert_eq!(length("turntable_connections"), CHART_SAMPLES);
        assert_eq!(length("turntable_ping_round_trip_ms_sum"), CHART_SAMPLES);
        let bucket = "turntable_ping_round_trip_ms_bucket{le=\"10.0\"}";
        assert_eq!(length(bucket), MINUTE_SAMPLES);
        assert_eq!(length(ERRORS), MINUTE_SAMPLES);
        let calls = "turntable_service_calls_total{service=\"forum\"}";
        assert_eq!(length(calls), MINUTE_SAMPLES);
    }

    #[test]
    fn series_that_is_gone_is_not_shown() {
        let mut samples = Samples::default();
        let now = Instant::now();
        samples.add(now, "# TYPE a gauge\na{name=\"x y\"} 1\nb 2\n# EOF\n");
        samples.add(now, "b 3\nc 1.5\n");
        let expected = [
            ("b".to_owned(), vec![2.0, 3.0]),
            ("c".to_owned(), vec![1.5]),
        ];
        assert_eq!(samples.show(now).series, expected.into());
    }
}
