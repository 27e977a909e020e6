//! What Linux tells of a process: its processor time, its memory, its sockets.
//!
//! Everything is read from `/proc`, so a benchmark needs no rights over the
//! server it measures but to read its figures.

use std::fs;
use std::path::Path;

use super::error::BenchError;

/// Ticks per second of the times in `/proc/PID/stat`: Linux shows them to
/// programs in this unit on every architecture that this server runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// The state "listening" in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// A process that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Its id.
    pub(super) pid: u32,
}

impl Process {
    /// The process that runs this code.
    pub(super) fn own() -> Self {
        Self {
            pid: std::process::id(),
        }
    }

    /// The process that listens on a TCP port of this machine, where it can
    /// be found.
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

    /// Processor time spent so far, in seconds, user and system together.
    ///
    /// # Errors
    /// Where the process is gone.
    pub(super) fn cpu_seconds(self) -> Result<f64, BenchError> {
        let stat = self.read("stat")?;
        ticks(&stat)
            .map(|ticks| ticks / TICKS_PER_SECOND)
            .ok_or_else(|| BenchError::Usage(format!("/proc/{}/stat is odd: {stat}", self.pid)))
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// Where the process is gone.
    pub(super) fn rss_bytes(self) -> Result<u64, BenchError> {
        // The kernel sums up `status` lazily; the roll-up is counted on reading.
        let (text, field) = match self.read("smaps_rollup") {
            Ok(text) => (text, "Rss:"),
            Err(_) => (self.read("status")?, "VmRSS:"),
        };
        kibibytes(&text, field)
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| BenchError::Usage(format!("/proc/{} tells no memory", self.pid)))
    }

    fn read(self, file: &str) -> Result<String, BenchError> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).map_err(BenchError::doing(format!("reading {path}")))
    }
}

/// User and system time of a `/proc/PID/stat` line.
fn ticks(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses, and may hold
    // anything; utime and stime are the 14th and 15th.
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
    fn times_are_read_behind_any_program_name() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("12 (a) S 1"), None);
    }

    #[test]
    fn own_figures_are_plausible() {
        let own = Process::own();
        assert!(own.cpu_seconds().unwrap() >= 0.0);
        assert!(own.rss_bytes().unwrap() > 100_000);
    }

    #[test]
    fn a_listener_is_traced_to_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(Process::listening_on(port), Some(Process::own()));
    }
}
