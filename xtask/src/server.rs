//! A turntable server on free ports, for the duration of tests.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::machine::Machine;

/// A running server; it is ended when this is dropped.
pub(crate) struct Server {
    /// The address of the listener `server`.
    pub(crate) url: String,
    /// The address of the listener `management`.
    pub(crate) management: String,
    child: Child,
}

impl Server {
    /// Starts the dev build with embedded defaults.
    ///
    /// # Errors
    /// If it cannot be started or ends before it listens.
    pub(crate) fn start(machine: &Machine) -> Result<Self> {
        Self::start_with(machine, &[])
    }

    /// Starts the dev build with embedded defaults and these environment variables.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_with(machine: &Machine, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = machine.command(machine.server());
        // Settings in the calling environment must not affect the tests.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TURNTABLE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .envs(settings.iter().copied())
            .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
            .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| machine.server().display().to_string())?;
        let stdout = child.stdout.take().context("a piped standard output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        // It prints both, in this order.
        let mut listener = |name: &str| {
            let prefix = format!("listening {name} ");
            lines.find_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
        };
        let urls = listener("server").zip(listener("management"));
        let Some((url, management)) = urls else {
            bail!("the server ended before it listened: {}", child.wait()?);
        };
        // Other output must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        println!("    a server listens on {url}");
        Ok(Self {
            url,
            management,
            child,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
