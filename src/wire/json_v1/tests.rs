//! Each command's good and bad forms, each message's shape, and both against
//! what chance comes up with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::id::{ChannelId, SessionId, UserId};
use crate::reason::ErrorCode;
use crate::wire::packet::*;
use crate::wire::payload::Payload;

const LIMITS: DecodeLimits = DecodeLimits { depth_max: 32 };

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| user(id)).collect()
}

fn channel(id: &str) -> ChannelId {
    ChannelId::parse(id).unwrap()
}

fn payload(json: &str) -> Payload {
    Payload::from_json(json)
}

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

fn written(packet: &ServerPacket, id: Option<&str>) -> String {
    let mut out = b"kept ".to_vec();
    encode(packet, id.map(|id| RequestId(id.into())).as_ref(), &mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("kept ").unwrap().to_owned()
}

#[test]
fn messages_have_the_shapes_of_the_protocol() {
    use ServerPacket as P;
    let id = ulid::Ulid::from_parts(1_732_180_000_123, 5);
    let session = SessionId::from_bits([7; 16]);
    let action = |timestamp_ms, team: Option<&str>| Action {
        timestamp_ms,
        from: user("1:3456"),
        team: team.map(Into::into),
        data: payload(r#"{"a": 1.0}"#),
    };
    let member = |id, team: Option<&str>, state| RoomMember {
        user: user(id),
        team: team.map(Into::into),
        state,
    };
    let rows = [
        (P::IdYou, None, r#"{"command":"idyou","data":{}}"#.to_owned()),
        (
            P::Welcome(Box::new(Welcome {
                user: user("1:1"),
                session,
                resumed: false,
                time_ms: 5,
                heartbeat_ms: 25_000,
                attributes: vec![("a\"b".into(), payload("[1.0]"))],
                limits: vec![("max_message_bytes", 65_536)],
                server: "turntable/0.1.0".into(),
            })),
            Some("1"),
            format!(
                r#"{{"command":"welcome","data":{{"user":"1:1","session":"{}","resumed":false,"time":5,"heartbeat_ms":25000,"attributes":{{"a\"b":[1.0]}},"services":{{}},"limits":{{"max_message_bytes":65536}},"server":"turntable/0.1.0"}},"id":1}}"#,
                session.secret()
            ),
        ),
        (
            P::UserChange(vec![
                (user("1:2345"), Presence::Online),
                (user("1:3456"), Presence::Offline),
                (user("1:\""), Presence::Busy),
                (user("1:\\"), Presence::Idle),
            ]),
            None,
            r#"{"command":"userchange","data":{"1:2345":"online","1:3456":"offline","1:\"":"busy","1:\\":"idle"}}"#.to_owned(),
        ),
        (
            P::Invite { channel: channel("c"), from: user("1:1") },
            None,
            r#"{"command":"invite","data":{"channel":"c","from":"1:1"}}"#.to_owned(),
        ),
        (
            P::InviteReply { channel: channel("c"), user: user("1:1"), accepted: true },
            None,
            r#"{"command":"invitereply","data":{"channel":"c","user":"1:1","accepted":true}}"#.to_owned(),
        ),
        (
            P::RoomJoined(Box::new(RoomJoined {
                channel: channel("c"),
                member: user("1:1"),
                team: Some("red".into()),
                members: vec![
                    member("1:1", Some("red"), MemberState::Joined),
                    member("1:2", None, MemberState::Away),
                ],
                state: Some(payload("null")),
                time_ms: 9,
            })),
            Some("\"j\""),
            r#"{"command":"joined","data":{"channel":"c","self":"1:1","team":"red","members":{"1:1":{"team":"red","state":"joined"},"1:2":{"state":"away"}},"state":null,"time":9},"id":"j"}"#.to_owned(),
        ),
        (
            P::ChannelJoined { channel: channel("a/b"), epoch: "e".into(), offset: 3, recovered: false },
            None,
            r#"{"command":"joined","data":{"channel":"a/b","epoch":"e","offset":3,"recovered":false}}"#.to_owned(),
        ),
        (
            P::MemberChange {
                channel: channel("c"),
                members: vec![(user("1:1"), MemberChange::Back), (user("1:2"), MemberChange::Left)],
            },
            None,
            r#"{"command":"memberchange","data":{"channel":"c","members":{"1:1":"back","1:2":"left"}}}"#.to_owned(),
        ),
        (
            P::Game {
                channel: channel("c"),
                actions: vec![action(1_732_180_000_123.0, None), action(0.25, Some("red"))],
            },
            None,
            r#"{"command":"game","data":{"channel":"c","actions":[{"timestamp":1732180000123,"from":"1:3456","data":{"a": 1.0}},{"timestamp":0.25,"from":"1:3456","data":{"a": 1.0},"team":"red"}]}}"#.to_owned(),
        ),
        (
            P::Message(Box::new(ChannelMessage {
                channel: channel("c"),
                id,
                offset: 8,
                from: user("1:1"),
                time_ms: 4,
                data: payload("\"x\""),
            })),
            None,
            format!(r#"{{"command":"message","data":{{"channel":"c","id":"{id}","offset":8,"from":"1:1","time":4,"data":"x"}}}}"#),
        ),
        (
            P::Call { f: "friends:newFriend".into(), args: Some(payload("[]")) },
            Some("3"),
            r#"{"command":"call","data":{"f":"friends:newFriend","args":[]},"id":3}"#.to_owned(),
        ),
        (P::Reply(ReplyData::Done), Some("3"), r#"{"command":"reply","data":{},"id":3}"#.to_owned()),
        (
            P::Reply(ReplyData::Published { id, offset: 1, epoch: "e".into() }),
            Some("3"),
            format!(r#"{{"command":"reply","data":{{"id":"{id}","offset":1,"epoch":"e"}},"id":3}}"#),
        ),
        (
            P::Reply(ReplyData::Lookup(vec![
                (user("1:1"), LookupEntry { state: Presence::Online, last_seen_ms: None, devices: 2, note: Some(payload("\"hi\"")) }),
                (user("1:2"), LookupEntry { state: Presence::Offline, last_seen_ms: Some(77), devices: 0, note: None }),
            ])),
            Some("3"),
            r#"{"command":"reply","data":{"1:1":{"state":"online","devices":2,"note":"hi"},"1:2":{"state":"offline","last_seen":77,"devices":0}},"id":3}"#.to_owned(),
        ),
        (P::Reply(ReplyData::Value(payload("null"))), Some("3"), r#"{"command":"reply","data":null,"id":3}"#.to_owned()),
        (
            P::Error(Box::new(ErrorBody::new(ErrorCode::BadJson, "no \"JSON\""))),
            None,
            r#"{"command":"error","data":{"code":"bad_json","message":"no \"JSON\""}}"#.to_owned(),
        ),
        (
            P::Error(Box::new(
                ErrorBody::new(ErrorCode::InvalidAction, "m").of("game").with("index", 2).with("max", 9),
            )),
            Some("3"),
            r#"{"command":"error","data":{"code":"invalid_action","message":"m","command":"game","details":{"index":2,"max":9}},"id":3}"#.to_owned(),
        ),
        (
            P::Attributes(vec![("a".into(), Some(payload("1e2"))), ("b".into(), None)]),
            None,
            r#"{"command":"attributes","data":{"a":1e2,"b":null}}"#.to_owned(),
        ),
        (
            P::Time { t0: payload("12.50"), t1_ms: 1, t2_ms: 2 },
            Some("0"),
            r#"{"command":"time","data":{"t0":12.50,"t1":1,"t2":2},"id":0}"#.to_owned(),
        ),
        (
            P::GoAway { reason: "shutdown", reconnect_ms: 50, url: Some("ws://x/ws".into()) },
            None,
            r#"{"command":"goaway","data":{"reason":"shutdown","reconnect_ms":50,"url":"ws://x/ws"}}"#.to_owned(),
        ),
    ];
    for (packet, id, expected) in rows {
        assert_eq!(written(&packet, id), expected);
        let parsed: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(parsed["command"], packet.name().0);
    }
}

#[test]
fn timestamps_are_written_as_clients_write_them() {
    let rows = [
        (0.0, "0"),
        (-0.0, "0"),
        (-5.0, "-5"),
        (1_732_180_000_123.0, "1732180000123"),
        (1_732_180_000_123.5, "1732180000123.5"),
        (9_007_199_254_740_992.0, "9007199254740992"),
    ];
    for (timestamp_ms, expected) in rows {
        let packet = ServerPacket::Game {
            channel: channel("c"),
            actions: vec![Action {
                timestamp_ms,
                from: user("1:1"),
                team: None,
                data: payload("0"),
            }],
        };
        let text = written(&packet, None);
        assert!(
            text.contains(&format!(r#""timestamp":{expected},"#)),
            "{text}"
        );
    }
}

/// Any JSON value as text, with blanks, escapes and spellings of numbers that
/// no serialiser would choose.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\u00fc\/\ud83d\ude00\u0000""#.to_owned()),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[ {}\t]", list.join(" ,\n"))),
            proptest::collection::vec(("[a-z\"\\\\]{0,3}", inner), 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{} : {value}", json!(key)))
                    .collect();
                format!("{{{} }}", entries.join(","))
            }),
        ]
    })
}

fn any_user() -> impl Strategy<Value = UserId> {
    ("[A-Za-z0-9_-]{1,32}", "[^\\p{C}\\p{Z}]{1,20}").prop_filter_map("too long", |(realm, name)| {
        UserId::parse(&format!("{realm}:{name}")).ok()
    })
}

proptest! {
    #[test]
    fn opaque_data_passes_byte_for_byte(data in json_text()) {
        let text = format!(r#"{{"command":"publish","data":{{"data": {data} ,"channel":"c"}}}}"#);
        let ClientPacket::Publish { channel, data: kept } = decode(&text, &LIMITS).unwrap().packet
        else {
            panic!("not a publish");
        };
        prop_assert_eq!(kept.as_json(), &data);
        let out = written(
            &ServerPacket::Message(Box::new(ChannelMessage {
                channel,
                id: ulid::Ulid::nil(),
                offset: 1,
                from: user("1:1"),
                time_ms: 1,
                data: kept,
            })),
            None,
        );
        let ending = format!("\"data\":{data}}}}}");
        prop_assert!(out.ends_with(&ending), "{}", out);
    }

    #[test]
    fn what_is_written_parses_to_what_was_meant(
        members in proptest::collection::btree_map(
            any_user(),
            (proptest::option::of(any::<String>()), json_text(), -1e15..1e15f64),
            0..5,
        ),
        id in proptest::option::of(any::<String>()),
        text: String,
        number: u64,
    ) {
        let path = channel("c/\"\\/ü");
        let request = id.as_ref().map(|id| json!(id).to_string());
        let expect = |packet: ServerPacket, data: Value| {
            let text = written(&packet, request.as_deref());
            let mut expected = json!({"command": packet.name().0, "data": data});
            if let Some(id) = &id {
                expected["id"] = json!(id);
            }
            let parsed: Value = serde_json::from_str(&text).expect(&text);
            assert_eq!(parsed, expected);
        };
        let parse = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        let team = |entry: &mut Value, team: &Option<String>| {
            if let Some(team) = team {
                entry["team"] = json!(team);
            }
        };

        let (mut actions, mut actions_json) = (Vec::new(), Vec::new());
        let (mut joined, mut joined_json) = (Vec::new(), json!({}));
        for (user, (side, data, timestamp_ms)) in &members {
            let timestamp_ms = timestamp_ms.round();
            actions.push(Action {
                timestamp_ms,
                from: user.clone(),
                team: side.as_deref().map(Into::into),
                data: payload(data),
            });
            let mut entry = json!({"timestamp": timestamp_ms as i64, "from": user.as_str(), "data": parse(data)});
            team(&mut entry, side);
            actions_json.push(entry);
            joined.push(RoomMember {
                user: user.clone(),
                team: side.as_deref().map(Into::into),
                state: MemberState::Joined,
            });
            let mut entry = json!({"state": "joined"});
            team(&mut entry, side);
            joined_json[user.as_str()] = entry;
        }
        expect(
            ServerPacket::Game { channel: path.clone(), actions },
            json!({"channel": path.as_str(), "actions": actions_json}),
        );
        expect(
            ServerPacket::RoomJoined(Box::new(RoomJoined {
                channel: path.clone(),
                member: user("1:1"),
                team: None,
                members: joined,
                state: None,
                time_ms: number,
            })),
            json!({"channel": path.as_str(), "self": "1:1", "members": joined_json, "time": number}),
        );
        expect(
            ServerPacket::Error(Box::new(
                ErrorBody::new(ErrorCode::TooMany, text.clone()).with("max", number),
            )),
            json!({"code": "too_many", "message": text, "details": {"max": number}}),
        );
        let value = members.values().next().map_or("0", |(_, data, _)| data);
        expect(
            ServerPacket::Attributes(vec![(text.clone().into(), Some(payload(value)))]),
            json!({text: parse(value)}),
        );
    }

    #[test]
    fn fragments_join_to_a_userchange(
        users in proptest::collection::btree_set(any_user(), 1..6),
    ) {
        let states = [Presence::Online, Presence::Busy, Presence::Idle, Presence::Offline];
        let changes: Vec<(UserId, Presence)> =
            users.into_iter().zip(states.into_iter().cycle()).collect();
        let mut joined = USERCHANGE_HEAD.to_vec();
        for (index, (user, presence)) in changes.iter().enumerate() {
            if index > 0 {
                joined.push(b',');
            }
            let start = joined.len();
            presence_fragment(user, *presence, &mut joined);
            let by_key = [&presence_key(user)[..], format!("\"{}\"", presence.name()).as_bytes()].concat();
            prop_assert_eq!(&joined[start..], &by_key[..]);
        }
        joined.extend_from_slice(USERCHANGE_TAIL);
        let whole = written(&ServerPacket::UserChange(changes), None);
        prop_assert_eq!(String::from_utf8(joined).unwrap(), whole);
    }

    #[test]
    fn any_text_is_read_or_refused_as_json_demands(
        text in prop_oneof![
            any::<String>(),
            "[\\[\\]{}\",:a-e0-9\\\\ .-]{0,40}",
            json_text(),
        ],
    ) {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let error = decode(&text, &LIMITS);
        let bad_json = matches!(&error, Err(DecodeError { code: ErrorCode::BadJson, .. }));
        prop_assert_eq!(bad_json, !is_json, "{:?}", error);
    }

    #[test]
    fn any_data_for_any_command_is_read_or_refused(
        index in 0..ClientPacket::COMMANDS.len(),
        data in json_text(),
        cut in 0..200usize,
        with in ".{0,2}",
    ) {
        let (name, _) = ClientPacket::COMMANDS[index];
        let mut text = format!(r#"{{"command":"{name}","id":"q","data":{data}}}"#);
        match decode(&text, &LIMITS) {
            Ok(message) => prop_assert_eq!(message.packet.name(), name),
            Err(error) => {
                prop_assert_eq!(error.command, Some(name));
                prop_assert!(error.id.is_some());
                prop_assert!(error.code != ErrorCode::BadJson, "{}", error);
            }
        }
        let at = text.floor_char_boundary(cut);
        text.insert_str(at, &with);
        if decode(&text, &LIMITS).is_ok() {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
