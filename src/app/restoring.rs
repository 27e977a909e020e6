//! The restoration of a saved state, while clients wait: it succeeds, fails in time, or is given
//! up for the next start. Where it failed, a part of the state may be in force: no client comes in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_rt::task::JoinHandle;
use actix_rt::time::timeout;
use tokio::task::AbortHandle;

use crate::clock;
use crate::gateway::Shared;
use crate::metric::Metrics;
use crate::restart::file::{self, Refused};
use crate::restart::restore::Counts;
use crate::restart::{self, State};
use crate::store::settings::StoreSettings;

/// How long it may take, and for each MB of its file beside that: a state of a hundred takes
/// ten seconds of two cores, and a busy machine has less.
const RESTORE_MAX: Duration = Duration::from_secs(60);
const RESTORE_MAX_PER_MB: Duration = Duration::from_secs(1);
/// How long it may take in all: clients wait, and a store may hang.
const RESTORE_MAX_IN_ALL: Duration = Duration::from_secs(600);

/// How long the restoration of a file of so many bytes may take.
fn time_limit(bytes: u64) -> Duration {
    let megabytes = u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX);
    let limit = RESTORE_MAX.saturating_add(RESTORE_MAX_PER_MB.saturating_mul(megabytes));
    limit.min(RESTORE_MAX_IN_ALL)
}

/// Where sessions are saved, unless they are not; and the state that the process before has
/// left. Where there is one, connections wait from here on.
pub(super) fn saved_state(
    settings: &StoreSettings,
    shared: &Shared,
) -> (Option<PathBuf>, Option<State>) {
    shared.metrics.count_restored(0, 0);
    let Some(path) = restart::beside(&settings.path) else {
        return (None, None);
    };
    let (now_ms, set_aside) = (clock::now_ms(), &shared.metrics.states_set_aside);
    if !settings.save_sessions {
        set_aside.inc_by(file::set_unused_aside(&path, now_ms));
        return (None, None);
    }
    let left = file::read(&path, now_ms, settings.sessions_age_max_ms);
    set_aside.inc_by(left.set_aside);
    if left.state.is_some() {
        shared.gate.close();
    }
    (Some(path), left.state)
}

/// A restoration that runs.
#[derive(Debug)]
pub(super) struct Restoring {
    path: PathBuf,
    work: AbortHandle,
    /// Whether it succeeded.
    end: JoinHandle<bool>,
    /// The same, once that was awaited.
    has_succeeded: Option<bool>,
}

impl Restoring {
    /// Carries it out: `work` restores the state that was read from `path`. Clients come in when
    /// it has succeeded. Where it failed, its file is set aside, and clients wait on.
    pub(super) fn begin(
        path: PathBuf,
        shared: Arc<Shared>,
        work: impl Future<Output = Counts> + 'static,
    ) -> Self {
        // One that is not there fails, too.
        let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        Self::begin_within(time_limit(bytes), path, shared, work)
    }

    fn begin_within(
        limit: Duration,
        path: PathBuf,
        shared: Arc<Shared>,
        work: impl Future<Output = Counts> + 'static,
    ) -> Self {
        shared.gate.close();
        file::begin_restore(&path);
        let start = Instant::now();
        let work = actix_rt::spawn(timeout(limit, work));
        let (abort, of) = (work.abort_handle(), path.clone());
        let end = actix_rt::spawn(async move {
            let failed = match work.await {
                Ok(Ok(counts)) => {
                    file::end_restore(&of);
                    shared.gate.open();
                    count(counts, start.elapsed(), &shared.metrics);
                    return true;
                }
                Ok(Err(_)) => Refused::Late(limit.as_millis() as u64),
                Err(_) => Refused::Panic,
            };
            file::fail_restore(&of, &failed, clock::now_ms());
            shared.metrics.states_set_aside.inc();
            false
        });
        Self {
            path,
            work: abort,
            end,
            has_succeeded: None,
        }
    }

    /// Waits for its end. Returns whether it succeeded.
    pub(super) async fn done(&mut self) -> bool {
        if let Some(has_succeeded) = self.has_succeeded {
            return has_succeeded;
        }
        // An error is a panic.
        let has_succeeded = (&mut self.end).await.unwrap_or(false);
        *self.has_succeeded.insert(has_succeeded)
    }

    /// Gives it up, unless it is over: the next start restores the state. Clients wait on.
    pub(super) fn give_up(self) {
        if self.end.is_finished() {
            return;
        }
        self.end.abort();
        self.work.abort();
        file::put_back(&self.path);
    }
}

fn count(counts: Counts, took: Duration, metrics: &Metrics) {
    let (sessions, of) = counts.sessions;
    let (owners, gap_ms) = (counts.owners, counts.gap_ms);
    metrics.count_restored(sessions, of);
    let took_ms = took.as_millis() as i64;
    metrics.restore_ms.set(took_ms);
    metrics
        .restart_gap_ms
        .set(took_ms.saturating_add_unsigned(gap_ms));
    log::info!(
        "restored {sessions} of {of} sessions and {owners} users, rooms and channels that were \
         saved {gap_ms} ms ago"
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::gateway::testing::{Noted, shared};
    use crate::testing::names;

    const LONG: Duration = Duration::from_secs(60);

    /// What `shared` and a folder with a state are.
    fn parts() -> (Arc<Shared>, tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db.state");
        file::write(&path, &State::default()).unwrap();
        (shared(&Arc::new(Noted::default())), folder, path)
    }

    #[test]
    fn large_state_has_longer_and_not_for_ever() {
        assert_eq!(time_limit(0), RESTORE_MAX);
        assert_eq!(time_limit(100_000_000), Duration::from_secs(160));
        assert_eq!(time_limit(2_000_000_000), RESTORE_MAX_IN_ALL);
        assert_eq!(time_limit(u64::MAX), RESTORE_MAX_IN_ALL);
    }

    #[actix::test]
    async fn failed_restoration_lets_nobody_in_and_sets_its_state_aside() {
        let works: [Box<dyn FnOnce() -> _>; 2] = [
            Box::new(|| -> std::pin::Pin<Box<dyn Future<Output = Counts>>> {
                Box::pin(async { panic!("a fault for a test") })
            }),
            Box::new(|| Box::pin(pending())),
        ];
        for work in works {
            let (shared, folder, path) = parts();
            let limit = Duration::from_millis(50);
            let mut restoring = Restoring::begin_within(limit, path, shared.clone(), work());
            assert!(!shared.gate.is_open());
            assert!(!restoring.done().await);
            assert!(!restoring.done().await, "the same again");
            assert!(!shared.gate.is_open(), "a part may be restored");
            assert_eq!(shared.metrics.states_set_aside.get(), 1);
            restoring.give_up();
            let names = names(folder.path());
            assert_eq!(names.len(), 1, "{names:?}");
            assert!(
                names.iter().all(|name| name.contains(".refused-")),
                "{names:?}"
            );
        }
    }

    #[actix::test]
    async fn state_of_a_restoration_that_is_given_up_is_left_for_the_next_start() {
        let (shared, folder, path) = parts();
        let restoring = Restoring::begin_within(LONG, path, shared.clone(), pending());
        tokio::task::yield_now().await;
        assert_eq!(names(folder.path()), ["users.db.state.restoring"]);
        restoring.give_up();
        tokio::task::yield_now().await;
        assert_eq!(names(folder.path()), ["users.db.state"]);
        assert!(!shared.gate.is_open());
    }
}
