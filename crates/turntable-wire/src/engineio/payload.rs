//! Several packets in one HTTP body, with [`SEPARATOR`] between them.
//!
//! JSON escapes control characters, so a Socket.IO packet never contains a
//! separator. A payload is accepted or refused as a whole, so no part of an
//! invalid body has taken effect.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SEPARATOR;
use super::packet::{Packet, PacketError};

/// The limits of a payload.
#[derive(Debug, Clone, Copy)]
pub struct PayloadLimits {
    /// The maximum size of the body, in bytes.
    pub bytes_max: usize,
    /// The maximum number of packets.
    pub packets_max: usize,
}

/// Reads the body of a polling request.
///
/// ```
/// use turntable_wire::engineio::{Packet, PayloadLimits, decode_payload};
/// let limits = PayloadLimits { bytes_max: 1_000_000, packets_max: 16 };
/// let packets = decode_payload(b"4hello\x1ebAQIDBA==", &limits).unwrap();
/// assert_eq!(packets, [Packet::Message("hello"), Packet::from_binary(&[1, 2, 3, 4])]);
/// ```
///
/// # Errors
/// [`PacketError`]: over a limit, not UTF-8, or an invalid packet.
pub fn decode_payload<'a>(
    body: &'a [u8],
    limits: &PayloadLimits,
) -> Result<Vec<Packet<'a>>, PacketError> {
    if body.len() > limits.bytes_max {
        return Err(PacketError::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| PacketError::NotUtf8)?;
    let mut packets = Vec::new();
    let mut at = 0;
    while let Some(packet) = next_packet(text, &mut at)? {
        if packets.len() == limits.packets_max {
            return Err(PacketError::TooMany);
        }
        packets.push(packet);
    }
    Ok(packets)
}

/// Reads the packet of a payload that begins at byte `at`, which is moved behind
/// it; `None` behind the last one. For packets that are taken one by one, of a
/// payload that [`decode_payload`] accepted.
///
/// ```
/// use turntable_wire::engineio::{Packet, next_packet};
/// let mut at = 0;
/// assert_eq!(next_packet("4a\x1e4b", &mut at), Ok(Some(Packet::Message("a"))));
/// assert_eq!(at, 3);
/// assert_eq!(next_packet("4a\x1e4b", &mut at), Ok(Some(Packet::Message("b"))));
/// assert_eq!(next_packet("4a\x1e4b", &mut at), Ok(None));
/// ```
///
/// # Errors
/// [`PacketError`]: an invalid packet.
pub fn next_packet<'a>(
    payload: &'a str,
    at: &mut usize,
) -> Result<Option<Packet<'a>>, PacketError> {
    let Some(rest) = payload.get(*at..) else {
        return Ok(None);
    };
    let packet = rest.split(SEPARATOR).next().unwrap_or_default();
    *at = at.saturating_add(packet.len() + SEPARATOR.len_utf8());
    let packet = match packet.strip_prefix('b') {
        Some(base64) => Packet::Binary(Cow::Owned(
            STANDARD.decode(base64).map_err(|_| PacketError::Base64)?,
        )),
        None => Packet::decode(packet)?,
    };
    Ok(Some(packet))
}

/// Appends a packet to the payload `out`.
///
/// ```
/// use turntable_wire::engineio::{Packet, append};
/// let mut payload = String::new();
/// for packet in [Packet::Message("hello"), Packet::Ping(""), Packet::Message("world")] {
///     append(&mut payload, &packet);
/// }
/// assert_eq!(payload, "4hello\x1e2\x1e4world");
/// ```
pub fn append(out: &mut String, packet: &Packet<'_>) {
    separate(out);
    packet.encode(out);
}

/// Appends an encoded text packet (`42["hello"]`) to the payload `out`.
pub fn append_encoded(out: &mut String, packet: &str) {
    separate(out);
    out.push_str(packet);
}

/// Appends bytes as a binary packet to the payload `out`.
pub fn append_binary(out: &mut String, bytes: &[u8]) {
    separate(out);
    out.push('b');
    STANDARD.encode_string(bytes, out);
}

/// The size in a payload of a binary packet with this many bytes, without its
/// separator.
#[must_use]
pub const fn encoded_binary_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4).saturating_add(1)
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push(SEPARATOR);
    }
}
