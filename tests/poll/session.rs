//! Sessions over polls: presence, the limits of what is queued, expiry, and moves to
//! other transports.

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::channel::publish_numbers;
use turntable_testkit::metric::{CLOSED_TOO_SLOW, CONNECTIONS, SESSIONS};
use turntable_testkit::poll::{PollClient, call, calls, entries, post, published, result};
use turntable_testkit::session::Session;
use turntable_testkit::tunnel::{self, Tunnel};

#[test]
fn client_that_stops_polling_goes_offline_and_then_expires() {
    let server = Server::with(&[
        ("poll.gone_ms", "300"),
        ("presence.grace_ms", "0"),
        ("session.resume_ms", "700"),
    ]);
    let mut friend = server.user("1:2");
    friend.subscribe(&["1:1"]);
    let client = PollClient::on_channel(&server, "1:1", "c");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    // Messages published meanwhile wait.
    publish_numbers(&mut friend, "c", 0..2);
    assert_eq!(published(&client.heartbeat()), [0, 1]);
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    server.await_metric(SESSIONS, 1.0);
    assert_eq!(
        client.send("", "[]").error(),
        (410, "session_expired".to_owned())
    );
}

#[test]
fn polling_client_stays_online() {
    let server = Server::with(&[("poll.gone_ms", "800"), ("presence.grace_ms", "0")]);
    let mut friend = server.user("1:2");
    let client = PollClient::user(&server, "1:1");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "online"}));
    for _ in 0..8 {
        client.heartbeat();
        friend.expect_none();
    }
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
}

#[test]
fn polling_client_that_comes_back_may_identify_late() {
    let server = Server::with(&[("session.identify_timeout_ms", "600")]);
    let mut friend = server.user("1:2");
    let first = post(&server, "/poll", "", "[]");
    let session = first.header("Turntable-Session").unwrap().to_owned();
    let client = PollClient {
        server: &server,
        session,
    };
    for _ in 0..4 {
        friend.expect_none();
        assert_eq!(client.heartbeat(), Vec::<Value>::new());
    }
    let welcome = client.request("$av:idme", json!("1:1"));
    assert_eq!(welcome["user"], "1:1");
}

#[test]
fn bye_is_reported_at_once_and_ends_session() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let client = PollClient::user(&server, "1:1");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "online"}));
    let entries = client.poll(&json!([{"f": "$av:bye"}]));
    assert_eq!(entries, Vec::<Value>::new());
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    assert_eq!(
        client.send("", "[]").error(),
        (410, "session_expired".to_owned())
    );
    server.await_metric(CONNECTIONS, 1.0);
}

#[test]
fn request_of_closed_connection_gets_close_reason() {
    let server = Server::with(&[("session.error_burst", "5")]);
    let client = PollClient::user(&server, "1:1");
    let entries = client.poll(&json!([call("$av:bye", json!({}), 1)]));
    assert_eq!(
        calls(&entries, "$av:close"),
        [json!({"code": 1000, "reason": "bye"})]
    );
    let client = PollClient::user(&server, "1:1");
    let bad = vec![call("$av:leavegame", json!({"channel": "none"}), 1); 20];
    let entries = client.poll(&json!(bad));
    assert_eq!(calls(&entries, "$av:close")[0]["code"], 4006, "{entries:?}");
}

