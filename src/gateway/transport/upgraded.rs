//! A socket whose WebSocket handshake was answered.

use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::connection::io::Io;
use crate::gateway::delivery::frame::Frame;

/// The socket and what belongs to it.
#[derive(Debug)]
pub struct Upgraded {
    /// The socket.
    pub io: Io,
    /// Its place in the connection limits.
    pub permit: Permit,
    /// Whether it is the socket of a trusted proxy, not of the client.
    pub is_proxied: bool,
    /// The answer to the handshake, which is written first.
    pub answer: Vec<u8>,
    /// What was read behind the handshake.
    pub input: Vec<u8>,
}

impl Upgraded {
    /// The connection that `make` makes of the socket and the input, with the
    /// answer to the handshake queued.
    pub(crate) fn connection(
        self,
        make: impl FnOnce(Io, Permit, Vec<u8>) -> Connection,
    ) -> Connection {
        let mut connection = make(self.io, self.permit, self.input);
        connection.is_proxied = self.is_proxied;
        connection.queue.push(Frame::raw(&self.answer));
        connection
    }
}
