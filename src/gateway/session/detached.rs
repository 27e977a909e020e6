//! Sessions without a connection: counted by the address of the connection that
//! they lost.
//!
//! Such a session holds memory for `session.resume_ms` although its client has no
//! connection that a limit would count.

use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use turntable_core::key::{ConnKey, SessionSlot};

impl Gateway {
    /// A connection is about to lose its session, which is counted from here on.
    /// Returns whether it may wait for a resume.
    pub(crate) fn count_detached(&mut self, key: ConnKey, session: SessionSlot) -> bool {
        let max = self.settings.session.detached_per_address_max;
        let Some(permit) = self.permit_of(key) else {
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
        }
        true
    }

    /// The permit of a connection, or of the one that carries it.
    fn permit_of(&self, key: ConnKey) -> Option<&Permit> {
        let connection = self.connections.get(key)?;
        connection.permit.as_ref().or_else(|| {
            let carrier = self.connections.get(connection.transport.carrier()?)?;
            carrier.permit.as_ref()
        })
    }
}
