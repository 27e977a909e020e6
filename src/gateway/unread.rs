//! Clients that take nothing although the server has nothing left to write: what waits for them
//! fits their sockets' buffers, so only the kernel knows.
//!
//! A client that acknowledges nothing between two looks takes nothing. Looks are made only while
//! the process uses more memory than it may: each is a system call or two for a connection.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::gateway::Gateway;
use crate::gateway::stalled::BEHIND_BYTES;
use turntable_core::key::ConnKey;

/// Two looks are at least so far apart, in ms: a path may be slow.
const APART_MS: u64 = 800;

/// What the kernels of clients had acknowledged at the last look.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// Unix ms of that look.
    at_ms: u64,
    /// Of those for whom something waits, in bytes since their connections began.
    acknowledged: FxHashMap<ConnKey, u64>,
    /// Those that had acknowledged as much at the look before.
    still: FxHashSet<ConnKey>,
}

impl Unread {
    /// Whether it is time for another look.
    const fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.at_ms.saturating_add(APART_MS)
    }

    /// A look: so much these have acknowledged.
    fn look(&mut self, acknowledged: FxHashMap<ConnKey, u64>, now_ms: u64) {
        self.at_ms = now_ms;
        let before = std::mem::replace(&mut self.acknowledged, acknowledged);
        let now = self.acknowledged.iter();
        let still = now.filter(|(key, bytes)| before.get(*key) == Some(*bytes));
        self.still = still.map(|(key, _)| *key).collect();
    }

    /// Whether a connection's client has taken nothing between the last two looks.
    pub(super) fn is_still(&self, key: ConnKey) -> bool {
        self.still.contains(&key)
    }
}

impl Gateway {
    /// Looks which clients take nothing of what the kernel has for them.
    pub(super) fn look_at_unread(&mut self, now_ms: u64) {
        if !self.unread.is_due(now_ms) {
            return;
        }
        let waiting = self.connections.iter().filter_map(|(key, connection)| {
            let io = connection.io.as_ref()?;
            let unsent = io.unsent_bytes().ok()?;
            let is_behind = unsent as usize >= BEHIND_BYTES;
            let bytes = is_behind.then(|| io.acknowledged_bytes().ok()).flatten()?;
            Some((key, bytes))
        });
        let acknowledged = waiting.collect();
        self.unread.look(acknowledged, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turntable_core::key::SlotKey as _;

    #[test]
    fn client_that_acknowledges_nothing_between_two_looks_takes_nothing() {
        let mut unread = Unread::default();
        let [reads, stopped, new] = [1, 2, 3].map(|slot| ConnKey::new(slot, 0));
        let look = |of: &[(ConnKey, u64)]| of.iter().copied().collect();
        unread.look(look(&[(reads, 10), (stopped, 10)]), 5_000);
        assert!(!unread.is_still(stopped));
        assert!(!unread.is_due(5_000 + APART_MS - 1));
        assert!(unread.is_due(5_000 + APART_MS));
        unread.look(look(&[(reads, 11), (stopped, 10), (new, 10)]), 6_000);
        let still = [reads, stopped, new].map(|key| unread.is_still(key));
        assert_eq!(still, [false, true, false]);
        unread.look(FxHashMap::default(), 7_000);
        assert!(!unread.is_still(stopped));
    }
}
