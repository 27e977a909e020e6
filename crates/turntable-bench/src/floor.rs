//! The floor: the minimum cost of sending a message to all.
//!
//! One loop over epoll, without actors, protocol or limits: each received message is
//! framed once and written to every connection immediately, one write per delivery.
//! The processor time of other servers is compared with it, in the same run. It only
//! supports the benchmark's client.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::carrier::ACCEPT;
use super::error::BenchError;
use super::frame::{Header, opcode, server_frame};

const LISTENER: Token = Token(usize::MAX);
/// Maximum bytes that wait for a connection whose socket is full.
const OUTBOX_BYTES_MAX: usize = 4 << 20;

struct Connection {
    stream: TcpStream,
    is_open: bool,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

/// Runs until the process is ended from outside, or its standard input ends.
///
/// # Errors
/// If the system provides no listener or poll.
pub(super) fn serve_process() -> Result<(), BenchError> {
    std::thread::spawn(|| {
        // If the benchmark is killed, the server must end, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    serve(|address| println!("listening floor http://{address}"))
}

/// Listens on a free port, passes its address to `listening`, and serves.
///
/// # Errors
/// If the system provides no listener or poll.
pub(super) fn serve(listening: impl FnOnce(SocketAddr)) -> Result<(), BenchError> {
    let mut poll = Poll::new().map_err(BenchError::doing("making a poll"))?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .map_err(BenchError::doing("listening"))?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .map_err(BenchError::doing("listening"))?;
    listening(
        listener
            .local_addr()
            .map_err(BenchError::doing("listening"))?,
    );
    let mut connections = Slab::<Connection>::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 256 * 1024];
    let mut frames = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.map_err(BenchError::doing("polling"))?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
                continue;
            }
            let Some(connection) = connections.get_mut(event.token().0) else {
                continue;
            };
            let is_open = (!event.is_writable() || connection.flush())
                && (!event.is_readable() || connection.read(&mut buffer, &mut frames));
            if !is_open {
                connections.remove(event.token().0);
            }
            for frame in frames.drain(..) {
                connections.retain(|_, connection| connection.write(&frame));
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Slab<Connection>,
) -> Result<(), BenchError> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(BenchError::doing("accepting")(error)),
        };
        let entry = connections.vacant_entry();
        stream
            .set_nodelay(true)
            .and_then(|()| {
                poll.registry().register(
                    &mut stream,
                    Token(entry.key()),
                    Interest::READABLE | Interest::WRITABLE,
                )
            })
            .map_err(BenchError::doing("accepting"))?;
        entry.insert(Connection {
            stream,
            is_open: false,
            inbox: Vec::new(),
            outbox: Vec::new(),
        });
    }
}

impl Connection {
    /// Reads the available bytes; appends complete messages to `frames`, encoded for
    /// sending. False when the connection has ended.
    fn read(&mut self, buffer: &mut [u8], frames: &mut Vec<Vec<u8>>) -> bool {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            self.inbox.extend(buffer.get(..count).unwrap_or_default());
            if !self.take_frames(frames) {
                return false;
            }
            if count < buffer.len() {
                return true;
            }
        }
    }

    fn take_frames(&mut self, frames: &mut Vec<Vec<u8>>) -> bool {
        let mut used = 0;
        if !self.is_open {
            let Some(end) = self.inbox.windows(4).position(|end| end == b"\r\n\r\n") else {
                return true;
            };
            used = end + 4;
            self.is_open = true;
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
            );
            if !self.write(answer.as_bytes()) {
                return false;
            }
        }
        while let Some(rest) = self.inbox.get(used..) {
            let Some(header) = Header::read(rest) else {
                break;
            };
            let (Some(payload), Some(mask)) = (header.payload(rest), header.mask) else {
                break;
            };
            used += header.end();
            if header.opcode != opcode::TEXT {
                return header.opcode != opcode::CLOSE;
            }
            let plain: Vec<u8> = payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            let mut frame = Vec::with_capacity(plain.len() + 10);
            server_frame(opcode::TEXT, &plain, &mut frame);
            frames.push(frame);
        }
        self.inbox.drain(..used);
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        }
        true
    }

    /// Writes immediately; bytes that the socket does not accept wait. False when the
    /// connection has ended.
    fn write(&mut self, bytes: &[u8]) -> bool {
        if !self.is_open {
            return true;
        }
        let written = if self.outbox.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return false,
            }
        } else {
            0
        };
        self.outbox.extend(bytes.get(written..).unwrap_or_default());
        self.outbox.len() <= OUTBOX_BYTES_MAX
    }

    fn flush(&mut self) -> bool {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
