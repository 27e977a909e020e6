//! One packet: a digit for its type, then its data.
//!
//! | text | packet |
//! |---|---|
//! | `0{...}` | open, sent by the server only |
//! | `1` | close |
//! | `2...`, `3...` | ping and pong; followed by `probe` in an upgrade |
//! | `4...` | message |
//! | `5`, `6` | upgrade, noop |
//! | `b...` | binary message as base64, in payloads only |

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::request::Transport;
use turntable_core::reason::CloseReason;

/// The handshake that the server sends when a session opens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// The session's name in the query of further requests; a bearer secret.
    pub sid: Box<str>,
    /// The transports that the session may upgrade to.
    pub upgrades: Vec<Transport>,
    /// The interval between pings of the server, in ms.
    #[serde(rename = "pingInterval")]
    pub ping_interval_ms: u64,
    /// The time after a ping in which the pong must arrive, in ms.
    #[serde(rename = "pingTimeout")]
    pub ping_timeout_ms: u64,
    /// The maximum size of one payload or message, in bytes.
    pub max_payload: u64,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("upgrades", &self.upgrades)
            .finish_non_exhaustive()
    }
}

/// An Engine.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The session is open.
    Open(Handshake),
    /// The session closes.
    Close,
    /// A ping.
    Ping(&'a str),
    /// A pong.
    Pong(&'a str),
    /// Text for Socket.IO.
    Message(&'a str),
    /// Bytes for Socket.IO.
    Binary(Cow<'a, [u8]>),
    /// The session continues on this transport.
    Upgrade,
    /// No content; ends a waiting request.
    Noop,
}

/// Why a text is not a packet or payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// An empty packet.
    #[error("a packet is empty")]
    Empty,
    /// An unknown packet type.
    #[error("unknown packet type; accepted are 0 to 6, and b in payloads")]
    UnknownType,
    /// The data of an `open` packet is not a handshake.
    #[error("the data of an open packet is not a handshake")]
    Handshake,
    /// The data after a `b` is not padded base64.
    #[error("a binary packet is not base64")]
    Base64,
    /// A payload is not UTF-8.
    #[error("a payload is not UTF-8")]
    NotUtf8,
    /// A payload is longer than allowed.
    #[error("a payload is too large")]
    TooLarge,
    /// A payload has more packets than allowed.
    #[error("a payload has too many packets")]
    TooMany,
}

impl From<PacketError> for CloseReason {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::NotUtf8 => Self::NotUtf8,
            PacketError::TooLarge | PacketError::TooMany => Self::TooLarge,
            PacketError::Empty
            | PacketError::UnknownType
            | PacketError::Handshake
            | PacketError::Base64 => Self::ProtocolError,
        }
    }
}

impl<'a> Packet<'a> {
    /// Decodes a packet that was received as text. Data after `close`, `upgrade`
    /// and `noop` is ignored.
    ///
    /// ```
    /// use turntable_wire::engineio::Packet;
    /// assert_eq!(Packet::decode("4hello"), Ok(Packet::Message("hello")));
    /// assert_eq!(Packet::decode("2probe"), Ok(Packet::Ping("probe")));
    /// assert!(Packet::decode("abc").is_err());
    /// ```
    ///
    /// # Errors
    /// [`PacketError::Empty`], [`PacketError::UnknownType`] or
    /// [`PacketError::Handshake`]. `b` is an unknown type here, because base64
    /// occurs in payloads only.
    pub fn decode(text: &'a str) -> Result<Self, PacketError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(PacketError::Empty)?;
        let data = rest.as_str();
        match kind {
            '0' => serde_json::from_str(data)
                .map(Self::Open)
                .map_err(|_| PacketError::Handshake),
            '1' => Ok(Self::Close),
            '2' => Ok(Self::Ping(data)),
            '3' => Ok(Self::Pong(data)),
            '4' => Ok(Self::Message(data)),
            '5' => Ok(Self::Upgrade),
            '6' => Ok(Self::Noop),
            _ => Err(PacketError::UnknownType),
        }
    }

    /// A packet from a binary WebSocket frame.
    #[must_use]
    pub const fn from_binary(bytes: &'a [u8]) -> Self {
        Self::Binary(Cow::Borrowed(bytes))
    }

    /// Appends the packet as it is written in a payload and, except for
    /// `Binary`, in a WebSocket text frame. (A binary frame contains the bytes only.)
    ///
    /// ```
    /// use turntable_wire::engineio::Packet;
    /// let mut out = String::new();
    /// Packet::Pong("probe").encode(&mut out);
    /// assert_eq!(out, "3probe");
    /// ```
    pub fn encode(&self, out: &mut String) {
        let (kind, data) = match self {
            Self::Open(handshake) => {
                // Writing to memory cannot fail.
                let json = serde_json::to_string(handshake).unwrap_or_default();
                out.push('0');
                out.push_str(&json);
                return;
            }
            Self::Binary(bytes) => {
                out.push('b');
                STANDARD.encode_string(bytes, out);
                return;
            }
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', *data),
            Self::Pong(data) => ('3', *data),
            Self::Message(data) => ('4', *data),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        out.push(kind);
        out.push_str(data);
    }
}
