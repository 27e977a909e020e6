//! Tunnels: a client of the format `ndjson`, and requests that send.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Server;
use crate::http::{self, Response, escape};
use crate::stream::Stream;

/// Requests a tunnel, which must be refused.
pub fn refused(server: &Server, query: &str) -> Response {
    let answer = http::get(server.address, &format!("/tunnel?{query}"));
    assert_ne!(answer.status, 200, "{query}: {answer:?}");
    assert_eq!(answer.header("Turntable-Tunnel"), None, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer
}

/// Posts datagrams.
pub fn post(server: &Server, datagrams: &Value) -> Response {
    let kind = "Content-Type: application/json\r\n";
    let body = datagrams.to_string();
    http::send(server.address, "POST", "/tunnel/send", kind, &body)
}

/// A tunnel in the format `ndjson`.
#[derive(Debug)]
pub struct Tunnel<'s> {
    server: &'s Server,
    /// Its current stream.
    pub stream: Stream,
    /// Its id, which is also the session's secret.
    pub id: String,
    /// The id of the last datagram that was received.
    pub last: String,
}

impl<'s> Tunnel<'s> {
    /// Requests a tunnel, and reads the format's header.
    pub fn open(server: &'s Server, query: &str) -> Self {
        Self::open_with(server, query, "")
    }

    /// Requests a tunnel with further headers, and reads the format's header.
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

    /// A new tunnel that is not identified.
    pub fn unidentified(server: &'s Server) -> Self {
        let mut tunnel = Self::open(server, "new=1");
        tunnel.expect_command("idyou");
        tunnel
    }

    /// A new tunnel of this user.
    pub fn user(server: &'s Server, user: &str) -> Self {
        let mut tunnel = Self::open(server, &format!("new=1&user={}", escape(user)));
        tunnel.expect_command("idyou");
        tunnel.expect_command("welcome");
        tunnel
    }

    /// A new tunnel of this user that is on a channel.
    pub fn on_channel(server: &'s Server, user: &str, channel: &str) -> Self {
        let mut tunnel = Self::user(server, user);
        tunnel.join(channel);
        tunnel
    }

    /// Resumes from this position, as `after=ID`, whether or not the old stream is
    /// closed, and returns the old one.
    pub fn resume(&mut self, position: &str) -> Stream {
        let query = format!("id={}&{position}", self.id);
        let next = Self::open(self.server, &query);
        assert_eq!(next.id, self.id);
        std::mem::replace(&mut self.stream, next.stream)
    }

    /// Resumes after the last datagram that was received.
    pub fn resume_after_last(&mut self) -> Stream {
        self.resume(&format!("after={}", self.last))
    }

    /// The next datagram; keepalives are skipped.
    pub fn next(&mut self) -> Value {
        loop {
            let line = self.stream.until("\n");
            if line != "\n" {
                return self.received(&line);
            }
        }
    }

    fn received(&mut self, line: &str) -> Value {
        let datagram: Value = serde_json::from_str(line).unwrap();
        if let Some(id) = datagram["id"].as_str() {
            self.last = id.to_owned();
        }
        datagram
    }

    /// Reads at most `count` bytes that arrive `soon`, and then breaks the stream.
    /// Returns the datagrams that are complete.
    pub fn cut_after(&mut self, count: usize, soon: Duration) -> Vec<Value> {
        let lines = self.stream.cut_after(count, soon).into_iter();
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(|line| self.received(&line)).collect()
    }

    /// The data of the next datagram, which must be for this path.
    pub fn expect(&mut self, path: &str) -> Value {
        let mut datagram = self.next();
        assert_eq!(datagram["path"], path, "{datagram}");
        assert_eq!(datagram["id"].as_str().map(str::len), Some(26));
        datagram["data"].take()
    }

    /// The data of the next message, which must be of this command and for this
    /// path.
    pub fn expect_message(&mut self, path: &str, command: &str) -> Value {
        let mut message = self.expect(path);
        assert_eq!(message["command"], command, "{message}");
        message["data"].take()
    }

    /// The data of the next message, which must be of this command and for the
    /// tunnel's own path.
    pub fn expect_command(&mut self, command: &str) -> Value {
        let path = self.path();
        self.expect_message(&path, command)
    }

    /// The data of the next datagram, which must be published on this channel.
    pub fn expect_published(&mut self, channel: &str) -> Value {
        self.expect(&format!("/channel/{channel}"))
    }

    /// The path of messages to this tunnel only.
    pub fn path(&self) -> String {
        format!("/tunnel/{}", self.id)
    }

    /// Only the footer may follow, and the end.
    pub fn expect_footer(&mut self) {
        let footer: Value = serde_json::from_str(&self.stream.rest()).unwrap();
        assert!(footer["close"].is_u64(), "{footer}");
    }

    /// A datagram of this tunnel.
    pub fn datagram(&self, path: &str, data: Value) -> Value {
        json!({"tunnel": self.id, "path": path, "data": data})
    }

    /// Sends a datagram, which must be accepted.
    pub fn send(&self, path: &str, data: Value) {
        let answer = post(self.server, &self.datagram(path, data));
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"ok":true}"#),
            "{path}"
        );
    }

    /// Sends a datagram, which must be refused, and returns status and error code.
    pub fn send_refused(&self, path: &str, data: Value) -> (u16, String) {
        post(self.server, &self.datagram(path, data)).error()
    }

    /// Sends a command.
    pub fn command(&self, command: &str, data: Value) {
        self.send("/server", json!({"command": command, "data": data}));
    }

    /// Sends a command with an id and returns the data of its answer, which must be
    /// the next datagram.
    pub fn request(&mut self, command: &str, data: Value) -> Value {
        let message = json!({"command": command, "data": data, "id": "request"});
        self.send("/server", message);
        let mut answer = self.expect(&self.path());
        assert_eq!(answer["id"], "request", "{command} is answered by {answer}");
        assert_ne!(answer["command"], "error", "{answer}");
        answer["data"].take()
    }

    /// Registers interest in a channel, and reads `joined`.
    pub fn join(&mut self, channel: &str) {
        let path = format!("/channel/{channel}");
        self.send("/interest", json!({"add": [{"path": path}]}));
        assert_eq!(self.expect_command("joined")["channel"], channel);
    }

    /// Publishes on a channel.
    pub fn publish(&self, channel: &str, data: Value) {
        self.send(&format!("/channel/{channel}"), data);
    }

    /// Nothing may be on its way but the answer to a `time` that is sent now.
    pub fn expect_nothing_pending(&mut self) {
        assert_eq!(self.request("time", json!({"t0": 4711}))["t0"], 4711);
    }
}
