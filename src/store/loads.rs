//! Loads of many users, from a store that loads them one by one.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{LoadAll, Loaded, Stored};
use turntable_core::id::UserId;

/// Loads that are under way. When all have been answered, what was found is passed on.
pub(super) struct Loads {
    found: Mutex<Vec<(UserId, Stored)>>,
    load: Mutex<Option<LoadAll>>,
}

impl Loads {
    /// None yet.
    pub(super) fn new(load: LoadAll) -> Arc<Self> {
        Arc::new(Self {
            found: Mutex::default(),
            load: Mutex::new(Some(load)),
        })
    }

    /// A user was loaded.
    pub(super) fn add(&self, user: UserId, loaded: Loaded) {
        // There is nothing of most.
        if let Ok(stored) = loaded
            && stored != Stored::default()
        {
            self.found.lock().push((user, stored));
        }
    }
}

impl Drop for Loads {
    fn drop(&mut self) {
        if let Some(load) = self.load.get_mut().take() {
            load(std::mem::take(self.found.get_mut()));
        }
    }
}
