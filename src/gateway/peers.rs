//! What the gateways of a node share: each other, and which of them has a session
//! or a named connection. It is used when one begins, ends, is resumed or moves,
//! and by HTTP requests, never by a delivery.

use std::collections::HashMap;
use std::sync::OnceLock;

use actix::Addr;
use parking_lot::RwLock;

use crate::gateway::Gateway;
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, GatewayId, NodeId, Place, SessionSlot, WorkerId};
use turntable_core::spare::Spare;

/// Where a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To a session.
    Session(Place),
    /// To a connection that carries no session yet, or another.
    Connection {
        /// The worker.
        worker: WorkerId,
        /// The connection there.
        key: ConnKey,
    },
}

impl Target {
    /// The worker that has it.
    #[must_use]
    pub const fn worker(self) -> WorkerId {
        match self {
            Self::Session(place) => place.gateway.worker,
            Self::Connection { worker, .. } => worker,
        }
    }
}

/// The gateways, sessions and named connections of a node.
#[derive(Debug)]
pub struct Peers {
    gateways: Box<[OnceLock<Addr<Gateway>>]>,
    /// The node, and which life of it this is.
    node: (NodeId, u32),
    /// The sessions of this node, by their random part: one entry for each session,
    /// so every byte counts.
    sessions: RwLock<HashMap<[u8; 16], (WorkerId, SessionSlot)>>,
    connections: RwLock<HashMap<SessionId, (WorkerId, ConnKey)>>,
}

impl Peers {
    /// Room for the gateways of `workers` workers of a node in its life `boot`.
    #[must_use]
    pub fn new(workers: usize, node: NodeId, boot: u32) -> Self {
        Self {
            node: (node, boot),
            gateways: (0..workers).map(|_| OnceLock::new()).collect(),
            sessions: RwLock::default(),
            connections: RwLock::default(),
        }
    }

    /// The gateway of `worker` runs.
    pub fn connect(&self, worker: WorkerId, gateway: Addr<Gateway>) {
        if let Some(place) = self.gateways.get(worker.index()) {
            // A worker that is started anew keeps its first gateway.
            let _ = place.set(gateway);
        }
    }

    /// The gateway of `worker`.
    #[must_use]
    pub fn gateway(&self, worker: WorkerId) -> Option<&Addr<Gateway>> {
        self.gateways.get(worker.index())?.get()
    }

    /// The workers that have one.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> {
        let workers = (0..).map(WorkerId).zip(&self.gateways);
        workers.filter_map(|(worker, gateway)| gateway.get().map(|_| worker))
    }

    /// All gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &Addr<Gateway>> {
        self.gateways.iter().filter_map(OnceLock::get)
    }

    /// A session began.
    pub(crate) fn put(&self, id: SessionId, place: Place) {
        let found = (place.gateway.worker, place.slot);
        self.sessions.write().insert(id.bits(), found);
    }

    /// A session ended. Returns whether it was known.
    pub(crate) fn remove(&self, id: SessionId, place: Place) -> bool {
        let mut sessions = self.sessions.write();
        let found = (place.gateway.worker, place.slot);
        let is_known = sessions.get(&id.bits()) == Some(&found);
        if is_known {
            sessions.remove(&id.bits());
            sessions.give_back();
        }
        is_known
    }

    /// Where a session is.
    #[must_use]
    pub fn find(&self, id: SessionId) -> Option<Place> {
        let (worker, slot) = self.sessions.read().get(&id.bits()).copied()?;
        let (node, boot) = self.node;
        Some(Place {
            gateway: GatewayId { node, boot, worker },
            slot,
        })
    }

    /// A connection of that name began.
    pub(crate) fn put_connection(&self, name: SessionId, worker: WorkerId, key: ConnKey) {
        self.connections.write().insert(name, (worker, key));
    }

    /// A connection of that name is on its way to `worker`: `send` puts it into
    /// the mailbox there. A request that reads the new worker was sent behind it,
    /// so it finds the connection.
    pub(crate) fn move_connection(&self, name: SessionId, worker: WorkerId, send: impl FnOnce()) {
        let mut connections = self.connections.write();
        let key = connections.get(&name).map(|(_, key)| *key);
        send();
        if let Some(key) = key {
            connections.insert(name, (worker, key));
        }
    }

    /// A connection ended; another of its name may have taken its place.
    pub(crate) fn remove_connection(&self, name: SessionId, worker: WorkerId, key: ConnKey) {
        let mut connections = self.connections.write();
        if connections.get(&name) == Some(&(worker, key)) {
            connections.remove(&name);
            connections.give_back();
        }
    }

    /// Where the connection of that name is.
    #[must_use]
    pub fn connection(&self, name: SessionId) -> Option<(WorkerId, ConnKey)> {
        self.connections.read().get(&name).copied()
    }

    /// Where a name leads: to the session of that id, or to the connection that
    /// has its name.
    #[must_use]
    pub fn locate(&self, id: SessionId) -> Option<Target> {
        let connection = || {
            let (worker, key) = self.connection(id)?;
            Some(Target::Connection { worker, key })
        };
        self.find(id).map(Target::Session).or_else(connection)
    }

    /// The gateway of a target.
    #[must_use]
    pub fn gateway_of(&self, target: Target) -> Option<&Addr<Gateway>> {
        self.gateway(target.worker())
    }
}
