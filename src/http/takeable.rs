//! An accepted socket, between the kernel and the HTTP server.
//!
//! It counts as a connection from here on, it keeps the time limits and bounds of
//! [`Flow`], and a handler can take it away from the HTTP server: the response of a
//! tunnel does not end, and there each would keep two buffers and a task.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use actix_rt::time::Sleep;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::admission::{Full, IncompleteFull, IncompleteLimits, IncompleteShare};
use crate::gateway::unidentified::SocketMark;
use crate::http::flow::{Body, Flow, FlowLimits, Read};
use crate::http::invalid::Invalid;
use crate::http::places::Place;
use crate::http::socket::Socket;
use crate::http::unread::Unread;
use crate::metric::Metrics;
use turntable_core::rate::BucketSettings;

mod late;

use late::Late;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of the client, or of a proxy that sends it in a header.
    pub address: IpAddr,
    /// Whether it is such a proxy.
    pub is_proxy: bool,
    /// Whether its socket is that of a proxy, which may have answered the client already.
    pub is_proxied: bool,
    /// Whether it speaks TLS with this server.
    pub is_tls: bool,
}

impl Peer {
    /// The limits of what it may have sent that is not whole, where nothing says for which
    /// client: the address of a proxy is that of all its clients.
    #[must_use]
    pub fn incomplete(&self, limits: IncompleteLimits) -> IncompleteLimits {
        let per_address = match self.is_proxy {
            true => usize::MAX,
            false => limits.per_address,
        };
        IncompleteLimits {
            per_address,
            ..limits
        }
    }
}

/// The kernel takes about so many bytes that it cannot send yet, and fills its last buffer:
/// an answer that is not read waits in this process, and no other is begun.
const UNSENT_BYTES: u32 = 16_384;

/// A socket, until it is taken.
#[derive(Clone)]
pub struct Takeable(Rc<RefCell<Inner>>);

struct Inner {
    stream: Option<Socket>,
    /// What was read behind the request at hand.
    buffered: BytesMut,
    peer: Peer,
    /// Its place among the connections; without one every request is refused.
    place: Place,
    /// Marks the sessions that begin on it.
    mark: SocketMark,
    flow: Flow,
    /// Whether the write side is at its end.
    is_shut_down: bool,
    unread: Unread,
    /// What is counted of the memory that the kernel uses for what is not read, in bytes.
    send_buffer_bytes: i64,
    limits: FlowLimits,
    /// What is counted of a head that is not whole.
    head: IncompleteShare,
    metrics: Arc<Metrics>,
    /// Wakes the HTTP server at a deadline, or earlier.
    timer: Option<Pin<Box<Sleep>>>,
    /// The HTTP server, where it waits for more than the socket.
    waiting: Option<Waker>,
}

impl std::fmt::Debug for Takeable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.0.borrow();
        write!(
            f,
            "a connection of {}: {:?}",
            inner.peer.address, inner.flow
        )
    }
}

impl Takeable {
    /// Wraps a socket.
    #[must_use]
    pub fn new(
        stream: Socket,
        peer: Peer,
        place: Place,
        limits: FlowLimits,
        head: IncompleteShare,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.http_connections.inc();
        stream.limit_unsent(UNSENT_BYTES);
        Self(Rc::new(RefCell::new(Inner {
            stream: Some(stream),
            buffered: BytesMut::new(),
            peer,
            place,
            mark: SocketMark::default(),
            flow: Flow::new(Instant::now()),
            is_shut_down: false,
            unread: Unread::default(),
            send_buffer_bytes: 0,
            limits,
            head,
            metrics,
            timer: None,
            waiting: None,
        })))
    }

    /// Takes the socket, once.
    #[must_use]
    pub fn take(&self) -> Option<Socket> {
        let mut inner = self.0.borrow_mut();
        inner.timer = None;
        inner.unread = Unread::default();
        inner.count_send_buffer(0);
        let stream = inner.stream.take()?;
        stream.limit_unsent(0);
        Some(stream)
    }

    /// Takes what was read behind the request at hand.
    #[must_use]
    pub fn take_buffered(&self) -> BytesMut {
        std::mem::take(&mut self.0.borrow_mut().buffered)
    }

