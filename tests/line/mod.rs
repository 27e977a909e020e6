//! A line: a client of one session over all its connections, which counts what
//! it has got as section 3 of docs/protocol.md says.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::net::Shutdown;

use serde_json::{Value, json};

use super::support::{Client, Server};

/// One session.
pub struct Line<'s> {
    server: &'s Server,
    pub client: Client,
    pub session: Value,
    pub received: u64,
}

impl<'s> Line<'s> {
    pub fn begin(server: &'s Server, user: &str) -> Self {
        let mut client = server.connect();
        let session = client.identify(user)["session"].clone();
        Self {
            server,
            client,
            session,
            received: 0,
        }
    }

    pub fn next(&mut self) -> Value {
        self.received += 1;
        self.client.next()
    }

    pub fn expect(&mut self, command: &str) -> Value {
        self.received += 1;
        self.client.expect(command)
    }

    pub fn ask(&mut self, command: &str, data: Value) -> Value {
        self.received += 1;
        self.client.ask(command, data)
    }

    /// Comes back on a new connection, whatever became of the old one, which is
    /// returned.
    pub fn resume(&mut self) -> Client {
        let (client, welcome) = resume(self.server, &self.session, self.received);
        assert_eq!(welcome["command"], "welcome", "{welcome}");
        assert_eq!(welcome["data"]["resumed"], true);
        assert_eq!(welcome["data"]["session"], self.session);
        std::mem::replace(&mut self.client, client)
    }

    /// The connection breaks without a word.
    pub fn cut(&mut self) {
        let _ = self.client.stream.shutdown(Shutdown::Both);
    }

    pub fn cut_and_resume(&mut self) {
        self.cut();
        self.resume();
    }

    /// What the next message of a channel says. Answers to `time` are passed
    /// over: a break decides whether they were made.
    pub fn number(&mut self) -> Value {
        loop {
            let mut message = self.next();
            if message["command"] == "message" {
                return message["data"]["data"].take();
            }
            assert_eq!(message["command"], "time", "{message}");
        }
    }
}

/// Asks for a session on a new connection and returns the answer.
pub fn resume(server: &Server, session: &Value, received: u64) -> (Client, Value) {
    let mut client = server.connect();
    client.command("resume", json!({"session": session, "received": received}));
    let answer = client.next();
    (client, answer)
}

/// The session cannot be had; the connection can still identify.
pub fn expect_expired(server: &Server, session: &Value, received: u64) {
    let (mut client, answer) = resume(server, session, received);
    assert_eq!(answer["data"]["code"], "session_expired", "{answer}");
    assert_eq!(answer["data"]["command"], "resume");
    assert_eq!(client.identify("1:77")["resumed"], false);
    client.bye();
}
