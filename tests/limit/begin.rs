//! Sessions that begin and are resumed: one HTTP connection, and one address, have a
//! rate of them.

use std::time::Duration;

use serde_json::json;

use turntable_testkit::http::Response;
use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::{CONNECTIONS, SESSIONS, limits_reached};
use turntable_testkit::poll::{PollClient, call, calls, entries, post, result};
use turntable_testkit::session::{Session, resume};
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Server, http};

#[test]
fn polls_of_one_connection_do_not_take_the_sessions_of_its_address() {
    let server = Server::with(&[
        ("limits.connection_session", "{ per_second = 1, burst = 3 }"),
        ("limits.session", "{ per_second = 1, burst = 6 }"),
    ]);
    let mut connection = HttpConnection::open(&server);
    let mut begin = |number: usize| {
        let idme = json!([call("$av:idme", json!(format!("1:{number}")), 1)]).to_string();
        let target = "/poll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
        let length = idme.len();
        connection.send(&format!(
            "POST {target}\r\nContent-Length: {length}\r\n\r\n{idme}"
        ));
        entries(&connection.answer())
    };
    let is_refused = |entries: &[serde_json::Value]| {
        let refused = |entry: &serde_json::Value| entry["error"]["code"] == "rate_limited";
        entries.iter().any(refused)
    };
    for number in 0..3 {
        let answer = begin(number);
        assert!(!is_refused(&answer), "{answer:?}");
    }
    let answer = begin(3);
    assert!(is_refused(&answer), "{answer:?}");
    let reached = limits_reached("limits.connection_session");
    assert_eq!(server.metric(&reached), 1.0);
    // Others of the address come in, by polls and by WebSockets.
    PollClient::user(&server, "2:1").heartbeat();
    server.user("2:2").expect_nothing_pending();
}

#[test]
fn sessions_of_one_address_are_resumed_at_a_rate() {
    let server = Server::with(&[("limits.resume", "{ per_second = 2, burst = 3 }")]);
    let mut session = Session::begin(&server, "1:1");
    for _ in 0..3 {
        session.cut_and_resume();
    }
    session.cut();
    let secret = json!(session.secret);
    let (mut late, answer) = resume(&server, &secret, session.received);
    assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
    assert_eq!(answer["data"]["command"], "resume");
    let reached = limits_reached("limits.resume");
    assert_eq!(server.metric(&reached), 1.0);
    // New clients come in, and the session waits.
    server.user("1:2").expect_nothing_pending();
    let retry_ms = answer["data"]["details"]["retry_ms"].as_u64().unwrap();
    assert!((1..=500).contains(&retry_ms), "{retry_ms}");
    late.expect_none_for(Duration::from_millis(retry_ms));
    late.command(
        "resume",
        json!({"session": secret, "received": session.received}),
    );
    assert_eq!(late.expect("welcome")["resumed"], true);
}

#[test]
fn tunnel_that_is_resumed_too_often_is_too_many_requests() {
    let server = Server::with(&[("limits.resume", "{ per_second = 1, burst = 1 }")]);
    let mut tunnel = Tunnel::user(&server, "1:1");
    let _resumed = tunnel.resume_after_last();
    let header = format!("Last-Event-ID: {}\r\n", tunnel.last);
    let target = format!("/tunnel?id={}&format=ndjson", tunnel.id);
    let answer = http::send(server.address, "GET", &target, &header, "");
    assert_eq!(answer.error(), (429, "rate_limited".to_owned()));
}

#[test]
fn poll_that_is_resumed_too_often_is_too_many_requests_and_nothing_of_it_is_carried_out() {
    let server = Server::with(&[("limits.resume", "{ per_second = 1, burst = 1 }")]);
    let poll = PollClient::user(&server, "1:1");
    let publish = json!([call("$av:publish", json!({"channel": "a", "data": 1}), 2)]);
    let take_over = |number: usize| {
        let query = format!("?batch={number}&received=0");
        poll.send(&query, &publish.to_string())
    };
    let mut published = 0;
    // The next one may be resumed where this takes a second.
    let refused = loop {
        while poll.send("?received=0", "[]").status == 200 {}
        let answer = take_over(published + 1);
        if answer.status != 200 {
            break answer;
        }
        published += 1;
        assert!(published < 10);
    };
    assert_eq!(refused.error(), (429, "rate_limited".to_owned()));
    let error = refused.json()["error"].clone();
    let retry_ms = error["details"]["retry_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&retry_ms), "{retry_ms}");
    std::thread::sleep(Duration::from_millis(retry_ms));
    let answer = entries(&take_over(published + 1));
    let welcome = calls(&answer, "$av:welcome");
    assert_eq!(welcome[0]["resumed"], true, "{answer:?}");
    let offset = &result(&answer, 2)["offset"];
    assert_eq!(offset, published + 1, "each was published once");
}

#[test]
fn polls_that_are_resumed_too_often_leave_no_connections() {
    let server = Server::with(&[("limits.resume", "{ per_second = 1, burst = 1 }")]);
    let poll = PollClient::user(&server, "1:1");
    let by_count = |_| poll.send("?received=0", "[]");
    let call = call(
        "$av:resume",
        json!({"session": poll.session, "received": 0}),
        1,
    );
    let by_call = |_| post(&server, "/poll", "", &json!([call]).to_string());
    let is_limited = |answer: &Response| answer.status == 429;
    let limited = (0..20).map(by_count).filter(&is_limited).count();
    assert!(limited >= 15, "{limited} of 20");
    let limited = (0..20).map(by_call).filter(&is_limited).count();
    assert!(limited >= 15, "{limited} of 20");
    assert!(server.metric(&limits_reached("limits.resume")) >= 30.0);
    assert!(server.metric(CONNECTIONS) <= 2.0);
}

#[test]
fn sessions_of_one_address_begin_at_a_rate() {
    let server = Server::with(&[
        ("limits.session.burst", "3"),
        ("limits.session.per_second", "1"),
    ]);
    let users: Vec<Client> = ["1:1", "1:2", "1:3"].map(|id| server.user(id)).into();
    let mut late = server.connect();
    late.send(json!({"command": "idme", "data": "1:4", "id": 4}));
    let error = late.expect_error("rate_limited");
    assert_eq!(
        (&error["id"], &error["data"]["command"]),
        (&json!(4), &json!("idme"))
    );
    let wait = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    late.expect_none_for(Duration::from_millis(wait));
    late.identify("1:4");
    assert_eq!(server.metric(SESSIONS), 4.0);
    drop(users);
}

#[test]
fn guests_that_one_session_becomes_begin_at_the_rate_of_sessions() {
    let server = Server::with(&[
        ("limits.session.burst", "3"),
        ("limits.session.per_second", "1"),
    ]);
    let mut client = server.user("1:1");
    let guest = json!({"credentials": {"guest": true}});
    let mut user = json!("1:1");
    for _ in 0..2 {
        let welcome = client.request("authenticate", guest.clone());
        assert_ne!(std::mem::replace(&mut user, welcome["user"].clone()), user);
    }
    client.command("authenticate", guest);
    let error = client.expect_error("rate_limited");
    assert_eq!(error["data"]["command"], "authenticate");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 0);
    // It stays the user that it is.
    client.request("lookup", json!([user]));
}
