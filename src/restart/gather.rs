//! From a server whose clients are away to a value.
//!
//! What acts on others is saved before those. Between two steps the mailboxes are emptied, so
//! that no call and no message is on its way past a value.

use std::time::Duration;

use super::{Parts, State};
use crate::actor::saving::{SaveOthers, SaveRooms, SavedOwners};
use crate::clock;
use crate::gateway::Shared;
use crate::gateway::saving::{IsQuiet, SaveSessions};

/// Time between two looks at what is on its way.
const LOOK: Duration = Duration::from_millis(2);
/// So many looks in a row have to find nothing.
const LOOKS: u32 = 4;
/// After so many looks it goes on all the same.
const LOOKS_MAX: u32 = 1_000;

/// Makes a value of a server. It does nothing more from then on.
pub async fn gather(parts: &Parts) -> State {
    let directories = parts.all_directories();
    let mut owners = SavedOwners::default();
    quiet(&parts.shared).await;
    for directory in &directories {
        // One that is gone has taken the process with it.
        owners.extend(directory.send(SaveRooms).await.unwrap_or_default());
    }
    quiet(&parts.shared).await;
    for directory in &directories {
        owners.extend(directory.send(SaveOthers).await.unwrap_or_default());
    }
    quiet(&parts.shared).await;
    let mut sessions = Vec::new();
    for gateway in parts.shared.peers.gateways() {
        sessions.push(gateway.send(SaveSessions).await.unwrap_or_default());
    }
    State {
        saved_ms: clock::now_ms(),
        sessions,
        owners,
    }
}

/// Waits until nothing is on its way between workers.
pub(super) async fn quiet(shared: &Shared) {
    let (mut looks, mut in_a_row) = (0, 0);
    while in_a_row < LOOKS && looks < LOOKS_MAX {
        let mut is_quiet = shared.mailboxes.most_waiting() == 0;
        for gateway in shared.peers.gateways() {
            is_quiet &= gateway.send(IsQuiet).await.unwrap_or(true);
        }
        in_a_row = if is_quiet { in_a_row + 1 } else { 0 };
        looks += 1;
        tokio::time::sleep(LOOK).await;
    }
    if in_a_row < LOOKS {
        log::warn!("the server does not come to rest; what is on its way may be lost");
    }
}
