//! A socket and the TLS session on it.
//!
//! ```text
//!   read  <- decrypted (1 record) <- received (1 record; 64 KiB in a handshake) <- socket
//!   write -> early (32 KiB, until the handshake's end) -> records (32 KiB) -> socket
//! ```
//! All buffers are the session's and bounded: the socket is read only when no
//! decrypted byte is left, and bytes to write are taken only when no record
//! is left. Nothing blocks; every call goes on where the socket stopped it.

use std::io::{Error, ErrorKind, IoSlice, Read, Result, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::TcpStream;
use rustls::{ServerConnection, Writer};

use super::retry;

/// How many bytes one write takes, and how many wait for the handshake's end.
/// Two full records: a peer that reads slowly costs no more than these beside
/// the session's own outbox.
const BUFFER_BYTES_MAX: usize = 32 * 1024;

/// How far the end of the write side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// `close_notify` and FIN wait for what was written before.
    Closing,
    /// FIN was sent.
    Closed,
}

/// What one read from the socket did.
enum Received {
    /// The socket has no more.
    All,
    /// The socket may have more.
    Some,
    /// The socket had nothing.
    Nothing,
}

/// A socket below a TLS session. No call waits.
pub trait Stream: Read + Write {
    /// Sends FIN.
    fn end(&self);
}

