//! The connections of a gateway, some of which carry others.

use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::session::memory::Answered;
use crate::gateway::table::Table;
use crate::gateway::transport::Group;
use turntable_core::key::ConnKey;

/// The connections.
pub(crate) type Connections = Table<ConnKey, Connection>;

impl Connections {
    /// All connections.
    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        self.iter().map(|(key, _)| key).collect()
    }

    /// The connection that a connection is counted as: the one that carries it, or
    /// itself.
    pub(crate) fn counted(&self, key: ConnKey) -> ConnKey {
        let connection = self.get(key);
        let carrier = connection.and_then(|connection| connection.transport.carrier());
        carrier.unwrap_or(key)
    }

    /// The place of a connection, or of the one that carries it, in the limits.
    pub(crate) fn permit(&self, key: ConnKey) -> Option<&Permit> {
        self.get(self.counted(key))?.permit.as_ref()
    }

    /// The connections that move together with this one; `None` where it cannot.
    pub(crate) fn group(&self, key: ConnKey) -> Option<Group> {
        let connection = self.get(key)?;
        let carrier = connection.transport.carrier();
        let carrier = carrier.and_then(|carrier| self.get(carrier));
        connection
            .transport
            .group(carrier.map(|carrier| &carrier.transport))
    }

    /// Drops the answers that are retained for requests that come again.
    pub(crate) fn forget_answers(&mut self) {
        for key in self.keys() {
            if let Some(connection) = self.get_mut(key) {
                connection.transport.forget_answer();
            }
        }
    }

    /// Bytes of those answers.
    pub(crate) fn answer_bytes(&self) -> usize {
        let connections = self.iter();
        let answered = connections.filter_map(|(_, connection)| connection.transport.answered());
        answered.map(Answered::bytes).sum()
    }
}
