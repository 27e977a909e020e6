//! Decodes events and acknowledgements of a client: commands, and answers to
//! calls.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::packet::{Packet, PacketError};
use crate::json_v1::{DecodeError, DecodeLimits, decode_parts};
use turntable_core::packet::ClientMessage;

/// An event: its name, and its arguments as JSON text.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// The name. A number is converted to its digits.
    pub name: Cow<'a, str>,
    /// All arguments as JSON, separated by commas.
    pub args: &'a str,
    /// The first argument.
    pub data: Option<&'a RawValue>,
    /// The id of the requested acknowledgement.
    pub ack: Option<u64>,
}

impl<'a> Event<'a> {
    /// Decodes the data of a complete EVENT packet.
    ///
    /// # Errors
    /// [`PacketError::Data`] if it has no name.
    pub fn read(packet: &Packet<'a>) -> Result<Self, PacketError> {
        const NAMELESS: PacketError =
            PacketError::Data("an event is a list that begins with its name");
        let list = packet.data.ok_or(NAMELESS)?;
        let [name, data] = head(list).ok_or(NAMELESS)?;
        let written = name.ok_or(NAMELESS)?.get();
        let name = match written.bytes().next() {
            Some(b'"') => text(written).ok_or(NAMELESS)?,
            Some(b'-' | b'0'..=b'9') => Cow::Borrowed(written),
            _ => return Err(NAMELESS),
        };
        Ok(Self {
            name,
            args: behind(list.get(), written),
            data,
            ack: packet.id,
        })
    }
}

/// The text of a list after its first element.
fn behind<'a>(list: &'a str, first: &str) -> &'a str {
    let blanks = [' ', '\t', '\n', '\r'];
    list.strip_prefix('[')
        .and_then(|rest| rest.trim_start_matches(blanks).strip_prefix(first))
        .and_then(|rest| rest.strip_suffix(']'))
        .map(|rest| rest.trim_matches(blanks))
        .map(|rest| {
            rest.strip_prefix(',')
                .unwrap_or(rest)
                .trim_start_matches(blanks)
        })
        .unwrap_or_default()
}

/// A JSON string; borrowed where it is written without escapes.
fn text(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    match inside.contains('\\') {
        true => serde_json::from_str(json).ok().map(Cow::Owned),
        false => Some(Cow::Borrowed(inside)),
    }
}

/// The first two elements of a list.
fn head(list: &RawValue) -> Option<[Option<&RawValue>; 2]> {
    struct Head;

    impl<'de> Visitor<'de> for Head {
        type Value = [Option<&'de RawValue>; 2];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let head = [list.next_element()?, list.next_element()?];
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(head)
        }
    }

    serde_json::Deserializer::from_str(list.get())
        .deserialize_seq(Head)
        .ok()
}

fn number(id: u64) -> Option<Box<RawValue>> {
    RawValue::from_string(id.to_string()).ok()
}

/// The command of an event: its name, its first argument as `data`, its
/// acknowledgement's id as `id`. Further arguments are ignored.
///
/// ```
/// use turntable_wire::json_v1::DecodeLimits;
/// use turntable_wire::socketio::{Event, Limits, Packet, command};
/// let limits = Limits { attachments_max: 4, message_bytes_max: 65_536, namespace_bytes_max: 64 };
/// let packet = Packet::decode(r#"27["idme","1:12345"]"#, &limits).unwrap();
/// let event = Event::read(&packet).unwrap();
/// let message = command(&event, &DecodeLimits { depth_max: 32 }).unwrap();
/// assert_eq!((message.packet.name(), &*message.id.unwrap().0), ("idme", "7"));
/// ```
///
/// # Errors
/// As [`decode_parts`].
pub fn command(event: &Event<'_>, limits: &DecodeLimits) -> Result<ClientMessage, DecodeError> {
    let id = event.ack.and_then(number);
    decode_parts(&event.name, event.data, id.as_deref(), limits)
}

/// The `reply` of an ACK packet: its first argument, `null` if it has none, as
/// the answer to the call with that id.
///
/// # Errors
/// As [`decode_parts`].
pub fn answer(packet: &Packet<'_>, limits: &DecodeLimits) -> Result<ClientMessage, DecodeError> {
    let id = packet.id.and_then(number);
    let first = packet.data.and_then(head).and_then(|[first, _]| first);
    decode_parts(
        "reply",
        Some(first.unwrap_or(RawValue::NULL)),
        id.as_deref(),
        limits,
    )
}
