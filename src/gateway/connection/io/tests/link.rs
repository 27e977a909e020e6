//! One connection over loopback: [`Server`] uses an [`Io`] by the rules of its
//! module and nothing else, so a rule that does not suffice makes a test stop
//! with "stuck"; [`Client`] is rustls' client, and as slow as a test wants.

use std::io::{Error, ErrorKind, IoSlice, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};

use super::Io;

const SERVER: Token = Token(0);
const CLIENT: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A session for each end, which trust each other.
pub(super) fn sessions(
    version: &'static SupportedProtocolVersion,
) -> (ServerConnection, ClientConnection) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    (
        ServerConnection::new(Arc::new(server)).unwrap(),
        ClientConnection::new(Arc::new(client), name).unwrap(),
    )
}

/// Both ends of a connection. The kernel's buffers are small; if they were
/// smaller than a segment on loopback, its timers would pace the tests.
pub(super) fn sockets() -> (TcpStream, TcpStream) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&server, &client] {
        let socket = socket2::SockRef::from(stream);
        socket.set_send_buffer_size(8 * 1024).unwrap();
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
    }
    (TcpStream::from_std(server), TcpStream::from_std(client))
}

/// The end under test.
pub(super) struct Server {
    pub(super) io: Io,
    /// What is to be written.
    pub(super) outgoing: Vec<u8>,
    pub(super) sent: usize,
    pub(super) received: Vec<u8>,
    pub(super) buffer: Vec<u8>,
    /// Length of the slices of a vectored write; 0 for plain writes.
    pub(super) slice: usize,
    pub(super) end: Option<Result<()>>,
    pub(super) write_error: Option<Error>,
    pub(super) is_drained: bool,
    is_read_closed: bool,
}

