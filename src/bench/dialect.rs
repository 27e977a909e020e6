//! How different servers are asked for the same thing: "send this to all".
//!
//! The server under test may be ours or a peer; a dialect is what a client
//! says to it before it is a subscriber, and what it wraps a message in.

use serde_json::json;

use super::client::Address;

/// The protocol of a broadcasting server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// This server's own protocol: identify, join a channel, publish.
    Turntable,
    /// Whatever is sent goes to all as it is: the floor, plain chats, nchan.
    Broadcast,
    /// Engine.IO 4 and Socket.IO 5 over a WebSocket; events named `message`.
    SocketIo,
}

/// What a client does about a message from the server before measuring.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Says this.
    Say(String),
    /// Is a subscriber now.
    Ready,
    /// Nothing.
    Wait,
}

/// The users of a benchmark are `1:1000000` and up: ids of one length.
pub(super) const FIRST_USER: usize = 1_000_000;

/// The user id of connection number `link`.
pub(super) fn user_id(link: usize) -> String {
    format!("1:{}", FIRST_USER + link)
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

/// A client message with a command.
pub(super) fn message(command: &str, data: &serde_json::Value) -> String {
    json!({ "command": command, "data": data }).to_string()
}

impl Dialect {
    /// Whether a subscriber is one as soon as the handshake is done.
    pub(super) fn is_ready_when_open(self) -> bool {
        self == Self::Broadcast
    }

    /// The address as this dialect wants it.
    pub(super) fn address(self, address: &Address) -> Address {
        let mut address = address.clone();
        if self == Self::SocketIo && !address.path.contains("EIO=") {
            address.path = "/socket.io/?EIO=4&transport=websocket".to_owned();
        }
        address
    }

    /// What connection `link` does about a message that is no delivery.
    pub(super) fn step(self, link: usize, payload: &[u8]) -> Step {
        match self {
            Self::Turntable => match command(payload) {
                b"idyou" => Step::Say(message("idme", &json!(user_id(link)))),
                b"welcome" => Step::Say(message("joinchannel", &json!({ "channel": "bench" }))),
                b"joined" => Step::Ready,
                _ => Step::Wait,
            },
            Self::Broadcast => Step::Wait,
            Self::SocketIo => match payload {
                [b'0', ..] => Step::Say("40".to_owned()),
                [b'4', b'0', ..] => Step::Ready,
                [b'2'] => Step::Say("3".to_owned()),
                _ => Step::Wait,
            },
        }
    }

    /// What is said before a connection is closed, where a closed connection
    /// alone would leave a session behind that goes on to be delivered to.
    pub(super) fn farewell(self) -> Option<String> {
        (self == Self::Turntable).then(|| message("bye", &json!({})))
    }

    /// The text that has `data` sent to all.
    pub(super) fn publication(self, data: &str) -> String {
        match self {
            Self::Turntable => {
                format!(r#"{{"command":"publish","data":{{"channel":"bench","data":{data}}}}}"#)
            }
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
        let ours = Dialect::Turntable;
        assert_eq!(
            ours.step(7, br#"{"command":"idyou","data":{}}"#),
            Step::Say(r#"{"command":"idme","data":"1:1000007"}"#.to_owned())
        );
        assert!(matches!(
            ours.step(7, br#"{"command":"welcome","data":{}}"#),
            Step::Say(said) if said.contains("joinchannel")
        ));
        assert_eq!(
            ours.step(7, br#"{"data":{},"command":"joined"}"#),
            Step::Ready
        );
        assert_eq!(ours.step(7, b"not JSON"), Step::Wait);
        assert_eq!(ours.step(7, br#"{"command":"#), Step::Wait);
    }

    #[test]
    fn engine_io_packets_are_answered() {
        let socket_io = Dialect::SocketIo;
        assert_eq!(
            socket_io.step(0, b"0{\"sid\":\"a\"}"),
            Step::Say("40".to_owned())
        );
        assert_eq!(socket_io.step(0, b"40{\"sid\":\"b\"}"), Step::Ready);
        assert_eq!(socket_io.step(0, b"2"), Step::Say("3".to_owned()));
    }
}
