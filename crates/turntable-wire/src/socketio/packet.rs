//! The text of a packet:
//! `TYPE [ATTACHMENTS -] [NAMESPACE ,] [ACK ID] [JSON]`, without the blanks.
//!
//! | text | packet |
//! |---|---|
//! | `0`, `0/admin,{"token":"1"}` | CONNECT to a namespace |
//! | `1/admin,` | DISCONNECT |
//! | `2["game",{}]`, `212["bye"]` | EVENT, one that requests acknowledgement 12 |
//! | `312[{}]` | ACK |
//! | `4{"message":"..."}` | CONNECT_ERROR |
//! | `51-["baz",{"_placeholder":true,"num":0}]` | BINARY_EVENT, one attachment follows |
//! | `61-15[...]` | BINARY_ACK |

use serde_json::value::RawValue;

use turntable_core::reason::CloseReason;

/// The default namespace, which is not written.
pub const MAIN_NAMESPACE: &str = "/";

/// Limits of the decoder. [`command`](super::command) checks the nesting of data,
/// because that is an error for the client.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum number of attachments of a packet.
    pub attachments_max: usize,
    /// The maximum size of a packet with its attachments, as base64, in bytes.
    pub message_bytes_max: usize,
    /// The maximum length of a namespace, in bytes.
    pub namespace_bytes_max: usize,
}

/// The types of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum PacketKind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
    BinaryEvent,
    BinaryAck,
}

impl PacketKind {
    /// Every type, in the order of its digit.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Disconnect,
        Self::Event,
        Self::Ack,
        Self::ConnectError,
        Self::BinaryEvent,
        Self::BinaryAck,
    ];

    /// Its digit.
    #[must_use]
    pub const fn digit(self) -> char {
        match self {
            Self::Connect => '0',
            Self::Disconnect => '1',
            Self::Event => '2',
            Self::Ack => '3',
            Self::ConnectError => '4',
            Self::BinaryEvent => '5',
            Self::BinaryAck => '6',
        }
    }

    /// Whether it has attachments.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    /// Its kind after its attachments were inserted.
    #[must_use]
    pub(super) const fn assembled(self) -> Self {
        match self {
            Self::BinaryEvent => Self::Event,
            Self::BinaryAck => Self::Ack,
            other => other,
        }
    }
}

/// Why a packet is invalid, or not the expected one. The specification requires
/// that the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Unknown packet type.
    #[error("unknown packet type; accepted are 0 to 6")]
    UnknownType,
    /// No attachment count of at least 1, or no dash after it.
    #[error("a binary packet begins with the number of its attachments, at least 1, and a dash")]
    AttachmentCount,
    /// More attachments than allowed.
    #[error("a packet has too many attachments")]
    TooManyAttachments,
    /// The packet with its attachments is longer than allowed.
    #[error("a packet is too large")]
    TooLarge,
    /// Too long, or with control characters.
    #[error("a namespace is too long or has control characters")]
    Namespace,
    /// More than 64 bits, or missing although required.
    #[error("an acknowledgement needs an id, an integer below 2^64")]
    AckId,
    /// Missing, not JSON, or of the wrong type for the packet.
    #[error("{0}")]
    Data(&'static str),
    /// Bytes without a packet that announced them.
    #[error("received bytes that no packet announced")]
    Superfluous,
    /// A packet while attachments of another are missing.
    #[error("received a packet instead of attachments")]
    AttachmentsDue,
    /// Not exactly one placeholder for each attachment.
    #[error("a packet must have one placeholder for each attachment")]
    Placeholder,
}

impl From<PacketError> for CloseReason {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::TooManyAttachments | PacketError::TooLarge => Self::TooLarge,
            _ => Self::ProtocolError,
        }
    }
}

/// A packet; its content is borrowed from its text.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The type.
    pub kind: PacketKind,
    /// The number of binary packets that follow.
    pub attachments: usize,
    /// The namespace, `/` for the default one.
    pub namespace: &'a str,
    /// The id of the requested or given acknowledgement.
    pub id: Option<u64>,
    /// The payload: a list for events and acknowledgements, an object otherwise,
    /// or a string for CONNECT_ERROR.
    pub data: Option<&'a RawValue>,
}

