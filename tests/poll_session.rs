//! Sessions at the poll door: what runs once, what waits, and who has gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod caller;
mod line;
mod stream;
mod support;

use serde_json::{Value, json};

use caller::{Caller, call, calls, entries_of, fault, poll, poll_and_leave, result, said};
use line::Line;
use stream::Tunnel;
use support::{Client, Server};

fn listener(server: &Server, user: &str) -> Client {
    let mut client = server.user(user);
    client.ask("joinchannel", json!({"channel": "c"}));
    client
}

fn publish(client: &mut Client, numbers: std::ops::Range<u64>) {
    for n in numbers {
        client.ask("publish", json!({"channel": "c", "data": n}));
    }
}

#[test]
fn a_request_whose_answer_was_lost_runs_once_and_is_answered_again() {
    let server = Server::start();
    let mut friend = listener(&server, "1:2");
    let caller = Caller::of(&server, "1:1");
    for batch in 0..6_u64 {
        let args = json!({"channel": "c", "data": batch});
        let body = json!([call("$av:publish", args, "p")]).to_string();
        let query = format!("?batch={batch}");
        let target = format!("/poll{query}");
        poll_and_leave(&server, &target, &caller.header(), &body);
        if batch % 2 == 0 {
            // Now while it runs, and now when it is done.
            assert_eq!(friend.expect("message")["data"], batch);
        }
        let first = caller.send(&query, &body);
        let second = caller.send(&query, &body);
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(first.text(), second.text());
        assert_eq!(result(&entries_of(&first), "p")["offset"], batch + 1);
        if batch % 2 == 1 {
            assert_eq!(friend.expect("message")["data"], batch);
        }
    }
    friend.expect_nothing_before_an_answer();
}

#[test]
fn what_was_queued_comes_again_with_the_same_batch_and_not_with_the_next() {
    let server = Server::start();
    let caller = Caller::on(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    publish(&mut friend, 0..3);
    let ask = json!([call("$av:lookup", json!(["1:1"]), 1)]);
    let first = caller.batch(7, &ask);
    assert_eq!(said(&first), [0, 1, 2]);
    publish(&mut friend, 3..5);
    // What it asks does not matter: that number was answered.
    for entries in [
        &ask,
        &json!([]),
        &json!([call("$av:status", json!("busy"), 2)]),
    ] {
        assert_eq!(caller.batch(7, entries), first);
    }
    assert_eq!(said(&caller.batch(8, &json!([]))), [3, 4]);
    assert_eq!(caller.batch(9, &json!([])), Vec::<Value>::new());
    let seen = caller.ask("$av:lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"]["state"], "online");
}

#[test]
fn batches_are_numbered_upwards() {
    let server = Server::start();
    let caller = Caller::of(&server, "1:1");
    caller.batch(5, &json!([]));
    for batch in ["4", "0"] {
        let answer = caller.send(&format!("?batch={batch}"), r#"[{"f": "$av:bye"}]"#);
        assert_eq!(fault(&answer).0, 409, "{batch}");
    }
    for batch in ["", "x", "-1", "1.5", "1e3", "99999999999999999999999"] {
        let answer = caller.send(&format!("?batch={batch}"), r#"[{"f": "$av:bye"}]"#);
        assert_eq!(fault(&answer).0, 400, "{batch:?}");
    }
    // Numbers may be left out, and go on behind.
    assert_eq!(caller.heartbeat(), Vec::<Value>::new());
    caller.batch(18_446_744_073_709_551_615, &json!([]));
}

#[test]
fn the_first_request_can_be_numbered_too() {
    let server = Server::start();
    let body = json!([call("$av:idme", json!("1:1"), 1)]).to_string();
    let first = poll(&server, "/poll?batch=1", "", &body);
    let session = first.header("Turntable-Session").unwrap();
    let header = format!("Turntable-Session: {session}\r\n");
    let again = poll(&server, "/poll?batch=1", &header, &body);
    assert_eq!(first.text(), again.text());
}

#[test]
fn a_batch_is_known_after_its_client_had_gone() {
    let server = Server::with(&[("poll.gone_ms", "200"), ("presence.grace_ms", "0")]);
    let mut friend = listener(&server, "1:2");
    let caller = Caller::of(&server, "1:1");
    friend.subscribe(&["1:1"]);
    let args = json!({"channel": "c", "data": "once"});
    let body = json!([call("$av:publish", args, "p")]);
    let first = caller.batch(3, &body);
    assert_eq!(friend.expect("message")["data"], "once");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    server.await_metric("turntable_connections", 1.0);
    assert_eq!(caller.batch(3, &body), first);
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(fault(&caller.send("?batch=2", "[]")).0, 409);
    friend.expect("userchange");
    friend.expect_nothing_before_an_answer();
}

#[test]
fn who_does_not_poll_is_offline_in_time_and_its_session_ends_after_that() {
    let server = Server::with(&[
        ("poll.gone_ms", "300"),
        ("presence.grace_ms", "0"),
        ("session.resume_ms", "700"),
    ]);
    let mut friend = server.user("1:2");
    friend.subscribe(&["1:1"]);
    let caller = Caller::on(&server, "1:1", "c");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    // What is published meanwhile waits.
    publish(&mut friend, 0..2);
    assert_eq!(said(&caller.heartbeat()), [0, 1]);
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    server.await_metric("turntable_sessions", 1.0);
    assert_eq!(
        fault(&caller.send("", "[]")),
        (410, "session_expired".to_owned())
    );
}

#[test]
fn who_polls_stays_online() {
    let server = Server::with(&[("poll.gone_ms", "800"), ("presence.grace_ms", "0")]);
    let mut friend = server.user("1:2");
    let caller = Caller::of(&server, "1:1");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "online"}));
    for _ in 0..8 {
        caller.heartbeat();
        friend.expect_none();
    }
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
}

