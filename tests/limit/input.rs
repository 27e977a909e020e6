//! Invalid messages: each is an error or closes its connection.

use serde_json::json;

use turntable_testkit::{Frame, Opcode, Server};

#[test]
fn unknown_command_is_an_error_and_connection_stays_open() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.send(json!({"command": "dance", "data": {}, "id": "d"}));
    let error = client.expect_error("unknown_command");
    assert_eq!(error["id"], "d");
    let message = error["data"]["message"].as_str().unwrap();
    assert!(
        message.contains("subscribe"),
        "lists the commands: {message}"
    );
    client.expect_nothing_pending();
}

#[test]
fn invalid_json_is_an_error_and_connection_stays_open() {
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
    // Keys without quotes, as in old examples of the protocol.
    client.send_text("{\"command\":\"joingame\",\"data\":{channel:\"CStrike\"}}");
    client.expect_error("bad_json");
    client.expect_nothing_pending();
}

#[test]
fn invalid_message_is_an_error_and_connection_stays_open() {
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
    client.expect_nothing_pending();
}

#[test]
fn unknown_fields_are_ignored() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client
        .send_text(r#" {"new": [1], "data": {"t0": 1, "t9": {}}, "command": "time", "id": 1e2} "#);
    let message = client.next();
    assert_eq!(message["command"], "time");
    assert_eq!(message["id"], 1e2);
}

#[test]
fn json_depth_is_limited() {
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
    client.expect_nothing_pending();
}

#[test]
fn binary_frame_closes_json_connection_with_1003() {
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
fn invalid_frames_close_identified_connections() {
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
fn configured_message_size_limit_applies() {
    let server = Server::with(&[("server.max_message_bytes", "128")]);
    let mut client = server.user("1:1");
    client.send_text(&format!("{:128}", r#"{"command":"time","data":{"t0":1}}"#));
    client.expect("time");
    client.send_text(&format!("{:129}", r#"{"command":"time","data":{"t0":1}}"#));
    client.expect_close(1009);
}

#[test]
fn too_many_errors_close_connection() {
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
fn bad_input_is_not_logged() {
    let server = Server::with(&[("session.error_burst", "3"), ("server.workers", "1")]);
    let mut client = server.user("1:1");
    for _ in 0..20 {
        client.send_text("nonsense");
    }
    assert_eq!(client.close_code(), 4006);
    for frame in [
        Frame::new(Opcode::BINARY, [1, 2, 3]),
        Frame::new(Opcode::TEXT, [0xff]),
        Frame::new(Opcode::TEXT, vec![b'x'; 100_000]),
        Frame::new(3, Vec::new()),
    ] {
        let mut client = server.user("1:2");
        client.send_frame(&frame);
        client.close_code();
    }
    for target in ["/socket.io/?EIO=9", "/tunnel?id=x", "/ws", "/nothing"] {
        assert!(server.get(target).status >= 400, "{target}");
    }
    let mut client = server.user("1:1");
    client.expect_nothing_pending();
    // Each is counted.
    let closed = "turntable_connections_closed_total{name=\"too_many_errors\"}";
    assert_eq!(server.metric(closed), 1.0);
    let log = server.log();
    let lines = log
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    // The configuration and the machine may be a warning at start.
    let known = ["portal.checkers", "open files", "pass the codec"];
    let caused: Vec<&str> = lines
        .filter(|line| !known.iter().any(|part| line.contains(part)))
        .collect();
    assert!(caused.is_empty(), "{caused:?}");
}
