//! How a store is, for the readiness of the server.

use std::sync::atomic::{AtomicBool, Ordering};

/// What a store can do now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    /// All of it.
    #[default]
    Sound,
    /// Something in it cannot be read: some users are refused, or histories left out.
    Damaged,
    /// It cannot be written: durable attributes are refused.
    Failing,
    /// It cannot be opened: no user can be loaded.
    Closed,
}

impl Health {
    /// Its name in the answers about readiness.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Damaged => "damaged",
            Self::Failing => "failing",
            Self::Closed => "closed",
        }
    }
}

/// The health of a store, for other threads than its own.
#[derive(Debug, Default)]
pub(super) struct SharedHealth {
    pub(super) is_damaged: AtomicBool,
    pub(super) is_failing: AtomicBool,
    pub(super) is_closed: AtomicBool,
}

impl SharedHealth {
    /// The worst that is known.
    pub(super) fn get(&self) -> Health {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        match () {
            () if is(&self.is_closed) => Health::Closed,
            () if is(&self.is_failing) => Health::Failing,
            () if is(&self.is_damaged) => Health::Damaged,
            () => Health::Sound,
        }
    }
}
