//! The stream of a tunnel as bytes, in any format.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{DEADLINE, Response, SILENCE, Server};

/// The answer to `GET /tunnel`.
#[derive(Debug)]
pub struct Stream {
    /// The socket.
    pub socket: TcpStream,
    /// Status and headers.
    pub response: Response,
    buffer: Vec<u8>,
}

impl Stream {
    /// Requests a tunnel, which must be granted. `headers` are added, each line
    /// with its end.
    pub fn open_with(server: &Server, query: &str, headers: &str) -> Self {
        Self::of(server.address, query, headers)
    }

    /// Requests a tunnel of the server at this address, which must be granted.
    pub fn of(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let text = format!("GET /tunnel?{query} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        socket.write_all(text.as_bytes()).unwrap();
        let mut stream = Self {
            socket,
            response: Response::parse(b"HTTP/1.1 0\r\n\r\n"),
            buffer: Vec::new(),
        };
        stream.response = Response::parse(stream.until("\r\n\r\n").as_bytes());
        let response = &stream.response;
        assert_eq!(response.status, 200, "{query}: {response:?}");
        stream
    }

    /// Requests a tunnel, which must be granted.
    pub fn open(server: &Server, query: &str) -> Self {
        Self::open_with(server, query, "")
    }

    /// The tunnel's id, from the answer's headers.
    pub fn id(&self) -> String {
        let id = self.response.header("Turntable-Tunnel").unwrap();
        assert_eq!(id.len(), 22, "{id}");
        id.to_owned()
    }

    /// Reads once more. False at the end, or at `until`.
    fn read_more(&mut self, until: Instant) -> Result<bool, ErrorKind> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut);
        }
        self.socket.set_read_timeout(Some(left)).unwrap();
        let mut bytes = [0; 16_384];
        match self.socket.read(&mut bytes) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error.kind()),
        }
    }

    /// Everything up to and including `end`.
    pub fn until(&mut self, end: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self
                .buffer
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let text = self.buffer.drain(..at + end.len()).collect();
                return String::from_utf8(text).unwrap();
            }
            match self.read_more(deadline) {
                Ok(true) => {}
                other => panic!("{other:?} before {end:?}; got {:?}", self.pending()),
            }
        }
    }

    /// This many bytes.
    pub fn take(&mut self, count: usize) -> String {
        let deadline = Instant::now() + DEADLINE;
        while self.buffer.len() < count {
            match self.read_more(deadline) {
                Ok(true) => {}
                other => panic!("{other:?} before {count} bytes; got {:?}", self.pending()),
            }
        }
        String::from_utf8(self.buffer.drain(..count).collect()).unwrap()
    }

    /// The next bytes must be these.
    pub fn expect(&mut self, text: &str) {
        assert_eq!(self.take(text.len()), text);
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.read_more(deadline) {
                Ok(true) => {}
                Ok(false) => return String::from_utf8(std::mem::take(&mut self.buffer)).unwrap(),
                other => panic!("{other:?} instead of the end; got {:?}", self.pending()),
            }
        }
    }

    /// Nothing may come for a while.
    pub fn expect_none(&mut self) {
        let until = Instant::now() + SILENCE;
        match self.read_more(until) {
            Err(ErrorKind::TimedOut) if self.buffer.is_empty() => {}
            _ => panic!("{:?} instead of silence", self.pending()),
        }
    }

    /// Reads at most `count` bytes that arrive `soon`, and then breaks the
    /// connection. Returns the lines that are complete, without their ends.
    pub fn cut_after(&mut self, count: usize, soon: Duration) -> Vec<String> {
        let _ = self.read_more(Instant::now() + soon);
        self.buffer.truncate(count);
        self.cut();
        let end = self.buffer.iter().rposition(|byte| *byte == b'\n');
        let whole = self.buffer.drain(..end.map_or(0, |end| end + 1)).collect();
        let whole = String::from_utf8(whole).unwrap();
        whole.lines().map(str::to_owned).collect()
    }

    fn pending(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// Breaks the connection.
    pub fn cut(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
