//! From a server whose clients are away to a value.
//!
//! What acts on others is saved before those. Between two steps the mailboxes are emptied, and
//! owners get the answers of the store that they wait for, so that no call and no message in
//! flight is missing from the values.

use std::time::{Duration, Instant};

use super::{Parts, State};
use crate::actor::saving::{SaveOthers, SaveRooms, SavedOwners};
use crate::clock;
use crate::gateway::Shared;
use crate::gateway::saving::{EndIntake, IsQuiet, SaveSessions};

/// Time between two looks at what is on its way.
const LOOK: Duration = Duration::from_millis(2);
/// So many looks in a row have to find nothing.
const LOOKS: u32 = 4;
/// After so long it goes on all the same.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// Makes a value of a server. It does nothing more from then on.
pub async fn gather(parts: &Parts) -> State {
    let directories = parts.all_directories();
    let mut owners = SavedOwners::default();
    parts.shared.phase.save();
    for gateway in parts.shared.peers.gateways() {
        // What a client sends after this is not counted, and comes again to the next process.
        let _ = gateway.send(EndIntake).await;
    }
    let until = Instant::now() + QUIET_MAX;
    quiet(&parts.shared, until).await;
    for directory in &directories {
        // One that is gone has taken the process with it.
        owners.extend(directory.send(SaveRooms).await.unwrap_or_default());
    }
    quiet(&parts.shared, until).await;
    for directory in &directories {
        owners.extend(directory.send(SaveOthers).await.unwrap_or_default());
    }
    quiet(&parts.shared, until).await;
    let mut sessions = Vec::new();
    for gateway in parts.shared.peers.gateways() {
        let saved = gateway.send(SaveSessions).await.ok().flatten();
        sessions.push(saved.unwrap_or_default());
    }
    State {
        saved_ms: clock::now_ms(),
        sessions,
        owners,
    }
}

/// Waits until nothing is on its way between workers and from the store, for a bounded time.
pub(super) async fn quiet_within_bound(shared: &Shared) {
    quiet(shared, Instant::now() + QUIET_MAX).await;
}

/// The same until that time.
async fn quiet(shared: &Shared, until: Instant) {
    let mut in_a_row = 0;
    while in_a_row < LOOKS {
        let mailboxes = &shared.mailboxes;
        let mut is_quiet = mailboxes.most_waiting() == 0 && mailboxes.awaited() == 0;
        for gateway in shared.peers.gateways() {
            is_quiet &= gateway.send(IsQuiet).await.unwrap_or(true);
        }
        in_a_row = if is_quiet { in_a_row + 1 } else { 0 };
        if !is_quiet && Instant::now() >= until {
            log::warn!("calls between workers have not ended in time; those in flight may be lost");
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
