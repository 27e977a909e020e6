//! Measures the cost of server and client between two points in time.

use std::time::{Duration, Instant};

use super::client::Client;
use super::error::BenchError;
use super::process::{Process, machine_cpu_seconds};
use super::report::Cell;

/// A measurement in progress.
pub(super) struct Meter {
    server: Process,
    started: Instant,
    server_cpu: f64,
    client_cpu: f64,
    client_waited: Duration,
    machine_cpu: f64,
}

/// The cost of one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Its duration, in seconds.
    pub(super) seconds: f64,
    /// Processor seconds of the server.
    pub(super) server_cpu: f64,
    /// Processor seconds of the client, including busy waiting.
    pub(super) client_cpu: f64,
    /// Idle time of the client, in seconds.
    pub(super) client_waited: f64,
    /// Processor seconds of the whole machine, including these two.
    pub(super) machine_cpu: f64,
}

impl Meter {
    /// Starts a measurement.
    ///
    /// # Errors
    /// If the server's process has ended.
    pub(super) fn start(server: Process, client: &Client) -> Result<Self, BenchError> {
        Ok(Self {
            server,
            started: Instant::now(),
            server_cpu: server.cpu_seconds()?,
            client_cpu: Process::own().cpu_seconds()?,
            client_waited: client.waited(),
            machine_cpu: machine_cpu_seconds()?,
        })
    }

    /// The cost since the start.
    ///
    /// # Errors
    /// If the server's process has ended.
    pub(super) fn stop(&self, client: &Client) -> Result<Cost, BenchError> {
        Ok(Cost {
            seconds: self.started.elapsed().as_secs_f64(),
            server_cpu: self.server.cpu_seconds()? - self.server_cpu,
            client_cpu: Process::own().cpu_seconds()? - self.client_cpu,
            client_waited: (client.waited() - self.client_waited).as_secs_f64(),
            machine_cpu: machine_cpu_seconds()? - self.machine_cpu,
        })
    }
}

/// The median of the rounds' ratios of two costs: rounds that were disturbed by other
/// load do not count.
pub(super) fn median_ratio(costs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let mut ratios: Vec<f64> = costs.map(|(one, base)| one / base).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

impl Cost {
    /// Adds another measurement.
    pub(super) fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.server_cpu += other.server_cpu;
        self.client_cpu += other.client_cpu;
        self.client_waited += other.client_waited;
        self.machine_cpu += other.machine_cpu;
    }

    /// Server processor seconds per million of `count` operations.
    pub(super) fn per_million(&self, count: u64) -> f64 {
        self.server_cpu / count as f64 * 1e6
    }

    /// `count` per second.
    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    /// Load of the server's core, in percent.
    pub(super) fn server_busy(&self) -> f64 {
        100.0 * self.server_cpu / self.seconds
    }

    /// Load of server, client and everything else, in percent of a core, for the
    /// columns of [`LOAD_COLUMNS`].
    pub(super) fn load_cells(&self) -> [Cell; 3] {
        let percent = |cpu: f64| Cell::Number(100.0 * cpu / self.seconds, 0);
        let others = self.machine_cpu - self.server_cpu - self.client_cpu;
        [
            percent(self.server_cpu),
            percent(self.seconds - self.client_waited),
            // The three are read one after the other, so the rest may be slightly negative.
            percent(others.max(0.0)),
        ]
    }
}

/// The names of the columns of [`Cost::load_cells`]. If the client is near 100, it is
/// the bottleneck, and latencies are its own; other load reduced the available
/// processor time or shared a cache.
pub(super) const LOAD_COLUMNS: [&str; 3] = [
    "server_busy_percent",
    "client_busy_percent",
    "others_busy_percent",
];
