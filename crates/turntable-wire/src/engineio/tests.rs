//! The examples of the specification, the bad requests of its test suite, and
//! random payloads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use turntable_core::reason::CloseReason;

const LIMITS: PayloadLimits = PayloadLimits {
    bytes_max: 1000,
    packets_max: 8,
};

fn written(packets: &[Packet<'_>]) -> String {
    let mut out = String::new();
    for packet in packets {
        append(&mut out, packet);
    }
    out
}

fn handshake() -> Handshake {
    Handshake {
        sid: "lv_VI97HAXpY6yYWAAAC".into(),
        upgrades: vec![Transport::WebSocket],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        max_payload: 1_000_000,
    }
}

#[test]
fn the_examples_of_the_specification_are_read_and_written() {
    let rows: [(&[u8], &[Packet<'_>]); 8] = [
        (
            br#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
            &[Packet::Open(handshake())],
        ),
        (b"2", &[Packet::Ping("")]),
        (b"3", &[Packet::Pong("")]),
        (b"2probe", &[Packet::Ping("probe")]),
        (b"3probe", &[Packet::Pong("probe")]),
        (b"5", &[Packet::Upgrade]),
        (
            b"4hello\x1e2\x1e4world",
            &[
                Packet::Message("hello"),
                Packet::Ping(""),
                Packet::Message("world"),
            ],
        ),
        (
            b"4hello\x1ebAQIDBA==",
            &[
                Packet::Message("hello"),
                Packet::from_binary(&[1, 2, 3, 4]),
            ],
        ),
    ];
    for (text, packets) in rows {
        assert_eq!(decode_payload(text, &LIMITS).as_deref(), Ok(packets));
        assert_eq!(written(packets).as_bytes(), text);
    }
    // A handshake without upgrades, as on a WebSocket.
    let mut open = handshake();
    open.upgrades.clear();
    assert!(written(&[Packet::Open(open)]).contains(r#""upgrades":[],"#));
}

#[test]
fn invalid_packets_are_refused() {
    use PacketError as E;
    let rows: [(&[u8], E); 12] = [
        (b"", E::Empty),
        (b"4a\x1e", E::Empty),
        (b"\x1e4a", E::Empty),
        (b"abc", E::UnknownType),
        (b"7", E::UnknownType),
        ("é".as_bytes(), E::UnknownType),
        (b"0", E::Handshake),
        (br#"0{"sid":1}"#, E::Handshake),
        (b"bAQIDBA", E::Base64),
        (b"bAQIDBB==", E::Base64),
        (b"b AQ==", E::Base64),
        (b"4\xff", E::NotUtf8),
    ];
    for (text, error) in rows {
        assert_eq!(decode_payload(text, &LIMITS), Err(error), "{text:?}");
    }
    assert_eq!(Packet::decode("bAQ=="), Err(E::UnknownType));
}

#[test]
fn payload_limits_are_enforced() {
    let many = written(&[const { Packet::Noop }; 8]);
    assert_eq!(decode_payload(many.as_bytes(), &LIMITS).unwrap().len(), 8);
    let many = written(&[const { Packet::Noop }; 9]);
    let error = decode_payload(many.as_bytes(), &LIMITS).unwrap_err();
    assert_eq!(error, PacketError::TooMany);
    assert_eq!(CloseReason::from(error), CloseReason::TooLarge);
    assert!(decode_payload(&[b'4'; 1000], &LIMITS).is_ok());
    assert_eq!(
        decode_payload(&[b'4'; 1001], &LIMITS),
        Err(PacketError::TooLarge)
    );
}

#[test]
fn errors_have_the_bodies_of_engine_io() {
    for (code, error) in RequestError::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(error.code()), code);
        let status = if error == RequestError::Forbidden {
            403
        } else {
            400
        };
        assert_eq!(error.status(), status);
        let body: serde_json::Value = serde_json::from_str(&error.body()).unwrap();
        let expected = serde_json::json!({"code": code, "message": error.to_string()});
        assert_eq!(body, expected);
    }
}

#[test]
fn requests_select_their_action() {
    use Action as A;
    use RequestError as E;
    let rows = [
        ("EIO=4&transport=polling", "GET", false, Ok(A::OpenPolling)),
        (
            "EIO=4&transport=polling&t=x&b64=1",
            "GET",
            false,
            Ok(A::OpenPolling),
        ),
        (
            "transport=polling&EIO=4&sid=",
            "GET",
            false,
            Ok(A::OpenPolling),
        ),
        (
            "EIO=4&transport=websocket",
            "GET",
            true,
            Ok(A::OpenWebSocket),
        ),
        (
            "EIO=4&transport=polling&sid=s",
            "GET",
            false,
            Ok(A::Poll("s")),
        ),
        (
            "EIO=4&transport=polling&sid=s",
            "POST",
            false,
            Ok(A::Push("s")),
        ),
        (
            "EIO=4&transport=websocket&sid=s",
            "GET",
            true,
            Ok(A::Upgrade("s")),
        ),
        (
            "transport=polling",
            "GET",
            false,
            Err(E::UnsupportedVersion),
        ),
        (
            "EIO=abc&transport=polling",
            "GET",
            false,
            Err(E::UnsupportedVersion),
        ),
        (
            "EIO=3&transport=websocket",
            "GET",
            true,
            Err(E::UnsupportedVersion),
        ),
        ("EIO=4", "GET", false, Err(E::UnknownTransport)),
        ("", "GET", false, Err(E::UnknownTransport)),
        (
            "EIO=4&transport=abc",
            "GET",
            false,
            Err(E::UnknownTransport),
        ),
        (
            "EIO=4&transport=webtransport",
            "GET",
            false,
            Err(E::UnknownTransport),
        ),
        ("EIO=4&transport=polling", "POST", false, Err(E::BadMethod)),
        ("EIO=4&transport=polling", "PUT", false, Err(E::BadMethod)),
        (
            "EIO=4&transport=polling&sid=s",
            "PUT",
            false,
            Err(E::BadRequest),
        ),
        (
            "EIO=4&transport=polling&j=0",
            "GET",
            false,
            Err(E::BadRequest),
        ),
        (
            "EIO=4&transport=polling&sid=a&sid=b",
            "GET",
            false,
            Err(E::BadRequest),
        ),
        (
            "EIO=4&transport=websocket",
            "GET",
            false,
            Err(E::BadRequest),
        ),
        (
            "EIO=4&transport=websocket&sid=s",
            "GET",
            false,
            Err(E::BadRequest),
        ),
        ("EIO=4&transport=polling", "GET", true, Err(E::BadRequest)),
    ];
    for (query, method, is_websocket, expected) in rows {
        let action = Request::parse(query).and_then(|request| request.action(method, is_websocket));
        assert_eq!(action, expected, "{method} {query}");
    }
}

fn any_packet() -> impl Strategy<Value = Packet<'static>> {
    // Socket.IO data is JSON, which contains no unescaped separator.
    let data = "[^\\x1e]{0,12}".prop_map(|text: String| -> &'static str { text.leak() });
    prop_oneof![
        Just(Packet::Open(handshake())),
        Just(Packet::Close),
        data.clone().prop_map(Packet::Ping),
        data.clone().prop_map(Packet::Pong),
        data.prop_map(Packet::Message),
        any::<Vec<u8>>().prop_map(|bytes| Packet::Binary(Cow::Owned(bytes))),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
    ]
}

proptest! {
    #[test]
    fn payloads_round_trip(
        packets in proptest::collection::vec(any_packet(), 1..6),
        at in any::<prop::sample::Index>(),
    ) {
        let limits = PayloadLimits { bytes_max: usize::MAX, packets_max: 6 };
        let text = written(&packets);
        let read = decode_payload(text.as_bytes(), &limits);
        prop_assert_eq!(read.as_ref(), Ok(&packets));
        // Truncated, it has fewer packets or is refused; packets never change.
        let cut = at.index(text.len());
        if let Ok(read) = decode_payload(&text.as_bytes()[..cut], &limits) {
            let whole = read.len() - 1;
            prop_assert_eq!(&read[..whole], &packets[..whole]);
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_a_panic(body in any::<Vec<u8>>()) {
        if let Ok(packets) = decode_payload(&body, &LIMITS) {
            prop_assert!(packets.len() <= LIMITS.packets_max);
        }
    }

    #[test]
    fn size_of_a_binary_packet_is_computed_exactly(bytes in any::<Vec<u8>>()) {
        let mut out = String::new();
        append_binary(&mut out, &bytes);
        prop_assert_eq!(out.len(), encoded_binary_bytes(bytes.len()));
        prop_assert_eq!(out, written(&[Packet::from_binary(&bytes)]));
    }
}
