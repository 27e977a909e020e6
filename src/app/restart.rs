//! The end of a server whose sessions go on, and its restart in place: the process becomes
//! the program that is at the same path now, with the same listeners.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Running;
use super::listeners::HandedOver;
use crate::config::source::Sources;
use crate::restart::{self, file};

/// How long clients of a server that restarts in place may take to close their connections.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// So many looks at a listener that is about to be paused.
const LOOKS_MAX: u32 = 500;

/// The program that this process is, and becomes.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    /// The configuration file.
    file: Option<PathBuf>,
}

impl Program {
    /// That of this process, before another file has its path.
    pub(super) fn of_process(sources: &Sources) -> anyhow::Result<Self> {
        Ok(Self {
            path: std::env::current_exe()?,
            arguments: std::env::args_os().skip(1).collect(),
            file: sources.file.as_ref().map(|file| file.path.clone()),
        })
    }

    /// Whether the program that is at the path now could go on: it reads the configuration, and
    /// the state that this one writes.
    ///
    /// # Errors
    /// What it says.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.path);
        command.args(["check", "--state-version", &file::VERSION.to_string()]);
        command.args(&self.file).stdin(Stdio::null());
        let output = command
            .output()
            .with_context(|| format!("{} cannot be started", self.path.display()))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the new program: {}", error.trim());
        Ok(())
    }

    /// Becomes that program. Returns why it could not.
    fn become_it(&self, listeners: &HandedOver) -> std::io::Error {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).envs(listeners.variables());
        if let Err(error) = listeners.put() {
            return error;
        }
        command.exec()
    }
}

impl Running {
    /// Stops, and saves the sessions where there is a file for them.
    pub(super) async fn stop_for_next(self, shutdown: Duration) {
        let saved = self.end_clients(shutdown, shutdown).await;
        if let Some(state) = saved {
            self.save(&state).await;
        }
        self.end_parts().await;
    }

    /// Stops and begins anew in the same process, as `program`.
    ///
    /// # Errors
    /// Why that is not possible. Then the process has to end.
    pub(super) async fn restart_in_place(
        self,
        program: &Program,
        shutdown: Duration,
    ) -> anyhow::Result<()> {
        let listeners: Result<Vec<(String, TcpListener)>, std::io::Error> = self
            .listeners
            .iter()
            .map(|(name, listener)| Ok((name.clone(), listener.try_clone()?)))
            .collect();
        let listeners = HandedOver(listeners?);
        for handle in &self.handles {
            handle.pause().await;
        }
        // From here on connections wait for the next program.
        for descriptor in &self.descriptors {
            accepting_ends(*descriptor).await;
        }
        let saved = self.end_clients(shutdown, shutdown.min(CLOSE_MAX)).await;
        if let Some(state) = saved {
            self.save(&state).await;
        }
        self.settings.webhooks.stop(super::LAST_WEBHOOKS).await;
        self.store.stop();
        let error = program.become_it(&listeners);
        Err(error).context("the program cannot be started in place")
    }

    /// Sends clients away and waits for them. Returns where their sessions are to be saved.
    async fn end_clients(&self, shutdown: Duration, wait: Duration) -> Option<PathBuf> {
        let saved = self.state_path.clone();
        self.shared.begin_shutdown(shutdown, saved.is_some());
        self.await_clients(wait).await;
        saved
    }

    async fn save(&self, path: &std::path::Path) {
        let start = Instant::now();
        let state = restart::gather(&self.parts).await;
        let (sessions, owners) = (state.sessions(), state.owners.len());
        let to = path.to_owned();
        let written = actix_rt::task::spawn_blocking(move || file::write(&to, &state)).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(bytes) => log::info!(
                "saved {sessions} sessions and {owners} users, rooms and channels in {} ms, \
                 {bytes} bytes",
                start.elapsed().as_millis()
            ),
            Err(error) => log::error!(
                "{} cannot be written: {error}; sessions end with this process",
                path.display()
            ),
        }
    }
}

/// Waits until no poll of this process has the listener: then it accepts nothing more.
async fn accepting_ends(listener: i32) {
    for _ in 0..LOOKS_MAX {
        if !is_polled(listener) {
            return;
        }
        actix_rt::time::sleep(LOOK).await;
    }
    log::warn!("a listener is not paused; connections may be refused");
}

/// Whether an epoll of this process watches a descriptor, as the kernel shows it.
fn is_polled(descriptor: i32) -> bool {
    let watched = format!("tfd: {descriptor:>8} ");
    let Ok(folder) = std::fs::read_dir("/proc/self/fdinfo") else {
        return false;
    };
    folder.flatten().any(|entry| {
        let text = std::fs::read_to_string(entry.path());
        text.is_ok_and(|text| text.contains(&watched))
    })
}

/// The number of a listener in this process.
pub(super) fn number_of(listener: &TcpListener) -> i32 {
    listener.as_raw_fd()
}
