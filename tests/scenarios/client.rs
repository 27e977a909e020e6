//! A client of one session through any door, which counts what it has got as
//! section 3 of docs/protocol.md says, and waits for nothing without a deadline.

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::door::{Cut, Door, Event, Feature, Garbage, Message};
use crate::support::{DEADLINE, Server};

pub struct Client<D> {
    pub door: D,
    /// Known when it is identified.
    session: Option<String>,
    received: u64,
    /// The number of the last question.
    asked: u64,
}

impl<D: Door> Client<D> {
    fn over(door: D) -> Self {
        Self {
            door,
            session: None,
            received: 0,
            asked: 0,
        }
    }

    /// Somebody who was greeted.
    pub async fn open(server: &Server) -> Self {
        let door = timeout(DEADLINE, D::open(server.address)).await;
        let door = door.unwrap_or_else(|_| panic!("{} does not open", D::NAME));
        Self::over(door)
    }

    /// A user, identified.
    pub async fn user(server: &Server, id: &str) -> Self {
        let mut client = Self::open(server).await;
        client.identify(id).await;
        client
    }

    /// Says who it is and returns the `welcome`.
    pub async fn identify(&mut self, id: &str) -> Value {
        self.command("idme", json!(id)).await;
        self.expect("welcome").await
    }

    /// Sends a command that wants no answer.
    pub async fn command(&mut self, command: &str, data: Value) {
        self.send(command, data, None).await;
    }

    /// Sends a command with an id.
    pub async fn send(&mut self, command: &str, data: Value, id: Option<Value>) {
        let sent = timeout(DEADLINE, self.door.send(command, &data, id.as_ref())).await;
        sent.unwrap_or_else(|_| panic!("{} does not take {command}", D::NAME));
    }

    pub async fn send_garbage(&mut self, garbage: Garbage) {
        let sent = timeout(DEADLINE, self.door.send_garbage(garbage)).await;
        sent.unwrap_or_else(|_| panic!("{} does not take {garbage:?}", D::NAME));
    }

    /// Sends a command with an id, and returns the data of its answer, which
    /// must be the next message.
    pub async fn ask(&mut self, command: &str, data: Value) -> Value {
        let id = self.question(command, data).await;
        let answer = self.next().await;
        assert_eq!(answer.id, Some(id), "{command} is answered by {answer:?}");
        assert_ne!(answer.command, "error", "{answer:?}");
        answer.data
    }

    /// Sends a command with an id of its own, which is returned.
    pub async fn question(&mut self, command: &str, data: Value) -> Value {
        self.asked += 1;
        let id = json!(self.asked);
        self.send(command, data, Some(id.clone())).await;
        id
    }

    /// A command that is refused with this code, which names both.
    pub async fn refused(&mut self, command: &str, data: Value, code: &str) -> Value {
        let id = self.question(command, data).await;
        let error = self.expect_error(code).await;
        assert_eq!(error.id, Some(id), "{error:?}");
        error.data
    }

