//! The end of a server whose sessions go on, and its restart in place: the process becomes
//! the program that is at the same path now, with the same listeners.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sd_notify::NotifyState;

use super::listeners::{self, Changed, HandedOver};
use super::program::{Addresses, Program};
use super::signals::Signals;
use super::{Running, paused, supervisor};
use crate::restart::{self, file};

/// How long sending clients away and waiting for them may take where a server restarts in place.
const CLOSE_MAX: Duration = Duration::from_secs(1);

impl Running {
    /// Waits until the sessions of the process before are restored: those in the file
    /// `STORE.state` beside the store. Returns whether they are. Where that failed, clients wait
    /// until the server stops, and the next start is without the state.
    pub async fn restored(&mut self) -> bool {
        match &mut self.restoring {
            None => true,
            Some(restoring) => restoring.done().await,
        }
    }

    /// Stops before that, and the next start restores them; or where it failed.
    pub(super) async fn stop_unrestored(mut self) {
        if let Some(restoring) = self.restoring.take() {
            restoring.give_up();
        }
        self.end_parts().await;
    }

    /// Stops, and saves the sessions where there is a file for them.
    pub(super) async fn stop_for_next(self, shutdown: Duration) {
        supervisor::extend(shutdown);
        let saved = self.end_clients(shutdown).await;
        if let Some(state) = saved {
            self.save(&state).await;
        }
        self.end_parts().await;
    }

    /// Opens the listeners of the next program that are at other addresses than now.
    ///
    /// # Errors
    /// An address that is taken.
    pub(super) fn prepare_restart(&self, addresses: Addresses) -> anyhow::Result<Changed> {
        if self.state_path.is_none() {
            log::warn!(
                "sessions end with the restart: store.path or store.save_sessions is not set"
            );
        }
        listeners::open_changed(&self.listeners, addresses)
    }

    /// Stops and begins anew in the same process, as `program`; where a signal that ends the
    /// server came meanwhile, it stops as [`Self::stop_for_next`] does.
    ///
    /// # Errors
    /// Why that is not possible. Then the process has to end.
    pub(super) async fn restart_in_place(
        mut self,
        program: &Program,
        changed: Changed,
        (signals, shutdown): (&mut Signals, Duration),
    ) -> anyhow::Result<()> {
        // They are open already: nothing here can fail for want of files.
        let listeners = HandedOver::new(std::mem::take(&mut self.listeners), changed);
        for handle in &self.handles {
            handle.pause().await;
        }
        // From here on connections wait for the next program.
        let descriptors = self.descriptors;
        let ended = actix_rt::task::spawn_blocking(move || paused::accepting_ends(&descriptors));
        if !ended.await.unwrap_or(false) {
            log::warn!("a listener is not paused; connections may be refused");
        }
        let saved = self.end_clients(shutdown.min(CLOSE_MAX)).await;
        if let Some(state) = saved {
            self.save(&state).await;
        }
        self.settings.webhooks.stop(super::LAST_WEBHOOKS).await;
        self.store.stop();
        // What came before this is seen now. What comes behind it would be lost with this program:
        // it ends the process, whose state is saved.
        turntable_sys::end_by_signals();
        if signals.has_ended().await {
            log::info!("shutting down instead: a signal came");
            supervisor::notify(&[NotifyState::Stopping]);
            return Ok(());
        }
        let error = program.become_it(&listeners);
        Err(error).context("the program cannot be started in place")
    }

    /// Sends clients away and waits for them, for so long together. Returns where their sessions
    /// are to be saved.
    async fn end_clients(&self, wait: Duration) -> Option<PathBuf> {
        let saved = self.state_path.clone();
        self.shared.begin_shutdown(wait, saved.is_some());
        self.await_clients(wait).await;
        saved
    }

    async fn save(&self, path: &Path) {
        supervisor::extending(self.gather_and_write(path)).await;
    }

    async fn gather_and_write(&self, path: &Path) {
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
