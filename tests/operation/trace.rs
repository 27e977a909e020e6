//! Traces of one session: what passes between it and its client, without secrets.

use serde_json::{Value, json};

use turntable_testkit::peer::{Peer, Way};
use turntable_testkit::{Client, Server, channel};

fn number(server: &Server, user: &str) -> Value {
    let sessions = server.rpc("user/getSessions", &json!({"userId": user}));
    sessions.json()[0]["session"].clone()
}

fn trace(server: &Server, number: &Value, seconds: u64) -> Value {
    let arguments = json!({"session": number, "seconds": seconds});
    server.rpc("session/trace", &arguments).json()
}

fn read(server: &Server, number: &Value, since: u64) -> Value {
    let arguments = json!({"session": number, "since": since});
    server.rpc("session/getTrace", &arguments).json()
}

/// Direction and message of each frame.
fn frames(report: &Value) -> Vec<(&str, Value)> {
    let frames = report["frames"].as_array().unwrap().iter();
    let parsed = |frame: &'_ Value| serde_json::from_str(frame["text"].as_str().unwrap());
    frames
        .map(|frame| {
            (
                frame["direction"].as_str().unwrap(),
                parsed(frame).unwrap_or_default(),
            )
        })
        .collect()
}

fn commands(report: &Value) -> Vec<(&str, String)> {
    let frames = frames(report).into_iter();
    frames
        .map(|(direction, message)| (direction, message["command"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn messages_of_both_directions_are_shown_while_a_session_is_traced() {
    let server = Server::with(&[("server.workers", "2")]);
    let (mut client, mut other) = (server.user("1:1"), server.user("1:2"));
    let (number, other_number) = (number(&server, "1:1"), number(&server, "1:2"));
    channel::join(&mut client, "before");
    let begun = trace(&server, &number, 60);
    assert!(begun["until_ms"].is_u64(), "{begun}");
    channel::join(&mut client, "news");
    channel::join(&mut other, "news");
    channel::publish(&mut other, "elsewhere", json!(1));
    other.command(
        "publish",
        json!({"channel": "news", "data": {"text": "hello"}}),
    );
    client.expect("message");
    let report = read(&server, &number, 0);
    let expected = [("in", "joinchannel"), ("out", "joined"), ("out", "message")];
    assert_eq!(
        commands(&report),
        expected.map(|(way, name)| (way, name.to_owned()))
    );
    assert_eq!(
        frames(&report)[2].1["data"]["data"],
        json!({"text": "hello"})
    );
    assert_eq!(
        (&report["on"], &report["complete"]),
        (&json!(true), &json!(true))
    );
    let times = report["frames"].as_array().unwrap().iter();
    let times: Vec<u64> = times
        .map(|frame| frame["at_ms"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    // The next look has what came since.
    client.command("leavegame", json!({"channel": "nowhere"}));
    client.expect_error("not_found");
    let next = read(&server, &number, report["last"].as_u64().unwrap());
    let expected = [("in", "leavegame"), ("out", "error")];
    assert_eq!(
        commands(&next),
        expected.map(|(way, name)| (way, name.to_owned()))
    );
    // It ends, and can be read on; no other session is traced.
    trace(&server, &number, 0);
    channel::leave(&mut client, "news");
    let ended = read(&server, &number, 0);
    assert_eq!((&ended["on"], &ended["last"]), (&json!(false), &json!(5)));
    let arguments = json!({"session": other_number});
    let untraced = server.rpc("session/getTrace", &arguments);
    assert_eq!(untraced.error(), (404, "not_found".to_owned()));
}

#[test]
fn secrets_are_masked() {
    let server = Server::start();
    let mut client = Client::greeted(server.address);
    let session = client.identify("1:1")["session"].clone();
    let number = number(&server, "1:1");
    trace(&server, &number, 60);
    let secrets = ["s3cret-credential", "s3cret-password", "s3cret-token"];
    let args =
        json!({"user": "mel", "Password": secrets[1], "deep": [{"access_token": secrets[2]}]});
    client.command("call", json!({"f": "forum:login", "args": args}));
    client.expect_error("not_found");
    client.drop_connection();
    // The `welcome` of a resume has the session's own secret.
    let mut client = Client::greeted(server.address);
    client.command("resume", json!({"session": session, "received": 1}));
    client.expect("welcome");
    client.command(
        "authenticate",
        json!({"credentials": {"sessionId": secrets[0]}}),
    );
    client.expect_error("unauthorized");
    client.expect_close(4009);
    let report = server.rpc("session/getTrace", &json!({"session": number}));
    let text = report.text();
    for secret in [&secrets[..], &[session.as_str().unwrap()]].concat() {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let report = report.json();
    let names = commands(&report);
    for name in ["call", "welcome", "authenticate"] {
        assert!(
            names.iter().any(|(_, known)| known == name),
            "{name}: {names:?}"
        );
    }
    let call = frames(&report)
        .into_iter()
        .find(|(_, message)| message["command"] == "call");
    let expected = json!({"user": "mel", "Password": "***", "deep": [{"access_token": "***"}]});
    assert_eq!(call.unwrap().1["data"]["args"], expected);
}

#[test]
fn session_of_every_transport_can_be_traced() {
    let server = Server::start();
    for (at, way) in Way::ALL.into_iter().enumerate() {
        let user = format!("1:{at}");
        let mut peer = Peer::user(way, server.address, &user);
        let number = number(&server, &user);
        trace(&server, &number, 60);
        peer.request_of("lookup", &json!(["1:77"]), 7);
        let report = read(&server, &number, 0);
        let frames = frames(&report);
        let commands = commands(&report);
        assert!(
            commands.contains(&("in", "lookup".to_owned())),
            "{way:?}: {commands:?}"
        );
        let reply = frames
            .iter()
            .find(|(_, message)| message["command"] == "reply");
        let reply = &reply.unwrap_or_else(|| panic!("{way:?}: {commands:?}")).1;
        assert_eq!(reply["data"]["1:77"]["state"], "offline", "{way:?}");
        trace(&server, &number, 0);
    }
}

#[test]
fn traces_are_few_short_and_bounded() {
    let server = Server::with(&[
        ("server.workers", "1"),
        ("inspection.traces_max", "1"),
        ("inspection.trace_bytes_max", "2000"),
        ("inspection.trace_seconds_max", "10"),
    ]);
    let (mut client, _other) = (server.user("1:1"), server.user("1:2"));
    let (number, other) = (number(&server, "1:1"), number(&server, "1:2"));
    let begin = |number: &Value, seconds: u64| {
        let arguments = json!({"session": number, "seconds": seconds});
        server.rpc("session/trace", &arguments)
    };
    assert_eq!(begin(&number, 11).error(), (400, "bad_message".to_owned()));
    assert_eq!(begin(&number, 10).status, 200);
    let full = begin(&other, 10);
    assert_eq!(full.error().1, "too_many", "{}", full.text());
    for _ in 0..50 {
        client.request("lookup", json!(["1:2"]));
    }
    let report = read(&server, &number, 0);
    assert_eq!(
        (&report["last"], &report["complete"]),
        (&json!(100), &json!(false))
    );
    let frames = report["frames"].as_array().unwrap();
    assert!((2..20).contains(&frames.len()), "{}", frames.len());
    assert_eq!(frames.last().unwrap()["number"], 100);
    begin(&number, 0);
    assert_eq!(begin(&other, 10).status, 200);
    let unknown = begin(&json!("0123456789abcdef"), 5);
    assert_eq!(unknown.error(), (404, "not_found".to_owned()));
}
