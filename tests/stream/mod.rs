//! Tunnels as a client sees them: the answer of a request that goes on, read
//! byte by byte or datagram by datagram, and requests that send.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{DEADLINE, Response, SILENCE, Server, request};

/// A text as a part of a query.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Sends a request whose answer ends, and reads it. `headers` are added, each
/// line with its end.
pub fn ask(server: &Server, method: &str, target: &str, headers: &str, body: &str) -> Response {
    let address = server.address;
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\n{headers}{length}Connection: close\r\n\r\n{body}"
    );
    request(address, &text)
}

/// A request to open or come back to a tunnel that has to be refused.
pub fn refused(server: &Server, query: &str) -> Response {
    let answer = ask(server, "GET", &format!("/tunnel?{query}"), "", "");
    assert_ne!(answer.status, 200, "{query}: {answer:?}");
    assert_eq!(answer.header("Turntable-Tunnel"), None, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer
}

/// Posts datagrams.
pub fn post(server: &Server, datagrams: &Value) -> Response {
    let kind = "Content-Type: application/json\r\n";
    ask(server, "POST", "/tunnel/send", kind, &datagrams.to_string())
}

/// The status and the error's code of an answer that refuses.
pub fn fault(answer: &Response) -> (u16, String) {
    let body = answer.json();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "{body} does not say what is wrong");
    let code = body["error"]["code"].as_str().unwrap_or_default();
    (answer.status, code.to_owned())
}

/// The answer of `GET /tunnel`, as bytes.
pub struct Stream {
    pub socket: TcpStream,
    /// Its head.
    pub response: Response,
    buffer: Vec<u8>,
}

impl Stream {
    /// Asks for a tunnel; the answer has to be one. `headers` are added, each
    /// line with its end.
    pub fn open_with(server: &Server, query: &str, headers: &str) -> Self {
        let address = server.address;
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
        let told = &stream.response;
        assert_eq!(told.status, 200, "{query}: {told:?}");
        stream
    }

    pub fn open(server: &Server, query: &str) -> Self {
        Self::open_with(server, query, "")
    }

    /// The tunnel's id, as the answer's head tells it.
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

    /// Everything up to `end`, which is included.
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

    /// So many bytes.
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

    /// The next bytes have to be these.
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

