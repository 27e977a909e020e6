//! The dialects that lines speak, and how a message is written in each.
//!
//! A message comes as its v1 text. One that is the same for all receivers is
//! written once per dialect; what differs from receiver to receiver (the path
//! of an answer on a tunnel) is in messages that have one receiver only.

use crate::gateway::connection::Connection;
use crate::gateway::door::DoorKind;
use crate::gateway::engineio::written;
use crate::gateway::frame::Message;
use turntable_core::frame::EncodingNumber;
use turntable_core::id::{SessionId, UserId};
use turntable_wire::datagram::{self, Datagram};
use turntable_wire::msgpack_v2;
use turntable_wire::remote_call;
use turntable_wire::tunnel_format::{Format, Opening};
use turntable_wire::websocket::FrameBuilder;

/// What a line's messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// JSON in text frames of a WebSocket.
    #[default]
    JsonV1,
    /// MessagePack in binary frames of a WebSocket.
    MsgpackV2,
    /// Entries of the poll door.
    Poll,
    /// A tunnel's format, by its number in [`Dialects`].
    Tunnel(u8),
    /// Packets of a namespace of Socket.IO, by its number in [`Dialects`].
    SocketIo(u8),
}

impl Dialect {
    /// Its number among the encodings of a [`SharedFrame`].
    ///
    /// [`SharedFrame`]: turntable_core::frame::SharedFrame
    pub(super) const fn number(self) -> EncodingNumber {
        EncodingNumber(match self {
            Self::JsonV1 => 0,
            Self::MsgpackV2 => 1,
            Self::Poll => 2,
            Self::Tunnel(format) => 0x100 | format as u16,
            Self::SocketIo(namespace) => 0x200 | namespace as u16,
        })
    }
}

/// What the lines of a node share.
#[derive(Debug, Default)]
pub struct Dialects {
    /// The formats of tunnels.
    pub formats: Vec<Format>,
    /// The namespaces of Socket.IO.
    pub namespaces: Vec<Box<str>>,
    /// Whether its events tell by what they can be recovered.
    pub has_offsets: bool,
}

impl Dialects {
    /// Dialects that need nothing to be known.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            formats: Vec::new(),
            namespaces: Vec::new(),
            has_offsets: false,
        }
    }

    /// The format of that number.
    #[must_use]
    pub fn format(&self, number: u8) -> Option<&Format> {
        self.formats.get(usize::from(number))
    }

    /// The namespace of that number.
    #[must_use]
    pub fn namespace(&self, number: u8) -> Option<&str> {
        self.namespaces.get(usize::from(number)).map(AsRef::as_ref)
    }
}

/// For whom a message is written.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// In which dialect.
    pub dialect: Dialect,
    /// What all lines share.
    pub dialects: &'a Dialects,
    /// The name of the line, for doors that have one.
    pub line: Option<SessionId>,
    /// Whose session it is, once that is known.
    pub user: Option<&'a UserId>,
    /// What marks the acknowledgements that this line asked for; 0 for none.
    pub mark: u32,
}

impl<'a> Reader<'a> {
    /// The reader at the other end of `connection`.
    #[must_use]
    pub fn of(dialects: &'a Dialects, connection: &Connection, user: Option<&'a UserId>) -> Self {
        Self {
            dialect: connection.dialect,
            dialects,
            line: connection.door.as_ref().map(|door| door.id),
            user,
            mark: connection.door.as_ref().map_or(0, |door| match &door.kind {
                DoorKind::Namespace(namespace) => namespace.mark(),
                _ => 0,
            }),
        }
    }

    /// Writes a message.
    pub(super) fn write(&self, message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        match self.dialect {
            Dialect::JsonV1 => out.extend_from_slice(message.text().as_bytes()),
            Dialect::MsgpackV2 => write_v2(message, &mut out),
            Dialect::Poll => {
                remote_call::entry(message.text(), &mut out);
            }
            Dialect::Tunnel(number) => self.write_datagram(number, message, &mut out),
            Dialect::SocketIo(number) => written::write(self, number, message, &mut out),
        }
        out
    }

    fn write_datagram(&self, number: u8, message: &Message, out: &mut Vec<u8>) {
        let Some(format) = self.dialects.format(number) else {
            return;
        };
        let tunnel = self.line.map(|line| line.secret()).unwrap_or_default();
        let receiver = datagram::Receiver {
            tunnel: &tunnel,
            user: self.user.map(UserId::as_str),
        };
        if let Some(datagram) = Datagram::of(message.text(), message.id(), &receiver) {
            let opening = Opening {
                tunnel: &tunnel,
                now_ms: crate::clock::now_ms(),
                ..Opening::default()
            };
            format.envelope(&datagram, &opening, out);
        }
    }
}

fn write_v2(message: &Message, out: &mut Vec<u8>) {
    let mut builder = FrameBuilder::begin(Vec::with_capacity(message.text().len()));
    let is_message = msgpack_v2::encode(message.text(), builder.payload());
    debug_assert!(is_message, "the server wrote it");
    out.extend_from_slice(&builder.binary());
}
