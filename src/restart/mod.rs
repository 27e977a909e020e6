//! Restarts that lose nobody: what goes from one process to the next.
//!
//! ```text
//! process 1: clients away ── gather ──► State ── file::write ──► STORE.state
//! process 2: file::read ──► State ── restore ──► owners, sessions ── connections come in
//! ```
//!
//! `file` owns the file, `gather` and `restore` the order in which the parts of a server are
//! made values and the values are made parts. Each part is saved by what owns it
//! (`gateway::saving`, `actor::saving`).

pub mod file;
mod gather;
pub mod restore;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use actix::Addr;
use serde::{Deserialize, Serialize};

use crate::actor::directory::Directory;
use crate::actor::saving::SavedOwners;
use crate::gateway::Shared;
use crate::gateway::session::export::SavedSessions;
pub use gather::gather;
use turntable_core::key::WorkerId;

/// The last line of `turntable check` where nothing is wrong; a program that restarts looks for it.
pub const CHECK_OK: &str = "OK";

/// What the file is called, behind the path of the store.
const SUFFIX: &str = ".state";

/// Everything that goes over a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Unix ms when it was saved.
    pub saved_ms: u64,
    /// The sessions of each gateway.
    pub sessions: Vec<SavedSessions>,
    /// Users, rooms and channels.
    pub owners: SavedOwners,
}

impl State {
    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.iter().map(|all| all.sessions.len()).sum()
    }
}

/// The parts of a server that have a state.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The gateways, and what they share.
    pub shared: Arc<Shared>,
    /// The directory of each worker.
    pub directories: Arc<parking_lot::Mutex<BTreeMap<WorkerId, Addr<Directory>>>>,
}

impl Parts {
    /// The directories, in the order of their shards.
    fn all_directories(&self) -> Vec<Addr<Directory>> {
        self.directories.lock().values().cloned().collect()
    }
}

/// The file beside the store at `path`; `None` where the store is memory.
#[must_use]
pub fn beside(path: &str) -> Option<PathBuf> {
    (!path.is_empty()).then(|| format!("{path}{SUFFIX}").into())
}
