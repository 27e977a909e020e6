//! Refused input, and the content of the refusals.

use super::commands::command;
use super::*;
use turntable_core::reason::ErrorCode;

#[test]
fn invalid_id_is_reported_with_its_index() {
    let rows = [
        ("idme", r#""12345""#, None),
        ("idme", r#"{"user": ":x"}"#, None),
        ("subscribe", r#"["x"]"#, Some(0)),
        ("unsubscribe", r#"["1:1", "1:1", "1 :1"]"#, Some(2)),
        ("lookup", r#"["1:1", ""]"#, Some(1)),
        ("joingame", r#"{"channel": "a b", "self": "1:1"}"#, None),
        ("joingame", r#"{"channel": "c", "self": "me"}"#, None),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "invite": ["1:2", "x"]}"#,
            Some(1),
        ),
        ("leavegame", r#"{"channel": ""}"#, None),
        ("joinchannel", r#"{"channel": "a/*"}"#, None),
        ("publish", r#"{"channel": "a//b", "data": 1}"#, None),
        (
            "game",
            r#"{"channel": "c", "actions": [{"timestamp": 1, "from": "x", "data": 1}]}"#,
            Some(0),
        ),
    ];
    for (name, data, index) in rows {
        let error = command(name, data).expect_err(data);
        assert_eq!(error.code, ErrorCode::InvalidId, "{name} {data}: {error}");
        let details: Vec<_> = index
            .map(|index| ("index".into(), index))
            .into_iter()
            .collect();
        assert_eq!(error.details, details, "{name} {data}");
    }
    // An element that is not a string is a `bad_message`.
    let error = command("subscribe", r#"["1:1", null]"#).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadMessage);
    assert_eq!(error.details, [("index".into(), 1)]);
    // An invalid session id is answered as expired.
    let error = command("resume", r#"{"session": "x", "received": 0}"#).unwrap_err();
    assert_eq!(error.code, ErrorCode::SessionExpired);
}

#[test]
fn invalid_action_is_reported_with_its_index() {
    let good = r#"{"timestamp": 1, "from": "1:1", "data": 1}"#;
    for wrong in [
        "1",
        "null",
        "[]",
        "{}",
        r#"{"from": "1:1", "data": 1}"#,
        r#"{"timestamp": "1", "from": "1:1", "data": 1}"#,
        r#"{"timestamp": 1e400, "from": "1:1", "data": 1}"#,
        r#"{"timestamp": null, "from": "1:1", "data": 1}"#,
        r#"{"timestamp": 1, "data": 1}"#,
        r#"{"timestamp": 1, "from": 1, "data": 1}"#,
        r#"{"timestamp": 1, "from": "1:1"}"#,
        r#"{"timestamp": 1, "from": "1:1", "data": 1, "team": null}"#,
        r#"{"timestamp": 1, "from": "1:1", "data": 1, "data": 2}"#,
    ] {
        let data = format!(r#"{{"channel": "c", "actions": [{good}, {good}, {wrong}, {good}]}}"#);
        let error = command("game", &data).expect_err(wrong);
        assert_eq!(error.code, ErrorCode::InvalidAction, "{wrong}: {error}");
        assert_eq!(error.details, [("index".into(), 2)], "{wrong}");
        assert!(error.message.contains("an action is {"), "{error}");
    }
}

#[test]
fn invalid_json_and_invalid_message_have_different_codes() {
    use ErrorCode::{BadJson, BadMessage, UnknownCommand};
    let rows = [
        ("", BadJson),
        ("nonsense", BadJson),
        ("{", BadJson),
        (r#"{"command": "bye",}"#, BadJson),
        (r#"{command: "bye"}"#, BadJson),
        (r#"{"command": "bye"} x"#, BadJson),
        (r#"{"command": "bye"}{}"#, BadJson),
        ("[1, 2", BadJson),
        ("[1, 2] 3", BadJson),
        ("{\"command\": \"b\u{1}ye\"}", BadJson),
        (r#"{"command": "set", "data": {"a": 01}}"#, BadJson),
        (
            r#"{"command": "publish", "data": {"channel": "c", "data": [NaN]}}"#,
            BadJson,
        ),
        ("[]", BadMessage),
        (r#"["bye", {}]"#, BadMessage),
        ("null", BadMessage),
        ("7", BadMessage),
        (r#""bye""#, BadMessage),
        ("{}", BadMessage),
        (r#"{"data": {}}"#, BadMessage),
        (r#"{"command": 1, "data": {}}"#, BadMessage),
        (r#"{"command": null}"#, BadMessage),
        (r#"{"command": "bye", "command": "bye"}"#, BadMessage),
        (r#"{"command": "idme"}"#, BadMessage),
        (r#"{"command": "set"}"#, BadMessage),
        (r#"{"command": "reply", "data": 1}"#, BadMessage),
        (r#"{"command": "Bye"}"#, UnknownCommand),
        (r#"{"command": "", "data": {}}"#, UnknownCommand),
        (r#"{"command": "welcome", "data": {}}"#, UnknownCommand),
    ];
    for (text, code) in rows {
        let error = decode(text, &LIMITS).expect_err(text);
        assert_eq!(error.code, code, "{text}: {error}");
    }
}

#[test]
fn only_bye_needs_no_data() {
    for (name, _) in ClientPacket::COMMANDS {
        let read = decode(&format!(r#"{{"command": "{name}"}}"#), &LIMITS);
        match read {
            Ok(message) => assert_eq!((message.packet, name), (ClientPacket::Bye, "bye")),
            Err(error) => assert_eq!(
                (error.code, error.command),
                (ErrorCode::BadMessage, Some(name)),
                "{error}"
            ),
        }
    }
}

#[test]
fn ids_are_unchanged() {
    let long = "x".repeat(64);
    for id in [
        "1",
        "-0.50e+3",
        r#""a""#,
        r#""\u0061\"""#,
        &format!("\"{long}\""),
    ] {
        let text = format!(r#"{{"id": {id}, "x": [{{}}], "command": "bye"}}"#);
        let read = decode(&text, &LIMITS).unwrap().id;
        assert_eq!(read, Some(RequestId(id.into())));
    }
    let digits = "1".repeat(65);
    for id in [
        "null",
        "true",
        "[]",
        "{}",
        r#""\ud800""#,
        &digits,
        &format!("\"{long}x\""),
    ] {
        let text = format!(r#"{{"id": {id}, "command": "bye"}}"#);
        let error = decode(&text, &LIMITS).unwrap_err();
        assert_eq!(
            (error.code, error.id),
            (ErrorCode::BadMessage, None),
            "{id}"
        );
        assert_eq!(error.command, Some("bye"));
    }
}

#[test]
fn errors_name_command_and_id_if_known() {
    let read = |text: &str| {
        let error = decode(text, &LIMITS).expect_err(text);
        (error.command, error.id.map(|id| id.0))
    };
    let id = || Some("7".into());
    assert_eq!(
        read(r#"{"id": 7, "data": 1, "command": "idme"}"#),
        (Some("idme"), id())
    );
    assert_eq!(read(r#"{"id": 7, "command": "dance"}"#), (None, id()));
    assert_eq!(read(r#"{"id": 7}"#), (None, id()));
    assert_eq!(
        read(r#"{"id": 7, "id": 8, "command": "bye"}"#),
        (Some("bye"), None)
    );
    let deep = format!(
        r#"{{"id": 7, "command": "reply", "data": {}}}"#,
        "[".repeat(40) + &"]".repeat(40)
    );
    assert_eq!(read(&deep), (Some("reply"), id()));
    let body = ErrorBody::from(decode(&deep, &LIMITS).unwrap_err());
    assert_eq!(body.code, ErrorCode::TooLarge);
    assert_eq!(
        (body.command, body.details),
        (Some("reply".into()), vec![("max".into(), 32)])
    );
}

#[test]
fn numbers_beyond_doubles_are_refused_everywhere() {
    let rows = [
        r#"{"command": "publish", "id": 7, "data": {"channel": "c", "data": {"a": [1e999]}}}"#,
        r#"{"command": "set", "id": 7, "data": {"a": -1e400}}"#,
        r#"{"command": "status", "id": 7, "data": {"state": "busy", "note": 1E309}}"#,
        r#"{"command": "bye", "id": 7, "x": 1e999}"#,
    ];
    for text in rows {
        let error = decode(text, &LIMITS).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadMessage, "{text}");
        assert!(error.message.contains("beyond the range"), "{error}");
        assert_eq!(error.id, Some(RequestId("7".into())));
    }
    let fits = r#"{"command": "publish", "data": {"channel": "c", "data": [1e308, "1e999", 18446744073709551616]}}"#;
    assert!(decode(fits, &LIMITS).is_ok());
}

#[test]
fn lone_surrogates_are_refused_everywhere() {
    let rows = [
        r#"{"command": "publish", "id": 7, "data": {"channel": "c", "data": {"a": ["\ud800"]}}}"#,
        r#"{"command": "set", "id": 7, "data": {"a": {"\udfff": 1}}}"#,
        r#"{"command": "status", "id": 7, "data": {"state": "busy", "note": "\ud83d \ude00"}}"#,
        r#"{"command": "joinchannel", "id": 7, "data": {"channel": "\ud800"}}"#,
        r#"{"command": "bye", "id": 7, "x": "\udc00"}"#,
    ];
    for text in rows {
        let error = decode(text, &LIMITS).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadMessage, "{text}");
        assert!(error.message.contains("Unicode"), "{error}");
        assert_eq!(error.id, Some(RequestId("7".into())));
    }
    let fits =
        r#"{"command": "publish", "data": {"channel": "c", "data": ["\ud83d\ude00", "\\ud800"]}}"#;
    assert!(decode(fits, &LIMITS).is_ok());
}

#[test]
fn nesting_limit_applies_to_every_part() {
    let nested = |levels: usize| {
        let data = "[".repeat(levels) + &"]".repeat(levels);
        [
            format!(r#"{{"command": "reply", "id": 1, "data": {data}}}"#),
            format!(r#"{{"x": {data}, "command": "bye"}}"#),
            format!(
                r#"{{"command": "bye", "data": {{"x": {}}}}}"#,
                "[".repeat(levels - 1) + &"]".repeat(levels - 1)
            ),
        ]
    };
    // The message's own object is the first level.
    for text in nested(31) {
        assert!(decode(&text, &LIMITS).is_ok(), "{text}");
    }
    for text in nested(32).into_iter().chain(nested(1_000_000)) {
        assert_eq!(
            decode(&text, &LIMITS).unwrap_err().code,
            ErrorCode::TooLarge
        );
    }
    // Brackets in strings and adjacent brackets do not nest.
    let strings = format!(
        r#"{{"command": "reply", "id": 1, "data": ["\\\"{}"]}}"#,
        "[".repeat(99)
    );
    assert!(decode(&strings, &LIMITS).is_ok());
    let beside = format!(
        r#"{{"command": "reply", "id": 1, "data": [{}[]]}}"#,
        "[],".repeat(99)
    );
    assert!(decode(&beside, &LIMITS).is_ok());
    // Unclosed, it is not JSON at any depth.
    let open = format!(r#"{{"command": "reply", "data": {}"#, "[".repeat(1_000_000));
    assert_eq!(decode(&open, &LIMITS).unwrap_err().code, ErrorCode::BadJson);
}
