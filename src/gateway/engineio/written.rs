//! What goes to an Engine.IO line: packets as WebSocket frames, and those
//! frames as the payload of a polling request's answer.

use crate::gateway::dialect::Reader;
use crate::gateway::frame::{Frame, Message};
use turntable_wire::engineio::{Packet, append_binary, append_encoded};
use turntable_wire::json_v1;
use turntable_wire::socketio::{self, Encoded};
use turntable_wire::websocket::{binary_frame, text_frame};

/// A packet that is text, in a frame.
#[must_use]
pub fn frame(packet: &Packet<'_>) -> Frame {
    let mut text = String::new();
    packet.encode(&mut text);
    Frame::raw(&text_frame(text.as_bytes()))
}

/// A packet of Socket.IO in as many frames as it has.
#[must_use]
pub fn encoded(packet: &Encoded) -> Frame {
    let mut out = Vec::new();
    write_encoded(packet, &mut out);
    Frame::raw(&out)
}

fn write_encoded(packet: &Encoded, out: &mut Vec<u8>) {
    out.extend_from_slice(&text_frame(packet.frame().as_bytes()));
    for bytes in &packet.attachments {
        out.extend_from_slice(&binary_frame(bytes));
    }
}

/// What marks an acknowledgement's id as asked for on one line alone: ids are
/// counted anew by each of a client's sockets.
#[must_use]
pub fn mark(mark: u32, id: &str) -> Box<str> {
    format!("\"{mark}:{id}\"").into()
}

/// The acknowledgement that an id stands for, where it was asked for on the
/// line of that mark.
fn marked(mark: u32, id: &str) -> Option<u64> {
    let (line, id) = id.strip_prefix('"')?.strip_suffix('"')?.split_once(':')?;
    (line.parse() == Ok(mark)).then(|| id.parse().ok())?
}

/// Writes a message as frames of a namespace.
pub fn write(reader: &Reader<'_>, namespace: u8, message: &Message, out: &mut Vec<u8>) {
    let Some(namespace) = reader.dialects.namespace(namespace) else {
        return;
    };
    let text = message.text();
    let id = json_v1::split(text).and_then(|parts| {
        let id = parts.id?.get();
        match parts.command {
            "call" => None,
            _ => marked(reader.mark, id),
        }
    });
    let offset = reader
        .dialects
        .has_offsets
        .then(|| message.id().to_string());
    let packet = match id {
        Some(id) => socketio::ack(text, namespace, id),
        None if is_call(text) => socketio::encode(text, namespace, offset.as_deref()),
        None => socketio::event(text, namespace, None, offset.as_deref()),
    };
    if let Some(packet) = packet {
        write_encoded(&packet, out);
    }
}

/// Whether a message is a call, whose id its client sends back.
fn is_call(text: &str) -> bool {
    text.starts_with(r#"{"command":"call""#)
}

/// Appends whole frames to a payload, as long as there is `room` for packets, and
/// returns the frames that are left. What is no packet is left out.
#[must_use]
pub fn append_frames<'f>(mut frames: &'f [u8], room: &mut usize, payload: &mut String) -> &'f [u8] {
    while *room > 0
        && let Some((opcode, body, rest)) = first(frames)
    {
        match opcode {
            1 => append_encoded(payload, std::str::from_utf8(body).unwrap_or_default()),
            2 => append_binary(payload, body),
            _ => *room += 1,
        }
        *room -= 1;
        frames = rest;
    }
    frames
}

/// The first of our own frames, which are whole and without a mask.
fn first(frames: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, second, rest @ ..] = frames else {
        return None;
    };
    let (length, rest) = match second {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(*short), rest),
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((first & 0x0f, body, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::gateway::dialect::Dialect;
    use crate::gateway::dialect::Dialects;

    fn payload_of(frames: &[u8]) -> String {
        let mut payload = String::new();
        let left = append_frames(frames, &mut 16, &mut payload);
        assert!(left.is_empty(), "{left:?}");
        payload
    }

    fn written(text: &str, mark: u32, has_offsets: bool) -> String {
        let dialects = Dialects {
            formats: Vec::new(),
            namespaces: vec!["/".into(), "/admin".into()],
            has_offsets,
        };
        let reader = Reader {
            dialect: Dialect::SocketIo(1),
            dialects: &dialects,
            line: None,
            user: None,
            mark,
        };
        let frame = Frame::build(|out| out.extend_from_slice(text.as_bytes()));
        payload_of(frame.bytes(&reader))
    }

    #[test]
    fn an_answer_is_an_acknowledgement_on_the_line_that_asked() {
        let text = r#"{"command":"reply","data":{},"id":"7:12"}"#;
        assert_eq!(written(text, 7, false), "43/admin,12[{}]");
        assert_eq!(written(text, 8, false), r#"42/admin,["reply",{}]"#);
        let text = r#"{"command":"reply","data":{},"id":12}"#;
        assert_eq!(written(text, 7, false), r#"42/admin,["reply",{}]"#);
        let text = r#"{"command":"call","data":{"f":"a:b"},"id":12}"#;
        assert_eq!(
            written(text, 7, false),
            r#"42/admin,12["call",{"f":"a:b"}]"#
        );
    }

    #[test]
    fn an_event_tells_its_offset() {
        let text = r#"{"command":"idyou","data":{}}"#;
        let told = written(text, 0, true);
        let offset = told.strip_prefix(r#"42/admin,["idyou",{},""#).unwrap();
        assert_eq!(offset.len(), 26 + 2, "{told}");
    }

    #[test]
    fn frames_of_any_length_become_a_payload() {
        let mut frames = text_frame(b"2");
        frames.extend(binary_frame(&[1, 2, 3, 4]));
        let long = format!("4{}", "x".repeat(70_000));
        frames.extend(text_frame(long.as_bytes()));
        frames.extend(text_frame(&long.as_bytes()[..300]));
        frames.extend(Frame::close(turntable_core::reason::CloseReason::Bye).raw_bytes());
        let payload = payload_of(&frames);
        let packets: Vec<&str> = payload.split('\x1e').collect();
        assert_eq!(packets, ["2", "bAQIDBA==", &long, &long[..300]]);
        // What is not whole is left.
        let cut = append_frames(&frames[..4], &mut 16, &mut String::new());
        assert_eq!(cut, &frames[3..4]);
    }

    #[test]
    fn what_has_no_room_in_a_payload_is_left() {
        let frames = [text_frame(b"2"), binary_frame(b"b"), text_frame(b"6")].concat();
        let (mut payload, mut room) = (String::new(), 2);
        let left = append_frames(&frames, &mut room, &mut payload);
        assert_eq!((payload.as_str(), room), ("2\x1ebYg==", 0));
        assert_eq!(left, text_frame(b"6"));
    }
}
