//! The client side of the benchmark: thousands of connections, one event loop.
//!
//! A [`Script`] decides what is sent. The loop owns one large read buffer; a
//! connection (`links`) stores incomplete messages only. Payloads are passed on in
//! place. The clock is read once per read from a socket.
//!
//! With a core of its own the loop never sleeps: waking a sleeping process on the
//! same machine is work of the sender's processor, costs up to twice as much as a
//! delivery, and varies with small differences in pace. Over a network this cost
//! does not exist, so it must not be part of the results.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll};

use super::carrier::{Carrier, Piece, field, find};
use super::error::BenchError;
use super::frame::{ClientFrame, opcode};
use super::links::{Address, Links, Phase, SEPARATE, UPSTREAM};
use super::process::machine_cores;

type Result<T> = std::result::Result<T, BenchError>;

const READ_BUFFER_BYTES: usize = 256 * 1024;
const EVENTS_PER_TURN: usize = 1024;
/// Maximum connections that are being opened at the same time: fewer than any
/// server's backlog.
const OPENING_MAX: usize = 128;
/// Timeout for opening connections.
const OPENING_SECONDS: u64 = 60;
/// Header fields of a response that contain the session's id.
const NAMES: [&str; 2] = ["Turntable-Tunnel", "Turntable-Session"];

/// Sends on the connections, and handles the responses.
pub(super) trait Script {
    /// A connection is open: its handshake is done, or it accepts requests.
    fn opened(&mut self, _links: &mut Links, _link: usize) -> Result<()> {
        Ok(())
    }

    /// A message or the body of a response, read at `now_us`.
    fn message(
        &mut self,
        links: &mut Links,
        link: usize,
        payload: &[u8],
        now_us: u64,
    ) -> Result<()>;

    /// The server closed a connection. Unless a script expects it, the benchmark
    /// ends.
    fn closed(&mut self, _links: &mut Links, link: usize, why: &str) -> Result<()> {
        Err(BenchError::Conversation(format!(
            "connection {link} was closed: {why}"
        )))
    }

    /// The number of connections that are ready for measuring.
    fn ready(&self) -> usize;
}

