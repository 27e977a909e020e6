//! Packets as frames that wait on a session of Engine.IO, and frames as the
//! payload of a polling request's answer.

use crate::gateway::delivery::encoding::write_frames;
use crate::gateway::delivery::frame::Frame;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{Packet, append_binary, append_encoded};
use turntable_wire::socketio::Encoded;
use turntable_wire::websocket::text_frame;

/// A packet that is text, in a frame.
pub(crate) fn frame(packet: &Packet<'_>) -> Frame {
    let mut text = String::new();
    packet.encode(&mut text);
    Frame::raw(&text_frame(text.as_bytes()))
}

/// A packet of Socket.IO in as many frames as it has.
pub(crate) fn encoded(packet: &Encoded) -> Frame {
    let mut out = Vec::new();
    write_frames(packet, &mut out);
    Frame::raw(&out)
}

/// The last frames of a session, or of a WebSocket that it may move to.
pub(crate) fn last(is_websocket: bool, reason: CloseReason) -> Frame {
    let mut last = Vec::new();
    // Clients take a close packet on a WebSocket as a request to stay away.
    if !is_websocket || !reason.row().reconnect {
        last.extend_from_slice(frame(&Packet::Close).raw_bytes());
    }
    if is_websocket {
        last.extend_from_slice(Frame::close(reason).raw_bytes());
    }
    Frame::raw(&last)
}

/// Appends whole frames to a payload, up to `room` packets, and returns the
/// frames that are left. Frames that are no packets are left out.
pub(crate) fn append_frames<'f>(
    mut frames: &'f [u8],
    room: &mut usize,
    payload: &mut String,
) -> &'f [u8] {
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
    use turntable_wire::websocket::binary_frame;

    use crate::gateway::delivery::encoding::{Encoding, Encodings, Reader};

    fn payload_of(frames: &[u8]) -> String {
        let mut payload = String::new();
        let left = append_frames(frames, &mut 16, &mut payload);
        assert!(left.is_empty(), "{left:?}");
        payload
    }

    fn written(text: &str, mark: u32, has_offsets: bool) -> String {
        let encodings = Encodings {
            formats: Vec::new(),
            namespaces: vec!["/".into(), "/admin".into()],
            has_offsets,
        };
        let reader = Reader {
            encoding: Encoding::SocketIo(1),
            encodings: &encodings,
            name: None,
            user: None,
            mark,
            now_ms: 0,
        };
        let frame = Frame::build(|out| out.extend_from_slice(text.as_bytes()));
        payload_of(frame.bytes(&reader))
    }

    #[test]
    fn answer_is_an_acknowledgement_on_the_requesting_connection() {
        let text = r#"{"command":"reply","data":{},"id":"7:12"}"#;
        assert_eq!(written(text, 7, false), "43/admin,12[{}]");
        assert_eq!(written(text, 8, false), r#"42/admin,["reply",{}]"#);
        let text = r#"{"command":"reply","data":{},"id":12}"#;
        assert_eq!(written(text, 7, false), r#"42/admin,["reply",{}]"#);
        let text = r#"{"command":"call","data":{"f":"a:b"},"id":12}"#;
        assert_eq!(
            written(text, 7, false),
            r#"42/admin,12["call",{"f":"a:b","id":12}]"#
        );
    }

    #[test]
    fn event_carries_its_offset() {
        let text = r#"{"command":"idyou","data":{}}"#;
        let event = written(text, 0, true);
        let offset = event.strip_prefix(r#"42/admin,["idyou",{},""#).unwrap();
        assert_eq!(offset.len(), 26 + 2, "{event}");
    }

    #[test]
    fn frames_of_any_length_become_a_payload() {
        let mut frames = text_frame(b"2");
        frames.extend(binary_frame(&[1, 2, 3, 4]));
        let long = format!("4{}", "x".repeat(70_000));
        frames.extend(text_frame(long.as_bytes()));
        frames.extend(text_frame(&long.as_bytes()[..300]));
        frames.extend(Frame::close(CloseReason::Bye).raw_bytes());
        let payload = payload_of(&frames);
        let packets: Vec<&str> = payload.split('\x1e').collect();
        assert_eq!(packets, ["2", "bAQIDBA==", &long, &long[..300]]);
        // A partial frame is left.
        let cut = append_frames(&frames[..4], &mut 16, &mut String::new());
        assert_eq!(cut, &frames[3..4]);
    }

    #[test]
    fn packets_over_the_limit_are_left() {
        let frames = [text_frame(b"2"), binary_frame(b"b"), text_frame(b"6")].concat();
        let (mut payload, mut room) = (String::new(), 2);
        let left = append_frames(&frames, &mut room, &mut payload);
        assert_eq!((payload.as_str(), room), ("2\x1ebYg==", 0));
        assert_eq!(left, text_frame(b"6"));
    }
}
