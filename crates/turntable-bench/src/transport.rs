//! The client side of this server's transports.
//!
//! Scripts work with messages of v1. A transport defines the opening of a connection,
//! the encoding of messages ([`Transport::batch`]), their connection, and the v1
//! message of received data ([`Transport::v1_message`]). If a transport's connections only
//! receive messages, all of the client's messages are sent on one more connection
//! ([`UPSTREAM`]), as requests.

use std::borrow::Cow;

use super::carrier::Carrier;
use super::frame::{ClientFrame, opcode};
use super::links::{Address, UPSTREAM};
use turntable_wire::json_v1;
use turntable_wire::msgpack_v2::{DecodeLimits, decode_server, encode_client};

/// Limits for messages of the started server.
const LIMITS: DecodeLimits = DecodeLimits {
    depth_max: 64,
    message_bytes_max: 1 << 20,
};

/// A transport of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// WebSocket, JSON text (v1)
    Ws,
    /// WebSocket, MessagePack (v2)
    WsV2,
    /// Tunnel of server-sent events
    Sse,
    /// Tunnel of JSON lines
    Ndjson,
    /// Tunnel of script elements
    Iframe,
    /// Tunnel of the parts of a multipart body
    Multipart,
    /// Tunnel of length-prefixed datagrams
    Length,
    /// Socket.IO over a WebSocket
    Socketio,
    /// Socket.IO over long polls
    SocketioPolling,
}

impl Transport {
    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::WsV2 => "ws-v2",
            Self::Sse => "sse",
            Self::Ndjson => "ndjson",
            Self::Iframe => "iframe",
            Self::Multipart => "multipart",
            Self::Length => "length",
            Self::Socketio => "socketio",
            Self::SocketioPolling => "socketio-polling",
        }
    }

    /// The target of its connections, on the server at `address`.
    pub(super) fn address(self, address: &Address) -> Address {
        let (path, carrier) = match self {
            Self::Ws => (address.path.clone(), Carrier::WebSocket(None)),
            Self::WsV2 => {
                let v2 = Some("turntable.v2.msgpack");
                (address.path.clone(), Carrier::WebSocket(v2))
            }
            Self::Socketio => {
                let path = "/socket.io/?EIO=4&transport=websocket";
                (path.to_owned(), Carrier::WebSocket(None))
            }
            Self::SocketioPolling => ("/socket.io/".to_owned(), Carrier::Requests),
            Self::Sse => self.tunnel(Carrier::Delimited(b"\n\n")),
            Self::Ndjson => self.tunnel(Carrier::Delimited(b"\n")),
            Self::Iframe => self.tunnel(Carrier::Delimited(b"</script>\n")),
            Self::Multipart => self.tunnel(Carrier::Delimited(b"\r\n--turntable\r\n")),
            Self::Length => self.tunnel(Carrier::Counted),
        };
        Address {
            socket: address.socket,
            path,
            carrier,
        }
    }

    fn tunnel(self, carrier: Carrier) -> (String, Carrier) {
        (format!("/tunnel?new=1&format={}", self.name()), carrier)
    }

    const fn is_tunnel(self) -> bool {
        matches!(
            self,
            Self::Sse | Self::Ndjson | Self::Iframe | Self::Multipart | Self::Length
        )
    }

    /// Whether messages arrive as responses to requests, each of which must be followed by
    /// the next one.
    pub(super) const fn is_polled(self) -> bool {
        matches!(self, Self::SocketioPolling)
    }

    /// Whether messages of clients are sent on a separate connection.
    pub(super) const fn needs_upstream(self) -> bool {
        self.is_tunnel() || self.is_polled()
    }

    /// The connection on which the client of `link` sends.
    pub(super) const fn upstream_link(self, link: usize) -> usize {
        if self.needs_upstream() {
            UPSTREAM
        } else {
            link
        }
    }

    /// The text before, between and after several messages in one request; nothing if
    /// each is a frame.
    pub(super) const fn list(self) -> Option<[&'static str; 3]> {
        match self {
            Self::SocketioPolling => Some(["", "\x1e", ""]),
            _ if self.is_tunnel() => Some(["[", ",", "]"]),
            _ => None,
        }
    }

    /// The encoding of a v1 message (for Socket.IO also a packet) of the session `name` in
    /// a batch; a complete frame if each message is one.
    pub(super) fn entry(self, text: &str, name: &str) -> ClientFrame {
        match self {
            Self::Ws => ClientFrame::text(text),
            Self::WsV2 => {
                let mut bytes = Vec::with_capacity(text.len());
                // Invalid messages are encoded as nothing; the server reports the error.
                let _ = encode_client(text, &mut bytes);
                ClientFrame::new(opcode::BINARY, &bytes)
            }
            Self::Socketio => ClientFrame::text(&event(text)),
            Self::SocketioPolling => ClientFrame::plain(event(text).into_bytes()),
            _ => {
                let datagram = format!(r#"{{"tunnel":"{name}","path":"/server","data":{text}}}"#);
                ClientFrame::plain(datagram.into_bytes())
            }
        }
    }

    /// The encoded message for entries of the session `name`.
    pub(super) fn batch(self, entries: Vec<u8>, name: &str) -> Vec<u8> {
        match self {
            Self::SocketioPolling => {
                let path = format!("/socket.io/?EIO=4&transport=polling&sid={name}");
                post(&path, "text/plain;charset=UTF-8", &entries)
            }
            _ if self.is_tunnel() => post("/tunnel/send", "application/json", &entries),
            _ => entries,
        }
    }

    /// The request for the next messages of the session `name`, or for a new session if
    /// the name is empty.
    pub(super) fn next_request(self, name: &str) -> String {
        let sid = if name.is_empty() { "" } else { "&sid=" };
        format!(
            "GET /socket.io/?EIO=4&transport=polling{sid}{name} HTTP/1.1\r\n\
             Host: {HOST}\r\n\r\n"
        )
    }

    /// The v1 message of received data; other data unchanged.
    pub(super) fn v1_message(self, payload: &[u8]) -> Cow<'_, [u8]> {
        let meant = match self {
            Self::WsV2 => {
                let mut text = Vec::new();
                let read = decode_server(payload, &LIMITS, &mut text);
                read.is_ok().then_some(text)
            }
            Self::Socketio | Self::SocketioPolling => message_of(payload),
            Self::Iframe => {
                let text = String::from_utf8_lossy(payload);
                Some(text.replace(r"\u0022", "\"").into_bytes())
            }
            _ => None,
        };
        meant.map_or(Cow::Borrowed(payload), Cow::Owned)
    }
}

