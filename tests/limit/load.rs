//! Too much input and no input: rates, floods, heartbeats, idle crowds.

use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::metric::{CLOSED_NOT_IDENTIFIED, CONNECTIONS, limits_reached};
use turntable_testkit::{Client, Frame, Opcode, SILENCE, Server};

#[test]
fn flood_is_refused_and_then_closed() {
    let server = Server::with(&[
        ("limits.presence.burst", "10"),
        ("limits.presence.per_second", "1"),
        ("limits.flood.burst", "20"),
        ("limits.flood.per_second", "1"),
    ]);
    let mut other = server.user("1:2");
    let mut client = server.user("1:1");
    // In one segment: the bucket refills with time.
    let lookups = (0..11).map(|id| json!({"command": "lookup", "data": [], "id": id}));
    let bytes: Vec<u8> = lookups
        .flat_map(|lookup| Frame::text(&lookup.to_string()).masked())
        .collect();
    client.send_raw(&bytes);
    for _ in 0..10 {
        client.expect("reply");
    }
    let error = client.expect_error("rate_limited");
    assert_eq!(
        (&error["id"], &error["data"]["command"]),
        (&json!(10), &json!("lookup"))
    );
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 0);
    // Other classes of commands have limits of their own.
    client.expect_nothing_pending();
    for _ in 0..40 {
        client.send(json!({"command": "lookup", "data": []}));
    }
    assert_eq!(client.close_code(), 4007);
    other.expect_nothing_pending();
}

#[test]
fn thousand_users_are_charged_one_by_one() {
    let server = Server::start();
    let mut client = server.user("1:1");
    let users: Vec<String> = (0..1_000).map(|n| format!("2:{n}")).collect();
    client.request("unsubscribe", json!(users));
    client.request("unsubscribe", json!(users));
    client.send(json!({"command": "subscribe", "data": users, "id": 7}));
    let error = client.expect_error("rate_limited");
    assert_eq!(error["id"], 7);
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    assert_eq!(server.metric(&limits_reached("limits.users")), 1.0);
    // Status has another bucket.
    client.request("status", json!("busy"));
}

