//! The connections of the operator's listener: few, and the oldest ones that are not
//! finished make room for others, so that the listener always answers.
//!
//! A program on this machine sends its request as soon as it connects. While many are
//! connected, one that has not sent it after a moment ends, and so does one that does not
//! read its answer. One that takes nothing of it for `server.write_timeout_ms` ends in any case.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
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
use actix_rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::network;
use crate::http::settings::HttpSettings;
use crate::http::socket::Socket;
use crate::http::tls::{self, TlsListener};
use crate::http::tls_handshake::Failed;
use crate::metric::Metrics;
use crate::watched::Watched;
use turntable_core::rate::BucketSettings;

/// As many may be idle, or take their time.
const PATIENT_MAX: usize = 32;
/// How long others may take for a request, and to read an answer: a program that sends at once waits
/// for the processor on a busy machine.
const MOMENT: Duration = Duration::from_millis(50);
const ANSWER: Duration = Duration::from_millis(50);
/// Between two looks at them.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// The same for each with TLS: such clients are on other machines.
const REMOTE: Duration = Duration::from_millis(500);
/// How long a request may be carried out while many are connected.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The connections of a worker, in the order of their accept.
#[derive(Debug)]
pub struct OperatorConnections {
    tls: Arc<TlsListener>,
    settings: Arc<Watched<HttpSettings>>,
    metrics: Arc<Metrics>,
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
    /// Whether nothing was read of the next request.
    is_between: bool,
    waiting: Option<Waker>,
    /// How long its client may take nothing of an answer.
    patience: Duration,
    /// Until when it may, while it takes nothing.
    blocked: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
}

/// A connection as the HTTP server takes it.
pub type Accepted = (OperatorConnection, Protocol, Option<SocketAddr>);

impl OperatorConnections {
    /// None yet, at a listener with this certificate.
    #[must_use]
    pub fn new(
        tls: Arc<TlsListener>,
        settings: Arc<Watched<HttpSettings>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            tls,
            settings,
            metrics,
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
        let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        let tls = self.tls.clone();
        let config = tls.config();
        if config.is_some() {
            let begun = tls.begin(address, self.handshakes(address));
            begun.map_err(|_| DispatchError::DisconnectTimeout)?;
        }
        let stream = Socket::new(stream, config).map_err(DispatchError::Io)?;
        let is_tls = stream.is_tls();
        let patience = Duration::from_millis(self.settings.get().server.write_timeout_ms);
        let mut inner = Inner::new(stream, patience, self.metrics.clone());
        inner.until += moment(is_tls, MOMENT);
        let inner = Rc::new(RefCell::new(inner));
        self.all.borrow_mut().push_back(Rc::downgrade(&inner));
        if self.make_room() && !self.is_looking.replace(true) {
            actix_rt::spawn(async move {
                sleep(LOOK_INTERVAL).await;
                while self.make_room() {
                    sleep(LOOK_INTERVAL).await;
                }
                self.is_looking.set(false);
            });
        }
        if is_tls {
            let work = poll_fn(|cx| {
                let mut inner = inner.borrow_mut();
                match inner.stream.poll_handshake(cx) {
                    Poll::Pending => inner.wait(cx).map_err(|_| Failed::Late),
                    ready => ready,
                }
            });
            if let Err(failed) = tls.handshake(HANDSHAKE, address, work).await {
                tls::refuse(&mut inner.borrow_mut().stream, failed);
                return Err(DispatchError::DisconnectTimeout);
            }
            inner.borrow_mut().until = Instant::now() + REMOTE;
        }
        Ok((OperatorConnection(inner), Protocol::Http1, peer))
    }

    fn handshakes(&self, address: IpAddr) -> BucketSettings {
        let settings = self.settings.get();
        let is_proxy = network::is_trusted(address, &settings.server.trusted_proxies);
        settings.handshakes(is_proxy)
    }

    /// Ends the oldest ones where there are many. Returns whether there are.
    fn make_room(&self) -> bool {
        let mut all = self.all.borrow_mut();
        all.retain(|connection| connection.strong_count() > 0);
        let over = all.len().saturating_sub(PATIENT_MAX);
        let now = Instant::now();
        let all = all.iter().filter_map(Weak::upgrade);
        // Those that were to end before, and are still there, are among them.
        let ended = all.filter(|inner| inner.borrow_mut().end(now)).take(over);
        let _ = ended.count();
        over > 0
    }
}

/// How long a client may take for what takes this long on this machine.
fn moment(is_tls: bool, local: Duration) -> Duration {
    if is_tls { REMOTE } else { local }
}