#[test]
fn a_goodbye_is_seen_at_once_and_ends_the_session() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let caller = Caller::of(&server, "1:1");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "online"}));
    let told = caller.poll(&json!([{"f": "$av:bye"}]));
    assert_eq!(told, Vec::<Value>::new());
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    assert_eq!(
        fault(&caller.send("", "[]")),
        (410, "session_expired".to_owned())
    );
    server.await_metric("turntable_connections", 1.0);
}

#[test]
fn a_request_whose_line_is_closed_is_told_why() {
    let server = Server::with(&[("session.error_burst", "5")]);
    let caller = Caller::of(&server, "1:1");
    let told = caller.poll(&json!([call("$av:bye", json!({}), 1)]));
    assert_eq!(
        calls(&told, "$av:close"),
        [json!({"code": 1000, "reason": "bye"})]
    );
    let caller = Caller::of(&server, "1:1");
    let bad = vec![call("$av:leavegame", json!({"channel": "none"}), 1); 20];
    let told = caller.poll(&json!(bad));
    assert_eq!(calls(&told, "$av:close")[0]["code"], 4006, "{told:?}");
}

#[test]
fn a_session_that_is_none_is_not_found_and_an_unknown_one_is_gone() {
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
            let answer = poll(&server, target, headers, r#"[{"f": "$av:time"}]"#);
            assert_eq!(
                fault(&answer),
                (status, code.to_owned()),
                "{target} {headers}"
            );
            assert_eq!(answer.header("Turntable-Session"), None);
        }
    }
    let answer = poll(&server, "/poll?received=x", "", "[]");
    assert_eq!(fault(&answer).0, 400);
    server.await_metric("turntable_connections", 0.0);
}

#[test]
fn what_waits_is_bounded_and_comes_whole_or_not_at_all() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
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
            friend.ask("publish", json!({"channel": "c", "data": data}));
        }
    };
    // Over the bound of what may wait for a line, but not over what is kept
    // for one that comes back.
    let caller = Caller::on(&server, "1:1", "c");
    numbered(0..12);
    server.await_metric("turntable_connections_closed_total{name=\"too_slow\"}", 1.0);
    let told = said(&caller.heartbeat());
    let got: Vec<u64> = told
        .iter()
        .map(|data| data["n"].as_u64().unwrap())
        .collect();
    assert_eq!(got, (0..12).collect::<Vec<_>>());
    numbered(12..14);
    assert_eq!(said(&caller.heartbeat()).len(), 2);
    // More than that: the session is over, and says so.
    numbered(14..60);
    server.await_metric("turntable_sessions", 1.0);
    assert_eq!(
        fault(&caller.send("", "[]")),
        (410, "session_expired".to_owned())
    );
}

#[test]
fn presence_merges_between_requests() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let caller = Caller::of(&server, "1:1");
    let told = caller.poll(&json!([{"f": "$av:subscribe", "args": ["1:2"], "id": 1}]));
    let changes = caller.await_calls(told, "$av:userchange", 1);
    assert_eq!(changes, [json!({"1:2": "online"})]);
    for state in ["busy", "idle", "online", "busy"] {
        friend.ask("status", json!(state));
    }
    let changes = caller.await_calls(Vec::new(), "$av:userchange", 1);
    assert_eq!(changes, [json!({"1:2": "busy"})]);
}