#[test]
fn each_limit_is_counted_under_its_key() {
    let server = Server::with(&[
        ("presence.watch_max", "2"),
        ("presence.lookup_max", "2"),
        ("session.rooms_max", "1"),
        ("room.actions_max", "2"),
        ("presence.note_bytes_max", "2"),
    ]);
    let mut client = server.user("1:1");
    let action = json!({"timestamp": 1, "from": "1:1", "data": 1});
    client.request("joingame", json!({"channel": "a", "self": "1:1"}));
    for (command, data, key) in [
        (
            "subscribe",
            json!(["1:2", "1:3", "1:4"]),
            "presence.watch_max",
        ),
        (
            "lookup",
            json!(["1:2", "1:3", "1:4"]),
            "presence.lookup_max",
        ),
        (
            "joingame",
            json!({"channel": "b", "self": "1:1"}),
            "session.rooms_max",
        ),
        (
            "game",
            json!({"channel": "a", "actions": [action, action, action]}),
            "room.actions_max",
        ),
        (
            "status",
            json!({"state": "busy", "note": "long"}),
            "presence.note_bytes_max",
        ),
    ] {
        client.send(json!({"command": command, "data": data, "id": 1}));
        let answer = client.next();
        assert_eq!(answer["command"], "error", "{answer}");
        assert!(answer["data"].get("limit").is_none(), "{answer}");
        server.await_metric(&limits_reached(key), 1.0);
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    client.send_text(&format!(r#"{{"command":"set","data":{{"a":{deep}}}}}"#));
    client.expect_error("too_large");
    assert_eq!(server.metric(&limits_reached("session.depth_max")), 1.0);
}

#[test]
fn rate_limited_command_succeeds_after_retry_delay() {
    let server = Server::with(&[
        ("limits.presence.burst", "1"),
        ("limits.presence.per_second", "5"),
    ]);
    let mut client = server.user("1:1");
    client.request("lookup", json!([]));
    client.command("lookup", json!([]));
    let error = client.expect_error("rate_limited");
    let retry = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    client.expect_none_for(Duration::from_millis(retry));
    client.request("lookup", json!([]));
}

#[test]
fn silent_client_is_pinged_and_closed_without_answer() {
    let server = Server::with(&[("session.heartbeat_ms", "300")]);
    let mut silent = server.user("1:1");
    let ping = silent.frame();
    assert_eq!(ping.opcode, Opcode::PING, "{ping:?}");
    // The ping is not answered.
    let start = Instant::now();
    let close = silent.frame();
    assert_eq!(close.close_code(), Some(4008), "{close:?}");
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn client_that_answers_pings_or_sends_stays_connected() {
    let server = Server::with(&[("session.heartbeat_ms", "400")]);
    let mut client = server.user("1:1");
    // Answers pings, for several heartbeats.
    client.expect_none_for(Duration::from_millis(1_800));
    client.expect_nothing_pending();
    let mut sender = server.user("1:2");
    let until = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < until {
        sender.expect_nothing_pending();
        sender.expect_none_for(Duration::from_millis(50));
    }
}

#[test]
fn half_a_message_is_not_waited_for_although_pings_are_answered() {
    let server = Server::with(&[("session.heartbeat_ms", "300")]);
    let mut client = server.user("1:1");
    client.command("time", json!({"t0": 1}));
    client.expect("time");
    client.send_frame(&Frame::fragment(Opcode::TEXT, *b"{"));
    let start = Instant::now();
    let close = loop {
        let frame = client.frame();
        match frame.opcode {
            Opcode::PING => client.send_frame(&Frame::new(Opcode::PONG, frame.payload)),
            _ => break frame,
        }
    };
    assert_eq!(close.close_code(), Some(4008), "{close:?}");
    assert!(start.elapsed() >= Duration::from_millis(250));
}

#[test]
fn silent_client_goes_offline_within_ping_timeout() {
    let server = Server::with(&[("session.heartbeat_ms", "200"), ("presence.grace_ms", "0")]);
    let mut watcher = server.user("2:1");
    watcher.subscribe(&["1:1"]);
    // It never reads, so it answers no ping.
    let _silent = server.user("1:1");
    assert_eq!(watcher.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(watcher.expect("userchange"), json!({"1:1": "offline"}));
}

/// Lets this process, and those it starts, open this many files; the limit of a
/// shell is often 1,024.
fn allow_open_files(count: u32) {
    let (pid, files) = (std::process::id(), format!("--nofile={count}:"));
    let mut prlimit = std::process::Command::new("prlimit");
    let status = prlimit.args(["--pid", &pid.to_string(), &files]).status();
    assert!(status.unwrap().success());
}

#[test]
fn two_thousand_unidentified_connections_use_little_memory_and_are_closed() {
    allow_open_files(10_000);
    let server = Server::with(&[
        ("session.identify_timeout_ms", "4000"),
        ("session.unidentified_per_address_max", "3000"),
    ]);
    let mut user = server.user("1:1");
    let before = server.resident_bytes();
    let mut clients: Vec<Client> = (0..2_000).map(|_| server.connect()).collect();
    let each = server.resident_bytes().saturating_sub(before) / 2_000;
    assert!(each < 4_096, "{each} bytes for each");
    user.expect_nothing_pending();
    for client in &mut clients {
        client.expect_close(4001);
    }
    server.await_metric(CONNECTIONS, 1.0);
    let closed = server.metric(CLOSED_NOT_IDENTIFIED);
    assert_eq!(closed, 2_000.0);
    user.expect_nothing_pending();
}

#[test]
fn unfinished_handshakes_do_not_block_others() {
    let server = Server::start();
    let _unfinished: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).unwrap();
            std::io::Write::write_all(&mut stream, b"GET /ws HTTP/1.1\r\nHost: a\r\n").unwrap();
            stream
        })
        .collect();
    let mut client = server.user("1:1");
    client.expect_none_for(SILENCE);
    client.expect_nothing_pending();
}
