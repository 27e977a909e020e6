//! A client of one session over any transport, which counts the messages that it
//! received as section 3 of docs/protocol.md says, and never waits without a
//! deadline.

use serde_json::{Value, json};
use tokio::time::timeout;

use turntable_testkit::{DEADLINE, Server};

use crate::transport::{Event, Feature, Invalid, Message, Position, Transport};

pub struct Client<T> {
    pub transport: T,
    /// Known after the identification.
    session: Option<String>,
    received: u64,
    /// The id of the last request.
    requests: u64,
}

impl<T: Transport> Client<T> {
    fn new(transport: T) -> Self {
        Self {
            transport,
            session: None,
            received: 0,
            requests: 0,
        }
    }

    /// A connection that got `idyou`.
    pub async fn open(server: &Server) -> Self {
        let transport = timeout(DEADLINE, T::open(server.address)).await;
        let transport = transport.unwrap_or_else(|_| panic!("{} does not open", T::NAME));
        Self::new(transport)
    }

    /// A user, identified.
    pub async fn user(server: &Server, id: &str) -> Self {
        let mut client = Self::open(server).await;
        client.identify(id).await;
        client
    }

    /// Identifies as this user and returns the data of `welcome`.
    pub async fn identify(&mut self, id: &str) -> Value {
        self.command("idme", json!(id)).await;
        self.expect("welcome").await
    }

    /// Sends a command without an id.
    pub async fn command(&mut self, command: &str, data: Value) {
        self.send(command, data, None).await;
    }

    /// Sends a command with or without an id.
    pub async fn send(&mut self, command: &str, data: Value, id: Option<Value>) {
        let sent = timeout(DEADLINE, self.transport.send(command, &data, id.as_ref())).await;
        sent.unwrap_or_else(|_| panic!("{} does not accept {command}", T::NAME));
    }

    pub async fn send_invalid(&mut self, invalid: Invalid) {
        let sent = timeout(DEADLINE, self.transport.send_invalid(invalid)).await;
        sent.unwrap_or_else(|_| panic!("{} does not accept {invalid:?}", T::NAME));
    }

    /// Sends a command with an id, and returns the data of its answer, which
    /// must be the next message.
    pub async fn request(&mut self, command: &str, data: Value) -> Value {
        let id = self.start_request(command, data).await;
        let answer = self.next().await;
        assert_eq!(answer.id, Some(id), "{command} is answered by {answer:?}");
        assert_ne!(answer.command, "error", "{answer:?}");
        answer.data
    }

    /// Sends a command with a new id, which is returned.
    pub async fn start_request(&mut self, command: &str, data: Value) -> Value {
        self.requests += 1;
        let id = json!(self.requests);
        self.send(command, data, Some(id.clone())).await;
        id
    }

    /// Sends a command with an id that must be refused with this code, and returns
    /// the error's data.
    pub async fn request_refused(&mut self, command: &str, data: Value, code: &str) -> Value {
        let id = self.start_request(command, data).await;
        let error = self.expect_error(code).await;
        assert_eq!(error.id, Some(id), "{error:?}");
        error.data
    }

    /// The next message, or the end of the connection.
    pub async fn event(&mut self) -> Event {
        let event = timeout(DEADLINE, self.transport.next()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing arrives over {}", T::NAME));
        if let Event::Message(message) = &event {
            // That of a resume is the transport's.
            self.received += u64::from(self.session.is_some() && message.numbered);
            if message.command == "welcome" {
                self.session = message.data["session"].as_str().map(str::to_owned);
            }
        }
        event
    }

    /// The next message.
    pub async fn next(&mut self) -> Message {
        match self.event().await {
            Event::Message(message) => message,
            Event::Closed(code) => panic!("{} closed with {code:?}", T::NAME),
        }
    }

    /// The data of the next message, which must be of this command.
    pub async fn expect(&mut self, command: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message.command, command, "{message:?}");
        message.data
    }

