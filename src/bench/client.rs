//! The benchmark's side of the sockets: thousands of connections, one loop.
//!
//! What is said on them is a [`Script`]'s business. The loop owns one large
//! read buffer; a connection keeps bytes only of a frame that came in part.
//! Payloads are handed on where they lie. Time is read once for each read
//! from a socket.
//!
//! With a core to itself the loop never sleeps: to wake a sleeping process on
//! the same machine is work that the sender's processor does, up to twice the
//! cost of a delivery, and comes and goes with tiny differences in pace. Over
//! a network there is no such thing, so it must not be in the figures.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

use super::error::BenchError;
use super::frame::{ClientFrame, Header, opcode};
use super::process::machine_cores;

type Result<T> = std::result::Result<T, BenchError>;

const READ_BUFFER_BYTES: usize = 256 * 1024;
const EVENTS_PER_TURN: usize = 1024;
/// Connections that may be on their way at once while many are opened: fewer
/// than any server's backlog.
const OPENING_MAX: usize = 128;
/// How long many connections may take to open.
const OPENING_SECONDS: u64 = 60;
/// The example key of RFC 6455, section 1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server answers to the client's key.
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What is said on the connections, and what is made of the answers.
pub(super) trait Script {
    /// A handshake is done.
    fn opened(&mut self, links: &mut Links, link: usize) -> Result<()>;

    /// A text or binary message came, read at `now_us`.
    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()>;

    /// The server closed a connection. Unless a script expects it, the
    /// benchmark is over.
    fn closed(&mut self, _links: &mut Links, link: usize, why: &str) -> Result<()> {
        Err(BenchError::Conversation(format!(
            "connection {link} was closed: {why}"
        )))
    }

    /// How many connections have said all they have to before measuring.
    fn ready(&self) -> usize;
}

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// Host and port.
    pub(super) socket: SocketAddr,
    /// Path and query.
    pub(super) path: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Handshake,
    Open,
    Closed,
}

struct Link {
    stream: TcpStream,
    phase: Phase,
    /// The beginning of a frame, or of the handshake's answer.
    partial: Vec<u8>,
    outbox: Vec<u8>,
}

/// The connections, by number.
pub(super) struct Links {
    links: Vec<Link>,
    registry: Registry,
    started: Instant,
}

impl Links {
    /// Microseconds since the client was made.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How many connections there are, those on their way included.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Begins a new connection and returns its number.
    ///
    /// # Errors
    /// Where the system gives no socket.
    pub(super) fn connect(&mut self, to: &Address) -> Result<usize> {
        let number = self.links.len();
        let link = self.begin(to, number)?;
        self.links.push(link);
        Ok(number)
    }

    /// Begins a connection anew under a number that is in use.
    ///
    /// # Errors
    /// Where the system gives no socket.
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
            phase: Phase::Connecting,
            partial: Vec::new(),
            outbox: format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n",
                to.path, to.socket
            )
            .into_bytes(),
        })
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// Where the connection is broken.
    pub(super) fn send_text(&mut self, link: usize, text: &str) -> Result<()> {
        self.send(link, ClientFrame::text(text).bytes())
    }

    /// Sends a frame; what the socket does not take follows when it does.
    ///
    /// # Errors
    /// Where the connection is broken.
    pub(super) fn send(&mut self, number: usize, frame: &[u8]) -> Result<()> {
        let Some(link) = self.links.get_mut(number) else {
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
    /// Writes what waits.
    fn flush(&mut self) -> std::io::Result<()> {
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
            // Ten thousand request buffers would only cost the client memory.
            self.outbox.shrink_to_fit();
        }
        Ok(())
    }
}

/// The loop around the connections.
pub(super) struct Client {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    sleeps: bool,
    waited: Duration,
    /// The connections.
    pub(super) links: Links,
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// Where the system gives no poll.
    pub(super) fn new() -> Result<Self> {
        let poll = Poll::new().map_err(BenchError::doing("making a poll"))?;
        let registry = poll
            .registry()
            .try_clone()
            .map_err(BenchError::doing("making a poll"))?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            buffer: vec![0; READ_BUFFER_BYTES],
            sleeps: machine_cores() < 2,
            waited: Duration::ZERO,
            links: Links {
                links: Vec::new(),
                registry,
                started: Instant::now(),
            },
        })
    }

    /// Opens `count` connections, some at a time, and waits until the script
    /// calls all of them ready.
    ///
    /// # Errors
    /// Where that takes too long, or a connection fails.
    pub(super) fn open(
        &mut self,
        script: &mut impl Script,
        to: &Address,
        count: usize,
    ) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(OPENING_SECONDS);
        while script.ready() < count {
            while self.links.len() < count && self.links.len() - script.ready() < OPENING_MAX {
                self.links.connect(to)?;
            }
            self.turn(script, Duration::from_millis(100))?;
            if Instant::now() > deadline {
                return Err(BenchError::Timeout {
                    waited_for: format!("{} of {count} connections", count - script.ready()),
                    seconds: OPENING_SECONDS,
                });
            }
        }
        Ok(())
    }

    /// How long the client had nothing to do so far.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Waits at most `timeout` for sockets, and serves all that are ready.
    ///
    /// # Errors
    /// Where a connection fails or the script says so.
    pub(super) fn turn(&mut self, script: &mut impl Script, timeout: Duration) -> Result<()> {
        let mut started = Instant::now();
        let until = started + timeout;
        loop {
            let patience = if self.sleeps { timeout } else { Duration::ZERO };
            match self.poll.poll(&mut self.events, Some(patience)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
                other => other.map_err(BenchError::doing("polling"))?,
            }
            let now = Instant::now();
            if self.sleeps || self.events.is_empty() {
                self.waited += now - started;
            }
            if !self.events.is_empty() || now >= until {
                break;
            }
            started = now;
        }
        for event in &self.events {
            serve(&mut self.links, script, event, &mut self.buffer)?;
        }
        Ok(())
    }

    /// Turns until `until`.
    ///
    /// # Errors
    /// As [`Client::turn`].
    pub(super) fn turn_until(&mut self, script: &mut impl Script, until: Instant) -> Result<()> {
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.turn(script, left.min(Duration::from_millis(100)))?;
        }
        Ok(())
    }
}

