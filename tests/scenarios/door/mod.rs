//! What a door is to a story: a line to the server that carries the messages
//! of section 2 of docs/protocol.md, whatever they look like on the way.
//!
//! A client of a door does nothing but translate. Who counts messages, waits
//! and compares is [`Client`](crate::client::Client), the same for all doors.

pub mod bridge;
pub mod format;
pub mod http;
pub mod msgpack;
pub mod poll;
pub mod socketio;
pub mod tunnel;
pub mod ws;

use std::net::SocketAddr;

use serde_json::Value;

/// What comes out of a line.
#[derive(Debug)]
pub enum Event {
    Message(Message),
    /// The line is over, with the number of section 2.4 where the door tells
    /// one.
    Closed(Option<u16>),
}

/// A message of the server.
#[derive(Debug, Clone)]
pub struct Message {
    pub command: String,
    pub data: Value,
    pub id: Option<Value>,
    /// Whether it is one of the session's messages, which `resume` counts. An
    /// answer that the door itself gives (a status of HTTP) is none.
    pub numbered: bool,
}

impl Message {
    pub fn new(command: &str, data: Value, id: Option<Value>) -> Self {
        Self {
            command: command.to_owned(),
            data,
            id,
            numbered: true,
        }
    }

    /// An error that the door answers by itself.
    pub fn refusal(error: Value, id: Option<Value>) -> Self {
        Self {
            numbered: false,
            ..Self::new("error", error, id)
        }
    }
}

/// A place in a session from which any door can go on.
#[derive(Debug, Clone)]
pub struct Cut {
    pub session: String,
    /// How many of the session's messages were got.
    pub received: u64,
    /// The id of the last datagram, where the door has such.
    pub last: Option<String>,
}

/// What doors differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// The end of a line tells its number.
    CloseCode,
    /// There is a standing line: the server sees at once that it broke, that
    /// nobody reads it or that another took its place, and can end it.
    StandingLine,
    /// A channel's message comes with `from`, `offset` and `time`.
    Envelope,
    /// Who does not say who it is in time is closed. A poll's session has begun
    /// without, and lasts while its client asks.
    ClaimInTime,
    /// What is no message can be sent at all without breaking the line.
    Garbage,
}

/// What is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garbage {
    /// Not even of the format: `{`.
    Syntax,
    /// Of the format, but something else: `[]`.
    Shape,
}

/// Keys of the configuration.
pub type Keys = &'static [(&'static str, &'static str)];

/// A way into the server.
pub trait Door: Sized {
    const NAME: &'static str;

    /// What lets the server miss somebody who is gone within a second; none
    /// where nothing does.
    const SOON_MISSED: Option<Keys> = Some(&[]);

    fn supports(feature: Feature) -> bool;

    /// Whether its client can be had on this machine; says so aloud where it
    /// cannot, and its stories are skipped.
    fn is_there() -> bool {
        true
    }

    /// A line that the server has greeted. Nobody is identified on it.
    async fn open(address: SocketAddr) -> Self;

    /// A line that goes on with a session; the error's data where that is
    /// refused. The session's messages behind the cut come next.
    async fn resume(address: SocketAddr, cut: &Cut) -> Result<Self, Value>;

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>);

    async fn send_garbage(&mut self, garbage: Garbage);

    /// Waits for what comes next, for ever if need be.
    async fn next(&mut self) -> Event;

    /// Stops reading, for clients that read by themselves.
    fn pause(&mut self) {}

    /// Reads on.
    fn go_on(&mut self) {}

    /// The id of the datagram that came last.
    fn last(&self) -> Option<String> {
        None
    }
}

/// The command of a right answer to this command, for doors whose answers do
/// not name it.
pub fn answer_to(command: &str) -> &'static str {
    match command {
        "idme" | "resume" | "authenticate" => "welcome",
        "joingame" | "joinchannel" => "joined",
        "time" => "time",
        _ => "reply",
    }
}

/// The message that an answer is, which says what was asked by its id alone.
pub fn answer(asked: &str, data: Value, error: Option<Value>, id: Value) -> Message {
    match error {
        Some(error) => Message::new("error", error, Some(id)),
        None => Message::new(answer_to(asked), data, Some(id)),
    }
}
