//! A socket that a handler can take away from the HTTP server.
//!
//! The response of a tunnel does not end, and in the HTTP server each would keep two
//! buffers and a task. Therefore accepted sockets are wrapped, and a handler takes the
//! socket of its request; for the HTTP server the connection has then ended.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket, until it is taken.
#[derive(Debug, Clone)]
pub struct Takeable(Rc<RefCell<Option<TcpStream>>>);

impl Takeable {
    /// Wraps a socket.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Rc::new(RefCell::new(Some(stream))))
    }

    /// Takes the socket, once.
    #[must_use]
    pub fn take(&self) -> Option<TcpStream> {
        self.0.borrow_mut().take()
    }

    /// Whether the peer is known to have closed its side. Wakes the task when it may have.
    pub fn is_gone(&self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        match self.0.borrow().as_ref() {
            Some(stream) => match stream.poll_peek(cx, &mut byte) {
                Poll::Ready(Ok(count)) => count == 0,
                Poll::Ready(Err(_)) => true,
                Poll::Pending => false,
            },
            None => true,
        }
    }

    fn with<T>(
        &self,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
        gone: T,
    ) -> Poll<io::Result<T>> {
        match self.0.borrow_mut().as_mut() {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Ok(gone)),
        }
    }
}

impl AsyncRead for Takeable {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(cx, buffer), ())
    }
}

impl AsyncWrite for Takeable {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // The server's response is discarded after the socket was taken.
        self.with(|stream| stream.poll_write(cx, bytes), bytes.len())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx), ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx), ())
    }
}
