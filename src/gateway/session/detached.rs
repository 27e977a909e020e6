//! Sessions without a connection: counted by the address of the connection that
//! they lost.
//!
//! Such a session holds memory for `session.resume_ms` although its client has no
//! connection that a limit would count.

use crate::clock;
use crate::gateway::Gateway;
use turntable_core::key::{ConnKey, SessionSlot};

impl Gateway {
    /// A connection is about to lose its session, which is counted from here on.
    /// Returns whether it may wait for a resume.
    pub(crate) fn count_detached(&mut self, key: ConnKey, session: SessionSlot) -> bool {
        if self.saving.is_on {
            // It goes to the next process, where its client is expected at once.
            return true;
        }
        let max = self.settings.session.detached_per_address_max;
        let Some(permit) = self.connections.permit(key) else {
            return true;
        };
        let detached = permit.detach(max);
        if detached.is_none() {
            self.shared
                .metrics
                .reach("session.detached_per_address_max");
            return false;
        }
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.detached = detached;
            let (settings, limits) = (&self.settings.session, &self.settings.limits);
            let now_ms = clock::now_ms();
            entry.session.forget_full_rates(now_ms, settings, limits);
        }
        true
    }
}