impl Stream for TcpStream {
    fn end(&self) {
        // The only error is that the connection is over already.
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// A connection with TLS.
#[derive(Debug)]
pub struct Tls<S = TcpStream> {
    stream: S,
    session: ServerConnection,
    write_side: WriteSide,
    /// Whether the peer sent `close_notify`.
    is_ended: bool,
    /// Why nothing more can be read.
    failure: Option<Error>,
    /// Decrypted bytes that were not read.
    unread_bytes: usize,
    /// Bytes that were written before the handshake allowed to send any; the
    /// session does not count them among what it has to send.
    early_bytes: usize,
    /// What came of the handshake.
    handshake_bytes: usize,
    /// What the socket has taken.
    sent_bytes: usize,
}

impl Tls {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<S: Stream> Tls<S> {
    /// A connection whose handshake has not begun. See [`super::Io::tls`].
    #[must_use]
    pub fn new(stream: S, mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(BUFFER_BYTES_MAX));
        Self {
            stream,
            session,
            write_side: WriteSide::Open,
            is_ended: false,
            failure: None,
            unread_bytes: 0,
            early_bytes: 0,
            handshake_bytes: 0,
            sent_bytes: 0,
        }
    }

    /// The same connection, session and all that waits in it, on another view of its socket.
    ///
    /// # Errors
    /// That of `change`; the connection is lost then.
    pub fn on<T: Stream>(self, change: impl FnOnce(S) -> Result<T>) -> Result<Tls<T>> {
        Ok(Tls {
            stream: change(self.stream)?,
            session: self.session,
            write_side: self.write_side,
            is_ended: self.is_ended,
            failure: self.failure,
            unread_bytes: self.unread_bytes,
            early_bytes: self.early_bytes,
            handshake_bytes: self.handshake_bytes,
            sent_bytes: self.sent_bytes,
        })
    }

    /// The socket, to ask it something.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// The socket. What is read from it or written to it breaks the session.
    pub fn source(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Goes on with the handshake. Returns whether it has ended, and all of it is sent.
    ///
    /// # Errors
    /// As [`super::Io::read`]; [`Tls::fault`] says what the peer did.
    pub fn handshake(&mut self) -> Result<bool> {
        while self.session.is_handshaking() {
            if let Some(failure) = &self.failure {
                return Err(again(failure));
            }
            if self.is_ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if matches!(self.receive(), Received::Nothing) {
                return Ok(false);
            }
        }
        self.send_records()
    }

    /// What the peer sent against the protocol, or its own alert.
    #[must_use]
    pub fn fault(&self) -> Option<&rustls::Error> {
        let inner = self.failure.as_ref()?.get_ref()?;
        inner.downcast_ref()
    }

    /// How much has come of a handshake, in bytes.
    #[must_use]
    pub fn handshake_bytes(&self) -> usize {
        self.handshake_bytes
    }

    /// What the socket has taken since the last call, in bytes.
    pub fn take_sent_bytes(&mut self) -> usize {
        std::mem::take(&mut self.sent_bytes)
    }

    /// Whether the peer has ended the connection, and all that it sent was read. Reads from the
    /// socket while nothing decrypted waits.
    ///
    /// # Errors
    /// `WouldBlock` where it has not, and the socket has nothing.
    pub fn is_at_end(&mut self) -> Result<bool> {
        loop {
            if self.unread_bytes > 0 {
                return Ok(false);
            }
            if self.is_over() {
                return Ok(true);
            }
            if matches!(self.receive(), Received::Nothing) {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// See [`super::Io::has_unread`].
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.unread_bytes > 0 || self.is_over()
    }

    /// Whether the socket is not read any more.
    fn is_over(&self) -> bool {
        self.is_ended || self.failure.is_some()
    }

    /// Fills `buffer` as far as the socket has bytes for it, so that a short
    /// read means the same as on a plain socket.
    ///
    /// # Errors
    /// As [`super::Io::read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        let mut is_socket_empty = false;
        loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            if room.is_empty() {
                return Ok(filled);
            }
            // An error here means that there is nothing: what it says is known
            // from `receive`.
            let count = self.session.reader().read(room).unwrap_or(0);
            self.unread_bytes = self.unread_bytes.saturating_sub(count);
            filled += count;
            if count > 0 {
                continue;
            }
            if filled > 0 && (is_socket_empty || self.is_over()) {
                return Ok(filled);
            }
            if let Some(failure) = &self.failure {
                return Err(again(failure));
            }
            if self.is_ended {
                return Ok(0);
            }
            match self.receive() {
                Received::Some => is_socket_empty = false,
                Received::All => is_socket_empty = true,
                Received::Nothing if filled > 0 => return Ok(filled),
                Received::Nothing => return Err(ErrorKind::WouldBlock.into()),
            }
        }
    }

    /// Reads once from the socket, decrypts, and sends what the handshake or an
    /// error gives to send.
    fn receive(&mut self) -> Received {
        let mut source = Source {
            stream: &mut self.stream,
            is_empty: false,
        };
        let result = self.session.read_tls(&mut source);
        let is_empty = source.is_empty;
        match result {
            Ok(0) => self.failure = Some(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                if self.session.is_handshaking() {
                    self.handshake_bytes += count;
                }
                self.process();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Received::Nothing,
            Err(error) => self.failure = Some(error),
        }
        if is_empty {
            Received::All
        } else {
            Received::Some
        }
    }

    fn process(&mut self) {
        match self.session.process_new_packets() {
            Ok(state) => {
                self.unread_bytes = state.plaintext_bytes_to_read();
                self.is_ended = state.peer_has_closed();
            }
            Err(error) => self.failure = Some(Error::new(ErrorKind::InvalidData, error)),
        }
        // An error of the write side is not one of reading: bytes from the peer
        // may still be there, and the next write meets it again.
        let _ = self.send_records();
    }

    /// Takes a part of `bytes` and returns its length.
    ///
    /// # Errors
    /// As [`super::Io::write`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.take(|writer| writer.write(bytes))
    }

    pub(super) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Result<usize> {
        if slices.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        self.take(|writer| writer.write_vectored(slices))
    }

    /// Takes bytes and sends them. It takes none while a record waits: else a
    /// socket that takes little would get a record for each little.
    fn take(&mut self, put: impl FnOnce(&mut Writer<'_>) -> Result<usize>) -> Result<usize> {
        if self.write_side != WriteSide::Open {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if let Some(failure) = &self.failure
            // A peer that has ended without `close_notify` may still read.
            && (self.session.is_handshaking() || failure.kind() != ErrorKind::UnexpectedEof)
        {
            return Err(again(failure));
        }
        if !self.send_records()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = put(&mut self.session.writer())?;
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if !self.session.wants_write() {
            if !self.session.is_handshaking() {
                // With TLS 1.2 a key may encrypt so many records and no more:
                // the session has sent `close_notify` and drops what is written.
                return Err(Error::other("the session's keys are exhausted"));
            }
            self.early_bytes += count;
        }
        self.send_records()?;
        Ok(count)
    }

    /// See [`super::Io::has_unsent`].
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.write_side != WriteSide::Closed && (self.session.wants_write() || self.early_bytes > 0)
    }

    /// Sends what waits. Returns whether nothing is left.
    ///
    /// # Errors
    /// As [`super::Io::send_rest`].
    pub fn send_rest(&mut self) -> Result<bool> {
        self.send_records()?;
        Ok(!self.has_unsent())
    }

    /// Ends the write side behind what was taken. See [`super::Io::shutdown_write`].
    pub fn shutdown_write(&mut self) {
        if self.write_side == WriteSide::Open {
            self.write_side = WriteSide::Closing;
        }
        // The next call of `send_rest` meets an error again.
        let _ = self.send_records();
    }

    /// Sends records as far as the socket takes them, and the end behind the
    /// last. Returns whether no record is left.
    fn send_records(&mut self) -> Result<bool> {
        if self.write_side == WriteSide::Closed {
            return Ok(true);
        }
        if !self.session.is_handshaking() || self.failure.is_some() {
            // They became records, or never will.
            self.early_bytes = 0;
        }
        let is_last = self.write_side == WriteSide::Closing && self.early_bytes == 0;
        if is_last {
            self.session.send_close_notify();
        }
        while self.session.wants_write() {
            match retry(|| self.session.write_tls(&mut self.stream)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent_bytes += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if is_last {
            self.stream.end();
            self.write_side = WriteSide::Closed;
        }
        Ok(true)
    }
}

/// A failure that every later call reports too.
fn again(failure: &Error) -> Error {
    Error::new(failure.kind(), failure.to_string())
}

/// Notes whether a read emptied the socket.
struct Source<'a, S> {
    stream: &'a mut S,
    is_empty: bool,
}

impl<S: Read> Read for Source<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = retry(|| self.stream.read(buffer))?;
        self.is_empty = count < buffer.len();
        Ok(count)
    }
}
