//! Sessions that cannot be resumed: the client is told so, and never gets a
//! silent hole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod line;
mod support;

use serde_json::json;

use line::{Line, expect_expired};
use support::Server;

#[test]
fn a_session_expires_when_nobody_comes_back_in_time() {
    let server = Server::with(&[("session.resume_ms", "150")]);
    let mut line = Line::begin(&server, "1:1");
    line.cut_and_resume();
    line.cut();
    server.await_metric("turntable_sessions", 0.0);
    expect_expired(&server, &line.session, 0);
}

#[test]
fn a_session_ends_with_a_goodbye() {
    let server = Server::start();
    let line = Line::begin(&server, "1:1");
    line.client.bye();
    expect_expired(&server, &line.session, 0);
}

#[test]
fn what_is_no_session_has_expired() {
    let server = Server::start();
    for session in [
        "AAAAAAAAAAAAAAAAAAAAAA",
        "short",
        "",
        "not base64 at all !!!!",
    ] {
        expect_expired(&server, &json!(session), 0);
    }
}

#[test]
fn nobody_has_got_more_than_was_sent() {
    let server = Server::start();
    let mut line = Line::begin(&server, "1:1");
    line.ask("status", json!("busy"));
    let told = json!({"t0": 1, "received": 2});
    line.client.command("time", told);
    line.client.expect_error("bad_message");
    expect_expired(&server, &line.session, 3);
    // Whoever counts wrong has a hole somewhere, so the session is over.
    expect_expired(&server, &line.session, 1);
}

#[test]
fn what_was_acknowledged_cannot_be_asked_for_again() {
    let server = Server::start();
    let mut line = Line::begin(&server, "1:1");
    line.ask("status", json!("busy"));
    line.ask("status", json!("online"));
    let received = line.received;
    line.ask("time", json!({"t0": 1, "received": received}));
    line.cut_and_resume();
    expect_expired(&server, &line.session, received - 1);
}

#[test]
fn more_than_is_kept_makes_the_session_expire_and_never_a_hole() {
    let server = Server::with(&[("session.replay_bytes_max", "2000")]);
    let mut line = Line::begin(&server, "1:1");
    line.ask("joinchannel", json!({"channel": "c"}));
    let before = line.received;
    for n in 0..100 {
        line.client
            .command("publish", json!({"channel": "c", "data": n}));
        assert_eq!(line.expect("message")["data"], n);
    }
    // The last ones are kept, the first ones are not.
    line.received -= 2;
    line.cut_and_resume();
    assert_eq!(line.expect("message")["data"], 98);
    assert_eq!(line.expect("message")["data"], 99);
    expect_expired(&server, &line.session, before);
}

#[test]
fn more_than_may_wait_ends_a_session_that_nobody_reads() {
    let keys = [
        ("session.replay_bytes_max", "0"),
        ("session.outbox_bytes_max", "70000"),
    ];
    let server = Server::with(&keys);
    let mut publisher = server.user("1:9");
    let mut line = Line::begin(&server, "1:1");
    line.ask("joinchannel", json!({"channel": "c"}));
    line.cut();
    server.await_metric("turntable_connections", 1.0);
    for _ in 0..3 {
        let data = "x".repeat(30_000);
        publisher.ask("publish", json!({"channel": "c", "data": data}));
    }
    server.await_metric("turntable_sessions", 1.0);
    expect_expired(&server, &line.session, line.received);
}