#[test]
fn malformed_session_is_not_found_and_unknown_session_is_gone() {
    let server = Server::start();
    for (name, status, code) in [
        ("x", 404, "not_found"),
        ("AAAAAAAAAAAAAAAAAAAAAB", 404, "not_found"),
        ("AAAAAAAAAAAAAAAAAAAAAA", 410, "session_expired"),
    ] {
        let header = format!("Turntable-Session: {name}\r\n");
        let cookie = format!("Cookie: Turntable-Session={name}\r\n");
        let query = format!("/poll?session={name}");
        for (target, headers) in [("/poll", &*header), ("/poll", &*cookie), (&*query, "")] {
            let answer = post(&server, target, headers, r#"[{"f": "$av:time"}]"#);
            assert_eq!(
                answer.error(),
                (status, code.to_owned()),
                "{target} {headers}"
            );
            assert_eq!(answer.header("Turntable-Session"), None);
        }
    }
    let answer = post(&server, "/poll?received=x", "", "[]");
    assert_eq!(answer.error().0, 400);
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn queue_is_limited_and_delivered_completely_or_not_at_all() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("server.max_message_bytes", "4096"),
        ("room.tick_bytes_max", "4096"),
        ("session.outbox_bytes_max", "16384"),
        ("session.replay_bytes_max", "16384"),
    ]);
    let mut friend = server.user("1:2");
    let filler = "x".repeat(2_000);
    let mut numbered = |range: std::ops::Range<u64>| {
        for n in range {
            let data = json!({"n": n, "filler": filler});
            friend.request("publish", json!({"channel": "c", "data": data}));
        }
    };
    // Above the limit of the outbox, but not above what is retained for a resume.
    let client = PollClient::on_channel(&server, "1:1", "c");
    numbered(0..12);
    server.await_metric(CLOSED_TOO_SLOW, 1.0);
    let data = published(&client.heartbeat());
    let numbers: Vec<u64> = data
        .iter()
        .map(|data| data["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
    numbered(12..14);
    assert_eq!(published(&client.heartbeat()).len(), 2);
    // Above that the session expires.
    numbered(14..60);
    server.await_metric(SESSIONS, 1.0);
    assert_eq!(
        client.send("", "[]").error(),
        (410, "session_expired".to_owned())
    );
}

#[test]
fn presence_is_merged_between_requests() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let client = PollClient::user(&server, "1:1");
    let entries = client.poll(&json!([{"f": "$av:subscribe", "args": ["1:2"], "id": 1}]));
    let changes = client.await_calls(entries, "$av:userchange", 1);
    assert_eq!(changes, [json!({"1:2": "online"})]);
    for state in ["busy", "idle", "online", "busy"] {
        friend.request("status", json!(state));
    }
    let changes = client.await_calls(Vec::new(), "$av:userchange", 1);
    assert_eq!(changes, [json!({"1:2": "busy"})]);
}

#[test]
fn session_moves_between_transports_without_loss_or_duplicates() {
    let server = Server::start();
    let mut others = Vec::new();
    for round in 0..4 {
        let mut friend = server.user("1:9");
        let mut session = Session::begin(&server, "1:1");
        session.request("joinchannel", json!({"channel": "c"}));
        publish_numbers(&mut friend, "c", 0..4);
        for n in 0..2 {
            assert_eq!(session.expect("message")["data"], n);
        }
        if round % 2 == 1 {
            // Alternates between the same worker and the other one.
            others.push(server.connect());
        }
        // WebSocket -> poll
        let secret = session.secret.as_str().unwrap().to_owned();
        let client = PollClient {
            server: &server,
            session: secret.clone(),
        };
        let query = format!("?received={}", session.received);
        let entries = entries(&client.send(&query, "[]"));
        assert_eq!(calls(&entries, "$av:welcome")[0]["resumed"], true);
        assert_eq!(published(&entries), [2, 3]);
        assert_eq!(session.client.close_code(), 4002);
        publish_numbers(&mut friend, "c", 4..6);
        assert_eq!(published(&client.heartbeat()), [4, 5]);
        // poll -> tunnel
        publish_numbers(&mut friend, "c", 6..8);
        let mut tunnel = Tunnel::open(&server, &format!("id={secret}&received=7"));
        for n in 6..8 {
            assert_eq!(tunnel.expect_published("c"), n, "round {round}");
        }
        // A further poll without `received` gets the reason of the close.
        let entries = client.heartbeat();
        assert_eq!(calls(&entries, "$av:close")[0]["code"], 4002, "{entries:?}");
        publish_numbers(&mut friend, "c", 8..10);
        assert_eq!(tunnel.expect_published("c"), 8);
        // tunnel -> WebSocket
        session.received = 10;
        session.resume();
        tunnel.stream.rest();
        assert_eq!(session.expect("message")["data"], 9);
        session.client.expect_nothing_pending();
        session.client.bye();
    }
}

