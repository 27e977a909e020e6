//! The signals that a server handles, and what each requests.

use std::io::IsTerminal as _;
use std::time::Duration;

use actix_rt::time::timeout;
use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind};

/// How long the runtime may take to pass a signal on.
const DELIVERY: Duration = Duration::from_millis(2);

/// What a signal requests.
pub(super) enum Event {
    /// The server stops.
    End,
    /// It reads its configuration.
    Reload,
    /// It restarts in place.
    Restart,
}

/// The signals that a server handles.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    restart: Signal,
    /// Users who close the terminal of a server want it to end.
    has_terminal: bool,
}

impl Signals {
    /// Handles them from now on.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn new() -> anyhow::Result<Self> {
        let signal = |kind| tokio::signal::unix::signal(kind).context("signals are not handled");
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            restart: signal(SignalKind::user_defined2())?,
            has_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Event {
        let has_terminal = self.has_terminal;
        tokio::select! {
            _ = self.interrupt.recv() => Event::End,
            _ = self.terminate.recv() => Event::End,
            _ = self.hang_up.recv() => if has_terminal { Event::End } else { Event::Reload },
            _ = self.restart.recv() => Event::Restart,
        }
    }

    /// The next one that ends the server. Others wait.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv(), if self.has_terminal => {}
        }
    }

    /// Whether one that ends the server has come, of those that nobody has taken.
    pub(super) async fn has_ended(&mut self) -> bool {
        timeout(DELIVERY, self.end()).await.is_ok()
    }
}
