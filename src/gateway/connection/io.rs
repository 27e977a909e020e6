//! A connection's socket, with or without TLS, behind one type.
//!
//! All sockets are non-blocking and registered edge-triggered for READABLE and
//! WRITABLE, as long as they live. A caller that keeps these rules works with
//! both kinds:
//!
//! 1. READABLE, a closed read side or an error: [`Io::read`] until
//!    `WouldBlock`, `Ok(0)` or an error. A read that does not fill its buffer
//!    has emptied the socket too, unless [`Io::has_unread`] or unless the
//!    event reported a closed read side. This also drives the TLS handshake.
//! 2. WRITABLE: [`Io::send_rest`] if [`Io::has_unsent`], then the caller's own
//!    queue. A queue is written when it is empty and `send_rest` returned
//!    `Ok(true)`.
//! 3. `WouldBlock` from a write waits for WRITABLE, with one exception: while
//!    [`Io::is_handshaking`], it may wait for input instead. So a read that
//!    ends the handshake is followed by a write of what waits.
//! 4. After an error the connection is lost. It is dropped at once; an alert
//!    that tells the peer why was sent by then, if the socket took it.
//! 5. A connection that moves to another poll is registered there and read
//!    once: the poll announces what the socket has, not [`Io::has_unread`].

mod tls;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;

use mio::net::TcpStream;
use rustls::ServerConnection;
use turntable_sys::TcpRoundTrip;

pub use tls::{Stream, Tls};

/// What a connection reads from and writes to.
#[derive(Debug)]
pub enum Io {
    /// A socket.
    Plain(TcpStream),
    /// A socket and the TLS session on it.
    Tls(Box<Tls>),
}

impl Io {
    /// A connection without TLS. `stream` must be non-blocking.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }

    /// A connection with TLS, whose handshake has not begun. `stream` must be
    /// non-blocking. 0-RTT data is not read: the session's configuration must
    /// leave `max_early_data_size` at 0.
    #[must_use]
    pub fn tls(stream: TcpStream, session: ServerConnection) -> Self {
        Self::Tls(Box::new(Tls::new(stream, session)))
    }

    /// Reads into `buffer`. `Ok(0)` is the end that the peer announced: FIN,
    /// with TLS `close_notify`.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there now. The socket's. With TLS also
    /// `InvalidData` where the peer breaks the protocol, and `UnexpectedEof`
    /// where FIN comes without `close_notify`, so that bytes may be missing.
    /// Bytes that arrived before an end or an error are returned first; the
    /// error is then returned by every later call.
    pub fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => retry(|| stream.read(buffer)),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Whether [`Io::read`] has something to return that no event of the socket
    /// will announce. Always false without TLS.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_unread(),
        }
    }

    /// Whether no more than so many bytes wait in the socket, at most 1,024. Not known with
    /// TLS.
    #[must_use]
    pub fn has_at_most(&self, bytes: usize) -> bool {
        let mut buffer = [0; 1_025];
        let Self::Plain(stream) = self else {
            return false;
        };
        buffer
            .get_mut(..=bytes)
            .is_some_and(|buffer| stream.peek(buffer).is_ok_and(|count| count <= bytes))
    }

    /// Writes a part of `bytes` and returns its length. With TLS, some of it
    /// may wait in the session: see [`Io::has_unsent`].
    ///
    /// # Errors
    /// `WouldBlock` where nothing was taken: see rule 3 of this module. The
    /// socket's. `BrokenPipe` after [`Io::shutdown_write`].
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => retry(|| stream.write(bytes)),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// As [`Io::write`], from several slices; with TLS, small slices share a
    /// record.
    ///
    /// # Errors
    /// As [`Io::write`].
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => retry(|| stream.write_vectored(slices)),
            Self::Tls(tls) => tls.write_vectored(slices),
        }
    }

    /// Whether bytes that were taken, or an end that was requested, still wait
    /// in the TLS session. Always false without TLS.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_unsent(),
        }
    }

    /// Sends what waits in the TLS session, as far as the socket takes it.
    /// Returns whether nothing is left. Bytes that were written before the
    /// handshake's end wait for it.
    ///
    /// # Errors
    /// The socket's, but not `WouldBlock`.
    pub fn send_rest(&mut self) -> std::io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(tls) => tls.send_rest(),
        }
    }

    /// Ends the write side, behind all bytes that were taken: `close_notify`
    /// with TLS, then FIN. If [`Io::has_unsent`] after it, [`Io::send_rest`]
    /// completes it. Reading goes on.
    pub fn shutdown_write(&mut self) {
        match self {
            // The only error is that the connection is over already.
            Self::Plain(stream) => drop(stream.shutdown(Shutdown::Write)),
            Self::Tls(tls) => tls.shutdown_write(),
        }
    }

    /// Whether the TLS handshake has not ended. It has no time limit of its
    /// own: the caller sets a timer. Always false without TLS.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// The socket, for registering it with a poll. What is read from it or
    /// written to it directly breaks a TLS session.
    pub fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.source(),
        }
    }

    /// Lets the kernel hold at most about so many bytes that the peer has not
    /// received; 0 leaves the size to the kernel. Linux counts its own overhead
    /// as well, and takes twice the number, at most `net.core.wmem_max`.
    ///
    /// # Errors
    /// The socket's.
    pub fn limit_send_buffer(&self, bytes: usize) -> std::io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let socket = match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(tls) => tls.as_fd(),
        };
        socket2::SockRef::from(&socket).set_send_buffer_size(bytes)
    }

    /// Bytes of memory that the kernel uses for what the peer has not received.
    ///
    /// # Errors
    /// As [`turntable_sys::unsent_bytes`].
    pub fn unsent_bytes(&self) -> std::io::Result<u32> {
        turntable_sys::unsent_bytes(match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(tls) => tls.as_fd(),
        })
    }

    /// How much the client's kernel has acknowledged since the connection began, in bytes.
    ///
    /// # Errors
    /// As [`turntable_sys::acknowledged_bytes`].
    pub fn acknowledged_bytes(&self) -> std::io::Result<u64> {
        turntable_sys::acknowledged_bytes(match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(tls) => tls.as_fd(),
        })
    }

    /// The kernel's measurement of the round trip.
    ///
    /// # Errors
    /// As [`turntable_sys::tcp_info`].
    pub fn round_trip(&self) -> std::io::Result<TcpRoundTrip> {
        turntable_sys::tcp_info(match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(tls) => tls.as_fd(),
        })
    }
}

/// Calls again where a signal interrupted.
fn retry<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
