//! The program that this process is, and that it becomes by a restart in place.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_rt::task::JoinHandle;
use anyhow::{Context as _, bail, ensure};

use super::listeners::{self, HandedOver};
use crate::config::source::Sources;
use crate::gateway::restarts::RestartRequest;
use crate::restart::{CHECK_OK, file};

/// How long the check of the next program may take.
const CHECK_MAX: Duration = Duration::from_secs(10);
/// Time between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long what it wrote may be on its way.
const OUTPUT_MAX: Duration = Duration::from_secs(1);
/// So much of its beginning is retained, and as much of its end.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Where the listeners of the next program are; `None` where it does not say so.
pub(super) type Addresses = [Option<SocketAddr>; 2];

/// A program.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    /// The configuration file.
    file: Option<PathBuf>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
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
    /// the state that this one writes. Returns where it would listen.
    ///
    /// # Errors
    /// What it says, or that it did not end within `limit` or before `is_over`.
    fn check(&self, limit: Duration, is_over: &AtomicBool) -> anyhow::Result<Addresses> {
        let mut command = Command::new(&self.path);
        command.args(["check", "--state-version", &file::VERSION.to_string()]);
        command.args(&self.file);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn();
        let mut child =
            child.with_context(|| format!("{} cannot be started", self.path.display()))?;
        let (output, error) = (written(child.stdout.take()), written(child.stderr.take()));
        let Some(status) = ended(&mut child, limit, is_over)? else {
            bail!(
                "the new program: its check did not end within {} s",
                limit.as_secs()
            );
        };
        let text = |from: &mpsc::Receiver<String>| from.recv_timeout(OUTPUT_MAX);
        let error = text(&error).unwrap_or_default();
        ensure!(
            status.success(),
            "the new program: {}",
            match error.trim() {
                "" => format!("its check ended without a message, {status}"),
                error => error.to_owned(),
            }
        );
        let output = text(&output).unwrap_or_default();
        // Any program may end without an error.
        ensure!(
            output.lines().last() == Some(CHECK_OK),
            "the new program: its check did not end with {CHECK_OK}; is it a turntable?"
        );
        let listens = |name: &str| {
            let mut lines = output.lines();
            lines.find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(".listen = ")?
                    .parse()
                    .ok()
            })
        };
        Ok(listeners::NAMES.map(listens))
    }

    /// Begins the check, and a look whether sessions can be saved at `state`, on a thread of its
    /// own.
    pub(super) fn begin_check(&self, state: Option<PathBuf>) -> Checking {
        let is_over = Arc::new(AtomicBool::new(false));
        let (program, over) = (self.clone(), is_over.clone());
        let task = actix_rt::task::spawn_blocking(move || {
            let addresses = program.check(CHECK_MAX, &over)?;
            if let Some(state) = state {
                let why = || format!("{} cannot be written", state.display());
                file::check_writable(&state).with_context(why)?;
            }
            Ok(addresses)
        });
        Checking {
            is_over,
            task,
            requests: Vec::new(),
        }
    }

    /// Becomes that program. Returns why it could not.
    pub(super) fn become_it(&self, listeners: &HandedOver) -> std::io::Error {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).envs(listeners.variables());
        if let Err(error) = listeners.put() {
            return error;
        }
        // Until the next program handles them, they would end it.
        turntable_sys::ignore_restart_signals();
        command.exec()
    }
}

/// What a process writes, once it has closed the pipe. Of more than is retained, the middle is
/// left out.
fn written(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    // A process of the child's may have the pipe open for longer, so nothing waits for the end.
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else {
            return;
        };
        let mut bytes = Vec::new();
        // A pipe that is closed would end a process that writes more.
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut part) {
            bytes.extend(part.iter().take(count));
            if let Some(surplus) = bytes.len().checked_sub(2 * OUTPUT_BYTES_MAX) {
                bytes.drain(OUTPUT_BYTES_MAX..OUTPUT_BYTES_MAX + surplus);
            }
        }
        // Nobody may wait any more.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The end of a process; one that takes longer is killed.
fn ended(
    child: &mut Child,
    limit: Duration,
    is_over: &AtomicBool,
) -> std::io::Result<Option<ExitStatus>> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until || is_over.load(Ordering::Relaxed) {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// A check that runs, and the requests that wait for it. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct Checking {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<Addresses>>,
    /// They get the answer.
    pub(super) requests: Vec<RestartRequest>,
}

impl Checking {
    /// What the check found. Waits without end where none runs.
    ///
    /// # Errors
    /// Why the program cannot go on, or that sessions cannot be saved.
    pub(super) async fn done(checking: &mut Option<Self>) -> anyhow::Result<Addresses> {
        let Some(checking) = checking else {
            return std::future::pending().await;
        };
        (&mut checking.task)
            .await
            .context("the check was given up")?
    }

    /// Answers the requests. Returns whether any gets it.
    pub(super) fn answer(mut self, answer: &Result<(), String>) -> bool {
        let mut is_received = false;
        for request in std::mem::take(&mut self.requests) {
            is_received |= request.send(answer.clone()).is_ok();
        }
        is_received
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A program that is a shell script.
    fn script(folder: &tempfile::TempDir, text: &str) -> Program {
        let [written, path] = ["text", "turntable"].map(|name| folder.path().join(name));
        std::fs::write(&written, format!("#!/bin/sh\n{text}\n")).unwrap();
        // No child of another thread has a file open for writing that another process made. Such
        // a one cannot be started.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "700"]).args([&written, &path]).status();
        assert!(installed.unwrap().success());
        Program {
            path,
            arguments: Vec::new(),
            file: None,
        }
    }

    fn check(text: &str, limit: Duration) -> Result<Addresses, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = script(&folder, text);
        let checked = program.check(limit, &AtomicBool::new(false));
        checked.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn program_says_where_it_would_listen() {
        let long = Duration::from_secs(10);
        let text = "echo server.listen = 127.0.0.1:80; echo management.listen = none; echo OK";
        let server = "127.0.0.1:80".parse().ok();
        assert_eq!(check(text, long), Ok([server, None]));
        assert_eq!(check("echo OK", long), Ok([None, None]));
        for other in ["true", "echo OK; echo more"] {
            let refused = check(other, long).unwrap_err();
            assert!(refused.ends_with("is it a turntable?"), "{refused}");
        }
        let refused = check("echo why >&2; exit 1", long).unwrap_err();
        assert_eq!(refused, "the new program: why");
        let silent = check("exit 3", long).unwrap_err();
        assert!(silent.ends_with("exit status: 3"), "{silent}");
    }

    #[test]
    fn program_may_write_more_than_is_read() {
        let text = "yes | head -c 1000000 || exit 3; yes why | head -c 1000000 >&2; echo OK";
        assert_eq!(check(text, Duration::from_secs(10)), Ok([None, None]));
    }

    #[test]
    fn program_that_does_not_end_is_killed() {
        // Its own child has the pipes for longer.
        let start = Instant::now();
        let refused = check("sleep 5", Duration::from_millis(50)).unwrap_err();
        assert!(refused.contains("did not end"), "{refused}");
        assert!(start.elapsed() < Duration::from_secs(4));
    }
}