#[test]
fn resume_call_takes_over_session() {
    let server = Server::start();
    let mut friend = server.user("1:9");
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    publish_numbers(&mut friend, "c", 0..3);
    assert_eq!(session.expect("message")["data"], 0);
    let resume = json!({"session": session.secret, "received": session.received});
    let body = json!([
        call("$av:resume", resume.clone(), "r"),
        call("$av:publish", json!({"channel": "c", "data": 3}), "p"),
    ]);
    let answer = post(&server, "/poll", "", &body.to_string());
    assert_eq!(answer.header("Turntable-Session"), session.secret.as_str());
    let entries = entries(&answer);
    let welcome = result(&entries, "r");
    assert_eq!(
        (&welcome["resumed"], &welcome["user"]),
        (&json!(true), &json!("1:1"))
    );
    assert_eq!(result(&entries, "p")["offset"], 4);
    let client = PollClient {
        server: &server,
        session: session.secret.as_str().unwrap().to_owned(),
    };
    let messages = client.await_calls(entries, "$av:message", 3);
    let data: Vec<&Value> = messages.iter().map(|message| &message["data"]).collect();
    assert_eq!(data, [&json!(1), &json!(2), &json!(3)]);
    // A session that does not exist cannot be resumed.
    let mut expired = resume;
    expired["session"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    let body = json!([call("$av:resume", expired, "r")]);
    let answer = post(&server, "/poll", "", &body.to_string());
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
}

#[test]
fn poll_without_received_continues_with_unwritten_messages() {
    let server = Server::start();
    let mut friend = server.user("1:9");
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    publish_numbers(&mut friend, "c", 0..2);
    for n in 0..2 {
        assert_eq!(session.expect("message")["data"], n);
    }
    session.cut();
    server.await_metric(CONNECTIONS, 1.0);
    publish_numbers(&mut friend, "c", 2..4);
    let client = PollClient {
        server: &server,
        session: session.secret.as_str().unwrap().to_owned(),
    };
    assert_eq!(published(&client.heartbeat()), [2, 3]);
}

#[test]
fn takeover_that_arrives_late_is_refused_and_the_session_goes_on() {
    let server = Server::start();
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    let received = session.received;
    session.request("time", json!({"t0": 1, "received": received}));
    // It was sent before the client had received those messages.
    let secret = session.secret.as_str().unwrap().to_owned();
    let header = format!("Turntable-Session: {secret}\r\n");
    let answer = post(&server, "/poll?batch=1&received=0", &header, "[]");
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
    let query = format!("id={secret}&received=0&format=sse");
    assert_eq!(tunnel::refused(&server, &query).error().0, 410);
    publish_numbers(&mut server.user("1:2"), "c", 0..1);
    assert_eq!(session.expect("message")["data"], 0);
}

#[test]
fn takeover_on_a_full_server_is_refused_and_the_session_goes_on() {
    let server = Server::with(&[("server.connections_max", "2")]);
    let mut session = Session::begin(&server, "1:1");
    let other = server.user("1:2");
    let secret = session.secret.as_str().unwrap();
    let header = format!("Turntable-Session: {secret}\r\n");
    let answer = post(&server, "/poll?received=0", &header, "[]");
    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
    assert!(answer.header("Retry-After").is_some());
    session.client.expect_nothing_pending();
    session.received += 1;
    assert_eq!(server.metric(SESSIONS), 2.0);
    // With a place for it the same request is served.
    other.drop_connection();
    server.await_metric(CONNECTIONS, 1.0);
    let target = format!("/poll?received={}", session.received);
    let taken = post(&server, &target, &header, "[]");
    assert_eq!(taken.status, 200, "{}", taken.text());
    session.client.expect_close(4002);
}
