//! The owners and gateways of this process, each with a mailbox.
//!
//! Both tables are filled while the workers start, before the first connection
//! is accepted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::Recipient;

use crate::cluster::bus::Bus;
use crate::cluster::mail::Mail;
use crate::cluster::owners::Owners;
use turntable_core::call::{Call, Stamped};
use turntable_core::delivery::Delivery;
use turntable_core::id::shard;
use turntable_core::key::{GatewayId, Generation, ShardId, WorkerId};

/// The directories by worker; each worker has the shard of its number.
#[derive(Debug)]
pub struct LocalOwners {
    directories: Box<[OnceLock<Recipient<Mail<Stamped>>>]>,
    /// The generation of each shard's owners, as gateways received it.
    generations: Box<[AtomicU64]>,
}

impl LocalOwners {
    /// Places for the directories of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            directories: (0..workers).map(|_| OnceLock::new()).collect(),
            generations: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The directory of a worker runs.
    pub fn connect(&self, worker: WorkerId, directory: Recipient<Mail<Stamped>>) {
        if let Some(place) = self.directories.get(worker.index()) {
            // A worker that is started anew keeps its first directory.
            let _ = place.set(directory);
        }
    }

    /// A call with the generation that this process knows of its shard.
    pub(super) fn stamp(&self, call: Call) -> Stamped {
        let shard = call.id().and_then(|id| self.shard(id));
        let generation = shard.and_then(|ShardId(shard)| self.generations.get(shard as usize));
        Stamped {
            generation: generation.map_or(Generation(0), |known| {
                Generation(known.load(Ordering::Relaxed))
            }),
            call,
        }
    }

    /// Puts a call into the mailboxes that it is for.
    pub(super) fn deliver(&self, call: Stamped) {
        match call.call.id() {
            Some(id) => {
                if let Some(directory) = self.directory(id) {
                    directory.do_send(Mail(call));
                }
            }
            None => {
                for directory in self.directories.iter().filter_map(OnceLock::get) {
                    directory.do_send(Mail(call.clone()));
                }
            }
        }
    }

    fn directory(&self, id: &str) -> Option<&Recipient<Mail<Stamped>>> {
        let ShardId(shard) = self.shard(id)?;
        self.directories.get(shard as usize)?.get()
    }

    fn shard(&self, id: &str) -> Option<ShardId> {
        shard(id, self.directories.len() as u32).map(ShardId)
    }
}

impl Owners for LocalOwners {
    fn call(&self, call: Call) {
        self.deliver(self.stamp(call));
    }

    fn learn(&self, ShardId(shard): ShardId, generation: Generation) {
        if let Some(known) = self.generations.get(shard as usize) {
            known.fetch_max(generation.0, Ordering::Relaxed);
        }
    }

    fn shards(&self) -> usize {
        self.directories.len()
    }
}

/// The gateways by worker.
#[derive(Debug)]
pub struct LocalBus(Box<[OnceLock<Outlet>]>);

/// A gateway that runs.
type Outlet = (GatewayId, Recipient<Mail<Delivery>>);

impl LocalBus {
    /// Places for the gateways of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// The gateway of a worker runs.
    pub fn connect(&self, id: GatewayId, gateway: Recipient<Mail<Delivery>>) {
        if let Some(place) = self.0.get(id.worker.index()) {
            // A worker that is started anew keeps its first gateway.
            let _ = place.set((id, gateway));
        }
    }
}

impl Bus for LocalBus {
    fn send(&self, to: GatewayId, delivery: Delivery) {
        if let Some((id, gateway)) = self.0.get(to.worker.index()).and_then(OnceLock::get)
            && *id == to
        {
            gateway.do_send(Mail(delivery));
        }
    }

    fn gateways(&self) -> Vec<GatewayId> {
        let running = self.0.iter().filter_map(OnceLock::get);
        running.map(|(id, _)| *id).collect()
    }
}
