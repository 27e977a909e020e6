//! The connections of the benchmark's client: their state, and writing to them.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::carrier::Carrier;
use super::error::BenchError;
use super::frame::ClientFrame;

type Result<T> = std::result::Result<T, BenchError>;

/// The number of the connection for requests, if other connections only receive
/// messages. It is opened when first needed.
pub(super) const UPSTREAM: usize = usize::MAX - 1;
/// Servers close idle connections for requests, some after seconds; a request sent at
/// that moment is lost.
const UPSTREAM_IDLE_MAX: Duration = Duration::from_secs(1);
/// The number of a connection that is not included in the measurement.
pub(super) const SEPARATE: usize = usize::MAX - 2;

/// The target of connections.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// Host and port.
    pub(super) socket: SocketAddr,
    /// Path and query.
    pub(super) path: String,
    /// The framing of its connections.
    pub(super) carrier: Carrier,
}

/// The state of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The TCP handshake is in progress.
    Connecting,
    /// The opening request was sent and not answered.
    Handshake,
    /// It is open.
    Open,
    /// It has ended.
    Closed,
}

/// A connection.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) carrier: Carrier,
    pub(super) phase: Phase,
    /// The session's id, from the head of a response or set by the script.
    name: Box<str>,
    /// The beginning of a message, or of the handshake's response.
    pub(super) partial: Vec<u8>,
    outbox: Vec<u8>,
}

/// The connections, by number.
pub(super) struct Links {
    links: Vec<Link>,
    upstream: Option<Link>,
    /// The time of the last request.
    upstream_used: Instant,
    aside: Option<Link>,
    registry: Registry,
    started: Instant,
    /// The length in bytes of a delimited message; see [`Carrier::piece`].
    pub(super) guess: usize,
    /// Bytes read from all measured connections.
    pub(super) received_bytes: u64,
}

impl Links {
    /// No connections.
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            links: Vec::new(),
            upstream: None,
            upstream_used: Instant::now(),
            aside: None,
            registry,
            started: Instant::now(),
            guess: 0,
            received_bytes: 0,
        }
    }

    fn link(&self, number: usize) -> Option<&Link> {
        match number {
            UPSTREAM => self.upstream.as_ref(),
            SEPARATE => self.aside.as_ref(),
            _ => self.links.get(number),
        }
    }

    /// A connection by its number.
    pub(super) fn link_mut(&mut self, number: usize) -> Option<&mut Link> {
        match number {
            UPSTREAM => self.upstream.as_mut(),
            SEPARATE => self.aside.as_mut(),
            _ => self.links.get_mut(number),
        }
    }

    /// The id of a connection's session; empty if it has none.
    pub(super) fn name(&self, number: usize) -> &str {
        self.link(number).map_or("", |link| &link.name)
    }

    /// Sets the id of a connection's session.
    pub(super) fn set_name(&mut self, number: usize, name: &str) {
        if let Some(link) = self.link_mut(number) {
            link.name = name.into();
        }
    }

    /// Microseconds since the client was created.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The number of connections, including those being opened.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Opens a new connection and returns its number.
    ///
    /// # Errors
    /// If the system provides no socket.
    pub(super) fn connect(&mut self, to: &Address) -> Result<usize> {
        let number = self.links.len();
        let link = self.begin(to, number)?;
        self.links.push(link);
        Ok(number)
    }

    /// Opens a connection again under an existing number.
    ///
    /// # Errors
    /// If the system provides no socket.
    pub(super) fn reconnect(&mut self, number: usize, to: &Address) -> Result<()> {
        let link = self.begin(to, number)?;
        if let Some(place) = self.links.get_mut(number) {
            *place = link;
        }
        Ok(())
    }

    fn begin(&self, to: &Address, number: usize) -> Result<Link> {
        let connecting = || format!("connecting to {}", to.socket);
        let mut stream = TcpStream::connect(to.socket).map_err(BenchError::doing(connecting()))?;
        self.registry
            .register(
                &mut stream,
                Token(number),
                Interest::READABLE | Interest::WRITABLE,
            )
            .map_err(BenchError::doing(connecting()))?;
        Ok(Link {
            stream,
            carrier: to.carrier,
            phase: Phase::Connecting,
            name: Box::default(),
            partial: Vec::new(),
            outbox: to.carrier.request(&to.path, &to.socket.to_string()),
        })
    }

    /// Opens the connection [`SEPARATE`].
    ///
    /// # Errors
    /// If the system provides no socket.
    pub(super) fn connect_separate(&mut self, to: &Address) -> Result<()> {
        self.aside = Some(self.begin(to, SEPARATE)?);
        Ok(())
    }

    /// Opens the connection for requests, if it is not open.
    fn open_upstream(&mut self) -> Result<()> {
        let is_fresh = self.upstream_used.elapsed() < UPSTREAM_IDLE_MAX;
        self.upstream_used = Instant::now();
        if let Some(link) = &self.upstream
            && link.phase != Phase::Closed
            && is_fresh
        {
            return Ok(());
        }
        let Some(first) = self.links.first() else {
            return Ok(());
        };
        let to = Address {
            socket: first
                .stream
                .peer_addr()
                .map_err(BenchError::doing("looking up the server's address"))?,
            path: String::new(),
            carrier: Carrier::Requests,
        };
        self.upstream = Some(self.begin(&to, UPSTREAM)?);
        Ok(())
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn send_text(&mut self, link: usize, text: &str) -> Result<()> {
        self.send(link, ClientFrame::text(text).bytes())
    }

    /// Sends a frame; bytes that the socket does not accept are sent later.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn send(&mut self, number: usize, frame: &[u8]) -> Result<()> {
        if number == UPSTREAM {
            self.open_upstream()?;
        }
        let Some(link) = self.link_mut(number) else {
            return Ok(());
        };
        if !link.outbox.is_empty() || link.phase != Phase::Open {
            link.outbox.extend(frame);
            return Ok(());
        }
        let written = match link.stream.write(frame) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => {
                return Err(BenchError::doing(format!("writing to link {number}"))(
                    error,
                ));
            }
        };
        link.outbox.extend(frame.get(written..).unwrap_or_default());
        Ok(())
    }
}

impl Link {
    /// Writes the waiting bytes.
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        let mut written = 0;
        while let Some(rest) = self.outbox.get(written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outbox.drain(..written);
        if self.outbox.is_empty() {
            // Keeping thousands of request buffers would only cost the client memory.
            self.outbox.shrink_to_fit();
        }
        Ok(())
    }
}