    fn pending(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// The connection breaks without a word.
    pub fn cut(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// A tunnel in the format `ndjson`.
pub struct Tunnel<'s> {
    server: &'s Server,
    pub stream: Stream,
    pub id: String,
    /// The id of the last datagram that came.
    pub last: String,
}

impl<'s> Tunnel<'s> {
    /// Asks, and reads the format's header.
    pub fn open(server: &'s Server, query: &str) -> Self {
        Self::open_with(server, query, "")
    }

    pub fn open_with(server: &'s Server, query: &str, headers: &str) -> Self {
        let query = format!("format=ndjson&{query}");
        let mut stream = Stream::open_with(server, &query, headers);
        let header: Value = serde_json::from_str(&stream.until("\n")).unwrap();
        let id = stream.id();
        assert_eq!(header, json!({"tunnel": id}));
        Self {
            server,
            stream,
            id,
            last: String::new(),
        }
    }

    /// One whose client has not said who it is.
    pub fn nobody(server: &'s Server) -> Self {
        let mut tunnel = Self::open(server, "new=1");
        tunnel.expect_command("idyou");
        tunnel
    }

    /// One of this user, welcomed.
    pub fn of(server: &'s Server, user: &str) -> Self {
        let mut tunnel = Self::open(server, &format!("new=1&user={}", encode(user)));
        tunnel.expect_command("idyou");
        tunnel.expect_command("welcome");
        tunnel
    }

    /// One of this user that is on a channel.
    pub fn on(server: &'s Server, user: &str, channel: &str) -> Self {
        let mut tunnel = Self::of(server, user);
        tunnel.join(channel);
        tunnel
    }

    /// Asks again, as `rest` says, whatever became of the connection before,
    /// which is returned.
    pub fn back(&mut self, rest: &str) -> Stream {
        let query = format!("id={}&{rest}", self.id);
        let next = Self::open(self.server, &query);
        assert_eq!(next.id, self.id);
        std::mem::replace(&mut self.stream, next.stream)
    }

    /// Comes back behind the last datagram that came.
    pub fn back_after(&mut self) -> Stream {
        self.back(&format!("after={}", self.last))
    }

    /// The next datagram; keepalives are passed over.
    pub fn next(&mut self) -> Value {
        loop {
            let line = self.stream.until("\n");
            if line == "\n" {
                continue;
            }
            let datagram: Value = serde_json::from_str(&line).unwrap();
            if let Some(id) = datagram["id"].as_str() {
                self.last = id.to_owned();
            }
            return datagram;
        }
    }

    /// The data of the next datagram, which has to be for this path.
    pub fn expect(&mut self, path: &str) -> Value {
        let mut datagram = self.next();
        assert_eq!(datagram["path"], path, "{datagram}");
        assert_eq!(datagram["id"].as_str().map(str::len), Some(26));
        datagram["data"].take()
    }

    /// The data of the next message, which has to be this one, for this path.
    pub fn expect_message(&mut self, path: &str, command: &str) -> Value {
        let mut message = self.expect(path);
        assert_eq!(message["command"], command, "{message}");
        message["data"].take()
    }

    /// The same on the tunnel's own path.
    pub fn expect_command(&mut self, command: &str) -> Value {
        let path = self.path();
        self.expect_message(&path, command)
    }

    /// What is published next on a channel.
    pub fn expect_published(&mut self, channel: &str) -> Value {
        self.expect(&format!("/channel/{channel}"))
    }

    /// The path of what is for this tunnel alone.
    pub fn path(&self) -> String {
        format!("/tunnel/{}", self.id)
    }

    /// The footer, and the end.
    pub fn expect_footer(&mut self) {
        let footer: Value = serde_json::from_str(&self.stream.rest()).unwrap();
        assert!(footer["close"].is_u64(), "{footer}");
    }

    /// A datagram of this tunnel.
    pub fn datagram(&self, path: &str, data: Value) -> Value {
        json!({"tunnel": self.id, "path": path, "data": data})
    }

    /// Sends a datagram that has to be taken.
    pub fn send(&self, path: &str, data: Value) {
        let answer = post(self.server, &self.datagram(path, data));
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"ok":true}"#),
            "{path}"
        );
    }

    /// Sends a datagram that has to be refused.
    pub fn send_refused(&self, path: &str, data: Value) -> (u16, String) {
        fault(&post(self.server, &self.datagram(path, data)))
    }

    /// Sends a command.
    pub fn command(&self, command: &str, data: Value) {
        self.send("/server", json!({"command": command, "data": data}));
    }

    /// Sends a command and returns the data of its answer, which has to come
    /// next.
    pub fn ask(&mut self, command: &str, data: Value) -> Value {
        let message = json!({"command": command, "data": data, "id": "ask"});
        self.send("/server", message);
        let mut answer = self.expect(&self.path());
        assert_eq!(answer["id"], "ask", "{command} is answered by {answer}");
        assert_ne!(answer["command"], "error", "{answer}");
        answer["data"].take()
    }

    /// Registers interest in a channel, and is told.
    pub fn join(&mut self, channel: &str) {
        let path = format!("/channel/{channel}");
        self.send("/interest", json!({"add": [{"path": path}]}));
        assert_eq!(self.expect_command("joined")["channel"], channel);
    }

    pub fn publish(&self, channel: &str, data: Value) {
        self.send(&format!("/channel/{channel}"), data);
    }

    /// Nothing may be on its way but the answer to a question asked now.
    pub fn expect_nothing_before_an_answer(&mut self) {
        assert_eq!(self.ask("time", json!({"t0": 4711}))["t0"], 4711);
    }
}

/// How long something took.
pub fn timed<R>(act: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    (act(), start.elapsed())
}