fn serve(
    links: &mut Links,
    script: &mut impl Script,
    event: &Event,
    buffer: &mut [u8],
) -> Result<()> {
    let number = event.token().0;
    let Some(link) = links.links.get_mut(number) else {
        return Ok(());
    };
    if link.phase == Phase::Closed {
        return Ok(());
    }
    if event.is_writable() || link.phase == Phase::Connecting {
        if link.phase == Phase::Connecting {
            let connected = link.stream.take_error().and_then(|error| match error {
                Some(error) => Err(error),
                None => link.stream.set_nodelay(true),
            });
            connected.map_err(BenchError::doing(format!("connecting link {number}")))?;
            link.phase = Phase::Handshake;
        }
        if let Err(error) = link.flush() {
            return close(links, script, number, &error.to_string());
        }
    }
    if event.is_readable() || event.is_read_closed() {
        read(links, script, number, buffer)?;
    }
    Ok(())
}

fn read(
    links: &mut Links,
    script: &mut impl Script,
    number: usize,
    buffer: &mut [u8],
) -> Result<()> {
    loop {
        let Some(link) = links.links.get_mut(number) else {
            return Ok(());
        };
        if link.phase == Phase::Closed {
            return Ok(());
        }
        let count = match link.stream.read(buffer) {
            Ok(0) => return close(links, script, number, "end of stream"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return close(links, script, number, &error.to_string()),
        };
        let mut partial = std::mem::take(&mut link.partial);
        let now_us = links.now_us();
        let fresh = buffer.get(..count).unwrap_or_default();
        if partial.is_empty() {
            let used = take_frames(links, script, number, fresh, now_us)?;
            partial.extend(fresh.get(used..).unwrap_or_default());
        } else {
            partial.extend(fresh);
            let used = take_frames(links, script, number, &partial, now_us)?;
            partial.drain(..used);
        }
        if let Some(link) = links.links.get_mut(number) {
            link.partial = partial;
        }
        // A read that does not fill the buffer emptied the socket: new bytes
        // raise a new event.
        if count < buffer.len() {
            return Ok(());
        }
    }
}

/// Handles whole frames and returns how many bytes they were.
fn take_frames(
    links: &mut Links,
    script: &mut impl Script,
    number: usize,
    bytes: &[u8],
    now_us: u64,
) -> Result<usize> {
    let mut used = 0;
    let in_handshake = |links: &Links| {
        links
            .links
            .get(number)
            .is_some_and(|link| link.phase == Phase::Handshake)
    };
    if in_handshake(links) {
        let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
            return Ok(0);
        };
        let answer = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
        if !answer.starts_with("HTTP/1.1 101") || !answer.contains(ACCEPT) {
            return Err(BenchError::Conversation(format!(
                "the handshake of link {number} was answered with {answer:?}"
            )));
        }
        if let Some(link) = links.links.get_mut(number) {
            link.phase = Phase::Open;
        }
        used = end + 4;
        script.opened(links, number)?;
    }
    while let Some(rest) = bytes.get(used..) {
        let Some(header) = Header::read(rest) else {
            break;
        };
        let Some(payload) = header.payload(rest) else {
            break;
        };
        used += header.end();
        match header.opcode {
            opcode::PING => links.send(number, ClientFrame::new(opcode::PONG, payload).bytes())?,
            opcode::PONG => {}
            opcode::CLOSE => {
                let why = match payload {
                    [high, low, text @ ..] => format!(
                        "close {} {}",
                        u16::from_be_bytes([*high, *low]),
                        String::from_utf8_lossy(text)
                    ),
                    _ => "close without a code".to_owned(),
                };
                close(links, script, number, &why)?;
                break;
            }
            _ if !header.is_final => {
                return Err(BenchError::Conversation("a fragmented message".to_owned()));
            }
            _ => script.message(links, number, payload, now_us)?,
        }
    }
    Ok(used)
}

fn close(links: &mut Links, script: &mut impl Script, number: usize, why: &str) -> Result<()> {
    if let Some(link) = links.links.get_mut(number) {
        link.phase = Phase::Closed;
        // An error here means that the peer was faster.
        let _ = link.stream.shutdown(std::net::Shutdown::Both);
    }
    script.closed(links, number, why)
}
