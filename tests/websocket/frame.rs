//! Frames of RFC 6455, at the endpoint that echoes every message.

use std::time::{Duration, Instant};

use turntable_testkit::metric::CONNECTIONS;
use turntable_testkit::{Client, Frame, Opcode, Server};

fn echo_server() -> Server {
    Server::with(&[("server.echo", "true")])
}

/// The answer to these bytes must be a close with this code.
fn expect_close(server: &Server, bytes: &[u8], code: u16) {
    let mut client = server.echo();
    client.send_raw(bytes);
    assert_eq!(client.frame().close_code(), Some(code), "{bytes:x?}");
    assert_eq!(client.frame_or_end(), None, "{bytes:x?}");
}

#[test]
fn messages_of_every_size_class_are_echoed_unchanged() {
    let server = echo_server();
    let mut client = server.echo();
    for size in [0, 1, 125, 126, 127, 128, 4_096, 65_535, 65_536] {
        for opcode in [Opcode::TEXT, Opcode::BINARY] {
            let frame = Frame::new(opcode, vec![b'x'; size]);
            client.send_frame(&frame);
            assert_eq!(client.frame(), frame);
        }
    }
}

#[test]
fn sixteen_mebibyte_message_passes_if_configured() {
    let server = Server::with(&[
        ("server.echo", "true"),
        ("server.max_message_bytes", "16777216"),
    ]);
    let mut client = server.echo();
    let payload: Vec<u8> = (0..16_777_216u32).map(|at| (at % 251) as u8).collect();
    let frame = Frame::new(Opcode::BINARY, payload);
    client.send_frame(&frame);
    assert!(client.frame() == frame, "echoed with changes");
    // One byte more exceeds the limit.
    client.send_raw(&Frame::new(Opcode::BINARY, vec![0; 16_777_217]).masked()[..14]);
    client.expect_close(1009);
}

#[test]
fn oversize_message_is_refused_after_frame_header() {
    let server = echo_server();
    let head = &Frame::new(Opcode::TEXT, vec![b'x'; 65_537]).masked()[..14];
    expect_close(&server, head, 1009);
    // A length beyond any memory.
    expect_close(
        &server,
        &[
            0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
        ],
        1009,
    );
}

#[test]
fn size_limit_applies_to_message_not_fragment() {
    let server = echo_server();
    let mut bytes = Frame::fragment(Opcode::TEXT, vec![b'x'; 40_000]).masked();
    bytes.extend(Frame::new(Opcode::CONTINUATION, vec![b'x'; 25_536]).masked());
    let mut client = server.echo();
    client.send_raw(&bytes);
    assert_eq!(client.frame().payload.len(), 65_536);
    let mut bytes = Frame::fragment(Opcode::TEXT, vec![b'x'; 40_000]).masked();
    bytes.extend(Frame::new(Opcode::CONTINUATION, vec![b'x'; 25_537]).masked());
    expect_close(&server, &bytes, 1009);
}

#[test]
fn fragments_are_reassembled() {
    let server = echo_server();
    let mut client = server.echo();
    for (opcode, pieces) in [
        (Opcode::TEXT, vec!["a", "b", "c"]),
        (Opcode::BINARY, vec!["", "all", "", ""]),
        (Opcode::TEXT, vec!["", ""]),
    ] {
        let (last, first) = pieces.split_last().unwrap();
        for (at, piece) in first.iter().enumerate() {
            let opcode = if at == 0 {
                opcode
            } else {
                Opcode::CONTINUATION
            };
            client.send_frame(&Frame::fragment(opcode, *piece));
        }
        client.send_frame(&Frame::new(Opcode::CONTINUATION, *last));
        assert_eq!(client.frame(), Frame::new(opcode, pieces.concat()));
    }
}

#[test]
fn thousand_fragments_form_one_message() {
    let server = echo_server();
    let mut client = server.echo();
    let mut bytes = Frame::fragment(Opcode::TEXT, "0").masked();
    for _ in 0..998 {
        bytes.extend(Frame::fragment(Opcode::CONTINUATION, "1").masked());
    }
    bytes.extend(Frame::new(Opcode::CONTINUATION, "2").masked());
    client.send_raw(&bytes);
    assert_eq!(
        client.frame().payload,
        format!("0{}2", "1".repeat(998)).into_bytes()
    );
}

