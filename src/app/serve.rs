//! The server of the binary: from its start to a signal that ends it.

use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use sd_notify::NotifyState;
use tokio::sync::mpsc::UnboundedReceiver;

use super::configuration::SERVER;
use super::listeners::{Changed, Inherited};
use super::program::{Checking, Program};
use super::signals::{Event, Signals};
use super::supervisor::{extending, notify};
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
    let _reserved = inherited.reserve();
    let composed = sources.compose()?;
    let program = Program::of_process(&sources)?;
    log_filter::apply(&composed.config.log);
    log::info!("{}", sources.file_line());
    // The runtime panics where it has too few files.
    files::of_connections(files::workers(composed.config.server.workers), 0)?;
    actix::System::new().block_on(async {
        let mut signals = Signals::new()?;
        let mut running = Running::start_from(sources, composed, extensions, &inherited)?;
        let mut requests = running.shared.restarts.serve();
        // Sessions of the process before come first.
        tokio::select! {
            biased;
            restored = extending(running.restored()) => if !restored {
                notify(&[NotifyState::Stopping]);
                running.stop_unrestored().await;
                bail!("the saved sessions cannot be restored");
            },
            () = signals.end() => {
                log::info!("shutting down: the next start restores the saved sessions");
                notify(&[NotifyState::Stopping]);
                running.stop_unrestored().await;
                return Ok(());
            }
        }
        announce(&running);
        notify(&[NotifyState::Ready]);
        let [server, management] = running.urls();
        log::info!("open {server} in two browser windows; metrics are at {management}/metrics");
        let next = serve(&running, &program, &mut signals, &mut requests).await;
        // Those that wait, and those that come, are answered that the server stops.
        drop(requests);
        let shutdown = running.shutdown();
        if let Some(listeners) = next {
            log::info!("restarting in place as {program}: asking clients to reconnect");
            notify(&[NotifyState::Reloading]);
            let restarted = running.restart_in_place(&program, listeners, (&mut signals, shutdown));
            return restarted.await;
        }
        notify(&[NotifyState::Stopping]);
        log::info!("shutting down: asking clients to reconnect");
        running.stop_for_next(shutdown).await;
        Ok(())
    })
}

/// Serves until a signal or a call ends it. Returns the new listeners of the next program, where
/// a restart in place follows.
async fn serve(
    running: &Running,
    program: &Program,
    signals: &mut Signals,
    requests: &mut UnboundedReceiver<RestartRequest>,
) -> Option<Changed> {
    let mut checking: Option<Checking> = None;
    let check = || program.begin_check(running.state_path.clone());
    loop {
        tokio::select! {
            event = signals.next() => match event {
                Event::End => return None,
                Event::Reload => reload(running).await,
                Event::Restart => {
                    checking.get_or_insert_with(check);
                }
            },
            Some(request) = requests.recv() => {
                let checking = checking.get_or_insert_with(check);
                checking.requests.push(request);
            }
            addresses = Checking::done(&mut checking) => {
                let listeners = addresses.and_then(|addresses| running.prepare_restart(addresses));
                let listeners = listeners.map_err(|error| format!("{error:#}"));
                if let Err(why) = &listeners {
                    log::error!("not restarted, the server goes on: {why}");
                }
                let answer = listeners.as_ref().map(drop).map_err(Clone::clone);
                let is_answered = checking.take().is_some_and(|all| all.answer(&answer));
                if let Ok(listeners) = listeners {
                    if is_answered {
                        // The answer to the call is on its way.
                        actix_rt::time::sleep(ANSWER).await;
                    }
                    return Some(listeners);
                }
            }
        }
    }
}

/// Reads the configuration.
async fn reload(running: &Running) {
    notify(&[NotifyState::Reloading]);
    let configuration = running.configuration.clone();
    let reload = move || configuration.reload_by(Source::Signal, SERVER);
    // It is in the log whether it succeeds.
    let _ = actix_rt::task::spawn_blocking(reload).await;
    notify(&[NotifyState::Ready]);
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
