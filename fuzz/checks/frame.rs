//! For any input, a WebSocket decoder does not panic, uses little memory, and its output
//! is independent of the split of the input; decoded messages can be encoded and
//! round-trip.
//!
//! | bytes of the input | meaning |
//! |---|---|
//! | 1 | bit 0: the role (0 server, 1 client); the other bits + 1: size of the pieces |
//! | rest | the input of the decoder |

use std::ops::ControlFlow;

use turntable_wire::websocket::{
    DecodeLimits, Decoder, FrameError, Message, Opcode, Role, close_frame, header, masked_frame,
};

const LIMITS: DecodeLimits = DecodeLimits {
    message_bytes_max: 4096,
};

#[derive(Debug, Clone, PartialEq)]
struct Owned {
    opcode: Opcode,
    payload: Vec<u8>,
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        let (opcode, payload) = match message {
            Message::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
            Message::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
            Message::Ping(bytes) => (Opcode::Ping, bytes.to_vec()),
            Message::Pong(bytes) => (Opcode::Pong, bytes.to_vec()),
            Message::Close { code, reason } => {
                // Two bytes of header, then the payload.
                (Opcode::Close, close_frame(code, reason).split_off(2))
            }
        };
        Self { opcode, payload }
    }
}

fn read(role: Role, bytes: &[u8], size: usize) -> (Vec<Owned>, Result<(), FrameError>) {
    let mut decoder = Decoder::new(role);
    let mut messages = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut fed = 0;
    for piece in bytes.chunks_mut(size.max(1)) {
        fed += piece.len();
        let outcome = decoder.feed(piece, &LIMITS, &mut |message| {
            messages.push(message.into());
            ControlFlow::Continue(())
        });
        // Its memory is proportional to the received bytes, not to the length in a header.
        assert!(decoder.buffered_bytes() <= 512 + 2 * fed.min(LIMITS.message_bytes_max));
        match outcome {
            Ok(count) => assert_eq!(count, piece.len()),
            Err(error) => return (messages, Err(error)),
        }
    }
    (messages, Ok(()))
}

pub(crate) fn check(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    let (role, other) = match first & 1 {
        0 => (Role::Server, Role::Client),
        _ => (Role::Client, Role::Server),
    };
    let (messages, outcome) = read(role, bytes, usize::MAX);
    for size in [1, usize::from(first >> 1) + 1] {
        assert_eq!(read(role, bytes, size), (messages.clone(), outcome));
    }
    let mut sent_on = Vec::new();
    for Owned { opcode, payload } in &messages {
        match other {
            Role::Server => masked_frame(*opcode, payload, *b"\x00\xffab", &mut sent_on),
            Role::Client => {
                header(*opcode, payload.len(), &mut sent_on);
                sent_on.extend_from_slice(payload);
            }
        }
    }
    assert_eq!(read(other, &sent_on, 7), (messages, Ok(())));
}
