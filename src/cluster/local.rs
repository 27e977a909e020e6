//! The owners and gateways of this process, each with a mailbox.
//!
//! Both tables are filled while the workers start, before the first connection
//! is accepted.
//!
//! Which worker has an id is decided by a hash with a random key of this process:
//! clients choose their ids, and a client that knew the worker of each could
//! bring all of its load to one. The shard of the protocol (`turntable shard`) is
//! not that worker.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use actix::Recipient;

use crate::cluster::bus::Bus;
use crate::cluster::envelope::Envelope;
use crate::cluster::mailbox::Mailboxes;
use crate::cluster::owners::Owners;
use turntable_core::call::{Call, Stamped};
use turntable_core::delivery::Delivery;
use turntable_core::key::{GatewayId, Generation, ShardId, WorkerId};

/// A directory that runs.
type Directory = Recipient<Envelope<Stamped>>;

/// The directories by worker; each worker has the shard of its number.
#[derive(Debug)]
pub struct LocalOwners {
    directories: Box<[OnceLock<Directory>]>,
    mailboxes: Arc<Mailboxes>,
    /// The generation of each shard's owners, as gateways received it.
    generations: Box<[AtomicU64]>,
    /// The random key that places ids on workers.
    placement: RandomState,
}

impl LocalOwners {
    /// Places for the directories of the workers that have these mailboxes.
    #[must_use]
    pub fn new(mailboxes: Arc<Mailboxes>) -> Self {
        let workers = mailboxes.workers();
        Self {
            directories: (0..workers).map(|_| OnceLock::new()).collect(),
            mailboxes,
            generations: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            placement: RandomState::new(),
        }
    }

    /// The directory of a worker runs.
    pub fn connect(&self, worker: WorkerId, directory: Recipient<Envelope<Stamped>>) {
        if let Some(place) = self.directories.get(worker.index()) {
            // A worker that is started anew keeps its first directory.
            let _ = place.set(directory);
        }
    }

    /// A call with the generation that this process knows of its shard.
    fn stamped(&self, shard: Option<ShardId>, call: Call) -> Stamped {
        let generation = shard.and_then(|ShardId(shard)| self.generations.get(shard as usize));
        Stamped {
            generation: generation.map_or(Generation(0), |known| {
                Generation(known.load(Ordering::Relaxed))
            }),
            call,
        }
    }

    /// Puts a call into the mailbox of a shard, or into all of them.
    fn put(&self, shard: Option<ShardId>, call: Stamped) {
        if let Some(ShardId(shard)) = shard {
            return self.put_at(shard as usize, call);
        }
        for worker in 0..self.directories.len() {
            self.put_at(worker, call.clone());
        }
    }

    fn put_at(&self, worker: usize, call: Stamped) {
        let directory = self.directories.get(worker).and_then(OnceLock::get);
        let queues = self.mailboxes.of(WorkerId(worker as u16));
        if let (Some(directory), Some(queues)) = (directory, queues) {
            queues.calls.put();
            directory.do_send(Envelope(call));
        }
    }

    /// A call with the generation that this process knows of its shard.
    #[cfg(debug_assertions)]
    pub(super) fn stamp(&self, call: Call) -> Stamped {
        self.stamped(self.shard_of(&call), call)
    }

    /// Puts a call into the mailboxes that it is for.
    #[cfg(debug_assertions)]
    pub(super) fn deliver(&self, call: Stamped) {
        self.put(self.shard_of(&call.call), call);
    }

    /// The shard of a call; `None` for a call to all.
    fn shard_of(&self, call: &Call) -> Option<ShardId> {
        match call {
            Call::Channels { shard, .. }
            | Call::Rooms { shard, .. }
            | Call::PastBelow { shard, .. } => Some(*shard),
            call => call.id().and_then(|id| self.shard(id)),
        }
    }
}

impl Owners for LocalOwners {
    fn call(&self, call: Call) {
        let shard = self.shard_of(&call);
        self.put(shard, self.stamped(shard, call));
    }

    fn learn(&self, ShardId(shard): ShardId, generation: Generation) {
        if let Some(known) = self.generations.get(shard as usize) {
            known.fetch_max(generation.0, Ordering::Relaxed);
        }
    }

    fn shards(&self) -> usize {
        self.directories.len()
    }

    fn shard(&self, id: &str) -> Option<ShardId> {
        if let [_] = *self.directories {
            return Some(ShardId(0));
        }
        let hash = self.placement.hash_one(id);
        let shard = hash.checked_rem(self.directories.len() as u64)?;
        Some(ShardId(shard as u32))
    }
}

/// The gateways by worker.
#[derive(Debug)]
pub struct LocalBus {
    gateways: Box<[OnceLock<Outlet>]>,
    mailboxes: Arc<Mailboxes>,
}

/// A gateway that runs.
type Outlet = (GatewayId, Recipient<Envelope<Delivery>>);

impl LocalBus {
    /// Places for the gateways of the workers that have these mailboxes.
    #[must_use]
    pub fn new(mailboxes: Arc<Mailboxes>) -> Self {
        let workers = mailboxes.workers();
        Self {
            gateways: (0..workers).map(|_| OnceLock::new()).collect(),
            mailboxes,
        }
    }

    /// The gateway of a worker runs.
    pub fn connect(&self, id: GatewayId, gateway: Recipient<Envelope<Delivery>>) {
        if let Some(place) = self.gateways.get(id.worker.index()) {
            // A worker that is started anew keeps its first gateway.
            let _ = place.set((id, gateway));
        }
    }
}

impl Bus for LocalBus {
    fn send(&self, to: GatewayId, delivery: Delivery) {
        let place = self.gateways.get(to.worker.index());
        let queues = self.mailboxes.of(to.worker);
        if let (Some((id, gateway)), Some(queues)) = (place.and_then(OnceLock::get), queues)
            && *id == to
        {
            queues.deliveries.put();
            gateway.do_send(Envelope(delivery));
        }
    }

    fn gateways(&self) -> Vec<GatewayId> {
        let running = self.gateways.iter().filter_map(OnceLock::get);
        running.map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metrics;

    fn owners(workers: usize) -> LocalOwners {
        LocalOwners::new(Arc::new(Mailboxes::new(workers, &Metrics::default())))
    }

    fn placed(owners: &LocalOwners) -> Vec<Option<ShardId>> {
        let ids = (0..64).map(|number| format!("1:{number}"));
        ids.map(|id| owners.shard(&id)).collect()
    }

    #[test]
    fn worker_of_an_id_stays_and_cannot_be_computed_by_clients() {
        let [one, other] = [owners(4), owners(4)];
        assert_eq!(
            placed(&one),
            placed(&one),
            "calls to one owner stay in order"
        );
        assert_ne!(placed(&one), placed(&other), "each process has its own key");
        for worker in 0..4 {
            assert!(placed(&one).contains(&Some(ShardId(worker))), "{worker}");
        }
        assert_eq!(owners(0).shard("1:1"), None);
    }
}
