//! Sessions that cannot be resumed: the client gets `session_expired`, and never
//! a silent gap.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::metric::{CONNECTIONS, SESSIONS, limit_reached};
use turntable_testkit::session::{Session, expect_expired};

#[test]
fn session_expires_when_not_resumed_in_time() {
    let server = Server::with(&[("session.resume_ms", "150")]);
    let mut session = Session::begin(&server, "1:1");
    session.cut_and_resume();
    session.cut();
    server.await_metric(SESSIONS, 0.0);
    expect_expired(&server, &session.secret, 0);
}

#[test]
fn bye_ends_session() {
    let server = Server::start();
    let session = Session::begin(&server, "1:1");
    session.client.bye();
    expect_expired(&server, &session.secret, 0);
}

#[test]
fn unknown_session_is_reported_as_expired() {
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
fn acknowledging_unsent_messages_expires_session() {
    let server = Server::start();
    let mut session = Session::begin(&server, "1:1");
    session.request("status", json!("busy"));
    let acknowledgement = json!({"t0": 1, "received": 2});
    session.client.command("time", acknowledgement);
    session.client.expect_error("bad_message");
    expect_expired(&server, &session.secret, 3);
    // A client that counts wrong has a gap somewhere, so the session ended.
    expect_expired(&server, &session.secret, 1);
}

#[test]
fn acknowledged_messages_cannot_be_replayed() {
    let server = Server::start();
    let mut session = Session::begin(&server, "1:1");
    session.request("status", json!("busy"));
    session.request("status", json!("online"));
    let received = session.received;
    session.request("time", json!({"t0": 1, "received": received}));
    session.cut_and_resume();
    expect_expired(&server, &session.secret, received - 1);
}

#[test]
fn resume_beyond_replay_buffer_expires_session() {
    let server = Server::with(&[("session.replay_bytes_max", "2000")]);
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    let before = session.received;
    for n in 0..100 {
        session
            .client
            .command("publish", json!({"channel": "c", "data": n}));
        assert_eq!(session.expect("message")["data"], n);
    }
    // The last messages are retained, the first ones are not.
    session.received -= 2;
    session.cut_and_resume();
    assert_eq!(session.expect("message")["data"], 98);
    assert_eq!(session.expect("message")["data"], 99);
    expect_expired(&server, &session.secret, before);
}

#[test]
fn full_outbox_ends_disconnected_session() {
    let keys = [
        ("session.replay_bytes_max", "0"),
        ("session.outbox_bytes_max", "70000"),
    ];
    let server = Server::with(&keys);
    let mut publisher = server.user("1:9");
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    session.cut();
    server.await_metric(CONNECTIONS, 1.0);
    for _ in 0..3 {
        let data = "x".repeat(30_000);
        publisher.request("publish", json!({"channel": "c", "data": data}));
    }
    server.await_metric(SESSIONS, 1.0);
    expect_expired(&server, &session.secret, session.received);
}

#[test]
fn sessions_without_connection_are_limited_by_address() {
    let server = Server::with(&[("session.detached_per_address_max", "1")]);
    let mut first = Session::begin(&server, "1:1");
    let mut second = Session::begin(&server, "1:2");
    first.cut();
    server.await_metric(CONNECTIONS, 1.0);
    second.cut();
    server.await_metric(SESSIONS, 1.0);
    expect_expired(&server, &second.secret, 0);
    // The one that waits is resumed, and its place is free again.
    first.resume();
    let mut third = Session::begin(&server, "1:3");
    third.cut_and_resume();
    let key = limit_reached("session.detached_per_address_max");
    assert_eq!(server.metric(&key), 1.0);
}
