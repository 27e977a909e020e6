//! Addresses that have to wait before they begin sessions: clients of theirs did not read, or had
//! far more than others, while the process used more memory than it may, and their sessions were
//! ended for it.
//!
//! Without it new ones take the place of those that were ended as fast as these go, and the
//! memory that has to be freed is never free for others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use turntable_core::address::Address;
use turntable_core::relief::Going;

/// Sessions of one address that are ended at once before it has to wait: one slow reader
/// does not keep the others of its network out.
const ENDED_MIN: usize = 4;

/// The addresses, and until when they wait, Unix ms.
#[derive(Debug, Default)]
pub(super) struct Cooldowns {
    addresses: Mutex<HashMap<Address, u64>>,
    /// The last of these times: without one nothing is looked up.
    last_ms: AtomicU64,
}

impl Cooldowns {
    /// These sessions end; addresses with several of them wait so long.
    pub(super) fn begin(&self, going: &Going, wait_ms: u64, now_ms: u64) {
        let mut counts: HashMap<Address, usize> = HashMap::new();
        // Those without a connection are not all of clients that do not read.
        let ended = going.sessions.iter().chain(&going.surplus);
        let readers = ended.filter(|one| one.since_ms == 0);
        for address in readers.filter_map(|one| one.address) {
            *counts.entry(address).or_default() += 1;
        }
        counts.retain(|_, count| *count >= ENDED_MIN);
        if counts.is_empty() || wait_ms == 0 {
            return;
        }
        let until_ms = now_ms.saturating_add(wait_ms);
        let mut addresses = self.addresses.lock();
        addresses.retain(|_, until_ms| *until_ms > now_ms);
        // Addresses may wait for longer that were added when `wait_ms` was more.
        for address in counts.into_keys() {
            let last_ms = addresses.entry(address).or_default();
            *last_ms = (*last_ms).max(until_ms);
        }
        self.last_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// How long an address still waits, in ms.
    pub(super) fn remaining_ms(&self, address: Address, now_ms: u64) -> Option<u64> {
        if self.last_ms.load(Ordering::Relaxed) <= now_ms {
            return None;
        }
        let until_ms = self.addresses.lock().get(&address).copied()?;
        until_ms.checked_sub(now_ms).filter(|ms| *ms > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turntable_core::key::{GatewayId, NodeId, Place, SessionSlot, SlotKey as _, WorkerId};
    use turntable_core::relief::Holding;

    fn going(of: &[(u64, u64)]) -> Going {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(0),
        };
        let holding = |(address, since_ms): &(u64, u64)| Holding {
            address: Some(Address::from_number(*address)),
            session: Place {
                gateway,
                slot: SessionSlot::new(1, 0),
            },
            bytes: 1,
            since_ms: *since_ms,
        };
        Going {
            sessions: of.iter().map(holding).collect(),
            ..Going::default()
        }
    }

    #[test]
    fn address_with_several_readers_that_were_ended_waits() {
        let cooldowns = Cooldowns::default();
        let [many, few, without] = [1, 2, 3].map(Address::from_number);
        let mut of = [[(1, 0); ENDED_MIN], [(3, 7); ENDED_MIN]].concat();
        of.extend([(2, 0); ENDED_MIN - 1]);
        cooldowns.begin(&going(&of), 100, 1_000);
        let waits = |address, now_ms| cooldowns.remaining_ms(address, now_ms);
        assert_eq!(waits(many, 1_000), Some(100));
        assert_eq!(waits(many, 1_099), Some(1));
        assert_eq!(waits(few, 1_000), None, "one slow reader, or some");
        assert_eq!(waits(without, 1_000), None, "they lost their connections");
        assert_eq!(waits(many, 1_100), None);
        cooldowns.begin(&going(&[(2, 0); ENDED_MIN]), 100, 1_100);
        assert_eq!(waits(many, 1_100), None);
        assert_eq!(waits(few, 1_150), Some(50));
        assert_eq!(cooldowns.addresses.lock().len(), 1);
    }

    #[test]
    fn shorter_time_does_not_shorten_a_wait_of_the_same_address() {
        let cooldowns = Cooldowns::default();
        let address = Address::from_number(1);
        for (wait_ms, now_ms, left_ms) in [(1_000, 0, 1_000), (100, 100, 900), (1_000, 200, 1_000)]
        {
            cooldowns.begin(&going(&[(1, 0); ENDED_MIN]), wait_ms, now_ms);
            assert_eq!(cooldowns.remaining_ms(address, now_ms), Some(left_ms));
        }
    }

    #[test]
    fn shorter_time_does_not_shorten_the_wait_of_others() {
        let cooldowns = Cooldowns::default();
        cooldowns.begin(&going(&[(1, 0); ENDED_MIN]), 1_000, 1_000);
        cooldowns.begin(&going(&[(2, 0); ENDED_MIN]), 100, 1_100);
        let [long, short] = [1, 2].map(Address::from_number);
        assert_eq!(cooldowns.remaining_ms(short, 1_200), None);
        assert_eq!(cooldowns.remaining_ms(long, 1_500), Some(500));
    }

    #[test]
    fn without_a_time_no_address_waits() {
        let cooldowns = Cooldowns::default();
        cooldowns.begin(&going(&[(1, 0); 9]), 0, 1_000);
        let address = Address::from_number(1);
        assert_eq!(cooldowns.remaining_ms(address, 1_000), None);
    }
}