    /// The limit that is reached, if the connection has no place.
    #[must_use]
    pub fn refused(&self) -> Option<Full> {
        self.0
            .borrow()
            .place
            .as_ref()
            .err()
            .map(|refused| refused.full)
    }

    /// What marks the sessions that begin on it; `None` for a proxy's, whose clients
    /// share its connections.
    #[must_use]
    pub fn mark(&self) -> Option<SocketMark> {
        let inner = self.0.borrow();
        (!inner.peer.is_proxy).then(|| inner.mark.clone())
    }

    /// Takes so many bytes of what all HTTP connections of its address may send.
    ///
    /// # Errors
    /// The time until there is room for them, in ms.
    pub fn take_bytes(&self, bytes: usize, limit: BucketSettings, now_ms: u64) -> Result<(), u64> {
        match &self.0.borrow().place {
            Ok(permit) => permit.take_bytes(bytes, limit, now_ms),
            Err(_) => Ok(()),
        }
    }

    /// Where it comes from.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.0.borrow().peer
    }

    /// Whether the peer is known to have closed its side. Wakes the task when it may have.
    pub fn is_gone(&self, cx: &mut Context<'_>) -> bool {
        match &mut self.0.borrow_mut().stream {
            Some(stream) => stream.is_gone(cx),
            None => true,
        }
    }

    /// A handler gets a request with this body. Returns whether the connection may have
    /// another request at all.
    pub fn begin(&self, body: Body) -> bool {
        let mut inner = self.0.borrow_mut();
        let may_begin = inner.flow.begin(body);
        inner.wake();
        may_begin
    }

    /// Whether the connection ends with the answer to the request at hand.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.0.borrow().flow.is_last()
    }

    /// The handler reads the body from now on.
    pub fn read_body(&self) {
        let mut inner = self.0.borrow_mut();
        inner.flow.read_body();
        inner.wake();
    }

    /// The handler has stopped reading the body, at its end or not.
    pub fn stop_body(&self) {
        self.0.borrow_mut().flow.stop_body();
    }

    /// Whether the body of the request at hand came as a whole, with its head.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.0.borrow().flow.has_body()
    }

    /// The HTTP server has all of the answer.
    pub fn answered(&self) {
        self.0.borrow_mut().flow.answered();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.metrics.http_connections.dec();
        self.count_send_buffer(0);
        if let Some(stream) = self.stream.as_ref().filter(|_| !self.unread.is_over()) {
            stream.limit_close(self.limits.write);
        }
    }
}

impl Inner {
    /// Answers in place of the HTTP server, which has no words for what is wrong.
    /// The answer is short, and nothing is in the socket before it: it fits.
    fn refuse(&mut self, invalid: Invalid) {
        self.metrics.refuse(invalid.label());
        log::debug!(
            "a request of {} is refused: {}",
            self.peer.address,
            invalid.message()
        );
        if let Some(stream) = &mut self.stream {
            stream.write_last(&invalid.answer());
        }
    }