/// The event loop for the connections.
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
    /// If the system provides no poll.
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
            links: Links::new(registry),
        })
    }

    /// Opens `count` connections, some at a time, and waits until the script reports
    /// all of them as ready.
    ///
    /// # Errors
    /// If that takes too long, or a connection fails.
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

    /// How long the client has been idle so far.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Waits at most `timeout` for sockets, and handles all that are ready.
    ///
    /// # Errors
    /// If a connection fails or the script returns an error.
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

    /// Runs turns while `waits` says so.
    ///
    /// # Errors
    /// As [`Client::turn`]; a timeout after so many seconds, for what `what` names.
    pub(super) fn turn_while<S: Script>(
        &mut self,
        script: &mut S,
        seconds: u64,
        waits: impl Fn(&S) -> bool,
        what: impl Fn(&S) -> String,
    ) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while waits(script) {
            if Instant::now() > deadline {
                return Err(BenchError::Timeout {
                    waited_for: what(script),
                    seconds,
                });
            }
            self.turn(script, Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Runs turns until `until`.
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
    let Some(link) = links.link_mut(number) else {
        return Ok(());
    };
    if link.phase == Phase::Closed {
        return Ok(());
    }
    if event.is_writable() || link.phase == Phase::Connecting {
        let is_new = link.phase == Phase::Connecting;
        if is_new {
            let connected = link.stream.take_error().and_then(|error| match error {
                Some(error) => Err(error),
                None => link.stream.set_nodelay(true),
            });
            connected.map_err(BenchError::doing(format!("connecting link {number}")))?;
            link.phase = match link.carrier {
                Carrier::Requests => Phase::Open,
                _ => Phase::Handshake,
            };
        }
        let takes_requests = link.carrier == Carrier::Requests;
        if let Err(error) = link.flush() {
            return close(links, script, number, &error.to_string());
        }
        if is_new && takes_requests && number != UPSTREAM {
            script.opened(links, number)?;
        }
    }
    if event.is_readable() || event.is_read_closed() {
        read(links, script, number, buffer, event.is_read_closed())?;
    }
    Ok(())
}

fn read(
    links: &mut Links,
    script: &mut impl Script,
    number: usize,
    buffer: &mut [u8],
    has_end: bool,
) -> Result<()> {
    loop {
        let Some(link) = links.link_mut(number) else {
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
        if number < SEPARATE {
            links.received_bytes += count as u64;
        }
        let now_us = links.now_us();
        let fresh = buffer.get(..count).unwrap_or_default();
        if partial.is_empty() {
            let used = take_pieces(links, script, number, fresh, now_us)?;
            partial.extend(fresh.get(used..).unwrap_or_default());
        } else {
            partial.extend(fresh);
            let used = take_pieces(links, script, number, &partial, now_us)?;
            partial.drain(..used);
        }
        if let Some(link) = links.link_mut(number) {
            link.partial = partial;
        }
        // A read that does not fill the buffer emptied the socket: new bytes raise a new
        // event. The end of the stream raises none if it arrived with the last bytes.
        if count < buffer.len() && !has_end {
            return Ok(());
        }
    }
}

/// Handles all complete items and returns their length in bytes.
fn take_pieces(
    links: &mut Links,
    script: &mut impl Script,
    number: usize,
    bytes: &[u8],
    now_us: u64,
) -> Result<usize> {
    let mut used = 0;
    let Some(link) = links.link_mut(number) else {
        return Ok(0);
    };
    let carrier = link.carrier;
    if link.phase == Phase::Handshake {
        let Some(end) = find(bytes, b"\r\n\r\n") else {
            return Ok(0);
        };
        let head = bytes.get(..end).unwrap_or_default();
        let answer = String::from_utf8_lossy(head);
        if !carrier.accepts(&answer) {
            return Err(BenchError::Conversation(format!(
                "the handshake of link {number} got the response {answer:?}"
            )));
        }
        link.phase = Phase::Open;
        set_name_from_head(links, number, head);
        used = end + 4;
        script.opened(links, number)?;
    }
    while let Some(rest) = bytes.get(used..)
        && let Some((piece, length)) = carrier.piece(rest, &mut links.guess)
    {
        used += length;
        match piece {
            Piece::Message(payload) => script.message(links, number, payload, now_us)?,
            Piece::Answer(head, body) => {
                if !head.starts_with(b"HTTP/1.1 200") {
                    return Err(BenchError::Conversation(format!(
                        "a request got the response {} {}",
                        String::from_utf8_lossy(head),
                        String::from_utf8_lossy(body)
                    )));
                }
                if links.name(number).is_empty() && number != UPSTREAM {
                    set_name_from_head(links, number, head);
                }
                script.message(links, number, body, now_us)?;
            }
            Piece::Ping(payload) => {
                links.send(number, ClientFrame::new(opcode::PONG, payload).bytes())?;
            }
            Piece::Nothing => {}
            Piece::Close(payload) => {
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
            Piece::Invalid(what) => return Err(BenchError::Conversation(what.to_owned())),
        }
    }
    Ok(used)
}

fn set_name_from_head(links: &mut Links, number: usize, head: &[u8]) {
    let name = NAMES.iter().find_map(|name| field(head, name));
    if let Some(name) = name.and_then(|name| std::str::from_utf8(name).ok()) {
        links.set_name(number, name);
    }
}

fn close(links: &mut Links, script: &mut impl Script, number: usize, why: &str) -> Result<()> {
    if let Some(link) = links.link_mut(number) {
        link.phase = Phase::Closed;
        // An error here means that the peer closed first.
        let _ = link.stream.shutdown(std::net::Shutdown::Both);
    }
    if number == UPSTREAM {
        // Servers close idle connections; the next request opens a new one.
        return Ok(());
    }
    script.closed(links, number, why)
}