    /// What comes next out of the line.
    pub async fn event(&mut self) -> Event {
        let event = timeout(DEADLINE, self.door.next()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing comes by {}", D::NAME));
        if let Event::Message(message) = &event {
            if message.command == "welcome" {
                self.session = message.data["session"].as_str().map(str::to_owned);
            } else if self.session.is_some() && message.numbered {
                self.received += 1;
            }
        }
        event
    }

    /// The next message.
    pub async fn next(&mut self) -> Message {
        match self.event().await {
            Event::Message(message) => message,
            Event::Closed(code) => panic!("{} closed with {code:?}", D::NAME),
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
        assert!(!text.is_empty(), "a sentence: {message:?}");
        message
    }

    /// Nothing may be on its way but the answer to a question asked now: the
    /// line lives, and what was sent before had no other answer.
    pub async fn settle(&mut self) {
        let told = self.ask("time", json!({"t0": 4711})).await;
        assert_eq!(told["t0"], 4711);
    }

    /// The line must end, with this number where the door tells one. What comes
    /// before is returned.
    pub async fn closes(&mut self, code: u16) -> Vec<Message> {
        let mut before = Vec::new();
        loop {
            match self.event().await {
                Event::Message(message) => before.push(message),
                Event::Closed(told) => {
                    let wanted = D::supports(Feature::CloseCode).then_some(code);
                    assert_eq!(told, wanted, "behind {before:?}");
                    return before;
                }
            }
        }
    }

    /// Says goodbye and sees the line end.
    pub async fn bye(mut self) {
        self.command("bye", json!({})).await;
        let before = self.closes(1000).await;
        assert!(before.is_empty(), "{before:?}");
    }

    /// The session, and what was got of it.
    pub fn place(&self) -> Cut {
        Cut {
            session: self.session.clone().expect("an identified client"),
            received: self.received,
            last: self.door.last(),
        }
    }

    /// The line breaks without a word.
    pub fn cut(self) -> Cut {
        self.place()
    }

    /// Goes on with a session; the error's data where that is refused.
    pub async fn try_resume(server: &Server, cut: &Cut) -> Result<Self, Value> {
        let door = timeout(DEADLINE, D::resume(server.address, cut)).await;
        let door = door.unwrap_or_else(|_| panic!("{} does not come back", D::NAME))?;
        Ok(Self {
            session: Some(cut.session.clone()),
            received: cut.received,
            asked: cut.received + 1_000,
            ..Self::over(door)
        })
    }

    /// Goes on with a session, which must be there.
    pub async fn resume(server: &Server, cut: &Cut) -> Self {
        let client = Self::try_resume(server, cut).await;
        client.unwrap_or_else(|error| panic!("{} cannot resume: {error}", D::NAME))
    }

    /// The session must be told to be over.
    pub async fn expect_expired(server: &Server, cut: &Cut) {
        match Self::try_resume(server, cut).await {
            Ok(_) => panic!("{} resumed what is over", D::NAME),
            Err(error) => assert_eq!(error["code"], "session_expired", "{error}"),
        }
    }

    /// Comes back on a new line while the old one, which is returned, stands.
    pub async fn take_over(&mut self, server: &Server) -> D {
        let cut = self.place();
        let new = Self::resume(server, &cut).await;
        std::mem::replace(self, new).door
    }

    /// Watches these users and returns the snapshot.
    pub async fn subscribe(&mut self, users: &[&str]) -> Value {
        self.command("subscribe", json!(users)).await;
        self.expect("userchange").await
    }

    /// Joins a channel and returns what `joined` tells.
    pub async fn join(&mut self, path: &str) -> Value {
        self.ask("joinchannel", json!({"channel": path})).await
    }

    /// Publishes and sees it accepted, for who is not on the channel.
    pub async fn publish(&mut self, path: &str, data: Value) -> Value {
        self.ask("publish", json!({"channel": path, "data": data}))
            .await
    }

    /// The data of the next message, which must be a channel's.
    pub async fn heard(&mut self) -> Value {
        self.expect("message").await["data"].take()
    }

    /// Joins a room and returns what `joined` tells.
    pub async fn join_room(&mut self, room: &str, user: &str) -> Value {
        self.ask("joingame", json!({"channel": room, "self": user}))
            .await
    }

    /// Sends one action to a room.
    pub async fn act(&mut self, room: &str, user: &str, data: Value) {
        let action = json!({"timestamp": 10_223_232, "from": user, "data": data});
        self.command("game", json!({"channel": room, "actions": [action]}))
            .await;
    }

    /// What the actions of the next message say.
    pub async fn said(&mut self) -> Vec<Value> {
        let mut told = self.expect("game").await;
        let actions = told["actions"].as_array_mut().unwrap();
        actions.iter_mut().map(|one| one["data"].take()).collect()
    }
}
