//! What was spent between two moments, by the server and by the client.

use std::time::Instant;

use super::error::BenchError;
use super::process::Process;

/// A running measurement.
pub(super) struct Meter {
    server: Process,
    started: Instant,
    server_cpu: f64,
    client_cpu: f64,
}

/// What one measurement cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// How long it took, in seconds.
    pub(super) seconds: f64,
    /// Processor seconds of the server.
    pub(super) server_cpu: f64,
    /// Processor seconds of the client.
    pub(super) client_cpu: f64,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    /// Where the server's process is gone.
    pub(super) fn start(server: Process) -> Result<Self, BenchError> {
        Ok(Self {
            server,
            started: Instant::now(),
            server_cpu: server.cpu_seconds()?,
            client_cpu: Process::own().cpu_seconds()?,
        })
    }

    /// What was spent since the start.
    ///
    /// # Errors
    /// Where the server's process is gone.
    pub(super) fn stop(&self) -> Result<Cost, BenchError> {
        Ok(Cost {
            seconds: self.started.elapsed().as_secs_f64(),
            server_cpu: self.server.cpu_seconds()? - self.server_cpu,
            client_cpu: Process::own().cpu_seconds()? - self.client_cpu,
        })
    }
}

impl Cost {
    /// Adds another measurement.
    pub(super) fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.server_cpu += other.server_cpu;
        self.client_cpu += other.client_cpu;
    }

    /// Server processor seconds for a million of `count` things.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn per_million(&self, count: u64) -> f64 {
        self.server_cpu / count as f64 * 1e6
    }

    /// `count` things each second.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    /// Percent of the time that the server's core was busy.
    pub(super) fn server_busy(&self) -> f64 {
        100.0 * self.server_cpu / self.seconds
    }

    /// Percent of the time that the client's core was busy. Near 100 the
    /// client is the bottleneck, and latencies are its own.
    pub(super) fn client_busy(&self) -> f64 {
        100.0 * self.client_cpu / self.seconds
    }
}
