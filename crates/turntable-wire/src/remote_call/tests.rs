//! Every form of an entry, up and down, and invalid entries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::json_v1;
use turntable_core::id::UserId;
use turntable_core::packet::*;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

const LIMITS: Limits = Limits {
    depth_max: 32,
    batch_max: 8,
};

/// Decodes a body with one entry.
fn one(body: &str) -> Entry {
    let mut entries = decode(body, &LIMITS).expect(body);
    assert_eq!(entries.len(), 1, "{body}");
    entries.pop().unwrap()
}

fn message(id: Option<&str>, packet: ClientPacket) -> Entry {
    Ok(ClientMessage {
        id: id.map(|id| RequestId(id.into())),
        packet,
    })
}

fn payload(json: &str) -> Payload {
    Payload::from_json(json)
}

/// Encodes a message of the server as an entry.
fn written(text: &str) -> String {
    let mut out = b"left ".to_vec();
    assert!(entry(text, &mut out), "{text}");
    String::from_utf8(out).unwrap()[5..].to_owned()
}

#[test]
fn every_command_is_a_core_call_and_equals_that_of_v1() {
    let session = "AAAAAAAAAAAAAAAAAAAAAA";
    let resume = format!(r#"{{"session": "{session}", "received": 3}}"#);
    let data = |name| match name {
        "idme" => r#"{"user": "1:12345", "credentials": {"token": "t"}}"#,
        "resume" => &resume,
        "subscribe" | "unsubscribe" | "lookup" => r#"["1:2345", "1:3456"]"#,
        "status" => r#""busy""#,
        "joingame" => r#"{"channel": "CStrike", "self": "1:3456"}"#,
        "game" => {
            r#"{"channel": "c", "actions": [{"timestamp": 1.0, "from": "1:1", "data": 1e9}]}"#
        }
        "publish" => r#"{"channel": "c", "data": {"a": 1.50}}"#,
        "call" => r#"{"f": "forum:createPost", "args": [1]}"#,
        "reply" => "null",
        "set" => r#"{"username": "Pomke", "old": null}"#,
        "provide" => r#"{"services": {"chat": ["sendMessage"]}}"#,
        "time" => r#"{"t0": 12.50}"#,
        "authenticate" => r#"{"credentials": {}}"#,
        "bye" => "{}",
        "block" => r#"{"remove": ["1:2345"]}"#,
        "leavegame" | "declineinvite" | "joinchannel" | "leavechannel" => r#"{"channel": "c"}"#,
        other => panic!("a command without a row here: {other}"),
    };
    let limits = json_v1::DecodeLimits { depth_max: 32 };
    for (name, _) in ClientPacket::COMMANDS {
        let data = data(name);
        let v1 = format!(r#"{{"command": "{name}", "data": {data}, "id": "q"}}"#);
        let v1 = json_v1::decode(&v1, &limits);
        assert_eq!(v1.as_ref().unwrap().packet.name(), name);
        assert_eq!(
            one(&format!(
                r#"{{"f": "$av:{name}", "args": {data}, "id": "q"}}"#
            )),
            v1,
            "{name}"
        );
    }
}

#[test]
fn invalid_command_gets_the_error_of_v1() {
    let error = one(r#"{"f": "$av:idme", "args": {"user": "mel"}, "id": 7}"#).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidId);
    assert_eq!(error.command, Some("idme"));
    assert_eq!(error.id, Some(RequestId("7".into())));
    let error = one(r#"{"f": "$av:publish"}"#).unwrap_err();
    assert_eq!((error.code, &error.id), (ErrorCode::BadMessage, &None));
    assert!(error.message.contains("; publish takes "), "{error:?}");
}

#[test]
fn bye_needs_no_args() {
    assert_eq!(one(r#"{"f":"$av:bye"}"#), message(None, ClientPacket::Bye));
}

#[test]
fn unknown_core_function_is_refused_with_the_known_ones() {
    for name in ["heartbeat", "connected", "welcome", "IDME", "", "idme "] {
        let error = one(&format!(r#"[{{"f":"$av:{name}","args":{{}},"id":"x"}}]"#)).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownCommand, "{name}");
        assert_eq!(error.id, Some(RequestId("\"x\"".into())));
        for (name, _) in ClientPacket::COMMANDS {
            assert!(error.message.contains(&format!("$av:{name}")), "{error}");
        }
    }
}

#[test]
fn calls_and_answers_are_unchanged() {
    let call = |f: &str, args: Option<&str>| ClientPacket::Call {
        f: f.into(),
        args: args.map(payload),
        user: None,
    };
    let reply = |result: &str| ClientPacket::Reply {
        result: payload(result),
    };
    let rows = [
        (
            r#"{"f": "forum:createPost", "args": {"n" : 1.000, "\u00fc": 1e99}, "id": "a\u0062"}"#,
            Some(r#""a\u0062""#),
            call("forum:createPost", Some(r#"{"n" : 1.000, "\u00fc": 1e99}"#)),
        ),
        (r#"{"f":"a:b"}"#, None, call("a:b", None)),
        (
            r#" {"id":-1.50,"x":[],"args":null,"f":"a\u003ab"} "#,
            Some("-1.50"),
            call("a:b", Some("null")),
        ),
        (r#"{"f":"$avatar:b"}"#, None, call("$avatar:b", None)),
        (
            r#"{"f":"$av:direct","args":"forum","id":1}"#,
            Some("1"),
            call("$av:direct", Some("\"forum\"")),
        ),
        (r#"{"id":7,"r":null}"#, Some("7"), reply("null")),
        (r#"{"r":[ ],"id":"q"}"#, Some("\"q\""), reply("[ ]")),
        (
            r#"{"id":7,"error":{"code": "busy", "message": "not now", "more": 1.0}}"#,
            Some("7"),
            reply(r#"{"error":{"code": "busy", "message": "not now", "more": 1.0}}"#),
        ),
    ];
    for (body, id, packet) in rows {
        assert_eq!(one(body), message(id, packet), "{body}");
    }
}

#[test]
fn invalid_entry_is_refused_with_its_fault() {
    let long = format!(r#"{{"f":"a:b","id":"{}"}}"#, "x".repeat(65));
    let rows = [
        ("[1]", "an entry must be an object"),
        ("[[]]", "an entry must be an object"),
        ("[null]", "an entry must be an object"),
        (r#"["idme"]"#, "an entry must be an object"),
        ("{}", "f is missing"),
        (r#"{"id":1}"#, "f is missing"),
        (r#"{"command":"idme","data":"1:1"}"#, "f is missing"),
        (r#"{"f":1}"#, "f must be a string"),
        (r#"{"f":null,"id":1}"#, "f must be a string"),
        (r#"{"f":"\ud800"}"#, "f must be a string of valid Unicode"),
        (r#"{"r":1}"#, "id is missing"),
        (r#"{"error":{"code":"x","message":"y"}}"#, "id is missing"),
        (r#"{"id":1,"error":"x"}"#, "error must be an object"),
        (r#"{"id":1,"error":null}"#, "error must be an object"),
        (
            r#"{"id":1,"error":{"code":"x"}}"#,
            "error.message is missing",
        ),
        (
            r#"{"id":1,"error":{"code":5,"message":"y"}}"#,
            "error.code must be a string",
        ),
        (
            r#"{"id":1,"r":1,"error":{"code":"x","message":"y"}}"#,
            "only one of f, r and error",
        ),
        (r#"{"id":1,"f":"a:b","r":1}"#, "only one of f, r and error"),
        (r#"{"f":"a:b","f":"a:c"}"#, "duplicate field f"),
        (r#"{"f":"a:b","id":1,"\u0069d":1}"#, "duplicate field id"),
        (
            r#"{"f":"a:b","id":null}"#,
            "id must be a string or a number",
        ),
        (r#"{"f":"a:b","id":[1]}"#, "id must be a string or a number"),
        (&long, "id must be a string or a number of at most 64"),
        (r#"{"\ud800":1}"#, "an entry has a key that is not valid"),
    ];
    for (body, sentence) in rows {
        let error = one(body).expect_err(body);
        assert_eq!(error.code, ErrorCode::BadMessage, "{body}");
        assert!(error.message.starts_with(sentence), "{body}: {error}");
        assert!(error.message.contains("; an entry is "), "{error}");
    }
}

#[test]
fn errors_carry_the_id_if_known() {
    for body in [
        r#"{"id":"q","f":1}"#,
        r#"{"f":"a:b","f":"a:b","id":"q"}"#,
        r#"{"id":"q"}"#,
        r#"{"id":"q","error":1}"#,
    ] {
        let error = one(body).expect_err(body);
        assert_eq!(error.id, Some(RequestId("\"q\"".into())), "{body}");
    }
}

#[test]
fn one_bad_entry_does_not_affect_others_or_their_order() {
    let body = r#"[{"f":"a:1","id":1}, 5, {"f":"a:2","id":2}, {"f":"$av:dance","id":3},
        {"f":"$av:set","args":{"a":1,"a":2}}, {"f":"a:1","id":1}]"#;
    let entries = decode(body, &LIMITS).unwrap();
    let results: Vec<(Option<String>, Option<ErrorCode>)> = entries
        .iter()
        .map(|entry| match entry {
            Ok(message) => (message.id.clone(), None),
            Err(error) => (error.id.clone(), Some(error.code)),
        })
        .map(|(id, code)| (id.map(|id| id.0.into()), code))
        .collect();
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(
        results,
        [
            (id("1"), None),
            (None, Some(ErrorCode::BadMessage)),
            (id("2"), None),
            (id("3"), Some(ErrorCode::UnknownCommand)),
            (None, Some(ErrorCode::BadMessage)),
            // The same call twice is two calls; the server does not check ids for uniqueness.
            (id("1"), None),
        ]
    );
}

#[test]
fn an_empty_array_is_a_heartbeat() {
    for body in ["[]", " [ ]\n"] {
        assert_eq!(decode(body, &LIMITS), Ok(vec![]));
    }
}

#[test]
fn body_that_is_not_json_is_refused_as_a_whole() {
    for body in [
        "",
        " ",
        "[",
        "[{}",
        "[{},]",
        "{}{}",
        "[] x",
        "f=a:b",
        "\u{feff}[]",
        "[{\"f\":\"a\nb\"}]",
        r#"[{"f":"\x"}]"#,
        "[01]",
    ] {
        let error = decode(body, &LIMITS).expect_err(body);
        assert_eq!(error.code, ErrorCode::BadJson, "{body}");
        assert!(error.message.contains("line 1 column"));
    }
}

#[test]
fn body_that_is_neither_array_nor_entry_is_refused_as_a_whole() {
    for body in ["1", "null", "true", r#""[]""#] {
        let error = decode(body, &LIMITS).expect_err(body);
        assert_eq!(error.code, ErrorCode::BadMessage, "{body}");
        assert!(error.message.contains("array of entries"), "{error:?}");
    }
}

#[test]
fn batch_size_is_limited() {
    let body = |count| format!("[{}]", vec![r#"{"f":"a:b"}"#; count].join(","));
    assert_eq!(decode(&body(8), &LIMITS).unwrap().len(), 8);
    let error = decode(&body(9), &LIMITS).unwrap_err();
    assert_eq!(error.code, ErrorCode::TooMany);
    assert_eq!(error.details, [("max".into(), 8)]);
}

#[test]
fn nesting_limit_applies_to_every_form_of_an_entry() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let forms = [
        |value: &str| format!(r#"[{{"f":"a:b","args":{value},"id":1}}]"#),
        |value: &str| format!(r#"[{{"f":"$av:reply","args":{value},"id":1}}]"#),
        |value: &str| format!(r#"[{{"r":{value},"id":1}}]"#),
    ];
    for form in forms {
        assert!(one(&form(&nested(31))).is_ok());
        for depth in [32, 100_000] {
            let error = one(&form(&nested(depth))).unwrap_err();
            assert_eq!(error.code, ErrorCode::TooLarge);
            assert_eq!(error.details, [("max".into(), 32)]);
            assert!(error.id.is_some());
        }
    }
    let failure = |depth| {
        let more = nested(depth);
        one(&format!(
            r#"{{"id":1,"error":{{"code":"","message":"","more":{more}}}}}"#
        ))
    };
    assert!(failure(30).is_ok());
    assert_eq!(failure(31).unwrap_err().code, ErrorCode::TooLarge);
    let error = one(&nested(100_000)).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadMessage);
}

#[test]
fn messages_are_encoded_as_entries() {
    let rows = [
        (
            r#"{"command":"idyou","data":{}}"#,
            r#"{"f":"$av:idyou","args":{}}"#,
        ),
        (
            r#"{"command":"message","data":{"channel":"c","data":1.0}}"#,
            r#"{"f":"$av:message","args":{"channel":"c","data":1.0}}"#,
        ),
        (
            r#"{"command":"reply","data":null,"id":1e2}"#,
            r#"{"id":1e2,"r":null}"#,
        ),
        (
            r#"{"command":"joined","data":{"channel":"c"},"id":"\u0062"}"#,
            r#"{"id":"\u0062","r":{"channel":"c"}}"#,
        ),
        (
            r#"{"command":"error","data":{"code":"forbidden","message":"no"},"id":3}"#,
            r#"{"id":3,"error":{"code":"forbidden","message":"no"}}"#,
        ),
        (
            r#"{"command":"error","data":{"code":"bad_json","message":"no"}}"#,
            r#"{"f":"$av:error","args":{"code":"bad_json","message":"no"}}"#,
        ),
        (
            r#"{"command":"call","data":{"f":"friends:newFriend","args":["1:2"]},"id":9}"#,
            r#"{"f":"friends:newFriend","args":["1:2"],"id":9}"#,
        ),
        (
            r#"{"command":"call","data":{"f":"a:\"b"}}"#,
            r#"{"f":"a:\"b"}"#,
        ),
    ];
    for (message, expected) in rows {
        assert_eq!(written(message), expected);
    }
}

#[test]
fn every_message_of_the_server_has_an_entry() {
    let user = UserId::parse("1:\"ü").unwrap();
    let packets = [
        ServerPacket::IdYou,
        ServerPacket::UserChange(vec![(user.clone(), Presence::Busy)]),
        ServerPacket::Call {
            f: "a:\\b".into(),
            args: Some(payload("{ }")),
            user: None,
            key: None,
        },
        ServerPacket::Reply(ReplyData::Done),
        ServerPacket::Error(Box::new(ErrorBody::new(ErrorCode::Internal, "\"\n"))),
        ServerPacket::Attributes(vec![("a\"".into(), None)]),
        ServerPacket::GoAway {
            reason: "drain",
            reconnect_ms: 5,
            url: None,
        },
    ];
    for packet in packets {
        for id in [None, Some(RequestId("\"q\"".into()))] {
            let mut text = Vec::new();
            json_v1::encode(&packet, id.as_ref(), &mut text);
            let text = String::from_utf8(text).unwrap();
            let message: Value = serde_json::from_str(&text).unwrap();
            let entry: Value = serde_json::from_str(&written(&text)).expect(&text);
            let expected = match (packet.name().0, id) {
                ("call", None) => message["data"].clone(),
                ("call", Some(_)) => json!({"f": "a:\\b", "args": {}, "id": "q"}),
                ("error", Some(_)) => json!({"id": "q", "error": message["data"]}),
                (_, Some(_)) => json!({"id": "q", "r": message["data"]}),
                ("attributes", None) => json!({"f": "$av:set", "args": message["data"]}),
                (name, None) => json!({"f": format!("$av:{name}"), "args": message["data"]}),
            };
            assert_eq!(entry, expected);
        }
    }
}

#[test]
fn invalid_message_has_no_entry() {
    for text in [
        "",
        "[]",
        r#"{"command":"idyou"}"#,
        r#"{"command":1,"data":{}}"#,
        r#"{"command":"call","data":[]}"#,
        r#"{"command":"call","data":{"args":1}}"#,
    ] {
        let mut out = b"left".to_vec();
        assert!(!entry(text, &mut out), "{text}");
        assert_eq!(out, b"left");
    }
}

#[test]
fn a_session_begins_with_connected() {
    let mut out = b"[".to_vec();
    connected(r#"{"user":null,"resumed":false}"#, &mut out);
    assert_eq!(
        out,
        br#"[{"f":"$av:connected","args":{"user":null,"resumed":false}}"#
    );
}

proptest! {
    #[test]
    fn any_text_is_decoded_or_refused_as_json(
        body in prop_oneof![
            any::<String>(),
            "[\\[\\]{}\",:a-e0-9\\\\ .-]{0,40}",
            "\\[(\\{\"(f|r|id|error|args)\":(\"a:b\"|1|null|\"\\$av:bye\")(,\"(id|r|args)\":[0-9])?\\},?){0,3}\\]",
        ],
    ) {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        let read = decode(&body, &LIMITS);
        let bad_json = matches!(&read, Err(ErrorBody { code: ErrorCode::BadJson, .. }));
        prop_assert_eq!(bad_json, !is_json, "{:?}", read);
    }

    #[test]
    fn encoded_call_decodes_to_the_same_call(
        f in "[a-z\"\\\\ü]{1,5}:[a-z]{1,5}",
        args in proptest::option::of("-?[1-9][0-9]{0,25}(\\.[0-9]{1,5})?"),
        id in proptest::option::of("[1-9][0-9]{0,20}"),
    ) {
        let id = id.map(|id| RequestId(id.into()));
        let args = args.as_deref().map(payload);
        let mut text = Vec::new();
        let down = ServerPacket::Call { f: f.clone().into(), args: args.clone(), user: None, key: None };
        json_v1::encode(&down, id.as_ref(), &mut text);
        let up = one(&written(std::str::from_utf8(&text).unwrap()));
        prop_assert_eq!(up, Ok(ClientMessage {
            id,
            packet: ClientPacket::Call { f: f.into(), args, user: None },
        }));
    }
}
