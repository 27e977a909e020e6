//! Socket.IO: who connects, events and acknowledgements, namespaces, binary data,
//! limits.

use serde_json::{Value, json};

use turntable_testkit::engineio::{Polling, packets, websocket};
use turntable_testkit::metric::{CLOSED_TOO_SLOW, CONNECTIONS};
use turntable_testkit::socketio::{Carrier, Socket, TRANSPORTS};
use turntable_testkit::{Frame, Opcode, Server};

/// Joins a channel.
pub(crate) fn join(socket: &mut Socket, channel: &str) {
    let joined = socket.request("joinchannel", json!({"channel": channel}));
    assert_eq!(joined["channel"], channel, "{joined}");
}

#[test]
fn client_identifies_by_auth_or_event() {
    let server = Server::start();
    for transport in TRANSPORTS {
        let (_, welcome) = Socket::user(server.address, transport, "1:1");
        assert_eq!(welcome["user"], "1:1");
        assert_eq!(welcome["resumed"], false);
        for auth in [Value::Null, json!({})] {
            let mut socket = Socket::connect(server.address, transport, auth);
            assert_eq!(socket.expect("idyou"), json!({}));
            let error = socket.request("publish", json!({"channel": "a", "data": 1}));
            assert_eq!(error["error"]["code"], "not_identified");
            assert_eq!(socket.request("time", json!({"t0": 5}))["t0"], 5);
            assert_eq!(socket.request("idme", json!("1:2"))["user"], "1:2");
        }
        // Without an acknowledgement the answer is an event.
        let mut socket = Socket::connect(server.address, transport, Value::Null);
        socket.expect("idyou");
        socket.emit("idme", json!({"user": "1:3"}));
        assert_eq!(socket.expect("welcome")["user"], "1:3");
        socket.emit("dance", json!({}));
        assert_eq!(socket.expect("error")["code"], "unknown_command");
    }
}

