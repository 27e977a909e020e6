//! What was spent between two moments, by the server and by the client.

use std::time::{Duration, Instant};

use super::client::Client;
use super::error::BenchError;
use super::process::{Process, machine_cpu_seconds};
use super::report::Cell;

/// A running measurement.
pub(super) struct Meter {
    server: Process,
    started: Instant,
    server_cpu: f64,
    client_cpu: f64,
    client_waited: Duration,
    machine_cpu: f64,
}

/// What one measurement cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// How long it took, in seconds.
    pub(super) seconds: f64,
    /// Processor seconds of the server.
    pub(super) server_cpu: f64,
    /// Processor seconds of the client, its waiting included.
    pub(super) client_cpu: f64,
    /// How long the client had nothing to do, in seconds.
    pub(super) client_waited: f64,
    /// Processor seconds of everything on the machine, those two included.
    pub(super) machine_cpu: f64,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// Where the server's process is gone.
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

    /// What was spent since the start.
    ///
    /// # Errors
    /// Where the server's process is gone.
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

impl Cost {
    /// Adds another measurement.
    pub(super) fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.server_cpu += other.server_cpu;
        self.client_cpu += other.client_cpu;
        self.client_waited += other.client_waited;
        self.machine_cpu += other.machine_cpu;
    }

    /// Server processor seconds for a million of `count` things.
    pub(super) fn per_million(&self, count: u64) -> f64 {
        self.server_cpu / count as f64 * 1e6
    }

    /// `count` things each second.
    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    /// Percent of the time that the server's core was busy.
    pub(super) fn server_busy(&self) -> f64 {
        100.0 * self.server_cpu / self.seconds
    }

    /// How busy server, client and all else were, in percent of a core, for
    /// the columns of [`LOAD_COLUMNS`].
    pub(super) fn load_cells(&self) -> [Cell; 3] {
        let percent = |cpu: f64| Cell::Number(100.0 * cpu / self.seconds, 0);
        let others = self.machine_cpu - self.server_cpu - self.client_cpu;
        [
            percent(self.server_cpu),
            percent(self.seconds - self.client_waited),
            // The three are read one after the other, so that nothing else may
            // come out as a little less than nothing.
            percent(others.max(0.0)),
        ]
    }
}

/// The names of the columns of [`Cost::load_cells`]. With the client near 100
/// it is the bottleneck, and latencies are its own; what others took was
/// missing, or shared a cache.
pub(super) const LOAD_COLUMNS: [&str; 3] = [
    "server_busy_percent",
    "client_busy_percent",
    "others_busy_percent",
];