impl Inner {
    /// A connection that may end now.
    fn new(stream: Socket, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            stream,
            until: Instant::now(),
            is_over: false,
            is_between: true,
            waiting: None,
            patience,
            blocked: None,
            metrics,
        }
    }

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

    /// Something was read. A request that came before its connection had to end is carried out, also where
    /// this process was too busy to read it.
    fn has_read(&mut self) {
        if std::mem::take(&mut self.is_between) && self.is_over {
            self.extend(MOMENT);
        }
    }

    /// It may end later.
    fn extend(&mut self, local: Duration) {
        let is_tls = self.stream.is_tls();
        self.until = Instant::now() + moment(is_tls, local);
        self.is_over = false;
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

    /// What was polled of writing: the end of the connection, where its client takes nothing for
    /// too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.blocked = None;
            return polled;
        }
        let patience = self.patience;
        let blocked = self
            .blocked
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        if blocked.as_mut().poll(cx).is_ready() {
            self.metrics.refuse("write_timeout");
            let late = io::Error::new(io::ErrorKind::TimedOut, "the answer is not read");
            return Poll::Ready(Err(late));
        }
        self.wait(cx)
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
        let mut inner = self.0.borrow_mut();
        inner.until = Instant::now() + REQUEST;
        inner.is_over = false;
    }

    /// There is an answer. Another request may follow.
    pub fn answers(&self) {
        let mut inner = self.0.borrow_mut();
        inner.extend(ANSWER);
        inner.is_between = true;
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
            ready => {
                inner.has_read();
                ready
            }
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
        let polled = Pin::new(&mut inner.stream).poll_write(cx, bytes);
        inner.written(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        // With TLS, records may wait that the client does not read.
        let polled = Pin::new(&mut inner.stream).poll_flush(cx);
        inner.written(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        let polled = Pin::new(&mut inner.stream).poll_shutdown(cx);
        inner.written(cx, polled)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use futures_util::task::noop_waker;
    use rustls::crypto::ring;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

    use super::*;
    use crate::metric::Label;

    fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key);
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Arc::new(server.unwrap()), Arc::new(client))
    }

    /// A connection whose client may take nothing for 100 ms.
    fn of(stream: Socket) -> OperatorConnection {
        let patience = Duration::from_millis(100);
        let inner = Inner::new(stream, patience, Arc::default());
        OperatorConnection(Rc::new(RefCell::new(inner)))
    }

    /// A connection after its handshake, and the client's socket, from which nothing is read.
    async fn connection() -> (OperatorConnection, std::net::TcpStream) {
        let (server, client) = configs();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let name = ServerName::try_from("localhost").unwrap();
            let mut session = ClientConnection::new(client, name).unwrap();
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            while session.is_handshaking() {
                session.complete_io(&mut stream).unwrap();
            }
            stream
        });
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        let mut stream = Socket::new(stream, Some(server)).unwrap();
        let shaken = std::future::poll_fn(|cx| stream.poll_handshake(cx)).await;
        assert_eq!(shaken, Ok(()));
        (of(stream), client.join().unwrap())
    }

    /// What is read of a connection, and whether that is pending.
    fn read(connection: &mut OperatorConnection) -> Poll<io::Result<usize>> {
        let mut space = [0; 64];
        let mut buffer = ReadBuf::new(&mut space);
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let read = Pin::new(connection).poll_read(&mut cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }

    #[actix::test]
    async fn request_that_came_in_time_is_not_lost_where_it_is_read_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        std::io::Write::write_all(&mut client, b"GET").unwrap();
        stream.readable().await.unwrap();
        let mut connection = of(Socket::new(stream, None).unwrap());
        assert!(connection.0.borrow_mut().end(Instant::now()));
        assert!(matches!(read(&mut connection), Poll::Ready(Ok(3))));
        // The HTTP server reads until nothing is there, and begins with the request then.
        assert!(read(&mut connection).is_pending());
        // A request that does not end does not stay.
        let later = Instant::now() + MOMENT;
        assert!(connection.0.borrow_mut().end(later));
        assert!(matches!(read(&mut connection), Poll::Ready(Err(_))));
        connection.carries_out();
        assert!(read(&mut connection).is_pending());
    }

    #[actix::test]
    async fn client_that_does_not_read_its_last_records_ends_too() {
        let (mut connection, _client) = connection().await;
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let part = [0; 16_384];
        // Until the socket and the session take nothing more.
        while let Poll::Ready(written) = Pin::new(&mut connection).poll_write(&mut cx, &part) {
            assert!(written.unwrap() > 0);
            tokio::task::yield_now().await;
        }
        assert!(Pin::new(&mut connection).poll_flush(&mut cx).is_pending());
        assert!(
            Pin::new(&mut connection)
                .poll_shutdown(&mut cx)
                .is_pending()
        );
        // Others need its place.
        assert!(connection.0.borrow_mut().end(Instant::now()));
        let flushed = Pin::new(&mut connection).poll_flush(&mut cx);
        assert!(matches!(flushed, Poll::Ready(Err(_))), "{flushed:?}");
        let ended = Pin::new(&mut connection).poll_shutdown(&mut cx);
        assert!(matches!(ended, Poll::Ready(Err(_))), "{ended:?}");
    }

    #[actix::test]
    async fn client_that_takes_nothing_of_an_answer_ends() {
        let (mut connection, _client) = connection().await;
        let part = [0; 16_384];
        let error = loop {
            let written = poll_fn(|cx| Pin::new(&mut connection).poll_write(cx, &part)).await;
            if let Err(error) = written {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let name = "write_timeout";
        let refused = &connection.0.borrow().metrics.refused;
        assert_eq!(refused.get_or_create(&Label { name }).get(), 1);
    }
}
