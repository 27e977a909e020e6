//! One end encodes, the input is split anywhere, the other end decodes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod chance;

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

const LIMITS: DecodeLimits = DecodeLimits {
    message_bytes_max: 1 << 20,
};

/// An owned message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Message::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

type Outcome = (Vec<Owned>, Result<(), FrameError>);

/// Feeds `bytes` in pieces whose sizes repeat `cuts`.
fn read(role: Role, bytes: &[u8], cuts: &[usize], limits: &DecodeLimits) -> Outcome {
    let mut decoder = Decoder::new(role);
    let mut messages = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut sizes = cuts.iter().cycle();
    let mut outcome = Ok(());
    while !rest.is_empty() && outcome.is_ok() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        let (piece, behind) = rest.split_at_mut(size);
        rest = behind;
        let consumed = decoder.feed(piece, limits, &mut |message| {
            messages.push(message.into());
            ControlFlow::Continue(())
        });
        outcome = consumed.map(|count| assert_eq!(count, size));
    }
    (messages, outcome)
}

fn serve(bytes: &[u8]) -> Outcome {
    let whole = read(Role::Server, bytes, &[usize::MAX], &LIMITS);
    let bytewise = read(Role::Server, bytes, &[1], &LIMITS);
    assert_eq!(whole, bytewise);
    whole
}

fn protocol_error(bytes: &[u8]) -> &'static str {
    match serve(bytes).1 {
        Err(FrameError::Protocol(rule)) => rule,
        other => panic!("{bytes:x?}: {other:?}"),
    }
}

/// A client's frame with explicit header fields.
fn client(is_final: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    masked_frame(opcode, payload, *b"mask", &mut out);
    if !is_final {
        out[0] &= 0x7f;
    }
    out
}

fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}

#[test]
fn idle_decoder_is_small_and_allocates_nothing() {
    assert!(size_of::<Decoder>() <= 16);
    let mut decoder = Decoder::new(Role::Server);
    let mut sink = |_: Message<'_>| ControlFlow::Continue(());
    let mut frames = [
        client(true, Opcode::Text, b"hello"),
        client(false, Opcode::Text, b"hel"),
        client(true, Opcode::Ping, b"x"),
        client(true, Opcode::Continuation, b"lo"),
    ]
    .concat();
    for byte in &mut frames {
        decoder
            .feed(std::slice::from_mut(byte), &LIMITS, &mut sink)
            .unwrap();
    }
    assert_eq!(decoder.buffered_bytes(), 0);
}

#[test]
fn a_declared_length_reserves_nothing() {
    let mut decoder = Decoder::new(Role::Server);
    let mut frame = client(true, Opcode::Binary, &vec![0; 1 << 20]);
    let mut sink = |_: Message<'_>| ControlFlow::Continue(());
    decoder.feed(&mut frame[..100], &LIMITS, &mut sink).unwrap();
    assert!(decoder.buffered_bytes() < 1024);
}

