//! What a scenario needs of a transport: a connection to the server that carries the
//! messages of section 2 of docs/protocol.md in any encoding.
//!
//! A transport's client only translates. [`Client`](crate::client::Client), the same
//! for all transports, counts messages, waits and compares.

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

/// What is read from a connection.
#[derive(Debug)]
pub enum Event {
    Message(Message),
    /// The connection is closed, with the code of section 2.4 if the transport has
    /// close codes.
    Closed(Option<u16>),
}

/// A message of the server.
#[derive(Debug, Clone)]
pub struct Message {
    pub command: String,
    pub data: Value,
    pub id: Option<Value>,
    /// Whether it is a message of the session, which `resume` counts. An answer of
    /// the transport itself (an HTTP status) is not.
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

    /// An error that the transport itself answers with.
    pub fn refusal(error: Value, id: Option<Value>) -> Self {
        Self {
            numbered: false,
            ..Self::new("error", error, id)
        }
    }
}

/// A position in a session from which any transport can resume.
#[derive(Debug, Clone)]
pub struct Position {
    pub session: String,
    /// How many of the session's messages were received.
    pub received: u64,
    /// The id of the last datagram, if the transport has datagrams.
    pub last: Option<String>,
}

/// What only some transports have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// A closed connection has a close code.
    CloseCode,
    /// A persistent connection: the server notices at once that it broke or stalled,
    /// and can close it.
    PersistentConnection,
    /// A channel message has `from`, `offset` and `time`.
    Envelope,
    /// An unidentified connection is closed after a timeout. A session over polls
    /// lasts while its client polls.
    IdentifyTimeout,
    /// Invalid messages can be sent without closing the connection.
    InvalidMessages,
}

/// An invalid message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// Invalid in the encoding: `{`.
    Syntax,
    /// Valid in the encoding, and no message: `[]`.
    Shape,
}

/// Keys of the configuration.
pub type Keys = &'static [(&'static str, &'static str)];

/// A client of one transport.
pub trait Transport: Sized {
    const NAME: &'static str;

    /// The configuration with which the server notices within a second that a client
    /// is gone; none if there is no such configuration.
    const QUICK_DISCONNECT: Option<Keys> = Some(&[]);

    fn supports(feature: Feature) -> bool;

    /// Whether its client reports the end of a connection behind all that came before.
    const REPORTS_IN_ORDER: bool = true;

    /// Whether its client is available on this machine. If not, its scenarios say
    /// SKIPPED and pass.
    fn is_available() -> bool {
        true
    }

    /// A new connection, after `idyou`. It is not identified.
    async fn open(address: SocketAddr) -> Self;

    /// A new connection that resumes a session; the error's data if that is refused.
    /// The session's messages after the position come next.
    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value>;

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>);

    async fn send_invalid(&mut self, invalid: Invalid);

    /// Waits for the next event, without a deadline.
    async fn next(&mut self) -> Event;

    /// Stops reading, for clients that read in the background.
    fn pause_reading(&mut self) {}

    /// Reads again.
    fn resume_reading(&mut self) {}

    /// The id of the last datagram.
    fn last(&self) -> Option<String> {
        None
    }
}

/// The command that answers this command, for transports whose answers do not name
/// it.
pub fn answer_to(command: &str) -> &'static str {
    match command {
        "idme" | "resume" | "authenticate" => "welcome",
        "joingame" | "joinchannel" => "joined",
        "time" => "time",
        _ => "reply",
    }
}

/// The message of an answer that names its request by id only.
pub fn answer(request: &str, data: Value, error: Option<Value>, id: Value) -> Message {
    match error {
        Some(error) => Message::new("error", error, Some(id)),
        None => Message::new(answer_to(request), data, Some(id)),
    }
}
