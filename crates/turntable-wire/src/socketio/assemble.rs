//! Inserts attachments into the packet that announced them.
//!
//! The attachments of a packet follow it directly and in order. They are stored
//! as base64, their form in JSON. `Limits::message_bytes_max` limits the stored
//! bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::binary::insert;
use super::packet::{Limits, Packet, PacketError, PacketKind};
use crate::engineio::encoded_binary_bytes;

/// Assembles the packets of one connection from text and attachments. After an
/// error it is empty.
///
/// ```
/// use turntable_wire::socketio::{Assembler, Limits, Packet, PacketKind};
/// let limits = Limits { attachments_max: 4, message_bytes_max: 65_536, namespace_bytes_max: 64 };
/// let mut assembler = Assembler::default();
/// let text = r#"51-["baz",{"_placeholder":true,"num":0}]"#;
/// let packet = Packet::decode(text, &limits).unwrap();
/// assert!(assembler.packet(packet).unwrap().is_none());
/// let whole = assembler.bytes(&[1, 2, 3, 4], &limits).unwrap().unwrap();
/// assert_eq!(whole.packet().kind, PacketKind::Event);
/// assert_eq!(whole.packet().data.unwrap().get(), r#"["baz",{"$bin":"AQIDBA=="}]"#);
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    whole: Whole,
    due: usize,
    base64: Vec<String>,
    bytes: usize,
}

/// A packet that includes its attachments.
#[derive(Debug)]
pub struct Whole {
    kind: PacketKind,
    namespace: Box<str>,
    id: Option<u64>,
    data: Box<RawValue>,
}

impl Whole {
    /// The packet; its kind is `Event` or `Ack`.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            kind: self.kind,
            attachments: 0,
            namespace: &self.namespace,
            id: self.id,
            data: Some(&self.data),
        }
    }
}

impl Assembler {
    /// Adds a packet; returns it if it has no attachments.
    ///
    /// # Errors
    /// [`PacketError::AttachmentsDue`].
    pub fn packet<'a>(&mut self, packet: Packet<'a>) -> Result<Option<Packet<'a>>, PacketError> {
        if self.waiting.take().is_some() {
            return Err(PacketError::AttachmentsDue);
        }
        let kind = packet.kind.assembled();
        let Some(data) = packet.data.filter(|_| packet.attachments > 0) else {
            return Ok(Some(Packet { kind, ..packet }));
        };
        self.waiting = Some(Waiting {
            bytes: data.get().len(),
            due: packet.attachments,
            base64: Vec::new(),
            whole: Whole {
                kind,
                namespace: packet.namespace.into(),
                id: packet.id,
                data: data.to_owned(),
            },
        });
        Ok(None)
    }

    /// Adds an attachment; returns the packet after its last one.
    ///
    /// # Errors
    /// [`PacketError`]: `Superfluous`, `TooLarge`, or `Placeholder` if the
    /// packet does not have exactly one placeholder for each.
    pub fn bytes(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Whole>, PacketError> {
        let mut waiting = self.waiting.take().ok_or(PacketError::Superfluous)?;
        waiting.bytes = waiting
            .bytes
            .saturating_add(encoded_binary_bytes(bytes.len()));
        if waiting.bytes > limits.message_bytes_max {
            return Err(PacketError::TooLarge);
        }
        waiting.base64.push(STANDARD.encode(bytes));
        if waiting.base64.len() < waiting.due {
            self.waiting = Some(waiting);
            return Ok(None);
        }
        let data = insert(waiting.whole.data.get(), waiting.base64)?;
        // An object replaces an object, so the JSON stays valid.
        let data = RawValue::from_string(data).map_err(|_| PacketError::Placeholder)?;
        Ok(Some(Whole {
            data,
            ..waiting.whole
        }))
    }

    /// The memory of a packet whose attachments are missing, in bytes; 0 if there is none.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| {
            let overhead = waiting.base64.capacity() * size_of::<String>();
            size_of::<Waiting>() + waiting.bytes + overhead
        })
    }

    /// Whether attachments are missing.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}