    fn wake(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(()));
        };
        let most = match self.flow.read(&self.limits) {
            Read::Upto(most) => most,
            Read::Buffered(most) if !self.buffered.is_empty() => most,
            Read::Wait | Read::Buffered(_) => {
                // What came, and what comes meanwhile, wakes the task, once.
                let is_readable = stream.poll_read_ready(cx);
                self.waiting =
                    (is_readable || !self.buffered.is_empty()).then(|| cx.waker().clone());
                // The HTTP server may not take what has the form of a head for one.
                if self.late(cx).is_some() {
                    return Poll::Ready(Err(late()));
                }
                return Poll::Pending;
            }
            Read::Again => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Read::TooLong => {
                self.refuse(Invalid::TooLong);
                return Poll::Ready(Err(too_long()));
            }
            Read::TooMuch => {
                self.metrics.refuse("body_too_long");
                return Poll::Ready(Err(too_long()));
            }
        };
        if !self.buffered.is_empty() {
            self.give_buffered(most, buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = if buffer.remaining() <= most {
            Pin::new(stream).poll_read(cx, buffer)
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            let polled = Pin::new(stream).poll_read(cx, &mut part);
            let came = part.filled().len();
            buffer.advance(came);
            polled
        };
        match polled {
            Poll::Ready(Ok(())) => {
                let came = buffer.filled().get(before..).unwrap_or_default();
                let given = self.flow.came(came, Instant::now());
                if !self.flow.is_in_head() {
                    self.head.clear();
                }
                if let Some(rest) = came.get(given..).filter(|rest| !rest.is_empty()) {
                    self.buffered.extend_from_slice(rest);
                    buffer.set_filled(before + given);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.awaits_more(cx),
        }
    }

    /// Nothing came: whether more may be awaited.
    fn awaits_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(what) = self.late(cx) {
            if what == Late::Request && self.flow.is_in_head() {
                self.refuse(Invalid::Late);
            }
            return Poll::Ready(Err(late()));
        }
        match self.count_head() {
            Ok(()) => Poll::Pending,
            Err(full) => {
                self.metrics.reach(full.key());
                self.refuse(Invalid::TooMuch(full));
                Poll::Ready(Err(too_much()))
            }
        }
    }

    /// Counts the head that has not come as a whole, now that its rest is awaited.
    fn count_head(&mut self) -> Result<(), IncompleteFull> {
        // The HTTP server doubles its buffer.
        let bytes = match self.flow.incomplete_bytes() {
            0 => 0,
            bytes => bytes.next_power_of_two(),
        };
        self.head.set(bytes, self.limits.incomplete)
    }

    /// Gives the HTTP server at most so many of the buffered bytes.
    fn give_buffered(&mut self, most: usize, buffer: &mut ReadBuf<'_>) {
        let most = self.buffered.len().min(most).min(buffer.remaining());
        let part = self.buffered.get(..most).unwrap_or_default();
        let given = self.flow.came(part, Instant::now());
        buffer.put_slice(part.get(..given).unwrap_or_default());
        self.buffered.advance(given);
        if self.buffered.is_empty() {
            self.buffered = BytesMut::new();
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else {
            // The server's response is discarded after the socket was taken.
            return Poll::Ready(Ok(bytes.len()));
        };
        if self.flow.is_between_requests()
            && let Some(invalid) = Invalid::of(bytes)
        {
            self.refuse(invalid);
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut *stream).poll_write(cx, bytes);
        let taken = match &polled {
            Poll::Ready(Ok(taken)) => stream.sent_bytes(*taken),
            Poll::Ready(Err(_)) => return polled,
            Poll::Pending => stream.sent_bytes(0),
        };
        if self.wrote(taken) {
            self.wake();
        }
        if polled.is_pending() && self.late(cx).is_some() {
            return Poll::Ready(Err(late()));
        }
        polled
    }

    /// The socket took so many bytes; 0 where it takes none. Returns whether it takes
    /// bytes again.
    fn wrote(&mut self, taken: usize) -> bool {
        self.unread.wrote(taken, self.limits.write, Instant::now());
        self.flow.wrote(taken)
    }

    /// Ends the write side. The connection has its place until the client has received its
    /// answers, or took too long.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(()));
        };
        if !self.is_shut_down {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.is_shut_down = true;
        }
        // A client that has all of it closes its side, which wakes the task.
        let _ = stream.poll_read_ready(cx);
        // FIN counts as a byte.
        if self.unread.is_over() || stream.unacknowledged_bytes().unwrap_or(0) <= 1 {
            self.unread = Unread::default();
            return Poll::Ready(Ok(()));
        }
        match self.late(cx) {
            Some(_) => Poll::Ready(Err(late())),
            // The last of it was acknowledged meanwhile.
            None if self.unread.is_over() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Some(stream) => {
                let polled = Pin::new(&mut *stream).poll_flush(cx);
                if polled.is_pending() {
                    // Records of TLS wait.
                    let taken = stream.sent_bytes(0);
                    self.wrote(taken);
                }
                polled
            }
            None => Poll::Ready(Ok(())),
        };
        // The HTTP server flushes when it has written all it had.
        if polled.is_ready() && self.flow.flushed(Instant::now()) {
            self.wake();
        }
        // Nothing else may look at the deadline of the next head, or of what was written.
        match self.late(cx) {
            Some(Late::Reader) => Poll::Ready(Err(late())),
            _ => polled,
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client took too long")
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "too much input is not whole")
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the request is too long")
}

impl AsyncRead for Takeable {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Takeable {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_shutdown(cx)
    }
}
