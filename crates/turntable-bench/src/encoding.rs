//! The protocols of different servers for one task: "send this to all".
//!
//! The server may be ours or a peer. A protocol defines the messages before a client
//! is a subscriber, and the encoding of a published message.

use serde_json::json;

use super::links::Address;
use super::transport::Transport;

/// The protocol of a broadcasting server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// This server's own protocol: identify, join a channel, publish
    Turntable,
    /// Every message is sent to all unchanged: the floor, plain chats, nchan
    Broadcast,
    /// Engine.IO 4 and Socket.IO 5 over a WebSocket; events named `message`
    SocketIo,
}

/// The protocol of a broadcasting server, and its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// See [`Peer::Turntable`].
    Turntable(Transport),
    /// See [`Peer::Broadcast`].
    Broadcast,
    /// See [`Peer::SocketIo`].
    SocketIo,
}

impl Peer {
    /// The protocol for this peer; for our server over `transport`.
    pub(super) fn encoding(self, transport: Transport) -> Encoding {
        match self {
            Self::Turntable => Encoding::Turntable(transport),
            Self::Broadcast => Encoding::Broadcast,
            Self::SocketIo => Encoding::SocketIo,
        }
    }
}

/// The state that a client of ours reaches before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It is connected, and does not identify.
    Connected,
    /// It is identified.
    Identified,
    /// It is subscribed to a channel of this name.
    Channel(&'static str),
    /// It is in a room of this name.
    Room(&'static str),
}

impl Goal {
    /// The message that brings a user to this state.
    fn join(self, link: usize) -> Option<String> {
        match self {
            Self::Connected | Self::Identified => None,
            Self::Channel(name) => Some(message("joinchannel", &json!({ "channel": name }))),
            Self::Room(name) => {
                let data = json!({ "channel": name, "self": user_id(link) });
                Some(message("joingame", &data))
            }
        }
    }

    /// The message that publishes `data` to all in this state.
    fn publication(self, data: &str) -> String {
        match self {
            Self::Room(name) => {
                // The server raises the timestamp to the oldest it accepts.
                let action = format!(
                    r#"{{"timestamp":1000000000000,"from":"{}","data":{data}}}"#,
                    user_id(0)
                );
                format!(
                    r#"{{"command":"game","data":{{"channel":"{name}","actions":[{action}]}}}}"#
                )
            }
            Self::Channel(name) => {
                format!(r#"{{"command":"publish","data":{{"channel":"{name}","data":{data}}}}}"#)
            }
            Self::Connected | Self::Identified => data.to_owned(),
        }
    }
}

/// The action of a client for a server message before measuring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Sends this.
    Send(String),
    /// Is now a subscriber.
    Ready,
    /// Nothing.
    Wait,
}

/// The users of a benchmark are `1:1000000` and up: ids of equal length.
pub(super) const FIRST_USER: usize = 1_000_000;

/// The user id of connection number `link`; the last one of that length for
/// connections that are not counted.
pub(super) fn user_id(link: usize) -> String {
    format!(
        "1:{}",
        link.saturating_add(FIRST_USER).min(10 * FIRST_USER - 1)
    )
}

/// The name of a server message's command.
pub(super) fn command(payload: &[u8]) -> &[u8] {
    const KEY: &[u8] = br#""command":""#;
    let Some(start) = payload.windows(KEY.len()).position(|window| window == KEY) else {
        return b"";
    };
    let rest = payload.get(start + KEY.len()..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'"').unwrap_or(0);
    rest.get(..end).unwrap_or_default()
}

/// The message by which the user of connection number `link` identifies.
pub(super) fn idme(link: usize) -> String {
    message("idme", &json!(user_id(link)))
}

/// A client message with a command.
pub(super) fn message(command: &str, data: &serde_json::Value) -> String {
    json!({ "command": command, "data": data }).to_string()
}

impl Encoding {
    /// Whether a client is a subscriber as soon as the handshake is done.
    pub(super) fn is_ready_when_open(self) -> bool {
        self == Self::Broadcast
    }

    /// The address for this protocol.
    pub(super) fn address(self, address: &Address) -> Address {
        if let Self::Turntable(transport) = self {
            return transport.address(address);
        }
        let mut address = address.clone();
        if self == Self::SocketIo && !address.path.contains("EIO=") {
            address.path = "/socket.io/?EIO=4&transport=websocket".to_owned();
        }
        address
    }

    /// The action of connection `link` on its way to `goal` for a message that is
    /// not a delivery; for our server, the message in v1.
    pub(super) fn step(self, goal: Goal, link: usize, payload: &[u8]) -> Step {
        match (self, payload) {
            (Self::Turntable(_), _) if command(payload) == b"idyou" => match goal {
                Goal::Connected => Step::Ready,
                _ => Step::Send(idme(link)),
            },
            (Self::Turntable(_), _) if command(payload) == b"welcome" => {
                goal.join(link).map_or(Step::Ready, Step::Send)
            }
            (Self::Turntable(_), _) if command(payload) == b"joined" => Step::Ready,
            (Self::Broadcast, _) => Step::Wait,
            // Our own Socket.IO transport is opened in the same way.
            (_, [b'0', ..]) => Step::Send("40".to_owned()),
            (_, [b'2']) => Step::Send("3".to_owned()),
            (Self::SocketIo, [b'4', b'0', ..]) => Step::Ready,
            _ => Step::Wait,
        }
    }

    /// The message before a connection is closed, if closing alone would leave a
    /// session that continues to receive deliveries.
    pub(super) fn leave_message(self) -> Option<String> {
        matches!(self, Self::Turntable(_)).then(|| message("bye", &json!({})))
    }

    /// The message that publishes `data` to all in the state `goal`.
    pub(super) fn publication(self, goal: Goal, data: &str) -> String {
        match self {
            Self::Turntable(_) => goal.publication(data),
            Self::Broadcast => data.to_owned(),
            Self::SocketIo => format!(r#"42["message",{data}]"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_of_ours_identifies_and_joins() {
        let ours =
            |payload| Encoding::Turntable(Transport::Ws).step(Goal::Channel("bench"), 7, payload);
        assert_eq!(
            ours(br#"{"command":"idyou","data":{}}"#),
            Step::Send(r#"{"command":"idme","data":"1:1000007"}"#.to_owned())
        );
        assert!(matches!(
            ours(br#"{"command":"welcome","data":{}}"#),
            Step::Send(text) if text.contains("joinchannel")
        ));
        assert_eq!(ours(br#"{"data":{},"command":"joined"}"#), Step::Ready);
        assert_eq!(ours(b"not JSON"), Step::Wait);
        assert_eq!(ours(br#"{"command":"#), Step::Wait);
    }

    #[test]
    fn client_stops_at_its_goal() {
        let ours = Encoding::Turntable(Transport::Sse);
        let (idyou, welcome) = (br#"{"command":"idyou""#, br#"{"command":"welcome""#);
        assert_eq!(ours.step(Goal::Connected, 0, idyou), Step::Ready);
        assert!(matches!(
            ours.step(Goal::Identified, 0, idyou),
            Step::Send(_)
        ));
        assert_eq!(ours.step(Goal::Identified, 0, welcome), Step::Ready);
        assert!(matches!(
            ours.step(Goal::Room("bench"), 0, welcome),
            Step::Send(text) if text.contains("joingame")
        ));
    }

    #[test]
    fn publications_are_encoded_as_messages() {
        let ours = Encoding::Turntable(Transport::Ws);
        for (goal, command) in [
            (Goal::Room("bench"), "game"),
            (Goal::Channel("bench"), "publish"),
        ] {
            let text = ours.publication(goal, "[1]");
            let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            assert_eq!(value.get("command"), Some(&json!(command)), "{text}");
        }
    }

    #[test]
    fn engine_io_packets_are_answered() {
        let goal = Goal::Channel("bench");
        let socket_io = |payload| Encoding::SocketIo.step(goal, 0, payload);
        assert_eq!(socket_io(b"0{\"sid\":\"a\"}"), Step::Send("40".to_owned()));
        assert_eq!(socket_io(b"40{\"sid\":\"b\"}"), Step::Ready);
        assert_eq!(socket_io(b"2"), Step::Send("3".to_owned()));
        let ours = Encoding::Turntable(Transport::Socketio);
        assert_eq!(ours.step(goal, 0, b"40{\"sid\":\"b\"}"), Step::Wait);
    }
}
