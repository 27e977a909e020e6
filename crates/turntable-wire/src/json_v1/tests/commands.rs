//! Valid and invalid forms of each command.

use super::*;
use turntable_core::id::SessionId;
use turntable_core::reason::ErrorCode;

/// Decodes the command with `data` and an id.
pub(super) fn command(name: &str, data: &str) -> Result<ClientPacket, DecodeError> {
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
fn commands_are_decoded() {
    use ClientPacket as P;
    let idme = |credentials: Option<&str>, attributes: &[(&str, &str)]| P::IdMe {
        user: Some(user("1:12345")),
        credentials: credentials.map(payload),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).into(), payload(value)))
            .collect(),
        status: None,
    };
    let with_status = |state, note: Option<&str>| P::IdMe {
        user: Some(user("1:12345")),
        credentials: None,
        attributes: Vec::new(),
        status: Some(OwnStatus {
            state,
            note: note.map(payload),
        }),
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
            below: Vec::new(),
        })
    };
    let session = SessionId::from_bits(*b"0123456789abcdef");
    let resume = format!(
        r#"{{"session": "{}", "received": 17, "attempt": 4}}"#,
        session.secret()
    );
    let rows = [
        ("idme", r#""1:12345""#, idme(None, &[])),
        ("idme", r#"{"user": "1:12345"}"#, idme(None, &[])),
        (
            "idme",
            "{}",
            P::IdMe {
                user: None,
                credentials: None,
                attributes: Vec::new(),
                status: None,
            },
        ),
        (
            "idme",
            r#"{"user": "1:12345", "status": "busy"}"#,
            with_status(Status::Busy, None),
        ),
        (
            "idme",
            r#"{"user": "1:12345", "status": {"state": "invisible", "note": [1]}}"#,
            with_status(Status::Invisible, Some("[1]")),
        ),
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
                attempt: Some(4),
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
            r#"{"channel": "chat", "subpaths": true, "below": {"chat/eu": {"epoch": "e", "offset": 7}}}"#,
            P::JoinChannel(JoinChannel {
                channel: channel("chat"),
                subpaths: true,
                since: None,
                history: None,
                below: vec![(
                    channel("chat/eu"),
                    Position {
                        epoch: "e".into(),
                        offset: 7,
                    },
                )],
            }),
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
                user: None,
            },
        ),
        (
            "call",
            r#"{"f": "a:b", "args": null}"#,
            P::Call {
                f: "a:b".into(),
                args: Some(payload("null")),
                user: None,
            },
        ),
        (
            "call",
            r#"{"f": "chat:sendMessage", "args": 1, "user": "1:2345"}"#,
            P::Call {
                f: "chat:sendMessage".into(),
                args: Some(payload("1")),
                user: UserId::parse("1:2345").ok(),
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
                user: None,
                credentials: payload(r#"{"user": "x"}"#),
            },
        ),
        (
            "block",
            r#"{"add": ["1:2", "1:2"], "remove": ["1:3"]}"#,
            P::Block {
                add: users(&["1:2"]),
                remove: users(&["1:3"]),
            },
        ),
        (
            "block",
            "{}",
            P::Block {
                add: Vec::new(),
                remove: Vec::new(),
            },
        ),
        (
            "authenticate",
            r#"{"user": "1:2", "credentials": {}}"#,
            P::Authenticate {
                user: Some(user("1:2")),
                credentials: payload("{}"),
            },
        ),
        ("bye", "{}", P::Bye),
        ("bye", r#"{"why": [1]}"#, P::Bye),
    ];
    for (name, data, expected) in rows {
        assert_eq!(expected.name(), name);
        assert_eq!(command(name, data), Ok(expected.clone()), "{name} {data}");
        let again = decode(&written_command(&expected), &LIMITS);
        assert_eq!(again.map(|message| message.packet), Ok(expected));
    }
}

#[test]
fn invalid_data_is_refused_with_its_field_and_accepted_form() {
    let rows = [
        ("idme", "12345", "data must be a user id or an object"),
        ("idme", "null", "data must be a user id or an object"),
        ("idme", r#"{"user": null}"#, "user must be a string"),
        (
            "idme",
            r#"{"user": "1:1", "credentials": null}"#,
            "credentials must be an object",
        ),
        (
            "idme",
            r#"{"user": "1:1", "credentials": "x"}"#,
            "credentials must be an object",
        ),
        (
            "idme",
            r#"{"user": "1:1", "attributes": []}"#,
            "attributes must be an object",
        ),
        (
            "idme",
            r#"{"user": "1:1", "status": 1}"#,
            "status must be a state or an object",
        ),
        (
            "idme",
            r#"{"user": "1:1", "status": "away"}"#,
            "unknown state",
        ),
        (
            "idme",
            r#"{"user": "1:1", "attributes": {"a": null}}"#,
            "an attribute cannot be null",
        ),
        (
            "idme",
            r#"{"user": "1:1", "user": "1:2"}"#,
            "duplicate field user",
        ),
        (
            "idme",
            r#""1:\ud800""#,
            "data must be a string of valid Unicode",
        ),
        (
            "resume",
            r#"{"session": 1, "received": 0}"#,
            "session must be a string",
        ),
        ("resume", r#"{"session": "x"}"#, "received is missing"),
        (
            "resume",
            r#"{"session": "x", "received": 1, "attempt": 4294967296}"#,
            "attempt",
        ),
        (
            "resume",
            r#"{"session": "x", "received": -1}"#,
            "received must be a whole number",
        ),
        ("subscribe", r#""1:2""#, "data must be a list"),
        ("subscribe", "{}", "data must be a list"),
        ("subscribe", "null", "data must be a list"),
        ("unsubscribe", "1", "data must be a list"),
        ("lookup", "true", "data must be a list"),
        ("status", r#""away""#, "unknown state"),
        ("status", "7", "data must be a state or an object"),
        ("status", r#"{"note": 1}"#, "state is missing"),
        ("joingame", r#"{"self": "1:1"}"#, "channel is missing"),
        ("joingame", r#"{"channel": "c"}"#, "self is missing"),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "invite": null}"#,
            "invite must be a list",
        ),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "team": 1}"#,
            "team must be a string",
        ),
        (
            "joingame",
            r#"{"channel": "c", "self": "1:1", "game": null}"#,
            "game must be a string",
        ),
        ("leavegame", r#""c""#, "data must be an object"),
        ("leavegame", r#"{"channel": 5}"#, "channel must be a string"),
        ("declineinvite", "{}", "channel is missing"),
        ("leavechannel", "[]", "data must be an object"),
        ("game", r#"{"channel": "c"}"#, "actions is missing"),
        (
            "game",
            r#"{"channel": "c", "actions": {}}"#,
            "actions must be a list",
        ),
        (
            "game",
            r#"{"channel": "c", "actions": []}"#,
            "actions must have at least one action",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "subpaths": 1}"#,
            "subpaths must be true or false",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "since": 4}"#,
            "since must be an object",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "since": {"epoch": "e"}}"#,
            "since.offset is missing",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "since": {"epoch": 1, "offset": 1}}"#,
            "since.epoch must be a string",
        ),
        (
            "joinchannel",
            r#"{"channel": "c", "history": 1.5}"#,
            "history must be a whole number from 0",
        ),
        ("publish", r#"{"channel": "c"}"#, "data.data is missing"),
        ("call", "{}", "f is missing"),
        ("call", r#"{"f": ["a"]}"#, "f must be a string"),
        ("set", "[]", "data must be an object"),
        ("set", r#"{"a": 1, "\u0061": 2}"#, "duplicate key in data"),
        (
            "set",
            r#"{"\ud800": 2}"#,
            "data has a key that is not valid Unicode",
        ),
        (
            "provide",
            r#"{"services": []}"#,
            "services must be an object",
        ),
        (
            "provide",
            r#"{"services": {"a": "b"}}"#,
            "a service must be a list",
        ),
        (
            "provide",
            r#"{"services": {"a": ["b", 1]}}"#,
            "a function must be a string",
        ),
        ("time", "{}", "t0 is missing"),
        ("time", r#"{"t0": "1"}"#, "t0 must be a finite number"),
        ("time", r#"{"t0": 1e999}"#, "t0 must be a finite number"),
        (
            "time",
            r#"{"t0": 1, "received": null}"#,
            "received must be a whole number",
        ),
        ("authenticate", "{}", "credentials is missing"),
        (
            "authenticate",
            r#"{"credentials": 1}"#,
            "credentials must be an object",
        ),
        ("bye", "null", "data must be an object"),
        ("block", "null", "data must be an object"),
        ("block", r#"{"add": "1:2"}"#, "add must be a list"),
        ("block", r#"{"remove": [5]}"#, "an element must be a string"),
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
