//! What comes up: each command's good and bad forms.

use super::*;
use crate::id::SessionId;
use crate::reason::ErrorCode;

/// What the command makes of `data`, and with which id.
fn command(name: &str, data: &str) -> Result<ClientPacket, DecodeError> {
    let text = format!(r#"{{"command": "{name}", "data": {data}, "id": "q"}}"#);
    let read = decode(&text, &LIMITS);
    let id = match &read {
        Ok(message) => message.id.as_ref(),
        Err(error) => error.id.as_ref(),
    };
    assert_eq!(id, Some(&RequestId("\"q\"".into())), "{text}");
    read.map(|message| message.packet)
}

#[test]
fn commands_are_read() {
    use ClientPacket as P;
    let idme = |credentials: Option<&str>, attributes: &[(&str, &str)]| P::IdMe {
        user: user("1:12345"),
        credentials: credentials.map(payload),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).into(), payload(value)))
            .collect(),
    };
    let status = |state, note: Option<&str>| P::Status {
        state,
        note: note.map(payload),
    };
    let action = |timestamp_ms, team: Option<&str>, data: &str| Action {
        timestamp_ms,
        from: user("1:3456"),
        team: team.map(Into::into),
        data: payload(data),
    };
    let join = |subpaths, since: Option<(&str, u64)>, history| {
        P::JoinChannel(JoinChannel {
            channel: channel("chat/eu"),
            subpaths,
            since: since.map(|(epoch, offset)| Position {
                epoch: epoch.into(),
                offset,
            }),
            history,
        })
    };
    let session = SessionId::from_bits(*b"0123456789abcdef");
    let resume = format!(r#"{{"session": "{}", "received": 17}}"#, session.secret());
    let rows = [
        ("idme", r#""1:12345""#, idme(None, &[])),
        ("idme", r#"{"user": "1:12345"}"#, idme(None, &[])),
        (
            "idme",
            r#"{"attributes": {"n": 1.50, "\"": []}, "credentials": {"token": null}, "user": "1:1234\u0035", "x": 1}"#,
            idme(Some(r#"{"token": null}"#), &[("n", "1.50"), ("\"", "[]")]),
        ),
        (
            "resume",
            &resume,
            P::Resume {
                session,
                received: 17,
            },
        ),
        ("subscribe", "[]", P::Subscribe(vec![])),
        (
            "subscribe",
            r#"["1:2", "1:3", "1:2"]"#,
            P::Subscribe(users(&["1:2", "1:3"])),
        ),
        ("unsubscribe", r#"["1:2"]"#, P::Unsubscribe(users(&["1:2"]))),
        ("status", r#""busy""#, status(Status::Busy, None)),
        (
            "status",
            r#"{"state": "invisible", "note": null}"#,
            status(Status::Invisible, Some("null")),
        ),
        (
            "joingame",
            r#"{"channel": "/CStrike", "self": "1:3456"}"#,
            P::JoinGame(JoinGame {
                channel: channel("CStrike"),
                member: user("1:3456"),
                invite: vec![],
                team: None,
                game: None,
            }),
        ),
        (
            "joingame",
            r#"{"channel": "CStrike", "self": "1:3456", "invite": ["1:1", "1:1"], "team": "red", "game": "strike"}"#,
            P::JoinGame(JoinGame {
                channel: channel("CStrike"),
                member: user("1:3456"),
                invite: users(&["1:1"]),
                team: Some("red".into()),
                game: Some("strike".into()),
            }),
        ),
        (
            "leavegame",
            r#"{"channel": "c"}"#,
            P::LeaveGame(channel("c")),
        ),
        (
            "game",
            r#"{"channel": "c", "actions": [{"timestamp": 10223232, "from": "1:3456", "data": {"a": null}},
                {"timestamp": -1.5e3, "from": "1:3456", "data": null, "team": "red"}]}"#,
            P::Game {
                channel: channel("c"),
                actions: vec![
                    action(10_223_232.0, None, r#"{"a": null}"#),
                    action(-1500.0, Some("red"), "null"),
                ],
            },
        ),
        (
            "declineinvite",
            r#"{"channel": "c"}"#,
            P::DeclineInvite(channel("c")),
        ),
        (
            "joinchannel",
            r#"{"channel": "chat/eu"}"#,
            join(false, None, None),
        ),
        (
            "joinchannel",
            r#"{"channel": "chat/eu", "subpaths": true, "since": {"epoch": "e", "offset": 18446744073709551615}, "history": 99999999999}"#,
            join(true, Some(("e", u64::MAX)), Some(u32::MAX)),
        ),
        (
            "leavechannel",
            r#"{"channel": "c"}"#,
            P::LeaveChannel(channel("c")),
        ),
        (
            "publish",
            r#"{"channel": "c", "data": 1.000}"#,
            P::Publish {
                channel: channel("c"),
                data: payload("1.000"),
            },
        ),
        (
            "call",
            r#"{"f": "forum:createPost"}"#,
            P::Call {
                f: "forum:createPost".into(),
                args: None,
            },
        ),
        (
            "call",
            r#"{"f": "a:b", "args": null}"#,
            P::Call {
                f: "a:b".into(),
                args: Some(payload("null")),
            },
        ),
        (
            "reply",
            "null",
            P::Reply {
                result: payload("null"),
            },
        ),
        (
            "set",
            r#"{"username": "Pomke", "old": null}"#,
            P::Set(vec![
                ("username".into(), Some(payload("\"Pomke\""))),
                ("old".into(), None),
            ]),
        ),
        (
            "provide",
            r#"{"services": {"chat": ["sendMessage", "sendFile"], "none": []}}"#,
            P::Provide(vec![
                ("chat".into(), vec!["sendMessage".into(), "sendFile".into()]),
                ("none".into(), vec![]),
            ]),
        ),
        (
            "time",
            r#"{"t0": 12.50}"#,
            P::Time {
                t0: payload("12.50"),
                t0_ms: 12.5,
                received: None,
            },
        ),
        (
            "time",
            r#"{"t0": 1, "received": 3}"#,
            P::Time {
                t0: payload("1"),
                t0_ms: 1.0,
                received: Some(3),
            },
        ),
        ("lookup", r#"["1:2"]"#, P::Lookup(users(&["1:2"]))),
        (
            "authenticate",
            r#"{"credentials": {"user": "x"}}"#,
            P::Authenticate {
                credentials: payload(r#"{"user": "x"}"#),
            },
        ),
        ("bye", "{}", P::Bye),
        ("bye", r#"{"why": [1]}"#, P::Bye),
    ];
    for (name, data, expected) in rows {
        assert_eq!(expected.name(), name);
        assert_eq!(command(name, data), Ok(expected), "{name} {data}");
    }
}

#[test]
fn data_of_the_wrong_shape_is_refused_with_the_field_and_the_shape() {
    let rows = [
        ("idme", "12345", "data has to be a user id or a hash"),
        ("idme", "null", "data has to be a user id or a hash"),
        ("idme", "{}", "user is missing"),
        ("idme", r#"{"user": null}"#, "user has to be a string"),
        (
            "idme",
            r#"{"user": "1:1", "credentials": null}"#,
            "credentials has to be a hash",
        ),
        (
            "idme",
            r#"{"user": "1:1", "credentials": "x"}"#,
            "credentials has to be a hash",
        ),
        (
            "idme",
            r#"{"user": "1:1", "attributes": []}"#,
            "attributes has to be a hash",
        ),
        (
            "idme",
            r#"{"user": "1:1", "attributes": {"a": null}}"#,
            "an attribute cannot be null",
        ),
        (
            "idme",
            r#"{"user": "1:1", "user": "1:2"}"#,
            "user stands twice",
        ),
        (
            "idme",
            r#""1:\ud800""#,
            "data has to be a string of valid Unicode",
        ),
        (
            "resume",
            r#"{"session": 1, "received": 0}"#,
            "session has to be a string",
        ),
        ("resume", r#"{"session": "x"}"#, "received is missing"),
        (
            "resume",
            r#"{"session": "x", "received": -1}"#,
            "received has to be a whole number",
        ),
        ("subscribe", r#""1:2""#, "data has to be a list"),
        ("subscribe", "{}", "data has to be a list"),
        ("subscribe", "null", "data has to be a list"),
        ("unsubscribe", "1", "data has to be a list"),
        ("lookup", "true", "data has to be a list"),
        ("status", r#""away""#, "there is no such state"),
        ("status", "7", "data has to be a state or a hash"),
        ("status", r#"{"note": 1}"#, "state is missing"),
        ("joingame", r#"{"self": "1:1"}"#, "channel is missing"),
        ("joingame", r#"{"channel": "c"}"#, "self is missing"),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "invite": null}"#,
            "invite has to be a list",
        ),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "team": 1}"#,
            "team has to be a string",
        ),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "game": null}"#,
            "game has to be a string",
        ),
        ("leavegame", r#""c""#, "data has to be a hash"),
        (
            "leavegame",
            r#"{"channel": 5}"#,
            "channel has to be a string",
        ),
        ("declineinvite", "{}", "channel is missing"),
        ("leavechannel", "[]", "data has to be a hash"),
        ("game", r#"{"channel": "c"}"#, "actions is missing"),
        (
            "game",
            r#"{"channel": "c", "actions": {}}"#,
            "actions has to be a list",
        ),
        (
            "game",
            r#"{"channel": "c", "actions": []}"#,
            "actions has to have at least one action",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "subpaths": 1}"#,
            "subpaths has to be true or false",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "since": 4}"#,
            "since has to be a hash",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "since": {"epoch": "e"}}"#,
            "since.offset is missing",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "since": {"epoch": 1, "offset": 1}}"#,
            "since.epoch has to be a string",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "history": 1.5}"#,
            "history has to be a whole number from 0",
        ),
        ("publish", r#"{"channel": "c"}"#, "data.data is missing"),
        ("call", "{}", "f is missing"),
        ("call", r#"{"f": ["a"]}"#, "f has to be a string"),
        ("set", "[]", "data has to be a hash"),
        (
            "set",
            r#"{"a": 1, "\u0061": 2}"#,
            "a key of data stands twice",
        ),
        (
            "set",
            r#"{"\ud800": 2}"#,
            "data has a key that is not valid Unicode",
        ),
        (
            "provide",
            r#"{"services": []}"#,
            "services has to be a hash",
        ),
        (
            "provide",
            r#"{"services": {"a": "b"}}"#,
            "a service has to be a list",
        ),
        (
            "provide",
            r#"{"services": {"a": ["b", 1]}}"#,
            "a function has to be a string",
        ),
        ("time", "{}", "t0 is missing"),
        ("time", r#"{"t0": "1"}"#, "t0 has to be a finite number"),
        ("time", r#"{"t0": 1e999}"#, "t0 has to be a finite number"),
        (
            "time",
            r#"{"t0": 1, "received": null}"#,
            "received has to be a whole number",
        ),
        ("authenticate", "{}", "credentials is missing"),
        (
            "authenticate",
            r#"{"credentials": 1}"#,
            "credentials has to be a hash",
        ),
        ("bye", "null", "data has to be a hash"),
    ];
    for (name, data, message) in rows {
        let error = command(name, data).expect_err(data);
        assert_eq!(error.code, ErrorCode::BadMessage, "{name} {data}: {error}");
        assert_eq!(error.command, Some(name));
        assert!(error.message.starts_with(message), "{name} {data}: {error}");
        assert!(
            error.message.contains(&format!("; {name} takes ")),
            "{error}"
        );
    }
}

#[test]
fn wrong_ids_are_named_by_their_place() {
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
        let details: Vec<_> = index.map(|index| ("index", index)).into_iter().collect();
        assert_eq!(error.details, details, "{name} {data}");
    }
    // An element that is no string at all has the wrong shape.
    let error = command("subscribe", r#"["1:1", null]"#).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadMessage);
    assert_eq!(error.details, [("index", 1)]);
    // What cannot be a session is one that is gone.
    let error = command("resume", r#"{"session": "x", "received": 0}"#).unwrap_err();
    assert_eq!(error.code, ErrorCode::SessionExpired);
}

#[test]
fn one_wrong_action_is_named_by_its_place() {
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
        assert_eq!(error.details, [("index", 2)], "{wrong}");
        assert!(error.message.contains("an action is {"), "{error}");
    }
}

#[test]
fn text_that_is_no_message_is_told_from_text_that_is_no_json() {
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
fn only_bye_goes_without_data() {
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
fn ids_are_kept_as_they_were_written() {
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
fn errors_carry_what_could_be_read() {
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
        (Some("reply"), vec![("max", 32)])
    );
}

#[test]
fn nesting_is_bounded_wherever_it_is() {
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
    // The message's own hash is the first level.
    for text in nested(31) {
        assert!(decode(&text, &LIMITS).is_ok(), "{text}");
    }
    for text in nested(32).into_iter().chain(nested(1_000_000)) {
        assert_eq!(
            decode(&text, &LIMITS).unwrap_err().code,
            ErrorCode::TooLarge
        );
    }
    // Brackets in strings are no nesting, and neither are many beside another.
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
    // Unclosed, it is no JSON, however deep.
    let open = format!(r#"{{"command": "reply", "data": {}"#, "[".repeat(1_000_000));
    assert_eq!(decode(&open, &LIMITS).unwrap_err().code, ErrorCode::BadJson);
}
