//! The connections of the operator's listener: few, and the oldest ones that are not
//! finished make room for others, so that the listener always answers.
//!
//! A program on this machine sends its request as soon as it connects. While many are
//! connected, one that has not sent it after a moment ends, and so does one that does not
//! read its answer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use actix_rt::time::sleep;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::socket::Socket;
use crate::http::tls::{self, TlsListener};
use crate::http::tls_handshake::Failed;

/// As many may be idle, or take their time.
const PATIENT_MAX: usize = 32;
/// How long others may take for a request, and to read an answer.
const MOMENT: Duration = Duration::from_millis(10);
const ANSWER: Duration = Duration::from_millis(50);
/// How long a request may be carried out while many are connected.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The connections of a worker, in the order of their accept.
#[derive(Debug)]
pub struct OperatorConnections {
    tls: Arc<TlsListener>,
    all: RefCell<VecDeque<Weak<RefCell<Inner>>>>,
    /// Whether they are looked at until there are few again.
    is_looking: Cell<bool>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct OperatorConnection(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    stream: Socket,
    /// It may end from then on.
    until: Instant,
    /// Whether it has to end, unless it has something to read or can write.
    is_over: bool,
    waiting: Option<Waker>,
}

/// A connection as the HTTP server takes it.
pub type Accepted = (OperatorConnection, Protocol, Option<SocketAddr>);

impl OperatorConnections {
    /// None yet, at a listener with this certificate.
    #[must_use]
    pub fn new(tls: Arc<TlsListener>) -> Self {
        Self {
            tls,
            all: RefCell::default(),
            is_looking: Cell::default(),
        }
    }

    /// Takes a connection. Another one may have to end.
    ///
    /// # Errors
    /// If there is no TLS session.
    pub async fn accept(self: Rc<Self>, stream: TcpStream) -> Result<Accepted, DispatchError> {
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr().ok();
        let tls = self.tls.clone();
        let stream = Socket::new(stream, tls.config()).map_err(DispatchError::Io)?;
        let is_tls = stream.is_tls();
        let inner = Rc::new(RefCell::new(Inner {
            stream,
            until: Instant::now() + MOMENT,
            is_over: false,
            waiting: None,
        }));
        self.all.borrow_mut().push_back(Rc::downgrade(&inner));
        if self.make_room() && !self.is_looking.replace(true) {
            actix_rt::spawn(async move {
                sleep(MOMENT).await;
                while self.make_room() {
                    sleep(MOMENT).await;
                }
                self.is_looking.set(false);
            });
        }
        if is_tls {
            let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
            let done = tls.handshake(HANDSHAKE, address, |cx| {
                let mut inner = inner.borrow_mut();
                match inner.stream.poll_handshake(cx) {
                    Poll::Pending => inner.wait(cx).map_err(|_| Failed::Late),
                    ready => ready,
                }
            });
            if let Err(failed) = done.await {
                tls::refuse(&mut inner.borrow_mut().stream, failed);
                return Err(DispatchError::DisconnectTimeout);
            }
        }
        Ok((OperatorConnection(inner), Protocol::Http1, peer))
    }

    /// Ends the oldest ones where there are many. Returns whether there are.
    fn make_room(&self) -> bool {
        let mut all = self.all.borrow_mut();
        all.retain(|connection| connection.strong_count() > 0);
        let over = all.len().saturating_sub(PATIENT_MAX);
        let (now, mut ended) = (Instant::now(), 0);
        if over > 0 {
            all.retain(|connection| {
                let connection = connection.upgrade();
                let stays =
                    ended == over || !connection.is_some_and(|inner| inner.borrow_mut().end(now));
                ended += usize::from(!stays);
                stays
            });
        }
        over > 0
    }
}

impl Inner {
    /// Has the connection end if it took too long. Returns whether it does.
    fn end(&mut self, now: Instant) -> bool {
        self.is_over = now >= self.until;
        if self.is_over
            && let Some(waiting) = self.waiting.take()
        {
            waiting.wake();
        }
        self.is_over
    }

    /// The socket is not ready: the end of the connection, where it has to end.
    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<io::Result<T>> {
        if self.is_over {
            let late = io::Error::new(io::ErrorKind::TimedOut, "others need the connection");
            return Poll::Ready(Err(late));
        }
        self.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl OperatorConnection {
    /// Whether it has TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.borrow().stream.is_tls()
    }

    /// All of a request is there, and it is carried out.
    pub fn carries_out(&self) {
        self.0.borrow_mut().until = Instant::now() + REQUEST;
    }

    /// There is an answer. Another request may follow.
    pub fn answers(&self) {
        self.0.borrow_mut().until = Instant::now() + ANSWER;
    }
}

impl AsyncRead for OperatorConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        match Pin::new(&mut inner.stream).poll_read(cx, buffer) {
            Poll::Pending => inner.wait(cx),
            ready => ready,
        }
    }
}

impl AsyncWrite for OperatorConnection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        match Pin::new(&mut inner.stream).poll_write(cx, bytes) {
            Poll::Pending => inner.wait(cx),
            ready => ready,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_shutdown(cx)
    }
}
