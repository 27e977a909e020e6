//! The socket of an HTTP connection, plain or with TLS, until a gateway takes it over.
//!
//! The TLS session is the one that the gateways use (`gateway/connection/io/tls.rs`), on a
//! socket of tokio in place of one of mio. So a connection that is taken over goes on with
//! its session, and with all that waits in it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_rt::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::connection::io::{Io, Stream, Tls};
use crate::http::tls_handshake::Failed;

/// The first byte of a handshake: a record of that kind.
const HANDSHAKE: u8 = 22;

/// Reads of what follows an answer that is the last.
const DISCARDS_MAX: usize = 64;

/// A socket of tokio as one whose calls do not wait.
#[derive(Debug)]
pub struct Unblocking(TcpStream);

impl Read for Unblocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Unblocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Unblocking {
    fn end(&self) {
        // The only error is that the connection is over already.
        let _ = SockRef::from(&self.0).shutdown(std::net::Shutdown::Write);
    }
}

/// A socket.
#[derive(Debug)]
pub enum Socket {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<Tls<Unblocking>>),
}

impl Socket {
    /// A socket; with a configuration, the handshake of TLS is its beginning.
    ///
    /// # Errors
    /// None that rustls documents.
    pub fn new(stream: TcpStream, config: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let Some(config) = config else {
            return Ok(Self::Plain(stream));
        };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Tls::new(Unblocking(stream), session))))
    }

    /// Whether it has TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What has come of a handshake, in bytes.
    #[must_use]
    pub fn handshake_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(tls) => tls.handshake_bytes(),
        }
    }

    /// Whether the peer has closed its side before the handshake of TLS was over.
    #[must_use]
    pub fn has_hung_up(&mut self) -> bool {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.source().0,
        };
        turntable_sys::has_hung_up(stream.as_fd())
    }

    /// Goes on with the handshake of TLS. There is nothing to do without TLS.
    ///
    /// # Errors
    /// [`Failed`]; a client that can read it has the alert.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let Self::Tls(tls) = self else {
            return Poll::Ready(Ok(()));
        };
        if tls.handshake_bytes() == 0 {
            let mut byte = [0];
            let mut byte = ReadBuf::new(&mut byte);
            match ready!(tls.source().0.poll_peek(cx, &mut byte)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Failed::Closed)),
                Ok(_) => {}
            }
            match byte.filled().first() {
                Some(&HANDSHAKE) => {}
                // A method of HTTP is of capital letters.
                Some(first) if first.is_ascii_uppercase() => {
                    return Poll::Ready(Err(Failed::Plain));
                }
                _ => return Poll::Ready(Err(Failed::NoTls)),
            }
        }
        loop {
            match tls.handshake() {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => {}
                Err(_) => return Poll::Ready(Err(Failed::of(tls.fault()))),
            }
            // A peer that does not read its part may be one that waits for it.
            let writes = tls.has_unsent();
            let stream = &tls.source().0;
            let can_read = stream.poll_read_ready(cx).is_ready();
            let can_write = writes && stream.poll_write_ready(cx).is_ready();
            if !can_read && !can_write {
                return Poll::Pending;
            }
        }
    }

    /// Whether the peer is known to have closed its side. Wakes the task when it may have.
    pub fn is_gone(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Plain(stream) => {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                match stream.poll_peek(cx, &mut byte) {
                    Poll::Ready(Ok(count)) => count == 0,
                    Poll::Ready(Err(_)) => true,
                    Poll::Pending => false,
                }
            }
            Self::Tls(tls) => loop {
                if let Ok(is_at_end) = tls.is_at_end() {
                    return is_at_end;
                }
                if tls.source().0.poll_read_ready(cx).is_pending() {
                    return false;
                }
            },
        }
    }

    /// Whether a read may return something. Wakes the task when it may.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Plain(stream) => stream.poll_read_ready(cx).is_ready(),
            Self::Tls(tls) => tls.has_unread() || tls.source().0.poll_read_ready(cx).is_ready(),
        }
    }

    /// How many bytes the socket took, of a call that took so many.
    pub fn sent_bytes(&mut self, taken: usize) -> usize {
        match self {
            Self::Plain(_) => taken,
            Self::Tls(tls) => tls.take_sent_bytes(),
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(tls) => tls.stream().0.as_fd(),
        }
    }

    /// As [`turntable_sys::unacknowledged_bytes`].
    ///
    /// # Errors
    /// Its own.
    pub fn unacknowledged_bytes(&self) -> io::Result<usize> {
        let bytes = turntable_sys::unacknowledged_bytes(self.as_fd())?;
        // A reset drops what waits, and leaves the number.
        let is_dropped = bytes > 0 && self.unsent_bytes().is_ok_and(|memory| memory == 0);
        Ok(if is_dropped { 0 } else { bytes })
    }

    /// As [`turntable_sys::unsent_bytes`].
    ///
    /// # Errors
    /// Its own.
    pub fn unsent_bytes(&self) -> io::Result<u32> {
        turntable_sys::unsent_bytes(self.as_fd())
    }

    /// The socket takes no more than about so many bytes that it cannot send yet; 0: as many
    /// as its buffer has room for. Only on Linux.
    pub fn limit_unsent(&self, bytes: u32) {
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&self.as_fd()).set_tcp_notsent_lowat(bytes);
        #[cfg(not(target_os = "linux"))]
        let _ = bytes;
    }

    /// What its peer has not received when it is closed is discarded.
    pub fn discard_at_close(&self) {
        let _ = SockRef::from(&self.as_fd()).set_linger(Some(Duration::ZERO));
    }

    /// When it is closed, the kernel keeps no longer than this what its peer does not take.
    /// Only on Linux.
    pub fn limit_close(&self, limit: Duration) {
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&self.as_fd()).set_tcp_user_timeout(Some(limit));
        #[cfg(not(target_os = "linux"))]
        let _ = limit;
    }

    /// Writes a short answer behind which the connection ends, and discards what has come: a
    /// socket that is closed with unread bytes takes its answer back.
    pub fn write_last(&mut self, answer: &[u8]) {
        match self {
            Self::Plain(stream) => {
                let _ = stream.try_write(answer);
            }
            Self::Tls(tls) => {
                let _ = tls.write(answer);
                tls.shutdown_write();
            }
        }
        self.discard();
    }

    /// Answers a client without TLS as it understands it.
    pub fn write_plain(&mut self, answer: &[u8]) {
        if let Self::Tls(tls) = self {
            let _ = tls.source().0.try_write(answer);
        }
        self.discard();
    }

    /// Discards what has come, as far as it is not more than a client sends at once.
    pub fn discard(&mut self) {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &mut tls.source().0,
        };
        let mut rest = [0; 4_096];
        for _ in 0..DISCARDS_MAX {
            if !matches!(stream.try_read(&mut rest), Ok(1..)) {
                break;
            }
        }
    }

    /// The socket for a gateway, with its session.
    ///
    /// # Errors
    /// Those of the runtime.
    pub fn into_io(self) -> io::Result<Io> {
        let unwatched = |stream: TcpStream| stream.into_std().map(mio::net::TcpStream::from_std);
        match self {
            Self::Plain(stream) => unwatched(stream).map(Io::plain),
            Self::Tls(tls) => {
                let tls = (*tls).on(|Unblocking(stream)| unwatched(stream))?;
                Ok(Io::Tls(Box::new(tls)))
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tls = match self.get_mut() {
            Self::Plain(stream) => return Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(tls) => tls,
        };
        loop {
            match tls.read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(tls.source().0.poll_read_ready(cx))?;
                }
                // A message of HTTP says how long it is, so a missing end cuts nothing off.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tls = match self.get_mut() {
            Self::Plain(stream) => return Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(tls) => tls,
        };
        loop {
            match tls.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(tls.source().0.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tls = match self.get_mut() {
            Self::Plain(stream) => return Pin::new(stream).poll_flush(cx),
            Self::Tls(tls) => tls,
        };
        while !tls.send_rest()? {
            ready!(tls.source().0.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        match socket {
            Self::Plain(stream) => return Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tls) => tls.shutdown_write(),
        }
        Pin::new(socket).poll_flush(cx)
    }
}