/// The server does not check the host.
const HOST: &str = "127.0.0.1";

/// A request with a body.
pub(super) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// A message as an event of Socket.IO; packets are unchanged.
fn event(text: &str) -> String {
    match json_v1::split(text) {
        Some(parts) => format!(r#"42["{}",{}]"#, parts.command, parts.data.get()),
        None => text.to_owned(),
    }
}

fn message_of(packet: &[u8]) -> Option<Vec<u8>> {
    let event = packet.strip_prefix(b"42")?;
    let (name, data): (&str, &serde_json::value::RawValue) = serde_json::from_slice(event).ok()?;
    Some(format!(r#"{{"command":"{name}","data":{}}}"#, data.get()).into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encoding::command;
    use clap::ValueEnum;

    const MESSAGE: &str = r#"{"command":"publish","data":{"channel":"bench","data":[1]}}"#;

    #[test]
    fn names_equal_those_of_the_command_line() {
        for transport in Transport::value_variants() {
            let value = transport.to_possible_value().unwrap();
            assert_eq!(value.get_name(), transport.name());
        }
    }

    #[test]
    fn message_is_written_as_each_transport_expects() {
        let entry = |transport: Transport| transport.entry(MESSAGE, "T").bytes().to_vec();
        let plain =
            |transport: Transport| String::from_utf8(transport.batch(entry(transport), "T"));
        let sent = plain(Transport::Sse).unwrap();
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /tunnel/send HTTP/1.1\r\n"));
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert_eq!(
            body,
            format!(r#"{{"tunnel":"T","path":"/server","data":{MESSAGE}}}"#)
        );
        let polled = plain(Transport::SocketioPolling).unwrap();
        assert!(polled.contains("&sid=T HTTP/1.1\r\n"));
        assert!(polled.ends_with(r#"42["publish",{"channel":"bench","data":[1]}]"#));
        let expected = ClientFrame::text(r#"42["publish",{"channel":"bench","data":[1]}]"#);
        assert_eq!(entry(Transport::Socketio), expected.bytes());
        // A packet that is not an event is unchanged.
        let hello = Transport::Socketio.entry("40", "");
        assert_eq!(hello.bytes(), ClientFrame::text("40").bytes());
        assert!(entry(Transport::WsV2).len() < MESSAGE.len());
    }

    #[test]
    fn every_transport_identifies_its_messages() {
        for (transport, payload) in [
            (Transport::Ws, &br#"{"command":"idyou","data":{}}"#[..]),
            (Transport::WsV2, &[0x92, 64, 0x80]),
            (Transport::Socketio, br#"42["idyou",{}]"#),
            (
                Transport::Sse,
                br#"id: 1
data: {"id":"1","path":"/tunnel/T","data":{"command":"idyou","data":{}}}"#,
            ),
            (
                Transport::Iframe,
                br#"<script>parent.turntable.datagram("{\u0022command\u0022:\u0022idyou\u0022}")"#,
            ),
        ] {
            assert_eq!(
                command(&transport.v1_message(payload)),
                b"idyou",
                "{transport:?}"
            );
        }
        assert_eq!(&*Transport::Socketio.v1_message(b"2"), b"2");
        assert_eq!(&*Transport::WsV2.v1_message(b"\xc1"), b"\xc1");
    }
}
