//! The bytes of a connection: a socket of the gateway.

use std::io::{ErrorKind, IoSlice, Read, Write};

use mio::net::TcpStream;

/// How a connection's bytes travel.
#[derive(Debug)]
pub(crate) enum Io {
    /// As they are.
    Plain(TcpStream),
}

impl Io {
    /// Bytes as they are.
    pub(crate) const fn plain(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }

    /// Reads; 0 is the end.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` where nothing is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Self::Plain(stream) = self;
        loop {
            match stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` where it takes nothing.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let Self::Plain(stream) = self;
        stream.write(bytes)
    }

    /// Writes what the socket takes of several buffers, in one call.
    ///
    /// # Errors
    /// As [`Io::write`].
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let Self::Plain(stream) = self;
        stream.write_vectored(slices)
    }

    /// Sends bytes that were taken and not sent. Returns whether none is left.
    ///
    /// # Errors
    /// The socket's.
    #[expect(clippy::unnecessary_wraps, reason = "TLS has bytes of its own to send")]
    pub(crate) const fn send_rest(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }

    /// Ends the write side.
    pub(crate) fn shutdown_write(&mut self) {
        let Self::Plain(stream) = self;
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }

    /// The socket, to register it with a poll.
    pub(crate) const fn source(&mut self) -> &mut TcpStream {
        let Self::Plain(stream) = self;
        stream
    }
}