    /// The next message must be an error with this code.
    pub async fn expect_error(&mut self, code: &str) -> Message {
        let message = self.next().await;
        assert_eq!(message.command, "error", "{message:?}");
        assert_eq!(message.data["code"], code, "{message:?}");
        let text = message.data["message"].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "an error has a message: {message:?}");
        message
    }

    /// Nothing may be on its way but the answer to a `time` that is sent now: the
    /// connection is open, and what was sent before had no other answer.
    pub async fn expect_nothing_pending(&mut self) {
        let time = self.request("time", json!({"t0": 4711})).await;
        assert_eq!(time["t0"], 4711);
    }

    /// The connection must be closed, with this code if the transport has close
    /// codes. Returns the messages before.
    pub async fn expect_close(&mut self, code: u16) -> Vec<Message> {
        let mut before = Vec::new();
        loop {
            match self.event().await {
                Event::Message(message) => before.push(message),
                Event::Closed(closed) => {
                    let expected = T::supports(Feature::CloseCode).then_some(code);
                    assert_eq!(closed, expected, "after {before:?}");
                    return before;
                }
            }
        }
    }

    /// Sends `bye` and sees the connection end.
    pub async fn bye(mut self) {
        self.command("bye", json!({})).await;
        let before = self.expect_close(1000).await;
        assert!(before.is_empty(), "{before:?}");
    }

    /// The session, and how much of it was received.
    pub fn position(&self) -> Position {
        Position {
            session: self.session.clone().expect("an identified client"),
            received: self.received,
            last: self.transport.last(),
        }
    }

    /// Breaks the connection, and returns where to resume.
    pub fn cut(self) -> Position {
        self.position()
    }

    /// Resumes a session; the error's data if that is refused.
    pub async fn try_resume(server: &Server, position: &Position) -> Result<Self, Value> {
        let transport = timeout(DEADLINE, T::resume(server.address, position)).await;
        let transport = transport.unwrap_or_else(|_| panic!("{} does not resume", T::NAME))?;
        Ok(Self {
            session: Some(position.session.clone()),
            received: position.received,
            requests: position.received + 1_000,
            ..Self::new(transport)
        })
    }

    /// Resumes a session, which must exist.
    pub async fn resume(server: &Server, position: &Position) -> Self {
        let client = Self::try_resume(server, position).await;
        client.unwrap_or_else(|error| panic!("{} cannot resume: {error}", T::NAME))
    }

    /// The session must be reported as expired.
    pub async fn expect_expired(server: &Server, position: &Position) {
        match Self::try_resume(server, position).await {
            Ok(_) => panic!("{} resumed an expired session", T::NAME),
            Err(error) => assert_eq!(error["code"], "session_expired", "{error}"),
        }
    }

    /// Resumes on a new connection while the old one, which is returned, is open.
    pub async fn take_over(&mut self, server: &Server) -> T {
        let position = self.position();
        let new = Self::resume(server, &position).await;
        std::mem::replace(self, new).transport
    }

    /// Watches these users and returns the snapshot.
    pub async fn subscribe(&mut self, users: &[&str]) -> Value {
        self.command("subscribe", json!(users)).await;
        self.expect("userchange").await
    }

    /// Joins a channel and returns the data of `joined`.
    pub async fn join(&mut self, path: &str) -> Value {
        self.request("joinchannel", json!({"channel": path})).await
    }

    /// Publishes on a channel that the client is not on, and awaits the answer.
    pub async fn publish(&mut self, path: &str, data: Value) -> Value {
        self.request("publish", json!({"channel": path, "data": data}))
            .await
    }

    /// The data of the next message, which must be published on a channel.
    pub async fn published(&mut self) -> Value {
        self.expect("message").await["data"].take()
    }

    /// Joins a room and returns the data of `joined`.
    pub async fn join_room(&mut self, room: &str, user: &str) -> Value {
        self.request("joingame", json!({"channel": room, "self": user}))
            .await
    }

    /// Sends one action to a room.
    pub async fn act(&mut self, room: &str, user: &str, data: Value) {
        let action = json!({"timestamp": 10_223_232, "from": user, "data": data});
        self.command("game", json!({"channel": room, "actions": [action]}))
            .await;
    }

    /// The data of the actions of the next message.
    pub async fn action_data(&mut self) -> Vec<Value> {
        let mut game = self.expect("game").await;
        let actions = game["actions"].as_array_mut().unwrap();
        actions.iter_mut().map(|one| one["data"].take()).collect()
    }
}
