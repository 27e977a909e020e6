//! Encodes messages of the server as packets.
//!
//! A packet is made from the v1 text of a message, once for all receivers; the
//! offset of a recoverable event differs per receiver and is added to a copy.

use serde_json::value::RawValue;

use super::binary::extract;
use super::packet::{MAIN_NAMESPACE, PacketKind};
use crate::engineio::{append_binary, append_encoded, encoded_binary_bytes};
use crate::json_v1::{self, MessageParts, split};
use turntable_core::packet::{ErrorBody, ServerPacket};

/// An encoded packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The text, with Engine.IO's `4` in front.
    text: String,
    /// The attachments, each in a binary frame or packet of its own.
    pub attachments: Vec<Vec<u8>>,
}

impl Encoded {
    /// A packet whose text is `head` followed by `json`, which may contain bytes.
    fn new(kind: PacketKind, namespace: &str, id: Option<u64>, json: &str) -> Self {
        let extracted = match kind {
            PacketKind::Event | PacketKind::Ack => extract(json),
            _ => None,
        };
        let (json, attachments) = match &extracted {
            Some((json, attachments)) => (json.as_str(), attachments.len()),
            None => (json, 0),
        };
        let mut text = String::with_capacity(json.len() + namespace.len() + 32);
        text.push('4');
        match (kind, attachments) {
            (PacketKind::Event, 1..) => text.push(PacketKind::BinaryEvent.digit()),
            (PacketKind::Ack, 1..) => text.push(PacketKind::BinaryAck.digit()),
            (kind, _) => text.push(kind.digit()),
        }
        if attachments > 0 {
            text.push_str(&attachments.to_string());
            text.push('-');
        }
        if namespace != MAIN_NAMESPACE {
            text.push_str(namespace);
            text.push(',');
        }
        if let Some(id) = id {
            text.push_str(&id.to_string());
        }
        text.push_str(json);
        Self {
            text,
            attachments: extracted.map_or_else(Vec::new, |(_, attachments)| attachments),
        }
    }

    /// The text with Engine.IO's `4`: a WebSocket text frame, or a packet of a
    /// payload. The attachments follow it.
    #[must_use]
    pub fn frame(&self) -> &str {
        &self.text
    }

    /// The text without the `4`.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.get(1..).unwrap_or_default()
    }

    /// Appends text and attachments to the payload `out` of a polling
    /// response.
    pub fn append_to(&self, out: &mut String) {
        append_encoded(out, &self.text);
        for bytes in &self.attachments {
            append_binary(out, bytes);
        }
    }

    /// Its size in a payload, in bytes, including the separators between its own
    /// packets.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let attached = self.attachments.iter();
        self.text.len()
            + attached
                .map(|bytes| encoded_binary_bytes(bytes.len()) + 1)
                .sum::<usize>()
    }

    /// The same event with its offset as the last argument, as socket.io's
    /// connection state recovery expects it. Only for results of [`event`].
    #[must_use]
    pub fn with_offset(&self, offset: &str) -> Self {
        let mut with = self.clone();
        if with.text.pop() == Some(']') {
            with.text.push(',');
            with.text.push_str(&string(offset));
            with.text.push(']');
        }
        with
    }
}

/// A string as JSON.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Encodes a message of the server as the matching packet: the answer to a
/// command with an acknowledgement id is that ACK, a `call` with a numeric id is
/// an EVENT that requests an acknowledgement and has the id in its data, all else
/// is a plain EVENT (an id of another transport is omitted). `None` if it is not a
/// message.
///
/// Acknowledgement ids belong to one socket. An answer that is replayed to
/// another socket is sent with [`event`]; otherwise it could be taken for the
/// answer to another command.
///
/// ```
/// use turntable_wire::socketio::encode;
/// let packet = encode(r#"{"command":"reply","data":{},"id":12}"#, "/", None).unwrap();
/// assert_eq!(packet.frame(), "4312[{}]");
/// let packet = encode(r#"{"command":"idyou","data":{}}"#, "/admin", None).unwrap();
/// assert_eq!(packet.frame(), r#"42/admin,["idyou",{}]"#);
/// ```
#[must_use]
pub fn encode(message: &str, namespace: &str, offset: Option<&str>) -> Option<Encoded> {
    let parts = split(message)?;
    let id = parts.id.and_then(|id| id.get().parse().ok());
    Some(match id {
        Some(id) if parts.command != "call" => answer(&parts, namespace, id),
        id => occurrence(&parts, namespace, id, offset),
    })
}

