//! A client of one session over all its connections, which counts the messages
//! that it received as section 3 of docs/protocol.md says.

use std::net::Shutdown;

use serde_json::{Value, json};

use crate::{Client, Server};

/// One session.
#[derive(Debug)]
pub struct Session<'s> {
    /// Where it connects.
    pub server: &'s Server,
    /// The current connection.
    pub client: Client,
    /// Its secret.
    pub secret: Value,
    /// How many of its messages were received.
    pub received: u64,
}

impl<'s> Session<'s> {
    /// Begins a session of this user.
    pub fn begin(server: &'s Server, user: &str) -> Self {
        let mut client = server.connect();
        let secret = client.identify(user)["session"].clone();
        Self {
            server,
            client,
            secret,
            received: 0,
        }
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        self.received += 1;
        self.client.next()
    }

    /// The data of the next message, which must be of this command.
    pub fn expect(&mut self, command: &str) -> Value {
        self.received += 1;
        self.client.expect(command)
    }

    /// Sends a command with an id and returns the data of its answer, which must
    /// be the next message.
    pub fn request(&mut self, command: &str, data: Value) -> Value {
        self.received += 1;
        self.client.request(command, data)
    }

    /// Resumes on a new connection, whether or not the old one is closed, and
    /// returns the old one.
    pub fn resume(&mut self) -> Client {
        let (client, welcome) = resume(self.server, &self.secret, self.received);
        assert_eq!(welcome["command"], "welcome", "{welcome}");
        assert_eq!(welcome["data"]["resumed"], true);
        assert_eq!(welcome["data"]["session"], self.secret);
        std::mem::replace(&mut self.client, client)
    }

    /// Breaks the connection without a close frame.
    pub fn cut(&mut self) {
        let _ = self.client.stream.shutdown(Shutdown::Both);
    }

    /// Breaks the connection and resumes on a new one.
    pub fn cut_and_resume(&mut self) {
        self.cut();
        self.resume();
    }

    /// The data of the next channel message. Answers to `time` are skipped: a
    /// break decides whether they were sent.
    pub fn published(&mut self) -> Value {
        loop {
            let mut message = self.next();
            if message["command"] == "message" {
                return message["data"]["data"].take();
            }
            assert_eq!(message["command"], "time", "{message}");
        }
    }
}

/// Requests a session on a new connection and returns the answer.
pub fn resume(server: &Server, secret: &Value, received: u64) -> (Client, Value) {
    let mut client = server.connect();
    client.command("resume", json!({"session": secret, "received": received}));
    let answer = client.next();
    (client, answer)
}

/// Requests a session that must be expired; the connection can still identify.
pub fn expect_expired(server: &Server, secret: &Value, received: u64) {
    let (mut client, answer) = resume(server, secret, received);
    assert_eq!(answer["data"]["code"], "session_expired", "{answer}");
    assert_eq!(answer["data"]["command"], "resume");
    assert_eq!(client.identify("1:77")["resumed"], false);
    client.bye();
}
