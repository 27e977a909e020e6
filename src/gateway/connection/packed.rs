//! A connection as a value that can be sent to another worker.

use crate::gateway::admission::Permit;
use crate::gateway::connection::io::Io;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::delivery::encoding::{Encoding, Encodings};
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::Transport;
use turntable_core::session::greeting::Greeting;

/// A connection that carries no session: what it has queued is bytes.
#[derive(Debug)]
pub(crate) struct PackedConnection {
    io: Option<Io>,
    permit: Option<Permit>,
    greeting: Option<Greeting>,
    encoding: Encoding,
    transport: Transport,
    unwritten: Vec<u8>,
    is_proxied: bool,
}

impl PackedConnection {
    /// Packs a connection whose socket was taken off its poll.
    pub(crate) fn pack(
        mut connection: Connection,
        io: Option<Io>,
        encodings: &Encodings,
        now_ms: u64,
    ) -> Self {
        let reader = connection.reader(encodings, None, now_ms);
        Self {
            io,
            permit: connection.permit,
            greeting: match connection.phase {
                Phase::Greeting(greeting) => Some(greeting),
                _ => None,
            },
            encoding: connection.encoding,
            unwritten: connection.queue.take_bytes(&reader),
            transport: connection.transport,
            is_proxied: connection.is_proxied,
        }
    }

    /// The connection again, on another worker. It is read once: what its socket
    /// had was not reported there.
    pub(crate) fn unpack(self) -> Connection {
        let mut connection = Connection::new(self.io, self.permit, self.transport);
        connection.phase = match self.greeting {
            Some(greeting) => Phase::Greeting(greeting),
            None => Phase::Carrier,
        };
        connection.encoding = self.encoding;
        connection.is_proxied = self.is_proxied;
        if !self.unwritten.is_empty() {
            connection.queue.push(Frame::raw(&self.unwritten));
        }
        connection
    }
}
