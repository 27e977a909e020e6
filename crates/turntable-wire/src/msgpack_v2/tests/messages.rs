//! The same messages in both versions.

use serde_json::Value;

use super::*;
use crate::json_v1;
use turntable_core::packet::{ClientPacket, ServerPacket};

const JSON_LIMITS: json_v1::DecodeLimits = json_v1::DecodeLimits { depth_max: 32 };

/// Each command, in the order of the protocol's table.
const CONVERSATION: [(&str, &str); 21] = [
    (
        "idme",
        r#"{"user":"1:12345","credentials":{"key":{"$bin":"AP8="}},"attributes":{"n":1.5}}"#,
    ),
    (
        "resume",
        r#"{"session":"MDEyMzQ1Njc4OWFiY2RlZg","received":17}"#,
    ),
    ("subscribe", r#"["1:2345","1:3456","1:2345"]"#),
    ("unsubscribe", r#"["fb:mel"]"#),
    ("status", r#"{"state":"busy","note":["ü",null]}"#),
    (
        "joingame",
        r#"{"channel":"CStrike","self":"1:3456","invite":["1:1"],"team":"red","game":"strike"}"#,
    ),
    ("leavegame", r#"{"channel":"CStrike"}"#),
    (
        "game",
        r#"{"channel":"CStrike","actions":[{"timestamp":10223232,"from":"1:12345","data":{"strike_one":"1:2345"}},{"timestamp":0.25,"from":"1:12345","data":{"$ext":[9,"AA=="]},"team":"red"}]}"#,
    ),
    ("declineinvite", r#"{"channel":"CStrike"}"#),
    (
        "joinchannel",
        r#"{"channel":"chat/eu","subpaths":true,"since":{"epoch":"e","offset":18446744073709551615},"history":5}"#,
    ),
    ("leavechannel", r#"{"channel":"chat/eu"}"#),
    (
        "publish",
        r#"{"channel":"chat","data":[18446744073709551616,-0.0,1.0,1,{"$bin":""}]}"#,
    ),
    ("call", r#"{"f":"forum:createPost","args":{"title":"t"}}"#),
    ("reply", r#"{"done":true}"#),
    ("set", r#"{"username":"Pomke","old":null}"#),
    (
        "provide",
        r#"{"services":{"chat":["sendMessage","sendFile"]}}"#,
    ),
    ("time", r#"{"t0":1732180000123.5,"received":3}"#),
    ("lookup", r#"["1:2345"]"#),
    ("authenticate", r#"{"credentials":{"token":"x"}}"#),
    ("bye", "{}"),
    ("block", r#"{"add":["1:2345"]}"#),
];

#[test]
fn a_conversation_is_the_same_in_both_versions() {
    for ((name, data), (listed, number)) in CONVERSATION.into_iter().zip(ClientPacket::COMMANDS) {
        assert_eq!(name, listed);
        for id in [
            "7",
            "\"q\"",
            "-1",
            "18446744073709551615",
            "1.5",
            r#""ü\"""#,
        ] {
            let text = format!(r#"{{"command":"{name}","data":{data},"id":{id}}}"#);
            let mut bytes = Vec::new();
            assert!(encode_client(&text, &mut bytes), "{text}");
            assert_eq!(bytes[..2], [0x93, number]);
            let v1 = json_v1::decode(&text, &JSON_LIMITS).expect(&text);
            assert_eq!(decode(&bytes, &LIMITS), Ok(v1), "{text}");
        }
        let text = format!(r#"{{"command":"{name}","data":{data}}}"#);
        let mut bytes = Vec::new();
        assert!(encode_client(&text, &mut bytes), "{text}");
        assert_eq!(bytes[..2], [0x92, number]);
        // Only `reply` needs its id, in both versions.
        let v1 = json_v1::decode(&text, &JSON_LIMITS);
        assert_eq!(v1.is_err(), name == "reply", "{text}");
        assert_eq!(decode(&bytes, &LIMITS), v1, "{text}");
    }
    // The only command that needs no data.
    assert_eq!(
        decode(&[0x91, 20], &LIMITS).unwrap().packet,
        ClientPacket::Bye
    );
}

#[test]
fn invalid_commands_get_equal_errors_in_v1_and_v2() {
    let rows = [
        ("idme", "\"nobody\""),
        ("idme", "7"),
        ("resume", r#"{"session":"x","received":1}"#),
        (
            "resume",
            r#"{"session":"MDEyMzQ1Njc4OWFiY2RlZg","received":1.0}"#,
        ),
        ("subscribe", r#"["1:1",5]"#),
        ("status", "\"sleepy\""),
        (
            "game",
            r#"{"channel":"c","actions":[{"timestamp":1e999,"from":"1:1","data":0}]}"#,
        ),
        ("set", r#"{"a":1,"a":2}"#),
        ("publish", r#"{"channel":"c","channel":"d","data":0}"#),
        ("bye", "null"),
    ];
    for (name, data) in rows {
        let text = format!(r#"{{"command":"{name}","data":{data},"id":"q"}}"#);
        let mut bytes = Vec::new();
        assert!(encode_client(&text, &mut bytes), "{text}");
        let v1 = json_v1::decode(&text, &JSON_LIMITS).expect_err(&text);
        assert_eq!(decode(&bytes, &LIMITS), Err(v1), "{text}");
    }
}

#[test]
fn server_messages_round_trip() {
    for (packet, _, text) in json_v1::tests::messages::every_message() {
        let mut bytes = Vec::new();
        assert!(encode(&text, &mut bytes), "{text}");
        assert_eq!(bytes[1], packet.name().1);
        let mut back = Vec::new();
        decode_server(&bytes, &LIMITS, &mut back).expect(&text);
        let value = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap();
        assert_eq!(value(&back), value(text.as_bytes()));
        assert_eq!(json_v1::split(&text).unwrap().command, packet.name().0);
        // In the server's spelling, it round-trips byte for byte.
        let mut again = Vec::new();
        assert!(encode(std::str::from_utf8(&back).unwrap(), &mut again));
        assert_eq!(again, bytes);
    }
}

#[test]
fn the_table_has_every_message() {
    for (packet, ..) in json_v1::tests::messages::every_message() {
        assert!(
            ServerPacket::MESSAGES.contains(&packet.name()),
            "{packet:?}"
        );
    }
    for ((_, number), expected) in ServerPacket::MESSAGES.into_iter().zip((64..80).chain([84])) {
        assert_eq!(number, expected);
    }
}

#[test]
fn invalid_message_is_not_encoded() {
    let rows = [
        "",
        "[]",
        "{}",
        r#"{"command":"idyou"}"#,
        r#"{"command":"idme","data":{}}"#,
        r#"{"command":"idyou","data":{}"#,
    ];
    for text in rows {
        let mut out = b"left".to_vec();
        assert!(!encode(text, &mut out), "{text}");
        assert_eq!(out, b"left");
    }
    assert!(!encode_client(
        r#"{"command":"idyou","data":{}}"#,
        &mut Vec::new()
    ));
}

#[test]
fn invalid_server_message_is_refused() {
    for bytes in ["", "9201a0", "9240c1", "9240ca7fc00000", "934000c0"] {
        let mut out = b"left".to_vec();
        assert!(
            decode_server(&hex(bytes), &LIMITS, &mut out).is_err(),
            "{bytes}"
        );
        assert_eq!(out, b"left");
    }
}