impl<'a> Packet<'a> {
    /// Decodes the text of an Engine.IO message.
    ///
    /// ```
    /// use turntable_wire::socketio::{Limits, Packet, PacketKind};
    /// let limits = Limits { attachments_max: 4, message_bytes_max: 65_536, namespace_bytes_max: 64 };
    /// let packet = Packet::decode(r#"2/admin,12["foo"]"#, &limits).unwrap();
    /// assert_eq!((packet.kind, packet.namespace, packet.id), (PacketKind::Event, "/admin", Some(12)));
    /// assert_eq!(packet.data.unwrap().get(), r#"["foo"]"#);
    /// ```
    ///
    /// # Errors
    /// [`PacketError`], all but those of the [`Assembler`](super::Assembler).
    pub fn decode(text: &'a str, limits: &Limits) -> Result<Self, PacketError> {
        if text.len() > limits.message_bytes_max {
            return Err(PacketError::TooLarge);
        }
        let mut rest = text;
        let kind = kind(&mut rest)?;
        let attachments = match kind.is_binary() {
            true => attachments(&mut rest, limits)?,
            false => 0,
        };
        let namespace = namespace(&mut rest, limits)?;
        let id = match kind.assembled() {
            PacketKind::Event | PacketKind::Ack => id(&mut rest)?,
            _ => None,
        };
        let data = data(kind, rest)?;
        if kind.assembled() == PacketKind::Ack && id.is_none() {
            return Err(PacketError::AckId);
        }
        Ok(Self {
            kind,
            attachments,
            namespace,
            id,
            data,
        })
    }
}

fn kind(rest: &mut &str) -> Result<PacketKind, PacketError> {
    let (kind, behind) = PacketKind::ALL
        .into_iter()
        .find_map(|kind| Some((kind, rest.strip_prefix(kind.digit())?)))
        .ok_or(PacketError::UnknownType)?;
    *rest = behind;
    Ok(kind)
}

fn attachments(rest: &mut &str, limits: &Limits) -> Result<usize, PacketError> {
    let count = digits(rest);
    *rest = rest.strip_prefix('-').ok_or(PacketError::AttachmentCount)?;
    if count.is_empty() {
        return Err(PacketError::AttachmentCount);
    }
    match count.parse() {
        Ok(0) => Err(PacketError::AttachmentCount),
        Ok(count) if count <= limits.attachments_max => Ok(count),
        // A number that does not fit usize is too many as well.
        _ => Err(PacketError::TooManyAttachments),
    }
}

/// Splits off the namespace: from a slash to a comma, or to the end.
fn namespace<'a>(rest: &mut &'a str, limits: &Limits) -> Result<&'a str, PacketError> {
    if !rest.starts_with('/') {
        return Ok(MAIN_NAMESPACE);
    }
    let (namespace, behind) = rest.split_once(',').unwrap_or((rest, ""));
    if namespace.len() > limits.namespace_bytes_max || namespace.chars().any(char::is_control) {
        return Err(PacketError::Namespace);
    }
    *rest = behind;
    Ok(namespace)
}

fn id(rest: &mut &str) -> Result<Option<u64>, PacketError> {
    match digits(rest) {
        "" => Ok(None),
        id => id.parse().map(Some).map_err(|_| PacketError::AckId),
    }
}

/// Splits off the digits at the beginning of `rest`.
fn digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (digits, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
    *rest = behind;
    digits
}

fn data(kind: PacketKind, text: &str) -> Result<Option<&RawValue>, PacketError> {
    let data: Option<&RawValue> = match text {
        "" => None,
        text => Some(
            serde_json::from_str(text)
                .map_err(|_| PacketError::Data("the data of a packet is not valid JSON"))?,
        ),
    };
    let first = data.and_then(|data| data.get().bytes().next());
    match (kind, first) {
        (PacketKind::Connect, None | Some(b'{'))
        | (PacketKind::Disconnect, None)
        | (PacketKind::ConnectError, Some(b'{' | b'"'))
        | (
            PacketKind::Event | PacketKind::Ack | PacketKind::BinaryEvent | PacketKind::BinaryAck,
            Some(b'['),
        ) => Ok(data),
        (PacketKind::Connect, _) => Err(PacketError::Data("the data of CONNECT must be an object")),
        (PacketKind::Disconnect, _) => Err(PacketError::Data("DISCONNECT has no data")),
        (PacketKind::ConnectError, _) => Err(PacketError::Data(
            "the data of CONNECT_ERROR must be an object",
        )),
        _ => Err(PacketError::Data(
            "the data of an event or acknowledgement must be a list",
        )),
    }
}
