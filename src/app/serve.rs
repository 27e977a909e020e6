//! The server of the binary: from its start to a signal that ends it.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind};

use super::configuration::SERVER;
use super::{Extensions, Running, files};
use crate::config::source::Sources;
use crate::log_filter;
use crate::management::configuration::Source;
use crate::service::LocalServices;

/// Serves a configuration, with services of the program, until a signal ends it, and
/// prints each listener's address on standard output.
///
/// # Errors
/// What prevented its start, as a port that is taken.
pub fn run(sources: Sources, services: LocalServices) -> anyhow::Result<()> {
    let extensions = Extensions {
        services,
        ..Extensions::default()
    };
    let composed = sources.compose()?;
    log_filter::apply(&composed.config.log);
    // The runtime panics where it has too few files.
    files::of_connections(files::workers(composed.config.server.workers), 0)?;
    // Users who close the terminal of a server want it to end.
    let has_terminal = std::io::stdin().is_terminal();
    actix::System::new().block_on(async {
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let running = Running::start_from(sources, composed, extensions)?;
        announce(&running);
        let [server, management] = running.urls();
        log::info!("open {server} in two browser windows; metrics are at {management}/metrics");
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hang_up.recv() => {}
            }
            if has_terminal {
                break;
            }
            let configuration = running.configuration.clone();
            let reload = move || configuration.reload_by(Source::Signal, SERVER);
            // It is in the log whether it succeeds.
            let _ = actix_rt::task::spawn_blocking(reload).await;
        }
        log::info!("shutting down: asking clients to reconnect");
        let shutdown = running.shutdown();
        running.stop(shutdown).await;
        Ok(())
    })
}

/// Writes the addresses to standard output, for scripts that wait for them.
fn announce(running: &Running) {
    let [server, management] = running.urls();
    let lines = format!("listening server {server}\nlistening management {management}\n");
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        log::warn!("standard output cannot be written: {error}");
    }
}

fn signal(kind: SignalKind) -> anyhow::Result<Signal> {
    tokio::signal::unix::signal(kind).context("signals cannot be listened to")
}
