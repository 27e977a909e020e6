//! WebSockets that the HTTP server hands over.

use super::{Purpose, WebSocket};
use crate::gateway::accept::{Beginning, Decision, View};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::transport::Transport;
use crate::gateway::transport::arrival::Decide;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::upgraded::Upgraded;

/// A WebSocket.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub socket: Upgraded,
    /// The encoding of its messages; `None` where it sends everything back.
    pub encoding: Option<Encoding>,
}

impl Decide for Socket {
    fn decide(self, _: &View<'_>) -> Decision {
        let (purpose, insertion) = match self.encoding {
            Some(_) => (Purpose::Sessions, Insertion::WebSocket),
            None => (Purpose::Echo, Insertion::Echo),
        };
        let connection = self.socket.connection(|io, mut permit, input| {
            if purpose == Purpose::Echo {
                permit.identified();
            }
            let transport = Transport::WebSocket(WebSocket::new(purpose, input));
            let mut connection = Connection::new(Some(io), Some(permit), transport);
            connection.encoding = self.encoding.unwrap_or_default();
            connection
        });
        Beginning::new(connection, insertion).into()
    }
}