impl Server {
    fn read(&mut self) {
        let was_handshaking = self.io.is_handshaking();
        while self.end.is_none() {
            match self.io.read(&mut self.buffer) {
                Ok(0) => self.end = Some(Ok(())),
                Ok(count) => {
                    self.received.extend(&self.buffer[..count]);
                    let is_short = count < self.buffer.len();
                    if is_short && !self.is_read_closed && !self.io.has_unread() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.end = Some(Err(error)),
            }
        }
        if was_handshaking && !self.io.is_handshaking() {
            self.flush();
        }
    }

    pub(super) fn flush(&mut self) {
        self.is_drained = false;
        while self.write_error.is_none() {
            let rest = &self.outgoing[self.sent..];
            let result = if rest.is_empty() {
                match self.io.send_rest() {
                    Ok(is_drained) => {
                        self.is_drained = is_drained;
                        return;
                    }
                    Err(error) => Err(error),
                }
            } else if self.slice == 0 {
                self.io.write(rest)
            } else {
                let slices: Vec<_> = rest.chunks(self.slice).map(IoSlice::new).take(64).collect();
                self.io.write_vectored(&slices)
            };
            match result {
                Ok(count) => {
                    assert_ne!(count, 0);
                    self.sent += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.write_error = Some(error),
            }
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.outgoing.extend(bytes);
        self.flush();
    }

    /// Kind of the error that ended reading.
    pub(super) fn failure(&self) -> Option<ErrorKind> {
        Some(self.end.as_ref()?.as_ref().err()?.kind())
    }
}

/// The other end.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) tls: ClientConnection,
    pub(super) outgoing: Vec<u8>,
    pub(super) received: Vec<u8>,
    /// Bytes on the wire that it reads and writes each turn.
    pub(super) read_max: usize,
    pub(super) write_max: usize,
    /// Bytes that it read from the wire.
    pub(super) wire_bytes: usize,
    pub(super) has_close_notify: bool,
    pub(super) has_fin: bool,
    pub(super) error: Option<rustls::Error>,
}

impl Client {
    /// Works as far as the limits of one turn allow. Returns whether they, and
    /// not the socket, stopped it.
    pub(super) fn step(&mut self) -> bool {
        let mut write = Limited::new(&mut self.stream, self.write_max);
        loop {
            let taken = self.tls.writer().write(&self.outgoing).unwrap_or(0);
            self.outgoing.drain(..taken);
            if !self.tls.wants_write() || self.tls.write_tls(&mut write).is_err() {
                break;
            }
        }
        let mut has_more = write.is_exhausted();
        let mut read = Limited::new(&mut self.stream, self.read_max);
        while !self.has_fin && !self.has_close_notify && self.error.is_none() {
            match self.tls.read_tls(&mut read) {
                Ok(0) => self.has_fin = true,
                Ok(count) => self.wire_bytes += count,
                Err(_) => break,
            }
            match self.tls.process_new_packets() {
                Ok(state) => self.has_close_notify = state.peer_has_closed(),
                Err(error) => self.error = Some(error),
            }
            let _ = self.tls.reader().read_to_end(&mut self.received);
        }
        has_more |= read.is_exhausted();
        if self.has_close_notify && !self.has_fin {
            // The session reads no further, so this reads the FIN.
            self.has_fin = matches!(self.stream.read(&mut [0]), Ok(0));
        }
        has_more
    }

    /// Sends these bytes beside the session, all at once.
    pub(super) fn send_raw(&mut self, bytes: &[u8]) {
        assert_eq!(self.stream.write(bytes).unwrap(), bytes.len());
    }

    /// The records that the session wants to send, not sent.
    pub(super) fn take_records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    pub(super) fn send_fin(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// A socket that is done after so many bytes.
struct Limited<'a> {
    stream: &'a mut TcpStream,
    left: usize,
    was_refused: bool,
}

impl<'a> Limited<'a> {
    fn new(stream: &'a mut TcpStream, left: usize) -> Self {
        Self {
            stream,
            left,
            was_refused: false,
        }
    }

    fn is_exhausted(&self) -> bool {
        self.was_refused
    }

    fn room(&mut self, length: usize) -> Result<usize> {
        self.was_refused = self.left == 0;
        if self.was_refused {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(length.min(self.left))
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let room = self.room(buffer.len())?;
        let count = self.stream.read(&mut buffer[..room])?;
        self.left -= count;
        Ok(count)
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let room = self.room(bytes.len())?;
        let count = self.stream.write(&bytes[..room])?;
        self.left -= count;
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A connection with TLS, and the poll that drives both ends.
pub(super) struct Link {
    poll: Poll,
    pub(super) server: Server,
    pub(super) client: Client,
}

impl Link {
    pub(super) fn new(version: &'static SupportedProtocolVersion) -> Self {
        let (server, mut client) = sockets();
        let (session, tls) = sessions(version);
        let poll = Poll::new().unwrap();
        let mut io = Io::tls(server, session);
        let registry = poll.registry();
        registry.register(io.source(), SERVER, BOTH).unwrap();
        registry.register(&mut client, CLIENT, BOTH).unwrap();
        Self {
            poll,
            server: Server {
                io,
                outgoing: Vec::new(),
                sent: 0,
                received: Vec::new(),
                buffer: vec![0; 16 * 1024],
                slice: 0,
                end: None,
                write_error: None,
                is_drained: false,
                is_read_closed: false,
            },
            client: Client {
                stream: client,
                tls,
                outgoing: Vec::new(),
                received: Vec::new(),
                read_max: usize::MAX,
                write_max: usize::MAX,
                wire_bytes: 0,
                has_close_notify: false,
                has_fin: false,
                error: None,
            },
        }
    }

    /// A connection whose handshake is done.
    pub(super) fn ready(version: &'static SupportedProtocolVersion) -> Self {
        let mut link = Self::new(version);
        link.run(|link| {
            let is_drained = !link.server.io.has_unsent() && !link.client.tls.wants_write();
            !link.server.io.is_handshaking() && !link.client.tls.is_handshaking() && is_drained
        });
        link
    }

    /// Moves the server's end to another poll; the client's goes with it.
    pub(super) fn move_server(&mut self) {
        let next = Poll::new().unwrap();
        for (source, token) in [
            (self.server.io.source(), SERVER),
            (&mut self.client.stream, CLIENT),
        ] {
            self.poll.registry().deregister(source).unwrap();
            next.registry().register(source, token, BOTH).unwrap();
        }
        self.poll = next;
        self.server.read();
    }

    /// Drives both ends until `is_done`.
    pub(super) fn run(&mut self, is_done: impl Fn(&Self) -> bool) {
        let mut has_more = self.client.step();
        while !is_done(self) {
            let is_stuck = !self.turn(has_more, true) && !has_more;
            assert!(!is_stuck, "stuck");
            has_more = self.client.step();
        }
    }

    /// Drives the server alone, until it has nothing to do.
    pub(super) fn run_server(&mut self) {
        while self.turn(true, false) {}
    }

    /// One turn of the server's loop. Returns whether there was an event.
    fn turn(&mut self, is_immediate: bool, with_client: bool) -> bool {
        let mut events = Events::with_capacity(16);
        let patience = Duration::from_secs(if is_immediate { 0 } else { 20 });
        self.poll.poll(&mut events, Some(patience)).unwrap();
        for event in events.iter().filter(|event| event.token() == SERVER) {
            if event.is_writable() {
                self.server.flush();
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.server.is_read_closed |= event.is_read_closed() || event.is_error();
                self.server.read();
            }
        }
        let mut relevant = events.iter();
        relevant.any(|event| with_client || event.token() == SERVER)
    }
}