#[test]
fn refused_connect_has_reason() {
    let server = Server::with(&[("portal.realms", r#"["1"]"#)]);
    for transport in TRANSPORTS {
        let mut carrier = Some(Carrier::open(server.address, transport));
        for (auth, code) in [
            (json!({"user": "nobody"}), "invalid_id"),
            (json!({"user": "2:1"}), "unauthorized"),
            (json!({"token": "x"}), "bad_message"),
            (
                json!({"session": "AAAAAAAAAAAAAAAAAAAAAA", "received": 0}),
                "session_expired",
            ),
        ] {
            let carrier = carrier
                .take()
                .unwrap_or_else(|| Carrier::open(server.address, transport));
            let error = Socket::try_on(carrier, "/", auth.clone()).err().unwrap();
            assert_eq!(error["data"]["code"], code, "{auth}");
            assert_eq!(error["message"], error["data"]["message"]);
        }
        let carrier = Carrier::open(server.address, transport);
        let error = Socket::try_on(carrier, "/random", Value::Null)
            .err()
            .unwrap();
        assert_eq!(error, json!({"message": "Invalid namespace"}));
    }
    // A connection may try again, but not without end.
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(r#"40{"user":"nobody"}"#);
    assert!(client.text().starts_with("44{"));
    client.send_text(r#"40{"user":"1:1"}"#);
    assert!(client.text().starts_with("40{"));
    let (mut client, _) = websocket(server.address, "/socket.io/");
    for _ in 0..200 {
        client.send_text("40/nowhere,");
    }
    assert_eq!(client.close_code(), 4006);
}

#[test]
fn presence_rooms_and_channels_are_shared_with_other_transports() {
    let server = Server::start();
    for transport in TRANSPORTS {
        let (user, friend) = (format!("1:{transport}"), format!("2:{transport}"));
        let (mut socket, _) = Socket::user(server.address, transport, &user);
        socket.emit("subscribe", json!([friend]));
        assert_eq!(socket.expect("userchange")[&friend], "offline");
        let mut other = server.user(&friend);
        assert_eq!(socket.expect("userchange")[&friend], "online");

        let room = format!("room-{transport}");
        let joined = socket.request("joingame", json!({"channel": room, "self": user}));
        assert_eq!(joined["members"].as_object().unwrap().len(), 1);
        other.command("joingame", json!({"channel": room, "self": friend}));
        other.await_command("joined");
        let change = socket.expect("memberchange");
        assert_eq!(change["members"][&friend], "joined");
        assert_eq!(socket.expect("userchange")[&friend], "busy");
        let action = json!({"timestamp": 1, "from": user, "data": {"x": 1}});
        socket.emit("game", json!({"channel": room, "actions": [action]}));
        assert_eq!(socket.expect("game")["actions"][0]["data"]["x"], 1);
        assert_eq!(other.await_command("game")["actions"][0]["from"], user);

        let channel = format!("chat/{transport}");
        join(&mut socket, &channel);
        other.command("joinchannel", json!({"channel": channel}));
        other.await_command("joined");
        let published = json!(["publish", {"channel": channel, "data": [1.50, null]}]);
        socket.send_packet(&format!("4277{published}"));
        // The message precedes the answer: its order is the same for all.
        assert_eq!(socket.expect("message")["offset"], 1);
        assert!(socket.packet().starts_with("4377[{"));
        assert_eq!(other.await_command("message")["data"], json!([1.5, null]));
    }
}

#[test]
fn binary_data_travels_as_attachments() {
    let server = Server::start();
    let mut other = server.user("1:9");
    other.command("joinchannel", json!({"channel": "b"}));
    other.expect("joined");
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(r#"40{"user":"1:1"}"#);
    for _ in 0..3 {
        client.text();
    }
    client.send_text(r#"420["joinchannel",{"channel":"b"}]"#);
    assert!(client.text().starts_with("430["));
    client.send_text(
        r#"452-["publish",{"channel":"b","data":[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]}]"#,
    );
    client.send_frame(&Frame::new(Opcode::BINARY, [1, 2, 3]));
    client.send_frame(&Frame::new(Opcode::BINARY, [255]));
    let data = json!([{"$bin": "/w=="}, {"$bin": "AQID"}]);
    assert_eq!(other.expect("message")["data"], data);
    let text = client.text();
    assert!(text.starts_with(r#"452-["message",{"#), "{text}");
    assert_eq!(client.frame().payload, [255]);
    assert_eq!(client.frame().payload, [1, 2, 3]);

    // The same over polling.
    let polling = Polling::open(server.address, "/socket.io/");
    polling.push(&[
        r#"40{"user":"1:2"}"#,
        r#"42["joinchannel",{"channel":"b"}]"#,
    ]);
    let mut packets = Vec::new();
    while packets.len() < 4 {
        packets.extend(polling.poll());
    }
    polling.push(&[
        r#"451-["publish",{"channel":"b","data":{"_placeholder":true,"num":0}}]"#,
        "bAQIDBA==",
    ]);
    let packets = polling.poll();
    assert!(packets[0].starts_with(r#"451-["message","#), "{packets:?}");
    assert_eq!(packets[1], "bAQIDBA==");
    assert_eq!(other.expect("message")["data"], json!({"$bin": "AQIDBA=="}));
}

#[test]
fn namespaces_of_one_connection_are_separate_sessions() {
    let server = Server::with(&[("socketio.namespaces", r#"["/lobby"]"#)]);
    for transport in TRANSPORTS {
        let (main, _) = Socket::user(server.address, transport, "1:1");
        let carrier = main.into_carrier();
        let mut lobby = Socket::on(carrier, "/lobby", json!({"user": "1:2"}));
        lobby.expect("idyou");
        assert_eq!(lobby.expect("welcome")["user"], "1:2");
        join(&mut lobby, "news");
        // A message that one session publishes reaches the other.
        lobby.send_packet(r#"42["publish",{"channel":"news","data":7}]"#);
        assert_eq!(lobby.expect("message")["from"], "1:1");
        lobby.send_packet("41");
        assert_eq!(lobby.request("time", json!({"t0": 1}))["t0"], 1);
        // Packets for the namespace that disconnected are ignored.
        lobby.send_packet(r#"42["publish",{"channel":"news","data":8}]"#);
        assert_eq!(lobby.request("time", json!({"t0": 2}))["t0"], 2);
        // `bye` ends one session; the connection and the other session last.
        let carrier = lobby.into_carrier();
        let mut main = Socket::on(carrier, "/", json!({"user": "1:3"}));
        main.expect("idyou");
        main.expect("welcome");
        main.emit("bye", json!({}));
        assert_eq!(main.packet(), "41");
        main.send_packet(r#"42/lobby,5["time",{"t0":3}]"#);
        assert!(main.packet().starts_with("43/lobby,5[{"));
    }
}

#[test]
fn unidentified_socket_is_closed() {
    let server = Server::with(&[("session.identify_timeout_ms", "200")]);
    let mut socket = Socket::connect(server.address, "websocket", Value::Null);
    socket.expect("idyou");
    assert_eq!(socket.into_websocket().close_code(), 4001);
    let mut socket = Socket::connect(server.address, "polling", Value::Null);
    socket.expect("idyou");
    assert_eq!(socket.packet(), "1");
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn stalled_reader_is_closed_and_resumes() {
    let server = Server::with(&[
        ("session.outbox_bytes_max", "140000"),
        ("session.replay_bytes_max", "1000000"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
    ]);
    let (mut socket, welcome) = Socket::user(server.address, "polling", "1:1");
    join(&mut socket, "news");
    let mut other = server.user("1:9");
    let data = "x".repeat(10_000);
    for _ in 0..40 {
        other.command("publish", json!({"channel": "news", "data": data}));
    }
    other.expect_nothing_pending();
    server.await_metric(CLOSED_TOO_SLOW, 1.0);
    // The packets that it can still read end with the close packet.
    let mut messages = 0;
    while socket.packet() != "1" {
        messages += 1;
    }
    // As many as fit in `socketio.queue_bytes_max`; fewer where the limit was
    // passed before the first of them was written.
    assert!(messages <= 12, "{messages}");
    let received = socket.received;
    let back = json!({"session": welcome["session"], "received": received});
    let mut socket = Socket::connect(server.address, "websocket", back);
    socket.expect("idyou");
    socket.expect("welcome");
    for offset in 1..=40 {
        assert_eq!(socket.expect("message")["offset"], offset);
    }
}

#[test]
fn invalid_packets_close_connection() {
    let server = Server::with(&[("socketio.attachments_max", "2")]);
    for (wrong, code) in [
        ("4abc", 1002),
        ("42{}", 1002),
        ("42[]", 1002),
        (r#"42abc["x"]"#, 1002),
        (r#"42["x""#, 1002),
        (r#"453-["x"]"#, 1009),
        (r#"451-["x"]"#, 0),
        ("40", 1002),
        (r#"42/other,["x"]"#, 1002),
        ("44{}", 1002),
    ] {
        let (mut socket, _) = Socket::user(server.address, "websocket", "1:1");
        socket.send_packet(wrong);
        let mut client = socket.into_websocket();
        if code == 0 {
            client.send_text(r#"42["time",{"t0":1}]"#);
            assert_eq!(client.close_code(), 1002, "{wrong}");
        } else {
            assert_eq!(client.close_code(), code, "{wrong}");
        }
    }
    // No event is valid before CONNECT.
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(r#"42["time",{"t0":1}]"#);
    assert_eq!(client.close_code(), 1002);
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_frame(&Frame::new(Opcode::BINARY, [1]));
    assert_eq!(client.close_code(), 1002);
}

#[test]
fn shutdown_sends_goaway_and_closes() {
    let mut server = Server::with(&[("server.workers", "1")]);
    let (polling, _) = Socket::user(server.address, "polling", "1:2");
    let Carrier::Polling(polling) = polling.into_carrier() else {
        panic!("polling");
    };
    let waiting = polling.start_poll();
    let (mut client, _) = Socket::user(server.address, "websocket", "1:1");
    server.signal("TERM");
    assert_eq!(client.expect("goaway")["reason"], "going_away");
    assert_eq!(client.into_websocket().close_code(), 1001);
    let packets = packets(&waiting.answer());
    assert!(packets[0].starts_with(r#"42["goaway",{"reason":"going_away","#));
    assert_eq!(packets[1], "1");
    assert!(server.wait().success());
}

#[test]
fn shutdown_sends_goaway_to_every_namespace() {
    let mut server = Server::with(&[
        ("server.workers", "1"),
        ("socketio.namespaces", r#"["/game"]"#),
    ]);
    let (socket, _) = Socket::user(server.address, "websocket", "1:1");
    let mut client = socket.into_websocket();
    client.send_text(r#"40/game,{"user":"1:2"}"#);
    for expected in ["40/game,", r#"42/game,["idyou""#, r#"42/game,["welcome""#] {
        let packet = client.text();
        assert!(packet.starts_with(expected), "{packet}");
    }
    server.signal("TERM");
    let mut packets = [client.text(), client.text()];
    packets.sort();
    assert!(
        packets[0].starts_with(r#"42/game,["goaway""#),
        "{packets:?}"
    );
    assert!(packets[1].starts_with(r#"42["goaway""#), "{packets:?}");
    assert_eq!(client.close_code(), 1001);
    assert!(server.wait().success());
}