/// A message of the server as an EVENT of its name; `ack` if an acknowledgement
/// is requested, `offset` if the client may recover. `None` if it is not a message.
#[must_use]
pub fn event(
    message: &str,
    namespace: &str,
    ack: Option<u64>,
    offset: Option<&str>,
) -> Option<Encoded> {
    Some(occurrence(&split(message)?, namespace, ack, offset))
}

/// A message of the server as the ACK of a client's event: its `data`, or
/// `{"error": data}` of an `error`. `None` if it is not a message.
#[must_use]
pub fn ack(message: &str, namespace: &str, id: u64) -> Option<Encoded> {
    Some(answer(&split(message)?, namespace, id))
}

fn occurrence(
    parts: &MessageParts<'_>,
    namespace: &str,
    ack: Option<u64>,
    offset: Option<&str>,
) -> Encoded {
    let data = parts.data.get();
    let numbered = match ack {
        Some(id) if parts.command == "call" => numbered(data, id),
        _ => None,
    };
    let data = numbered.as_deref().unwrap_or(data);
    let list = match offset {
        None => format!(r#"["{}",{data}]"#, parts.command),
        Some(offset) => format!(r#"["{}",{data},{}]"#, parts.command, string(offset)),
    };
    Encoded::new(PacketKind::Event, namespace, ack, &list)
}

/// The data of a call with its number as `id`: a cancel names it, and clients do not show
/// the number of an acknowledgement.
fn numbered(data: &str, id: u64) -> Option<String> {
    let fields = data.strip_suffix('}')?;
    let comma = if fields.ends_with('{') { "" } else { "," };
    Some(format!(r#"{fields}{comma}"id":{id}}}"#))
}

fn answer(parts: &MessageParts<'_>, namespace: &str, id: u64) -> Encoded {
    let list = match parts.command {
        "error" => format!(r#"[{{"error":{}}}]"#, parts.data),
        _ => format!("[{}]", parts.data),
    };
    Encoded::new(PacketKind::Ack, namespace, Some(id), &list)
}

/// An EVENT with any arguments.
#[must_use]
pub fn event_list(list: &RawValue, namespace: &str, ack: Option<u64>) -> Encoded {
    Encoded::new(PacketKind::Event, namespace, ack, list.get())
}

/// An ACK with any arguments.
#[must_use]
pub fn ack_list(list: &RawValue, namespace: &str, id: u64) -> Encoded {
    Encoded::new(PacketKind::Ack, namespace, Some(id), list.get())
}

/// The answer to CONNECT: the socket's public id, and with recovery the secret id
/// for recovering.
#[must_use]
pub fn connect(namespace: &str, sid: &str, pid: Option<&str>) -> Encoded {
    let json = match pid {
        None => format!(r#"{{"sid":{}}}"#, string(sid)),
        Some(pid) => format!(r#"{{"sid":{},"pid":{}}}"#, string(sid), string(pid)),
    };
    Encoded::new(PacketKind::Connect, namespace, None, &json)
}

/// The refusal of CONNECT; `data` is JSON.
///
/// ```
/// use turntable_wire::socketio::connect_error;
/// let packet = connect_error("/random", "Invalid namespace", None);
/// assert_eq!(packet.frame(), r#"44/random,{"message":"Invalid namespace"}"#);
/// ```
#[must_use]
pub fn connect_error(namespace: &str, message: &str, data: Option<&str>) -> Encoded {
    let json = match data {
        None => format!(r#"{{"message":{}}}"#, string(message)),
        Some(data) => format!(r#"{{"message":{},"data":{data}}}"#, string(message)),
    };
    Encoded::new(PacketKind::ConnectError, namespace, None, &json)
}

/// The refusal of CONNECT with the body of an `error` as its `data`.
#[must_use]
pub fn connect_refused(namespace: &str, error: &ErrorBody) -> Encoded {
    let mut message = Vec::new();
    json_v1::encode(
        &ServerPacket::Error(Box::new(error.clone())),
        None,
        &mut message,
    );
    let data = std::str::from_utf8(&message).ok().and_then(split);
    connect_error(
        namespace,
        &error.message,
        data.map(|parts| parts.data.get()),
    )
}

/// The disconnect of a namespace.
#[must_use]
pub fn disconnect(namespace: &str) -> Encoded {
    Encoded::new(PacketKind::Disconnect, namespace, None, "")
}
