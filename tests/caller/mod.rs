//! A caller: a client of the poll door, request by request.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::support::{DEADLINE, Response, Server, request};

/// A request as text. `headers` are lines, each with its end.
pub fn text(server: &Server, target: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        server.address,
        body.len()
    )
}

/// Sends a body to the poll door.
pub fn poll(server: &Server, target: &str, headers: &str, body: &str) -> Response {
    request(server.address, &text(server, target, headers, body))
}

/// Sends a request and goes away without its answer.
pub fn poll_and_leave(server: &Server, target: &str, headers: &str, body: &str) {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket
        .write_all(text(server, target, headers, body).as_bytes())
        .unwrap();
}

/// The status and the error's code of an answer that refuses.
pub fn fault(answer: &Response) -> (u16, String) {
    let body = answer.json();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "{body} does not say what is wrong");
    let code = body["error"]["code"].as_str().unwrap_or_default();
    (answer.status, code.to_owned())
}

/// A call that wants an answer.
pub fn call(f: &str, args: Value, id: impl Into<Value>) -> Value {
    json!({"f": f, "args": args, "id": id.into()})
}

/// The result of the call with this id, which has to be among the entries.
pub fn result(entries: &[Value], id: impl Into<Value>) -> Value {
    let id = id.into();
    let found = entries.iter().find(|entry| entry["id"] == id);
    let entry = found.unwrap_or_else(|| panic!("no {id} in {entries:?}"));
    assert!(entry["error"].is_null(), "{entry}");
    entry["r"].clone()
}

/// The arguments of all calls of this function, in their order.
pub fn calls(entries: &[Value], f: &str) -> Vec<Value> {
    let calls = entries.iter().filter(|entry| entry["f"] == f);
    calls.map(|entry| entry["args"].clone()).collect()
}

/// What the messages among the entries say.
pub fn said(entries: &[Value]) -> Vec<Value> {
    let messages = calls(entries, "$av:message");
    messages
        .iter()
        .map(|message| message["data"].clone())
        .collect()
}

/// One session at the poll door.
pub struct Caller<'s> {
    pub server: &'s Server,
    pub session: String,
}

impl<'s> Caller<'s> {
    /// Begins a session and says who it is.
    pub fn of(server: &'s Server, user: &str) -> Self {
        let body = json!([call("$av:idme", json!(user), 1)]);
        let answer = poll(server, "/poll", "", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let session = answer.header("Turntable-Session").unwrap().to_owned();
        let entries = answer.json();
        assert_eq!(entries[0]["f"], "$av:connected");
        let welcome = result(entries.as_array().unwrap(), 1);
        assert_eq!(welcome["session"], session);
        Self { server, session }
    }

    /// One that is on a channel.
    pub fn on(server: &'s Server, user: &str, channel: &str) -> Self {
        let caller = Self::of(server, user);
        caller.ask("$av:joinchannel", json!({"channel": channel}));
        caller
    }

    /// The header that names the session.
    pub fn header(&self) -> String {
        format!("Turntable-Session: {}\r\n", self.session)
    }

    /// Sends a body; the answer may be a refusal.
    pub fn send(&self, query: &str, body: &str) -> Response {
        let target = format!("/poll{query}");
        poll(self.server, &target, &self.header(), body)
    }

    /// Sends entries as a batch of that number and returns what comes.
    pub fn batch(&self, number: u64, entries: &Value) -> Vec<Value> {
        entries_of(&self.send(&format!("?batch={number}"), &entries.to_string()))
    }

    /// Sends entries and returns what comes.
    pub fn poll(&self, entries: &Value) -> Vec<Value> {
        entries_of(&self.send("", &entries.to_string()))
    }

    /// Asks for what waits.
    pub fn heartbeat(&self) -> Vec<Value> {
        self.poll(&json!([]))
    }

    /// Polls until so many calls of this function have come, those among `told`
    /// included, and returns their arguments.
    pub fn await_calls(&self, mut told: Vec<Value>, f: &str, count: usize) -> Vec<Value> {
        let until = Instant::now() + DEADLINE;
        while calls(&told, f).len() < count {
            assert!(Instant::now() < until, "{count} times {f} in {told:?}");
            told.extend(self.heartbeat());
        }
        calls(&told, f)
    }

    /// Calls a function and returns its result; what else comes is passed over.
    pub fn ask(&self, f: &str, args: Value) -> Value {
        result(&self.poll(&json!([call(f, args, "ask")])), "ask")
    }

    /// Calls a function that is refused and returns the error.
    pub fn ask_refused(&self, f: &str, args: Value) -> Value {
        let entries = self.poll(&json!([call(f, args, "ask")]));
        let entry = entries.iter().find(|entry| entry["id"] == "ask").unwrap();
        assert!(entry["error"].is_object(), "{entry}");
        entry["error"].clone()
    }
}

/// The entries of an answer that carries some.
pub fn entries_of(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer.json().as_array().unwrap().clone()
}
