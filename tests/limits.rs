//! Bad input, too much input, and no input: what each costs its sender, and
//! that it costs nobody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Client, Frame, Opcode, SILENCE, Server};

#[test]
fn an_unknown_command_is_an_error_and_the_connection_lives_on() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.send(json!({"command": "dance", "data": {}, "id": "d"}));
    let error = client.expect_error("unknown_command");
    assert_eq!(error["id"], "d");
    let message = error["data"]["message"].as_str().unwrap();
    assert!(
        message.contains("subscribe"),
        "it says what is accepted: {message}"
    );
    client.expect_nothing_before_an_answer();
}

#[test]
fn what_is_no_json_is_an_error_and_the_connection_lives_on() {
    let server = Server::start();
    let mut client = server.user("1:1");
    for wrong in [
        "",
        "{",
        "hello",
        "{\"command\":\"time\",}",
        "{'command':'time'}",
        "[1,",
        "nul",
        "\u{0}",
    ] {
        client.send_text(wrong);
        client.expect_error("bad_json");
    }
    // As the old examples of the protocol have it: keys without quotes.
    client.send_text("{\"command\":\"joingame\",\"data\":{channel:\"CStrike\"}}");
    client.expect_error("bad_json");
    client.expect_nothing_before_an_answer();
}

#[test]
fn what_is_no_message_is_an_error_and_the_connection_lives_on() {
    let server = Server::start();
    let mut client = server.user("1:1");
    for wrong in [
        json!(1),
        json!("time"),
        json!([]),
        json!(["time", {}]),
        json!(null),
        json!({}),
        json!({"data": {}}),
        json!({"command": 3}),
        json!({"command": null, "data": {}}),
        json!({"command": "subscribe"}),
        json!({"command": "subscribe", "data": null}),
        json!({"command": "joinchannel", "data": {"channel": null}}),
        json!({"command": "time", "data": {"t0": "now"}}),
        json!({"command": "time", "data": {"t0": 1}, "id": {}}),
        json!({"command": "time", "data": {"t0": 1}, "id": "x".repeat(65)}),
    ] {
        client.send(wrong);
        client.expect_error("bad_message");
    }
    client.expect_nothing_before_an_answer();
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client
        .send_text(r#" {"new": [1], "data": {"t0": 1, "t9": {}}, "command": "time", "id": 1e2} "#);
    let message = client.next();
    assert_eq!(message["command"], "time");
    assert_eq!(message["id"], 1e2);
}

#[test]
fn json_may_be_only_so_deep() {
    let server = Server::start();
    let mut client = server.user("1:1");
    let nested = |depth: usize| {
        let (open, shut) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"command":"set","data":{{"deep":{open}{shut}}},"id":1}}"#)
    };
    client.send_text(&nested(50));
    client.expect("reply");
    for depth in [100, 30_000] {
        client.send_text(&nested(depth));
        let answer = client.next();
        assert_eq!(answer["command"], "error", "{answer}");
    }
    client.expect_nothing_before_an_answer();
}

#[test]
fn binary_frames_are_not_for_the_json_protocol() {
    let server = Server::start();
    for identified in [false, true] {
        let mut client = if identified {
            server.user("1:1")
        } else {
            server.connect()
        };
        client.send_frame(&Frame::new(
            Opcode::BINARY,
            r#"{"command":"time","data":{"t0":1}}"#,
        ));
        client.expect_close(1003);
    }
}

#[test]
fn broken_frames_close_a_session_too() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.send_frame(&Frame::new(Opcode::TEXT, b"\xff".to_vec()));
    client.expect_close(1007);
    let mut client = server.user("1:1");
    client.send_raw(&Frame::text("bare").unmasked());
    client.expect_close(1002);
    let mut client = server.user("1:1");
    client.send_raw(&Frame::new(Opcode::TEXT, vec![b' '; 65_537]).masked()[..20]);
    client.expect_close(1009);
}

