//! What the gateways of a node share: each other, and which of them holds a
//! session. It is touched when a session begins, ends or is resumed, never by
//! a delivery.

use std::collections::HashMap;
use std::sync::OnceLock;

use actix::Addr;
use parking_lot::RwLock;

use crate::gateway::Gateway;
use crate::id::SessionId;
use crate::model::session_ref::SessionRef;

/// The gateways and sessions of a node.
#[derive(Debug)]
pub struct Peers {
    gateways: Box<[OnceLock<Addr<Gateway>>]>,
    sessions: RwLock<HashMap<SessionId, SessionRef>>,
}

impl Peers {
    /// Places for the gateways of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            gateways: (0..workers).map(|_| OnceLock::new()).collect(),
            sessions: RwLock::default(),
        }
    }

    /// The gateway of `worker` is there.
    pub fn connect(&self, worker: u16, gateway: Addr<Gateway>) {
        if let Some(place) = self.gateways.get(usize::from(worker)) {
            // A worker that is started anew keeps its first gateway.
            let _ = place.set(gateway);
        }
    }

    /// The gateway of `worker`.
    #[must_use]
    pub fn gateway(&self, worker: u16) -> Option<&Addr<Gateway>> {
        self.gateways.get(usize::from(worker))?.get()
    }

    /// All gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &Addr<Gateway>> {
        self.gateways.iter().filter_map(OnceLock::get)
    }

    /// A session began.
    pub fn put(&self, id: SessionId, place: SessionRef) {
        self.sessions.write().insert(id, place);
    }

    /// A session ended.
    pub fn remove(&self, id: SessionId) {
        self.sessions.write().remove(&id);
    }

    /// Where a session is held.
    #[must_use]
    pub fn find(&self, id: SessionId) -> Option<SessionRef> {
        self.sessions.read().get(&id).copied()
    }
}
