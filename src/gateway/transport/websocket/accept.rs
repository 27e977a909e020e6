//! WebSockets that the HTTP server hands over.

use actix::{Context, Handler, Message};

use super::{Purpose, WebSocket};
use crate::gateway::Gateway;
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::transport::Transport;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::upgraded::Upgraded;

/// A WebSocket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Accept {
    /// The socket.
    pub socket: Upgraded,
    /// The encoding of its messages; `None` where it sends everything back.
    pub encoding: Option<Encoding>,
}

impl Handler<Accept> for Gateway {
    type Result = ();

    fn handle(&mut self, accept: Accept, _: &mut Context<Self>) {
        self.shared.metrics.accepted.inc();
        let (purpose, insertion) = match accept.encoding {
            Some(_) => (Purpose::Sessions, Insertion::WebSocket),
            None => (Purpose::Echo, Insertion::Echo),
        };
        let connection = accept.socket.connection(|io, mut permit, input| {
            if purpose == Purpose::Echo {
                permit.identified();
            }
            let transport = Transport::WebSocket(WebSocket::new(purpose, input));
            let mut connection = Connection::new(Some(io), Some(permit), transport);
            connection.encoding = accept.encoding.unwrap_or_default();
            connection
        });
        self.insert(connection, insertion);
        self.run();
    }
}