#[test]
fn a_session_goes_from_door_to_door_and_nothing_is_lost_or_doubled() {
    let server = Server::start();
    let mut spares = Vec::new();
    for round in 0..4 {
        let mut friend = server.user("1:9");
        let mut line = Line::begin(&server, "1:1");
        line.ask("joinchannel", json!({"channel": "c"}));
        publish(&mut friend, 0..4);
        for n in 0..2 {
            assert_eq!(line.expect("message")["data"], n);
        }
        if round % 2 == 1 {
            // Now on the same worker, now on the other one.
            spares.push(server.connect());
        }
        // WebSocket -> poll
        let session = line.session.as_str().unwrap().to_owned();
        let caller = Caller {
            server: &server,
            session: session.clone(),
        };
        let query = format!("?received={}", line.received);
        let entries = entries_of(&caller.send(&query, "[]"));
        assert_eq!(calls(&entries, "$av:welcome")[0]["resumed"], true);
        assert_eq!(said(&entries), [2, 3]);
        assert_eq!(line.client.close_code(), 4002);
        publish(&mut friend, 4..6);
        assert_eq!(said(&caller.heartbeat()), [4, 5]);
        // poll -> tunnel
        publish(&mut friend, 6..8);
        let mut tunnel = Tunnel::open(&server, &format!("id={session}&received=7"));
        for n in 6..8 {
            assert_eq!(tunnel.expect_published("c"), n, "round {round}");
        }
        // Who polls on without saying how much has come is told that it moved.
        let told = caller.heartbeat();
        assert_eq!(calls(&told, "$av:close")[0]["code"], 4002, "{told:?}");
        publish(&mut friend, 8..10);
        assert_eq!(tunnel.expect_published("c"), 8);
        // tunnel -> WebSocket
        line.received = 10;
        line.resume();
        tunnel.stream.rest();
        assert_eq!(line.expect("message")["data"], 9);
        line.client.expect_nothing_before_an_answer();
        line.client.bye();
    }
}

#[test]
fn a_call_of_resume_brings_the_session_along() {
    let server = Server::start();
    let mut friend = server.user("1:9");
    let mut line = Line::begin(&server, "1:1");
    line.ask("joinchannel", json!({"channel": "c"}));
    publish(&mut friend, 0..3);
    assert_eq!(line.expect("message")["data"], 0);
    let resume = json!({"session": line.session, "received": line.received});
    let body = json!([
        call("$av:resume", resume.clone(), "r"),
        call("$av:publish", json!({"channel": "c", "data": 3}), "p"),
    ]);
    let answer = poll(&server, "/poll", "", &body.to_string());
    assert_eq!(answer.header("Turntable-Session"), line.session.as_str());
    let entries = entries_of(&answer);
    let welcome = result(&entries, "r");
    assert_eq!(
        (&welcome["resumed"], &welcome["user"]),
        (&json!(true), &json!("1:1"))
    );
    assert_eq!(result(&entries, "p")["offset"], 4);
    let caller = Caller {
        server: &server,
        session: line.session.as_str().unwrap().to_owned(),
    };
    let told = caller.await_calls(entries, "$av:message", 3);
    let told: Vec<&Value> = told.iter().map(|message| &message["data"]).collect();
    assert_eq!(told, [&json!(1), &json!(2), &json!(3)]);
    // Of a session that is over there is nothing to resume.
    let mut over = resume;
    over["session"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    let body = json!([call("$av:resume", over, "r")]);
    let answer = poll(&server, "/poll", "", &body.to_string());
    assert_eq!(fault(&answer), (410, "session_expired".to_owned()));
}

#[test]
fn without_a_count_what_was_not_written_goes_on() {
    let server = Server::start();
    let mut friend = server.user("1:9");
    let mut line = Line::begin(&server, "1:1");
    line.ask("joinchannel", json!({"channel": "c"}));
    publish(&mut friend, 0..2);
    for n in 0..2 {
        assert_eq!(line.expect("message")["data"], n);
    }
    line.cut();
    server.await_metric("turntable_connections", 1.0);
    publish(&mut friend, 2..4);
    let caller = Caller {
        server: &server,
        session: line.session.as_str().unwrap().to_owned(),
    };
    assert_eq!(said(&caller.heartbeat()), [2, 3]);
}
