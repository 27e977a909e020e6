//! From a value to a server that takes clients.

use std::time::Duration;

use futures_util::future::join_all;

use super::gather::quiet_within_bound;
use super::{Parts, State};
use crate::actor::saving::{RestoreOwners, RestoreWatched, Restored, SavedOwners};
use crate::clock;
use crate::gateway::saving::{RestoreSessions, RestoredSessions, WatchesRestored};
use turntable_core::id::UserId;
use turntable_core::key::ShardId;

/// Time between two looks whether all workers run.
const LOOK: Duration = Duration::from_millis(2);
/// After so many looks there is no worker more.
const LOOKS_MAX: u32 = 5_000;

/// Watched users of one message to a directory, at most. So many loads wait for the store at once,
/// for each directory.
const WATCHED_MAX: usize = 4_096;

/// What was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Sessions, of so many.
    pub sessions: (usize, usize),
    /// Users, rooms and channels.
    pub owners: usize,
    /// How long nobody was served, in ms.
    pub gap_ms: u64,
}

/// Restores a state at a server of so many workers that has no clients.
pub async fn restore(mut state: State, parts: &Parts, workers: usize) -> Counts {
    for _ in 0..LOOKS_MAX {
        if parts.directories.lock().len() == workers {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let gap_ms = clock::now_ms().saturating_sub(state.saved_ms);
    let saved = state.sessions.iter_mut();
    for export in saved.flat_map(|saved| &mut saved.sessions) {
        export.session.pass_time(gap_ms);
    }
    let wanted = state.sessions();
    let mut put = 0;
    let directories = parts.all_directories();
    let shared = &parts.shared;
    for (directory, owners) in directories.iter().zip(by_shard(state.owners, parts)) {
        // One that is gone has taken the process with it.
        put += directory.send(RestoreOwners(owners)).await.unwrap_or(0);
    }
    let gateways: Vec<_> = shared.peers.gateways().cloned().collect();
    let mut sessions: Vec<Vec<_>> = gateways.iter().map(|_| Vec::new()).collect();
    for (number, of_gateway) in state.sessions.into_iter().enumerate() {
        // Those of one gateway stay together, as far as there are as many workers as before.
        if let Some(now) = number.checked_rem(gateways.len())
            && let Some(now) = sessions.get_mut(now)
        {
            now.push(of_gateway);
        }
    }
    let (mut restored, mut watched) = (0, Vec::new());
    for (gateway, sessions) in gateways.iter().zip(sessions) {
        if let Ok(of_gateway) = gateway.send(RestoreSessions(sessions)).await {
            restored += of_gateway.count;
            watched.push(of_gateway);
        }
    }
    let all = directories.iter().zip(watched_by_shard(watched, parts));
    let work = all.map(|(directory, messages)| async move {
        for message in messages {
            let _ = directory.send(message).await;
        }
    });
    join_all(work).await;
    for gateway in &gateways {
        let _ = gateway.send(WatchesRestored).await;
    }
    quiet_within_bound(shared).await;
    for directory in &directories {
        let _ = directory.send(Restored).await;
    }
    quiet_within_bound(shared).await;
    Counts {
        sessions: (restored, wanted),
        owners: put,
        gap_ms,
    }
}

/// Watched users of one message, where so many loads may wait for the store: all directories
/// together leave half of that to others.
fn watched_max(loads_max: usize, directories: usize) -> usize {
    let even = (loads_max / 2).checked_div(directories).unwrap_or_default();
    even.clamp(1, WATCHED_MAX)
}

/// The absent users of each directory that sessions watch.
fn watched_by_shard(restored: Vec<RestoredSessions>, parts: &Parts) -> Vec<Vec<RestoreWatched>> {
    let directories = parts.directories.lock().len();
    let watched_max = watched_max(parts.shared.store.loads_max(), directories);
    let mut all: Vec<_> = (0..directories).map(|_| Vec::new()).collect();
    for RestoredSessions {
        gateway, watched, ..
    } in restored
    {
        let mut of_shards: Vec<Vec<UserId>> = vec![Vec::new(); directories];
        for user in watched {
            let ShardId(shard) = parts.shared.owners.shard(user.as_str()).unwrap_or_default();
            if let Some(users) = of_shards.get_mut(shard as usize) {
                users.push(user);
            }
        }
        for (messages, users) in all.iter_mut().zip(of_shards) {
            let users = users.chunks(watched_max).map(<[UserId]>::to_vec);
            messages.extend(users.map(|users| RestoreWatched { gateway, users }));
        }
    }
    all
}

/// The owners of each directory.
fn by_shard(owners: SavedOwners, parts: &Parts) -> Vec<SavedOwners> {
    let mut all = vec![SavedOwners::default(); parts.directories.lock().len()];
    let shard = |id: &str| {
        let ShardId(shard) = parts.shared.owners.shard(id).unwrap_or_default();
        shard as usize
    };
    for (id, saved) in owners.avatars {
        if let Some(of) = all.get_mut(shard(id.as_str())) {
            of.avatars.push((id, saved));
        }
    }
    for (id, saved) in owners.rooms {
        if let Some(of) = all.get_mut(shard(id.as_str())) {
            of.rooms.push((id, saved));
        }
    }
    for (id, saved) in owners.channels {
        if let Some(of) = all.get_mut(shard(id.as_str())) {
            of.channels.push((id, saved));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_of_all_directories_leave_room_in_the_store() {
        assert_eq!(watched_max(usize::MAX, 2), WATCHED_MAX);
        assert_eq!(watched_max(100_000, 64), 781);
        assert_eq!(watched_max(100, 2), 25);
        assert_eq!(watched_max(100, 1_000), 1);
        assert_eq!(watched_max(100, 0), 1);
    }
}
