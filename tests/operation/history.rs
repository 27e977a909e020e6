//! The past of sessions: what happened to one, in order, and how those ended that are over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::http::send;
use turntable_testkit::{Client, DEADLINE, Server, channel, room};

const AUTHORIZATION: &str = "Authorization: Bearer operates-0123456789\r\n";

/// The number of the only session of a user.
fn number(server: &Server, user: &str) -> Value {
    let sessions = server.rpc("user/getSessions", &json!({"userId": user}));
    sessions.json()[0]["session"].clone()
}

fn events(server: &Server, number: &Value) -> Vec<Value> {
    let events = server.rpc("session/getEvents", &json!({"session": number}));
    events.json().as_array().unwrap().clone()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

/// Waits for something that a look shows.
fn await_look<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn await_state(server: &Server, number: &Value, state: &str) {
    await_look(|| {
        let report = server
            .rpc("session/get", &json!({"session": number}))
            .json();
        (report["state"] == state).then_some(())
    });
}

/// The session of this user that ended last, once there is one.
fn await_ended(server: &Server, user: &str) -> Value {
    await_look(|| {
        let ended = server
            .rpc("session/getEnded", &json!({"userId": user}))
            .json();
        let last = ended["sessions"][0].clone();
        (!last.is_null()).then_some(last)
    })
}

#[test]
fn what_happened_to_a_session_is_shown_in_order() {
    let server = Server::with(&[("server.workers", "2")]);
    let mut client = Client::greeted(server.address);
    let session = client.identify("1:1")["session"].clone();
    channel::join(&mut client, "news");
    room::join(&mut client, "table", "1:1");
    client.command("subscribe", json!(7));
    client.expect_error("bad_message");
    channel::leave(&mut client, "news");
    let number = number(&server, "1:1");
    client.drop_connection();
    await_state(&server, &number, "detached");
    let mut client = Client::greeted(server.address);
    client.command("resume", json!({"session": session, "received": 4}));
    client.expect("welcome");
    room::expect_change(&mut client, "1:1", "away");
    room::expect_change(&mut client, "1:1", "back");
    client.command("bye", json!({}));
    client.expect_close(1000);
    let events = events(&server, &number);
    let expected = [
        "began", "joined", "joined", "error", "left", "dropped", "resumed", "ended",
    ];
    assert_eq!(names(&events), expected, "{events:?}");
    assert_eq!(events[0]["transport"], "websocket");
    assert_eq!(events[0]["address"], "127.0.0.1");
    assert_eq!(
        (&events[1]["channel"], &events[2]["room"]),
        (&json!("news"), &json!("table"))
    );
    let error = &events[3]["error"];
    assert_eq!(
        (&error["code"], &error["command"]),
        (&json!("bad_message"), &json!("subscribe"))
    );
    assert_eq!(events[4]["channel"], "news");
    assert_eq!(events[5].get("close"), None, "{events:?}");
    assert_eq!(events[7]["cause"], "client");
    assert_eq!(events[7]["close"], json!({"code": 1000, "reason": "bye"}));
    let times: Vec<u64> = events
        .iter()
        .map(|event| event["at_ms"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let secret = session.as_str().unwrap();
    assert!(!json!(events).to_string().contains(secret));
}

#[test]
fn ended_session_says_who_ended_it() {
    let server = Server::with(&[("session.resume_ms", "100"), ("session.error_burst", "2")]);
    let mut client = server.user("1:1");
    client.command("bye", json!({}));
    client.expect_close(1000);
    let ended = await_ended(&server, "1:1");
    assert_eq!(
        (&ended["cause"], &ended["detached"]),
        (&json!("client"), &json!(false))
    );
    assert_eq!(ended.get("operator"), None, "{ended}");
    assert_eq!(
        (&ended["transport"], &ended["address"]),
        (&json!("websocket"), &json!("127.0.0.1"))
    );
    let lasted_ms = ended["at_ms"].as_u64().unwrap() - ended["since_ms"].as_u64().unwrap();
    assert_eq!(ended["duration_ms"], lasted_ms);
    assert!(
        ended["round_trip_ms"].as_f64().is_some_and(|ms| ms > 0.0),
        "{ended}"
    );

    let mut client = server.user("1:2");
    server.rpc("user/kick", &json!({"userId": "1:2", "reason": "rude"}));
    client.expect_error("forbidden");
    client.expect_close(4005);
    let ended = await_ended(&server, "1:2");
    assert_eq!(ended["cause"], "operator");
    assert_eq!(ended["close"], json!({"code": 4005, "reason": "kicked"}));
    assert_eq!(ended.get("last_error"), None, "{ended}");

    let mut client = server.user("1:3");
    server.rpc("auth/set", &json!({"userId": "1:3", "sessionId": "s"}));
    client.expect_error("unauthorized");
    client.expect_close(4009);
    assert_eq!(await_ended(&server, "1:3")["cause"], "portal");

    server.user("1:4").drop_connection();
    let ended = await_ended(&server, "1:4");
    assert_eq!(
        (&ended["cause"], &ended["detached"]),
        (&json!("expired"), &json!(true))
    );
    assert_eq!(ended.get("dropped"), None, "{ended}");

    // The reason is that of the connection before.
    let mut client = server.user("1:5");
    for _ in 0..3 {
        client.send_text("{");
        client.expect_error("bad_json");
    }
    client.expect_close(4006);
    let ended = await_ended(&server, "1:5");
    assert_eq!(ended["cause"], "expired");
    assert_eq!(
        ended["dropped"],
        json!({"code": 4006, "reason": "too_many_errors"})
    );
    assert_eq!(ended["last_error"]["code"], "bad_json");
}

#[test]
fn session_that_an_operator_ended_has_the_call_its_caller_and_the_reason() {
    let server = Server::with(&[
        ("server.workers", "2"),
        ("portal.checkers", r#"["password", "session", "anonymous"]"#),
        (
            "management.tokens.ops",
            r#"{ token = "operates-0123456789", role = "admin" }"#,
        ),
    ]);
    let calls = [
        ("user/kick", json!({"reason": "rude"}), "operator"),
        (
            "user/ban",
            json!({"seconds": 9, "reason": "rude"}),
            "operator",
        ),
        ("user/remove", json!({}), "operator"),
        ("session/close", json!({"reason": "rude"}), "operator"),
        ("session/close", json!({}), "operator"),
        ("auth/set", json!({"sessionId": "secret-1"}), "portal"),
        (
            "user/setPassword",
            json!({"password": "open sesame"}),
            "portal",
        ),
    ];
    for (at, (method, mut arguments, cause)) in calls.into_iter().enumerate() {
        let user = format!("1:{}", at + 1);
        let mut client = server.user(&user);
        client.command("subscribe", json!(7));
        client.expect_error("bad_message");
        let number = number(&server, &user);
        match method {
            "session/close" => arguments["session"] = number.clone(),
            _ => arguments["userId"] = json!(user),
        }
        let path = format!("/rpc/{method}");
        let body = arguments.to_string();
        let answer = send(server.management, "POST", &path, AUTHORIZATION, &body);
        assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        let ended = await_ended(&server, &user);
        let mut expected = json!({"method": method, "by": "ops"});
        if let Some(reason) = arguments.get("reason") {
            expected["reason"] = reason.clone();
        }
        assert_eq!(
            (&ended["operator"], &ended["cause"]),
            (&expected, &json!(cause))
        );
        // The end is no error of the session.
        assert_eq!(ended["last_error"]["code"], "bad_message", "{ended}");
        let events = events(&server, &number);
        assert_eq!(names(&events), ["began", "error", "ended"], "{events:?}");
        assert_eq!(events[2]["operator"], expected);
    }
}

#[test]
fn session_that_a_newer_one_replaces_says_so() {
    let server = Server::with(&[("portal.sessions", "newest")]);
    let mut first = server.user("1:1");
    let _second = server.user("1:1");
    first.expect_close(4002);
    let ended = await_ended(&server, "1:1");
    assert_eq!(ended["cause"], "replaced");
    assert_eq!(ended["close"]["code"], 4002);
}

#[test]
fn ended_sessions_come_page_by_page_the_last_one_first() {
    let server = Server::with(&[("server.workers", "2"), ("inspection.ended_max", "8")]);
    for user in 1..=5 {
        let user = format!("1:{user}");
        let mut client = server.user(&user);
        client.command("bye", json!({}));
        client.expect_close(1000);
        await_ended(&server, &user);
    }
    let users = |page: &Value| -> Vec<String> {
        let sessions = page["sessions"].as_array().unwrap().iter();
        sessions
            .map(|ended| ended["user"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = server.rpc("session/getEnded", &json!({"limit": 3})).json();
    let next = first["next"].clone();
    let rest = server
        .rpc("session/getEnded", &json!({"limit": 3, "after": next}))
        .json();
    assert_eq!(rest.get("next"), None, "{rest}");
    let all = [users(&first), users(&rest)].concat();
    let mut times: Vec<u64> = Vec::new();
    for page in [&first, &rest] {
        let sessions = page["sessions"].as_array().unwrap().iter();
        times.extend(sessions.map(|ended| ended["at_ms"].as_u64().unwrap()));
    }
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert_eq!(all.len(), 5, "{all:?}");
    let wrong = server.rpc("session/getEnded", &json!({"after": "1:1"}));
    assert_eq!(wrong.error(), (400, "bad_message".to_owned()));
}

#[test]
fn past_is_bounded() {
    let server = Server::with(&[
        ("server.workers", "1"),
        ("inspection.events_max", "4"),
        ("inspection.ended_max", "2"),
    ]);
    for user in 1..=3 {
        let user = format!("1:{user}");
        let mut client = server.user(&user);
        client.command("bye", json!({}));
        client.expect_close(1000);
        await_ended(&server, &user);
    }
    let ended = server.rpc("session/getEnded", &json!({})).json();
    let ended = ended["sessions"].as_array().unwrap();
    assert_eq!(ended.len(), 2);
    assert_eq!(
        names(&events(&server, &ended[0]["session"])),
        ["began", "ended"]
    );
    let mut client = server.user("1:9");
    for name in ["a", "b", "c", "d"] {
        channel::join(&mut client, name);
    }
    let of_client = events(&server, &number(&server, "1:9"));
    assert_eq!(names(&of_client), ["joined"; 4]);
    let gone = server.rpc(
        "session/getEvents",
        &json!({"session": ended[0]["session"]}),
    );
    assert_eq!(
        gone.error(),
        (404, "not_found".to_owned()),
        "{}",
        gone.text()
    );
}

#[test]
fn session_that_has_only_begun_shows_that_and_takes_the_place_of_no_other() {
    let server = Server::with(&[("server.workers", "1"), ("inspection.events_max", "2")]);
    let mut first = server.user("1:1");
    channel::join(&mut first, "lobby");
    let silent = [2, 3, 4].map(|number| server.user(&format!("1:{number}")));
    let events = |user| events(&server, &number(&server, user));
    assert_eq!(names(&events("1:1")), ["began", "joined"]);
    let began = events("1:3");
    assert_eq!(names(&began), ["began"]);
    assert_eq!(began[0]["transport"], "websocket");
    assert_eq!(began[0]["address"], "127.0.0.1");
    drop(silent);
}

#[test]
fn session_with_many_events_displaces_none_of_the_others() {
    let server = Server::with(&[
        ("server.workers", "1"),
        ("inspection.events_max", "20"),
        ("inspection.session_events_max", "5"),
    ]);
    let mut quiet = server.user("1:1");
    channel::join(&mut quiet, "lobby");
    let mut talkative = server.user("1:2");
    for name in 0..40 {
        channel::join(&mut talkative, &format!("many/{name}"));
    }
    let events = |user| events(&server, &number(&server, user));
    assert_eq!(names(&events("1:1")), ["began", "joined"]);
    let last = events("1:2");
    let channels: Vec<&Value> = last.iter().map(|event| &event["channel"]).collect();
    assert_eq!(
        channels,
        ["many/35", "many/36", "many/37", "many/38", "many/39"]
    );
}

#[test]
fn same_error_again_and_again_is_one_event() {
    let server = Server::start();
    let mut client = server.user("1:1");
    for _ in 0..20 {
        client.send_text("{");
        client.expect_error("bad_json");
    }
    client.command("leavegame", json!({"channel": "nowhere"}));
    client.expect_error("not_found");
    let number = number(&server, "1:1");
    let events = events(&server, &number);
    let errors: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "error")
        .collect();
    assert!((2..=4).contains(&errors.len()), "{events:?}");
    assert!(
        errors.last().unwrap()["repeated"].as_u64() > Some(0),
        "{events:?}"
    );
    let report = server
        .rpc("session/get", &json!({"session": number}))
        .json();
    assert_eq!(report["errors"], 21);
    assert_eq!(report["last_error"]["code"], "not_found");
}

#[test]
fn erased_user_has_no_past() {
    let server = Server::with(&[("server.workers", "2")]);
    let _client = server.user("1:1");
    let number = number(&server, "1:1");
    assert_eq!(
        server.rpc("user/erase", &json!({"userId": "1:1"})).json(),
        1
    );
    let ended = server
        .rpc("session/getEnded", &json!({"userId": "1:1"}))
        .json();
    assert_eq!(ended, json!({"sessions": []}));
    let events = server.rpc("session/getEvents", &json!({"session": number}));
    assert_eq!(
        events.error(),
        (404, "not_found".to_owned()),
        "{}",
        events.text()
    );
}
