//! The encodings of connections, and how a message is written in each.
//!
//! A message is its v1 text. Where its bytes are the same for all receivers they
//! are written once per encoding; what differs from receiver to receiver (the
//! path of an answer on a tunnel) is in messages that have one receiver.

use crate::gateway::delivery::frame::Message;
use turntable_core::frame::EncodingNumber;
use turntable_core::id::{SessionId, UserId};
use turntable_wire::datagram::{self, Datagram};
use turntable_wire::json_v1;
use turntable_wire::msgpack_v2;
use turntable_wire::remote_call;
use turntable_wire::socketio::{self, Encoded};
use turntable_wire::tunnel_format::{Format, Opening};
use turntable_wire::websocket::{FrameBuilder, binary_frame, text_frame};

/// How the messages of a connection are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Text frames with JSON.
    #[default]
    JsonV1,
    /// Binary frames with MessagePack.
    MsgpackV2,
    /// Entries of a list: remote calls and their answers.
    Entries,
    /// Datagrams in the envelope of a format, by its number.
    Datagrams(u8),
    /// Socket.IO packets of a namespace, by its number.
    SocketIo(u8),
}

impl Encoding {
    /// Its number among the encodings of a shared frame.
    pub(crate) const fn number(self) -> EncodingNumber {
        EncodingNumber(match self {
            Self::JsonV1 => 0,
            Self::MsgpackV2 => 1,
            Self::Entries => 2,
            Self::Datagrams(format) => 0x100 | format as u16,
            Self::SocketIo(namespace) => 0x200 | namespace as u16,
        })
    }
}

/// What the encodings of a node are made of.
#[derive(Debug, Default)]
pub struct Encodings {
    /// The formats of datagrams, by number.
    pub formats: Vec<Format>,
    /// The namespaces of Socket.IO, by number; the first is the main one.
    pub namespaces: Vec<Box<str>>,
    /// Whether Socket.IO events carry the offset that its recovery needs.
    pub has_offsets: bool,
}

impl Encodings {
    /// No formats and no namespaces.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            formats: Vec::new(),
            namespaces: Vec::new(),
            has_offsets: false,
        }
    }

    /// The format of a number.
    #[must_use]
    pub fn format(&self, number: u8) -> Option<&Format> {
        self.formats.get(usize::from(number))
    }

    /// The namespace of a number.
    #[must_use]
    pub fn namespace(&self, number: u8) -> Option<&str> {
        self.namespaces.get(usize::from(number)).map(AsRef::as_ref)
    }
}

/// Whom a message is written for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// The encoding of the connection.
    pub(crate) encoding: Encoding,
    /// All encodings.
    pub(crate) encodings: &'a Encodings,
    /// The name of the connection, where it has one.
    pub(crate) name: Option<SessionId>,
    /// The user of its session.
    pub(crate) user: Option<&'a UserId>,
    /// What marks the acknowledgements that were requested on this connection.
    pub(crate) mark: u32,
    /// Unix ms.
    pub(crate) now_ms: u64,
}

impl Reader<'_> {
    /// Writes a message in the reader's encoding.
    pub(crate) fn write(&self, message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        match self.encoding {
            Encoding::JsonV1 => out.extend_from_slice(message.text().as_bytes()),
            Encoding::MsgpackV2 => write_v2(message, &mut out),
            Encoding::Entries => {
                remote_call::entry(message.text(), &mut out);
            }
            Encoding::Datagrams(number) => self.write_datagram(number, message, &mut out),
            Encoding::SocketIo(number) => self.write_packet(number, message, &mut out),
        }
        out
    }

    fn write_datagram(&self, number: u8, message: &Message, out: &mut Vec<u8>) {
        let Some(format) = self.encodings.format(number) else {
            return;
        };
        let tunnel = self.name.map(|name| name.secret()).unwrap_or_default();
        let receiver = datagram::Receiver {
            tunnel: &tunnel,
            user: self.user.map(UserId::as_str),
        };
        if let Some(datagram) = Datagram::of(message.text(), message.id(), &receiver) {
            let opening = Opening {
                tunnel: &tunnel,
                now_ms: self.now_ms,
                ..Opening::default()
            };
            format.envelope(&datagram, &opening, out);
        }
    }

    /// Writes a message as the frames of a namespace's packet.
    fn write_packet(&self, number: u8, message: &Message, out: &mut Vec<u8>) {
        let Some(namespace) = self.encodings.namespace(number) else {
            return;
        };
        let text = message.text();
        let acknowledgement = json_v1::split(text).and_then(|parts| {
            let id = parts.id?.get();
            match parts.command {
                "call" => None,
                _ => marked(self.mark, id),
            }
        });
        let offset = self.encodings.has_offsets.then(|| message.id().to_string());
        let packet = match acknowledgement {
            Some(id) => socketio::ack(text, namespace, id),
            // A call's id comes back with its answer.
            None if text.starts_with(r#"{"command":"call""#) => {
                socketio::encode(text, namespace, offset.as_deref())
            }
            None => socketio::event(text, namespace, None, offset.as_deref()),
        };
        if let Some(packet) = packet {
            write_frames(&packet, out);
        }
    }
}

fn write_v2(message: &Message, out: &mut Vec<u8>) {
    let mut builder = FrameBuilder::begin(Vec::with_capacity(message.text().len()));
    let is_message = msgpack_v2::encode(message.text(), builder.payload());
    debug_assert!(is_message, "the server wrote it");
    out.extend_from_slice(&builder.binary());
}

/// Writes a packet of Socket.IO as a text frame and a binary frame for each
/// attachment.
pub(crate) fn write_frames(packet: &Encoded, out: &mut Vec<u8>) {
    out.extend_from_slice(&text_frame(packet.frame().as_bytes()));
    for bytes in &packet.attachments {
        out.extend_from_slice(&binary_frame(bytes));
    }
}

/// Marks an acknowledgement's id as requested on one connection: each of a
/// client's sockets counts its ids from 0.
pub(crate) fn mark(mark: u32, id: &str) -> Box<str> {
    format!("\"{mark}:{id}\"").into()
}

/// The acknowledgement of an id that was marked by this connection.
fn marked(mark: u32, id: &str) -> Option<u64> {
    let (connection, id) = id.strip_prefix('"')?.strip_suffix('"')?.split_once(':')?;
    (connection.parse() == Ok(mark)).then(|| id.parse().ok())?
}