#[test]
fn complete_messages_are_borrowed_from_the_input() {
    let mut input = [
        client(true, Opcode::Text, b"one"),
        client(true, Opcode::Binary, b"two"),
    ]
    .concat();
    let range = input.as_ptr_range();
    let (from, to) = (range.start as usize, range.end as usize);
    let mut seen = 0;
    Decoder::new(Role::Server)
        .feed(&mut input, &LIMITS, &mut |message| {
            let at = match message {
                Message::Text(text) => text.as_ptr() as usize,
                Message::Binary(bytes) => bytes.as_ptr() as usize,
                other => panic!("{other:?}"),
            };
            assert!((from..to).contains(&at));
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn stopped_sink_leaves_the_rest_unchanged() {
    let first = client(true, Opcode::Text, b"one");
    let second = client(true, Opcode::Text, b"two");
    let mut input = [first.clone(), second.clone()].concat();
    let mut decoder = Decoder::new(Role::Server);
    let consumed = decoder
        .feed(&mut input, &LIMITS, &mut |_| ControlFlow::Break(()))
        .unwrap();
    assert_eq!(consumed, first.len());
    assert_eq!(input[consumed..], second);
    let mut got = Vec::new();
    decoder
        .feed(&mut input[consumed..], &LIMITS, &mut |message| {
            got.push(Owned::from(message));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(got, [text("two")]);
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bit in [0x10, 0x20, 0x40] {
        let mut frame = client(true, Opcode::Text, b"x");
        frame[0] |= bit;
        assert_eq!(protocol_error(&frame), "a reserved bit is set");
    }
    for opcode in (3..8).chain(11..16) {
        let mut frame = client(true, Opcode::Text, b"x");
        frame[0] = 0x80 | opcode;
        assert_eq!(protocol_error(&frame), "a reserved opcode");
    }
}

#[test]
fn only_client_frames_are_masked() {
    assert_eq!(
        protocol_error(&text_frame(b"x")),
        "a client frame without a mask"
    );
    let masked = client(true, Opcode::Text, b"x");
    assert_eq!(
        read(Role::Client, &masked, &[1], &LIMITS).1,
        Err(FrameError::Protocol("a server frame with a mask"))
    );
    assert_eq!(
        read(Role::Client, &text_frame(b"x"), &[1], &LIMITS),
        (vec![text("x")], Ok(()))
    );
}

#[test]
fn long_or_fragmented_control_frames_are_refused() {
    for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
        assert_eq!(
            protocol_error(&client(false, opcode, b"")),
            "a fragmented control frame"
        );
        assert_eq!(
            protocol_error(&client(true, opcode, &[0; 126])),
            "a control frame longer than 125 bytes"
        );
    }
    let longest = vec![b'x'; 125];
    assert_eq!(
        serve(&client(true, Opcode::Ping, &longest)),
        (vec![Owned::Ping(longest)], Ok(()))
    );
}

#[test]
fn control_frames_are_delivered_between_fragments() {
    let conversation = [
        client(false, Opcode::Text, "h\u{e4}".as_bytes()),
        client(true, Opcode::Ping, b"1"),
        client(false, Opcode::Continuation, b""),
        client(true, Opcode::Pong, b""),
        client(true, Opcode::Continuation, b"llo"),
        client(true, Opcode::Binary, b""),
    ]
    .concat();
    let expected = vec![
        Owned::Ping(b"1".to_vec()),
        Owned::Pong(Vec::new()),
        text("h\u{e4}llo"),
        Owned::Binary(Vec::new()),
    ];
    assert_eq!(serve(&conversation), (expected, Ok(())));
}

#[test]
fn continuation_without_a_message_is_refused() {
    for is_final in [true, false] {
        assert_eq!(
            protocol_error(&client(is_final, Opcode::Continuation, b"x")),
            "a continuation frame without a message to continue"
        );
    }
    for opcode in [Opcode::Text, Opcode::Binary] {
        let mut frames = client(false, Opcode::Text, b"x");
        frames.extend(client(true, opcode, b"y"));
        assert_eq!(
            protocol_error(&frames),
            "a new message before the last one was finished"
        );
    }
}

#[test]
fn long_length_forms_are_accepted_but_not_the_top_bit() {
    // A form that is not the shortest is accepted.
    let mut frame = vec![0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    frame.push(b'x');
    assert_eq!(serve(&frame), (vec![text("x")], Ok(())));
    let mut frame = vec![0x82, 0x80 | 127];
    frame.extend((1u64 << 63).to_be_bytes());
    assert_eq!(
        protocol_error(&frame),
        "a length with its most significant bit set"
    );
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let limits = DecodeLimits {
        message_bytes_max: 10,
    };
    let read = |bytes: &[u8]| read(Role::Server, bytes, &[usize::MAX], &limits);
    let fits = client(true, Opcode::Text, &[b'x'; 10]);
    assert_eq!(read(&fits), (vec![text("xxxxxxxxxx")], Ok(())));
    let over = client(true, Opcode::Text, &[b'x'; 11]);
    assert_eq!(read(&over[..6]).1, Err(FrameError::TooLarge));
    // The limit applies to the sum of fragments, without control frames.
    let mut fragments = client(false, Opcode::Text, &[b'x'; 6]);
    fragments.extend(client(true, Opcode::Ping, &[0; 100]));
    fragments.extend(&client(true, Opcode::Continuation, &[b'x'; 5])[..6]);
    assert_eq!(read(&fragments).1, Err(FrameError::TooLarge));
    let mut huge = vec![0x82, 0x80 | 127];
    huge.extend((u64::MAX >> 1).to_be_bytes());
    huge.extend([0; 4]);
    assert_eq!(read(&huge).1, Err(FrameError::TooLarge));
}

#[test]
fn message_of_16_mib_is_decoded_in_pieces_of_any_size() {
    let limits = DecodeLimits {
        message_bytes_max: 16 << 20,
    };
    let payload: Vec<u8> = (0..16u32 << 20).map(|i| (i % 251) as u8).collect();
    let frame = client(true, Opcode::Binary, &payload);
    for cuts in [&[usize::MAX][..], &[4096], &[1, 65_536, 7, 100_003]] {
        let (messages, outcome) = read(Role::Server, &frame, cuts, &limits);
        assert_eq!(outcome, Ok(()));
        assert!(messages == [Owned::Binary(payload.clone())]);
    }
}

#[test]
fn long_message_is_decoded_byte_by_byte() {
    let payload = "\u{fc}".repeat(50_000);
    let frame = client(true, Opcode::Text, payload.as_bytes());
    let (messages, outcome) = read(Role::Server, &frame, &[1], &LIMITS);
    assert_eq!(outcome, Ok(()));
    assert!(messages == [Owned::Text(payload)]);
}

#[test]
fn utf8_is_validated_across_fragments() {
    let word = "\u{3ba}\u{1f600}".as_bytes();
    for cut in 0..=word.len() {
        let mut frames = client(false, Opcode::Text, &word[..cut]);
        frames.extend(client(true, Opcode::Continuation, &word[cut..]));
        assert_eq!(serve(&frames), (vec![text("\u{3ba}\u{1f600}")], Ok(())));
    }
    // The end of the message truncates a character.
    assert_eq!(
        serve(&client(true, Opcode::Text, &word[..3])).1,
        Err(FrameError::NotUtf8)
    );
    // The same bytes are valid as binary.
    assert!(serve(&client(true, Opcode::Binary, &word[..3])).1.is_ok());
}

#[test]
fn invalid_utf8_is_refused_before_its_frame_ends() {
    let frame = client(true, Opcode::Text, b"abc\xf4\x90 and more to come");
    let part = &frame[..6 + 5];
    assert_eq!(
        read(Role::Server, part, &[1], &LIMITS).1,
        Err(FrameError::NotUtf8)
    );
    assert_eq!(
        read(Role::Server, part, &[usize::MAX], &LIMITS).1,
        Err(FrameError::NotUtf8)
    );
}

#[test]
fn close_frames_are_validated_and_end_decoding() {
    let close = |payload: &[u8]| client(true, Opcode::Close, payload);
    let mut frames = close(b"\x03\xe8bye");
    frames.extend(client(true, Opcode::Text, b"late"));
    frames.extend([0xff; 20]);
    assert_eq!(
        serve(&frames),
        (vec![Owned::Close(Some(1000), "bye".to_owned())], Ok(()))
    );
    assert_eq!(
        serve(&close(b"")),
        (vec![Owned::Close(None, String::new())], Ok(()))
    );
    assert_eq!(
        protocol_error(&close(b"\x03")),
        "a close frame with an incomplete code"
    );
    assert_eq!(serve(&close(b"\x03\xe8\xff")).1, Err(FrameError::NotUtf8));
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999u16,
    ] {
        assert_eq!(
            serve(&close(&code.to_be_bytes())).0,
            [Owned::Close(Some(code), String::new())]
        );
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1012, 1015, 1016, 1100, 2000, 2999, 5000, 65_535u16,
    ] {
        assert_eq!(
            protocol_error(&close(&code.to_be_bytes())),
            "a close code that must not be sent"
        );
    }
}

#[test]
fn nothing_is_decoded_after_an_error() {
    let mut decoder = Decoder::new(Role::Server);
    let mut sink = |_: Message<'_>| ControlFlow::Continue(());
    let mut wrong = client(false, Opcode::Text, b"begun");
    wrong.push(0xff);
    assert!(decoder.feed(&mut wrong, &LIMITS, &mut sink).is_err());
    assert!(decoder.has_ended());
    assert_eq!(decoder.buffered_bytes(), 0);
    let mut good = client(true, Opcode::Text, b"x");
    let mut sink = |message: Message<'_>| panic!("{message:?}");
    assert_eq!(decoder.feed(&mut good, &LIMITS, &mut sink), Ok(good.len()));
}

#[test]
fn errors_map_to_close_reasons() {
    let rows = [
        (FrameError::Protocol("x"), CloseReason::ProtocolError),
        (FrameError::NotUtf8, CloseReason::NotUtf8),
        (FrameError::TooLarge, CloseReason::TooLarge),
    ];
    for (error, reason) in rows {
        assert_eq!(CloseReason::from(error), reason);
    }
}

#[test]
fn fragments_without_content_are_counted() {
    let mut decoder = Decoder::new(Role::Client);
    let mut count = |bytes: &[u8]| {
        let limits = DecodeLimits {
            message_bytes_max: 100,
        };
        let mut bytes = bytes.to_vec();
        let mut sink = |_: Message<'_>| ControlFlow::Continue(());
        decoder.feed(&mut bytes, &limits, &mut sink).unwrap();
        decoder.take_empty_fragments()
    };
    // A message of three fragments, the last of them empty, and an empty one.
    assert_eq!(count(&[0x01, 1, b'a', 0x00, 1, b'b', 0x80, 0, 0x81, 0]), 0);
    assert_eq!(count(&[0x01, 0, 0x00, 0, 0x00, 0]), 3);
    assert_eq!(count(&[0x89, 0, 0x00, 0, 0x80, 1, b'c']), 1);
    assert_eq!(count(&[]), 0);
}
