//! Reads a process's processor time, memory and sockets from Linux.
//!
//! Everything is read from `/proc`, so a benchmark needs read permission only.

use std::fs;
use std::path::Path;

use super::error::BenchError;

/// Ticks per second of the times in `/proc/PID/stat`, the same on every architecture
/// that this server supports.
const TICKS_PER_SECOND: f64 = 100.0;
/// The state "listening" in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id.
    pub(super) pid: u32,
}

impl Process {
    /// The current process.
    pub(super) fn own() -> Self {
        Self {
            pid: std::process::id(),
        }
    }

    /// The process that listens on a TCP port of this machine, if it can be found.
    pub(super) fn listening_on(port: u16) -> Option<Self> {
        let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening_inodes(&table, port))
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let mut files = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            files
                .any(|file| {
                    fs::read_link(file.path())
                        .is_ok_and(|target| inodes.iter().any(|inode| Path::new(inode) == target))
                })
                .then_some(Self { pid })
        })
    }

    /// Processor time so far, in seconds, user and system.
    ///
    /// # Errors
    /// If the process has ended.
    pub(super) fn cpu_seconds(self) -> Result<f64, BenchError> {
        if let Some(seconds) = self.scheduled_seconds() {
            return Ok(seconds);
        }
        let stat = self.read("stat")?;
        ticks(&stat)
            .map(|ticks| ticks / TICKS_PER_SECOND)
            .ok_or_else(|| {
                BenchError::Usage(format!(
                    "/proc/{}/stat has an unexpected format: {stat}",
                    self.pid
                ))
            })
    }

    /// The same in nanoseconds, from the scheduler's statistics of each thread, if the
    /// kernel provides them: ticks of 10 ms are too coarse for a round of a quarter of
    /// a second.
    fn scheduled_seconds(self) -> Option<f64> {
        let mut nanoseconds = 0u64;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid)).ok()? {
            let file = thread.ok()?.path().join("schedstat");
            // Skip threads that ended in between.
            let Ok(text) = fs::read_to_string(file) else {
                continue;
            };
            nanoseconds += text.split(' ').next()?.parse::<u64>().ok()?;
        }
        (nanoseconds > 0).then_some(nanoseconds as f64 / 1e9)
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// If the process has ended.
    pub(super) fn rss_bytes(self) -> Result<u64, BenchError> {
        // The kernel updates `status` with a delay; the roll-up is computed on reading.
        let (text, field) = match self.read("smaps_rollup") {
            Ok(text) => (text, "Rss:"),
            Err(_) => (self.read("status")?, "VmRSS:"),
        };
        self.kibibytes(&text, field)
    }

    /// Resident memory that is the process's own, in bytes: without the pages of its
    /// program, which the kernel shares and takes back.
    ///
    /// # Errors
    /// If the process has ended.
    pub(super) fn own_bytes(self) -> Result<u64, BenchError> {
        let (text, field) = match self.read("smaps_rollup") {
            Ok(text) => (text, "Anonymous:"),
            Err(_) => (self.read("status")?, "RssAnon:"),
        };
        self.kibibytes(&text, field)
    }

    fn kibibytes(self, text: &str, field: &str) -> Result<u64, BenchError> {
        kibibytes(text, field)
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| {
                BenchError::Usage(format!("/proc/{} contains no memory usage", self.pid))
            })
    }

    fn read(self, file: &str) -> Result<String, BenchError> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).map_err(BenchError::doing(format!("reading {path}")))
    }
}

/// Processor time of all processes of the machine so far, in seconds.
///
/// # Errors
/// If `/proc/stat` cannot be read.
pub(super) fn machine_cpu_seconds() -> Result<f64, BenchError> {
    let text = fs::read_to_string("/proc/stat").map_err(BenchError::doing("reading /proc/stat"))?;
    machine_ticks(&text)
        .map(|ticks| ticks / TICKS_PER_SECOND)
        .ok_or_else(|| BenchError::Usage("/proc/stat has an unexpected format".to_owned()))
}

/// Cores of the machine, including those unavailable to this process.
pub(super) fn machine_cores() -> usize {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("cpu"));
    // The first of these lines is the sum of all cores.
    lines.count().saturating_sub(1)
}

/// The first line of `/proc/stat`, without idle time, waiting for disks, and time of
/// other virtual machines.
fn machine_ticks(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = fields
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = ticks.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq)
}

/// User and system time of a `/proc/PID/stat` line.
fn ticks(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses and may contain anything;
    // utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let local = fields.next()?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?;
            (local.ends_with(&suffix) && state == LISTENING).then(|| inode.to_owned())
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_after_any_program_name() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("12 (a) S 1"), None);
    }

    #[test]
    fn machine_time_excludes_idle_time() {
        let stat = "cpu  100 20 30 4000 500 6 7 80 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(machine_ticks(stat), Some(163.0));
        assert_eq!(machine_ticks("cpu  100 20 30"), None);
        assert!(machine_cpu_seconds().unwrap() > 0.0);
        assert!(machine_cores() >= 1);
    }

    #[test]
    fn values_of_this_process_are_plausible() {
        let own = Process::own();
        let seconds = own.cpu_seconds().unwrap();
        assert!(seconds >= 0.0);
        let coarse = ticks(&own.read("stat").unwrap()).unwrap() / TICKS_PER_SECOND;
        // Ended threads of other tests are included in the coarse value only.
        assert!(coarse + 0.5 >= seconds, "{coarse} for {seconds}");
        assert!(own.rss_bytes().unwrap() > 100_000);
    }

    #[test]
    fn listener_is_mapped_to_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(Process::listening_on(port), Some(Process::own()));
    }
}
