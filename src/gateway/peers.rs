//! What the gateways of a node share: each other, and which of them holds a
//! session or a line. It is touched when one begins, ends or is resumed and by
//! the requests of doors that have no socket, never by a delivery.

use std::collections::HashMap;
use std::sync::OnceLock;

use actix::Addr;
use parking_lot::RwLock;

use crate::gateway::Gateway;
use crate::gateway::slots::Key;
use turntable_core::id::SessionId;
use turntable_core::key::{self, WorkerId};

/// Where a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To a session.
    Session(key::Place),
    /// To a line that carries none yet, or another.
    Line {
        /// The worker.
        worker: WorkerId,
        /// The line among its connections.
        key: Key,
    },
}

impl Place {
    /// The worker that holds it.
    #[must_use]
    pub const fn worker(self) -> WorkerId {
        match self {
            Self::Session(place) => place.gateway.worker,
            Self::Line { worker, .. } => worker,
        }
    }
}

/// The gateways, sessions and named lines of a node.
#[derive(Debug)]
pub struct Peers {
    gateways: Box<[OnceLock<Addr<Gateway>>]>,
    sessions: RwLock<HashMap<SessionId, key::Place>>,
    lines: RwLock<HashMap<SessionId, (WorkerId, Key)>>,
}

impl Peers {
    /// Places for the gateways of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            gateways: (0..workers).map(|_| OnceLock::new()).collect(),
            sessions: RwLock::default(),
            lines: RwLock::default(),
        }
    }

    /// The gateway of `worker` is there.
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

    /// All gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &Addr<Gateway>> {
        self.gateways.iter().filter_map(OnceLock::get)
    }

    /// A session began.
    pub fn put(&self, id: SessionId, place: key::Place) {
        self.sessions.write().insert(id, place);
    }

    /// A session ended.
    pub fn remove(&self, id: SessionId) {
        self.sessions.write().remove(&id);
    }

    /// Where a session is held.
    #[must_use]
    pub fn find(&self, id: SessionId) -> Option<key::Place> {
        self.sessions.read().get(&id).copied()
    }

    /// A line of that name began.
    pub fn put_line(&self, id: SessionId, worker: WorkerId, key: Key) {
        self.lines.write().insert(id, (worker, key));
    }

    /// A line ended; another of its name may have taken its place.
    pub fn remove_line(&self, id: SessionId, worker: WorkerId, key: Key) {
        let mut lines = self.lines.write();
        if lines.get(&id) == Some(&(worker, key)) {
            lines.remove(&id);
        }
    }

    /// Where the line of that name is.
    #[must_use]
    pub fn line(&self, id: SessionId) -> Option<Place> {
        let (worker, key) = self.lines.read().get(&id).copied()?;
        Some(Place::Line { worker, key })
    }

    /// Where a name leads: to the session that has it, or to the line that
    /// keeps it for one.
    #[must_use]
    pub fn locate(&self, id: SessionId) -> Option<Place> {
        self.find(id).map(Place::Session).or_else(|| self.line(id))
    }

    /// The gateway of a place.
    #[must_use]
    pub fn gateway_of(&self, place: Place) -> Option<&Addr<Gateway>> {
        self.gateway(place.worker())
    }
}
