//! Whether a server takes clients, and whether it ends.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};

use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// What a server does with clients. That it refuses them is set before any gateway learns of it,
/// and that it takes them again behind that: no worker lets clients in that the others send away.
#[derive(Debug, Default)]
pub struct Phase {
    refuses_clients: AtomicBool,
    is_ending: AtomicBool,
    is_saved: AtomicBool,
    /// Changes, one at a time: gateways receive them in the order in which they were made.
    changes: Mutex<()>,
}

impl Phase {
    /// Whether no client may come in: they are sent away, or were.
    #[must_use]
    pub fn refuses_clients(&self) -> bool {
        self.refuses_clients.load(Ordering::Relaxed)
    }

    /// Whether the process ends. That is not undone.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Begins a change, which lasts as long as the guard.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changes.lock()
    }

    /// Clients are refused from now on, or not any more. Returns whether that is new.
    pub(crate) fn refuse_clients(&self, refuses: bool) -> bool {
        self.refuses_clients.swap(refuses, Ordering::Relaxed) != refuses
    }

    /// The process ends.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.refuses_clients.store(true, Ordering::Relaxed);
    }

    /// Its state is being saved: what happens from now on is lost.
    pub fn save(&self) {
        self.is_saved.store(true, Ordering::Relaxed);
    }

    /// Whether something may still be changed.
    ///
    /// # Errors
    /// `unavailable` where the state of the server is being saved.
    pub fn check_unsaved(&self) -> Result<(), ErrorBody> {
        match self.is_saved.load(Ordering::Relaxed) {
            true => Err(self.refusal()),
            false => Ok(()),
        }
    }

    /// Whether clients may come in.
    ///
    /// # Errors
    /// [`Self::refusal`].
    pub fn check_takes_clients(&self) -> Result<(), ErrorBody> {
        match self.refuses_clients() {
            true => Err(self.refusal()),
            false => Ok(()),
        }
    }

    /// What a client gets that may not come in: it finds this server again soon, where that
    /// ends, or another one.
    #[must_use]
    pub fn refusal(&self) -> ErrorBody {
        let message = match self.is_ending() {
            true => "the server is stopping; reconnect in a few seconds",
            false => "the server is drained: it takes no clients until the operator ends that",
        };
        ErrorBody::new(ErrorCode::Unavailable, message)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn refused_client_learns_whether_the_server_ends() {
        let phase = Phase::default();
        assert!(phase.check_takes_clients().is_ok());
        assert!(phase.refuse_clients(true));
        assert!(!phase.refuse_clients(true), "it does already");
        let drained = phase.check_takes_clients().unwrap_err();
        assert!(drained.message.contains("drained"), "{}", drained.message);
        phase.end();
        let stopping = phase.check_takes_clients().unwrap_err();
        assert!(
            stopping.message.contains("stopping"),
            "{}",
            stopping.message
        );
        assert!(phase.check_unsaved().is_ok());
        phase.save();
        assert_eq!(
            phase.check_unsaved().unwrap_err().code,
            ErrorCode::Unavailable
        );
    }
}
