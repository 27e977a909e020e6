//! The server of the binary: from its start to a signal that ends it.

use std::io::{IsTerminal as _, Write as _};

use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind};

use super::configuration::SERVER;
use super::listeners::{self, Inherited};
use super::restart::Program;
use super::{Extensions, Running, files};
use crate::config::source::Sources;
use crate::gateway::restarts::RestartRequest;
use crate::log_filter;
use crate::management::configuration::Source;
use crate::service::LocalServices;

/// How long the answer to a call that restarts the server may be on its way.
const ANSWER: Duration = Duration::from_millis(50);

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
    // Before any thread: it changes the environment, and what is opened later has other numbers.
    let inherited = Inherited::take();
    let _reserved = match inherited.is_empty() {
        true => listeners::reserve(),
        false => Vec::new(),
    };
    let composed = sources.compose()?;
    let program = Program::of_process(&sources)?;
    log_filter::apply(&composed.config.log);
    // The runtime panics where it has too few files.
    files::of_connections(files::workers(composed.config.server.workers), 0)?;
    // Users who close the terminal of a server want it to end.
    let has_terminal = std::io::stdin().is_terminal();
    actix::System::new().block_on(async {
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut restart = signal(SignalKind::user_defined2())?;
        let running = Running::start_from(sources, composed, extensions, &inherited)?;
        let mut requests = running.shared.restarts.serve();
        // Sessions of the process before come first.
        running.shared.gate.passed().await;
        announce(&running);
        notify(&[NotifyState::Ready]);
        let [server, management] = running.urls();
        log::info!("open {server} in two browser windows; metrics are at {management}/metrics");
        let in_place = loop {
            let request = tokio::select! {
                _ = interrupt.recv() => break false,
                _ = terminate.recv() => break false,
                _ = hang_up.recv() => None,
                _ = restart.recv() => Some(None),
                request = requests.recv() => Some(request),
            };
            if let Some(request) = request {
                if may_restart(&program, request).await {
                    break true;
                }
                continue;
            }
            if has_terminal {
                break false;
            }
            notify(&[NotifyState::Reloading]);
            let configuration = running.configuration.clone();
            let reload = move || configuration.reload_by(Source::Signal, SERVER);
            // It is in the log whether it succeeds.
            let _ = actix_rt::task::spawn_blocking(reload).await;
            notify(&[NotifyState::Ready]);
        };
        let shutdown = running.shutdown();
        if in_place {
            log::info!("restarting in place: asking clients to reconnect");
            notify(&[NotifyState::Reloading]);
            return running.restart_in_place(&program, shutdown).await;
        }
        notify(&[NotifyState::Stopping]);
        log::info!("shutting down: asking clients to reconnect");
        running.stop_for_next(shutdown).await;
        Ok(())
    })
}

/// Whether a restart in place begins: the new program has to be sound. `request` gets the
/// answer.
async fn may_restart(program: &Program, request: Option<RestartRequest>) -> bool {
    let program = program.clone();
    let checked = actix_rt::task::spawn_blocking(move || program.check()).await;
    let checked = match checked {
        Ok(checked) => checked.map_err(|error| format!("{error:#}")),
        Err(_) => Err("the check was given up".to_owned()),
    };
    if let Err(why) = &checked {
        log::error!("not restarted, the server goes on: {why}");
    }
    let may = checked.is_ok();
    if let Some(request) = request
        && request.send(checked).is_ok()
        && may
    {
        // The answer to the call is on its way.
        actix_rt::time::sleep(ANSWER).await;
    }
    may
}

/// Reports to systemd, where it started the process.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd is not notified: {error}");
    }
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