#[test]
fn ping_between_fragments_is_answered_at_once() {
    let server = echo_server();
    let mut client = server.echo();
    client.send_frame(&Frame::fragment(Opcode::TEXT, "fo"));
    client.send_frame(&Frame::new(Opcode::PING, "are you there"));
    assert_eq!(client.frame(), Frame::new(Opcode::PONG, "are you there"));
    client.send_frame(&Frame::new(Opcode::PONG, "unsolicited"));
    client.send_frame(&Frame::new(Opcode::CONTINUATION, "ur"));
    assert_eq!(client.frame(), Frame::text("four"));
}

#[test]
fn pings_of_every_allowed_size_are_answered_in_order() {
    let server = echo_server();
    let mut client = server.echo();
    for size in [0, 1, 60, 125] {
        client.send_frame(&Frame::new(Opcode::PING, vec![size; usize::from(size)]));
    }
    for size in [0, 1, 60, 125] {
        let payload = vec![size; usize::from(size)];
        assert_eq!(client.frame(), Frame::new(Opcode::PONG, payload));
    }
}

#[test]
fn frames_may_arrive_byte_by_byte() {
    let server = echo_server();
    let mut client = server.echo();
    let mut bytes = Frame::fragment(Opcode::TEXT, "Grüße ").masked();
    bytes.extend(Frame::new(Opcode::PING, "p").masked());
    bytes.extend(Frame::new(Opcode::CONTINUATION, "an alle €").masked());
    bytes.extend(Frame::new(Opcode::BINARY, vec![7; 300]).masked());
    for byte in bytes {
        client.send_raw(&[byte]);
    }
    assert_eq!(client.frame(), Frame::new(Opcode::PONG, "p"));
    assert_eq!(client.frame(), Frame::text("Grüße an alle €"));
    assert_eq!(client.frame(), Frame::new(Opcode::BINARY, vec![7; 300]));
}

#[test]
fn many_messages_may_arrive_in_one_segment() {
    let server = echo_server();
    let mut client = server.echo();
    let bytes: Vec<u8> = (0..500)
        .flat_map(|number| Frame::text(&number.to_string()).masked())
        .collect();
    client.send_raw(&bytes);
    for number in 0..500 {
        assert_eq!(client.frame(), Frame::text(&number.to_string()));
    }
}

#[test]
fn text_fragments_may_split_a_character() {
    let server = echo_server();
    let mut client = server.echo();
    let text = "κόσμε 𝄞 €";
    for cut in 1..text.len() {
        let (start, end) = text.as_bytes().split_at(cut);
        client.send_frame(&Frame::fragment(Opcode::TEXT, start));
        client.send_frame(&Frame::new(Opcode::CONTINUATION, end));
        assert_eq!(client.frame(), Frame::text(text));
    }
}

#[test]
fn invalid_utf_8_closes_with_1007() {
    let server = echo_server();
    let wrong: [&[u8]; 8] = [
        b"\xff",
        b"abc\x80",
        b"\xc3",             // cut off
        b"\xc0\xaf",         // overlong
        b"\xed\xa0\x80",     // a surrogate
        b"\xf4\x90\x80\x80", // past the last character
        b"\xf0\x82\x82\xac", // overlong
        b"ok \xe2\x28\xa1",
    ];
    for wrong in wrong {
        expect_close(&server, &Frame::new(Opcode::TEXT, wrong).masked(), 1007);
        let (start, end) = wrong.split_at(wrong.len() / 2);
        let mut bytes = Frame::fragment(Opcode::TEXT, start).masked();
        bytes.extend(Frame::new(Opcode::CONTINUATION, end).masked());
        expect_close(&server, &bytes, 1007);
        // Binary messages need not be UTF-8.
        let mut client = server.echo();
        client.send_frame(&Frame::new(Opcode::BINARY, wrong));
        assert_eq!(client.frame(), Frame::new(Opcode::BINARY, wrong));
    }
}

#[test]
fn forbidden_frames_close_with_1002() {
    let server = echo_server();
    for bits in [1, 2, 4, 7] {
        let mut frame = Frame::text("reserved");
        frame.bits |= bits;
        expect_close(&server, &frame.masked(), 1002);
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        expect_close(&server, &Frame::new(opcode, "?").masked(), 1002);
    }
    // Control frames must be unfragmented and short.
    for opcode in [Opcode::PING, Opcode::PONG, Opcode::CLOSE] {
        expect_close(&server, &Frame::fragment(opcode, "").masked(), 1002);
        expect_close(&server, &Frame::new(opcode, vec![b'x'; 126]).masked(), 1002);
    }
    // A continuation without a start, and a message inside another.
    expect_close(
        &server,
        &Frame::new(Opcode::CONTINUATION, "x").masked(),
        1002,
    );
    let mut bytes = Frame::fragment(Opcode::TEXT, "a").masked();
    bytes.extend(Frame::text("b").masked());
    expect_close(&server, &bytes, 1002);
}

