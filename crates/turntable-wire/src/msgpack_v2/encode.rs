//! Encodes messages, given as v1 text, as messages of v2.

use rmp::encode::{write_array_len, write_uint};

use super::from_json;
use crate::json_v1;
use turntable_core::packet::{ClientPacket, ServerPacket};

/// Appends a message of the server, given as the text that
/// [`json_v1::encode`] wrote. `false`, and nothing is appended, if it is no
/// such message.
///
/// ```
/// use turntable_wire::msgpack_v2::encode;
/// let mut out = Vec::new();
/// assert!(encode(r#"{"command":"idyou","data":{}}"#, &mut out));
/// assert_eq!(out, [0x92, 64, 0x80]);
/// ```
#[must_use]
pub fn encode(message: &str, out: &mut Vec<u8>) -> bool {
    append(message, &ServerPacket::MESSAGES, out)
}

/// Appends a command of a client, given as v1 text with `data`, as a client
/// does. `false` as for [`encode`].
///
/// ```
/// use turntable_wire::msgpack_v2::encode_client;
/// let mut out = Vec::new();
/// assert!(encode_client(r#"{"command":"bye","data":{},"id":7}"#, &mut out));
/// assert_eq!(out, [0x93, 20, 0x80, 7]);
/// ```
#[must_use]
pub fn encode_client(message: &str, out: &mut Vec<u8>) -> bool {
    append(message, &ClientPacket::COMMANDS, out)
}

fn append(message: &str, numbers: &[(&str, u8)], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let is_done = write(message, numbers, out).is_some();
    if !is_done {
        out.truncate(start);
    }
    is_done
}

fn write(message: &str, numbers: &[(&str, u8)], out: &mut Vec<u8>) -> Option<()> {
    let parts = json_v1::split(message)?;
    let (_, number) = numbers.iter().find(|(name, _)| *name == parts.command)?;
    // Writing to a vector cannot fail.
    let _ = write_array_len(out, if parts.id.is_some() { 3 } else { 2 });
    let _ = write_uint(out, (*number).into());
    from_json(parts.data.get(), out).ok()?;
    if let Some(id) = parts.id {
        from_json(id.get(), out).ok()?;
    }
    Some(())
}