#[test]
fn the_limit_of_a_message_is_the_configured_one() {
    let server = Server::with(&[("server.max_message_bytes", "128")]);
    let mut client = server.user("1:1");
    client.send_text(&format!("{:128}", r#"{"command":"time","data":{"t0":1}}"#));
    client.expect("time");
    client.send_text(&format!("{:129}", r#"{"command":"time","data":{"t0":1}}"#));
    client.expect_close(1009);
}

#[test]
fn too_many_errors_close_the_connection() {
    let server = Server::with(&[
        ("session.error_burst", "5"),
        ("session.errors_per_second", "1"),
    ]);
    for identified in [false, true] {
        let mut client = if identified {
            server.user("1:1")
        } else {
            server.connect()
        };
        for _ in 0..20 {
            client.send_text("{");
        }
        let mut errors = 0;
        let code = loop {
            let frame = client.frame();
            match frame.close_code() {
                Some(code) => break code,
                None => errors += 1,
            }
        };
        assert_eq!(code, 4006);
        assert!((5..=8).contains(&errors), "{errors} errors");
    }
}

#[test]
fn a_flood_is_refused_and_then_closed() {
    let server = Server::with(&[
        ("limits.presence.burst", "10"),
        ("limits.presence.per_second", "1"),
        ("limits.flood.burst", "20"),
        ("limits.flood.per_second", "1"),
    ]);
    let mut other = server.user("1:2");
    let mut client = server.user("1:1");
    // In one segment, so that no time passes that would fill the bucket again.
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
    // Other classes of commands have their own.
    client.expect_nothing_before_an_answer();
    for _ in 0..40 {
        client.send(json!({"command": "lookup", "data": []}));
    }
    assert_eq!(client.close_code(), 4007);
    other.expect_nothing_before_an_answer();
}

#[test]
fn what_was_refused_for_its_rate_passes_when_it_was_waited_for() {
    let server = Server::with(&[
        ("limits.presence.burst", "1"),
        ("limits.presence.per_second", "5"),
    ]);
    let mut client = server.user("1:1");
    client.ask("lookup", json!([]));
    client.command("lookup", json!([]));
    let error = client.expect_error("rate_limited");
    let retry = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    client.expect_none_for(Duration::from_millis(retry));
    client.ask("lookup", json!([]));
}

#[test]
fn a_silent_client_is_pinged_and_one_that_does_not_answer_is_closed() {
    let server = Server::with(&[("session.heartbeat_ms", "300")]);
    let mut dead = server.user("1:1");
    let ping = dead.frame();
    assert_eq!(ping.opcode, Opcode::PING, "{ping:?}");
    // Not answered.
    let start = Instant::now();
    let close = dead.frame();
    assert_eq!(close.close_code(), Some(4008), "{close:?}");
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_client_that_answers_pings_or_talks_lives_on() {
    let server = Server::with(&[("session.heartbeat_ms", "400")]);
    let mut client = server.user("1:1");
    // Answers pings, for several times the heartbeat.
    client.expect_none_for(Duration::from_millis(1_800));
    client.expect_nothing_before_an_answer();
    let mut talker = server.user("1:2");
    let until = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < until {
        talker.expect_nothing_before_an_answer();
        talker.expect_none_for(Duration::from_millis(50));
    }
}

#[test]
fn who_is_dead_is_offline_within_the_ping_timeout() {
    let server = Server::with(&[("session.heartbeat_ms", "200"), ("presence.grace_ms", "0")]);
    let mut watcher = server.user("2:1");
    watcher.subscribe(&["1:1"]);
    // It never reads, so it answers no ping.
    let _dead = server.user("1:1");
    assert_eq!(watcher.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(watcher.expect("userchange"), json!({"1:1": "offline"}));
}

/// Lets this process, and those it starts, open as many files as the crowd
/// needs; a shell's own limit is often 1,024.
fn allow_open_files(count: u32) {
    let (pid, files) = (std::process::id(), format!("--nofile={count}:"));
    let mut prlimit = std::process::Command::new("prlimit");
    let status = prlimit.args(["--pid", &pid.to_string(), &files]).status();
    assert!(status.unwrap().success());
}

#[test]
fn two_thousand_who_never_say_who_they_are_cost_little_and_are_closed() {
    allow_open_files(10_000);
    let server = Server::with(&[("session.identify_timeout_ms", "4000")]);
    let mut user = server.user("1:1");
    let before = server.resident_bytes();
    let mut crowd: Vec<Client> = (0..2_000).map(|_| server.connect()).collect();
    let each = server.resident_bytes().saturating_sub(before) / 2_000;
    assert!(each < 4_096, "{each} bytes for each");
    user.expect_nothing_before_an_answer();
    for client in &mut crowd {
        client.expect_close(4001);
    }
    server.await_metric("turntable_connections", 1.0);
    let closed = server.metric("turntable_connections_closed_total{name=\"not_identified\"}");
    assert_eq!(closed, 2_000.0);
    user.expect_nothing_before_an_answer();
}

#[test]
fn handshakes_that_never_end_keep_nobody_out() {
    let server = Server::start();
    let _half: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).unwrap();
            std::io::Write::write_all(&mut stream, b"GET /ws HTTP/1.1\r\nHost: a\r\n").unwrap();
            stream
        })
        .collect();
    let mut client = server.user("1:1");
    client.expect_none_for(SILENCE);
    client.expect_nothing_before_an_answer();
}
