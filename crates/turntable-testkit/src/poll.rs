//! A client of the poll transport, request by request.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{self, Response};
use crate::{DEADLINE, Server};

/// Posts a body to the poll transport. `headers` are lines, each with its end.
pub fn post(server: &Server, target: &str, headers: &str, body: &str) -> Response {
    http::send(server.address, "POST", target, headers, body)
}

/// Posts a body and closes without reading the answer.
pub fn post_without_reading(server: &Server, target: &str, headers: &str, body: &str) {
    let mut socket = TcpStream::connect(server.address).unwrap();
    let text = http::text(server.address, "POST", target, headers, body);
    socket.write_all(text.as_bytes()).unwrap();
}

/// A call with an id, which gets an answer.
pub fn call(f: &str, args: Value, id: impl Into<Value>) -> Value {
    json!({"f": f, "args": args, "id": id.into()})
}

/// The result of the call with this id, which must be among the entries.
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

/// The data of the channel messages among the entries.
pub fn published(entries: &[Value]) -> Vec<Value> {
    let messages = calls(entries, "$av:message");
    messages
        .iter()
        .map(|message| message["data"].clone())
        .collect()
}

/// The entries of an answer that carries some.
pub fn entries(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    answer.json().as_array().unwrap().clone()
}

/// One session over polls.
#[derive(Debug)]
pub struct PollClient<'s> {
    /// Where it polls.
    pub server: &'s Server,
    /// Its secret.
    pub session: String,
}

impl<'s> PollClient<'s> {
    /// Begins a session of this user.
    pub fn user(server: &'s Server, user: &str) -> Self {
        Self::identified(server, json!(user))
    }

    /// Begins a session with this data of `idme`.
    pub fn identified(server: &'s Server, claim: Value) -> Self {
        let body = json!([call("$av:idme", claim, 1)]);
        let answer = post(server, "/poll", "", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let session = answer.header("Turntable-Session").unwrap().to_owned();
        let entries = answer.json();
        assert_eq!(entries[0]["f"], "$av:connected");
        let welcome = result(entries.as_array().unwrap(), 1);
        assert_eq!(welcome["session"], session);
        Self { server, session }
    }

    /// Begins a session of this user that is on a channel.
    pub fn on_channel(server: &'s Server, user: &str, channel: &str) -> Self {
        let client = Self::user(server, user);
        client.request("$av:joinchannel", json!({"channel": channel}));
        client
    }

    /// The header that names the session.
    pub fn header(&self) -> String {
        format!("Turntable-Session: {}\r\n", self.session)
    }

    /// Posts a body; the answer may be a refusal.
    pub fn send(&self, query: &str, body: &str) -> Response {
        let target = format!("/poll{query}");
        post(self.server, &target, &self.header(), body)
    }

    /// Posts entries as a batch of this number and returns the answer's entries.
    pub fn batch(&self, number: u64, batch: &Value) -> Vec<Value> {
        entries(&self.send(&format!("?batch={number}"), &batch.to_string()))
    }

    /// Posts entries and returns the answer's entries.
    pub fn poll(&self, batch: &Value) -> Vec<Value> {
        entries(&self.send("", &batch.to_string()))
    }

    /// Posts an empty list and returns the entries that waited.
    pub fn heartbeat(&self) -> Vec<Value> {
        self.poll(&json!([]))
    }

    /// Polls until this many calls of this function have arrived, including those
    /// among `entries`, and returns their arguments.
    pub fn await_calls(&self, mut entries: Vec<Value>, f: &str, count: usize) -> Vec<Value> {
        let until = Instant::now() + DEADLINE;
        while calls(&entries, f).len() < count {
            assert!(Instant::now() < until, "{count} times {f} in {entries:?}");
            entries.extend(self.heartbeat());
        }
        calls(&entries, f)
    }

    /// Calls a function and returns its result; other entries are skipped.
    pub fn request(&self, f: &str, args: Value) -> Value {
        result(&self.poll(&json!([call(f, args, "request")])), "request")
    }

    /// Calls a function that must be refused and returns the error.
    pub fn request_refused(&self, f: &str, args: Value) -> Value {
        let entries = self.poll(&json!([call(f, args, "request")]));
        let entry = entries.iter().find(|entry| entry["id"] == "request");
        let entry = entry.unwrap();
        assert!(entry["error"].is_object(), "{entry}");
        entry["error"].clone()
    }
}