#[test]
fn unmasked_client_frames_close_with_1002() {
    let server = echo_server();
    expect_close(&server, &Frame::text("bare").unmasked(), 1002);
    expect_close(&server, &Frame::new(Opcode::PING, "").unmasked(), 1002);
}

#[test]
fn close_is_answered_with_same_code() {
    let server = echo_server();
    for code in [
        1000, 1001, 1002, 1003, 1007, 1009, 1011, 3000, 3999, 4000, 4999,
    ] {
        let mut client = server.echo();
        client.send_frame(&Frame::close(code, "so long"));
        assert_eq!(client.frame().close_code(), Some(code));
        assert_eq!(client.frame_or_end(), None);
    }
    let mut client = server.echo();
    client.send_frame(&Frame::new(Opcode::CLOSE, ""));
    assert_eq!(client.frame(), Frame::new(Opcode::CLOSE, ""));
    assert_eq!(client.frame_or_end(), None);
}

#[test]
fn malformed_close_is_a_protocol_error() {
    let server = echo_server();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        expect_close(&server, &Frame::close(code, "").masked(), 1002);
    }
    expect_close(&server, &Frame::new(Opcode::CLOSE, "x").masked(), 1002);
    let mut frame = Frame::close(1000, "");
    frame.payload.extend_from_slice(b"\xce\xba\xff");
    expect_close(&server, &frame.masked(), 1007);
}

#[test]
fn close_behind_an_invalid_frame_ends_connection_at_once() {
    let server = echo_server();
    for wrong in [
        Frame::new(Opcode::TEXT, b"\xff").masked(),
        Frame::text("bare").unmasked(),
        Frame::new(3, "?").masked(),
        vec![0xff; 200],
    ] {
        let start = Instant::now();
        let mut client = server.echo();
        client.send_raw(&[wrong, Frame::close(1000, "").masked()].concat());
        let close = client.frame();
        assert_eq!(close.opcode, Opcode::CLOSE, "{close:?}");
        assert_eq!(client.frame_or_end(), None);
        server.await_metric(CONNECTIONS, 0.0);
        // The server waits so long for an answer that it does not have.
        let linger = Duration::from_secs(3);
        assert!(start.elapsed() < linger, "the Close was not seen");
        drop(client);
    }
}

#[test]
fn answer_to_close_ends_connection_that_failed() {
    let server = echo_server();
    // How long the server waits for an answer.
    let linger = Duration::from_secs(3);
    for wrong in [
        Frame::new(Opcode::TEXT, b"\xff").masked(),
        Frame::text("bare").unmasked(),
        Frame::new(3, "?").masked(),
    ] {
        let start = Instant::now();
        let mut client = server.echo();
        client.send_raw(&wrong);
        let close = client.frame();
        assert_eq!(close.opcode, Opcode::CLOSE, "{close:?}");
        assert_eq!(client.frame_or_end(), None);
        client.send_frame(&close);
        server.await_metric(CONNECTIONS, 0.0);
        assert!(start.elapsed() < linger, "the answer was not seen");
        drop(client);
    }
}

#[test]
fn frames_after_close_are_ignored() {
    let server = echo_server();
    let mut bytes = Frame::close(1000, "").masked();
    bytes.extend(Frame::text("too late").masked());
    bytes.extend(Frame::new(Opcode::PING, "too late").masked());
    expect_close(&server, &bytes, 1000);
}

#[test]
fn connection_broken_inside_frame_is_released() {
    let server = echo_server();
    let whole = Frame::text("a message that is cut off").masked();
    for cut in [0, 1, 5, 20] {
        let mut client: Client = server.echo();
        client.send_raw(&whole[..cut]);
        client.drop_connection();
    }
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn zero_mask_is_accepted() {
    let server = echo_server();
    let mut client = server.echo();
    client.send_raw(&[0x81, 0x82, 0, 0, 0, 0, b'o', b'k']);
    assert_eq!(client.frame(), Frame::text("ok"));
}
