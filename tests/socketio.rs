//! Socket.IO over real sockets, by a client that writes packets by hand: who
//! connects, what is an event and what an acknowledgement, namespaces, bytes,
//! what is kept for those who come back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod engine;
mod support;

use engine::{Line, Polling, Socket, packets, send, websocket};
use serde_json::{Value, json};
use support::{Frame, Opcode, SILENCE, Server};

fn on_channel(socket: &mut Socket, channel: &str) {
    let joined = socket.ask("joinchannel", json!({"channel": channel}));
    assert_eq!(joined["channel"], channel, "{joined}");
}

#[test]
fn a_client_says_who_it_is_by_auth_or_by_event() {
    let server = Server::start();
    for transport in Socket::TRANSPORTS {
        let (_, welcome) = Socket::user(server.address, transport, "1:1");
        assert_eq!(welcome["user"], "1:1");
        assert_eq!(welcome["resumed"], false);
        for auth in [Value::Null, json!({})] {
            let mut socket = Socket::connect(server.address, transport, auth);
            assert_eq!(socket.expect("idyou"), json!({}));
            let error = socket.ask("publish", json!({"channel": "a", "data": 1}));
            assert_eq!(error["error"]["code"], "not_identified");
            assert_eq!(socket.ask("time", json!({"t0": 5}))["t0"], 5);
            assert_eq!(socket.ask("idme", json!("1:2"))["user"], "1:2");
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
fn a_refused_connection_says_why() {
    let server = Server::with(&[("portal.realms", r#"["1"]"#)]);
    for transport in Socket::TRANSPORTS {
        let mut line = Some(Socket::line(server.address, transport));
        for (auth, code) in [
            (json!({"user": "nobody"}), "invalid_id"),
            (json!({"user": "2:1"}), "unauthorized"),
            (json!({"token": "x"}), "bad_message"),
            (
                json!({"session": "AAAAAAAAAAAAAAAAAAAAAA", "received": 0}),
                "session_expired",
            ),
        ] {
            let line = line
                .take()
                .unwrap_or_else(|| Socket::line(server.address, transport));
            let error = Socket::try_on(line, "/", auth.clone()).err().unwrap();
            assert_eq!(error["data"]["code"], code, "{auth}");
            assert_eq!(error["message"], error["data"]["message"]);
        }
        let line = Socket::line(server.address, transport);
        let error = Socket::try_on(line, "/random", Value::Null).err().unwrap();
        assert_eq!(error, json!({"message": "Invalid namespace"}));
    }
    // One line may try again, but not for ever.
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
fn friends_rooms_and_channels_are_those_of_all_doors() {
    let server = Server::start();
    for transport in Socket::TRANSPORTS {
        let (user, friend) = (format!("1:{transport}"), format!("2:{transport}"));
        let (mut socket, _) = Socket::user(server.address, transport, &user);
        socket.emit("subscribe", json!([friend]));
        assert_eq!(socket.expect("userchange")[&friend], "offline");
        let mut other = server.user(&friend);
        assert_eq!(socket.expect("userchange")[&friend], "online");

        let room = format!("room-{transport}");
        let joined = socket.ask("joingame", json!({"channel": room, "self": user}));
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
        on_channel(&mut socket, &channel);
        other.command("joinchannel", json!({"channel": channel}));
        other.await_command("joined");
        let published = json!(["publish", {"channel": channel, "data": [1.50, null]}]);
        socket.raw(&format!("4277{published}"));
        // The message comes first: it is in the same order for all.
        assert_eq!(socket.expect("message")["offset"], 1);
        assert!(socket.packet().starts_with("4377[{"));
        assert_eq!(other.await_command("message")["data"], json!([1.5, null]));
    }
}

#[test]
fn bytes_travel_as_attachments() {
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

    // The same over requests.
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
fn what_was_missed_comes_again_on_any_worker_and_line() {
    let server = Server::start();
    let mut other = server.user("1:9");
    for transport in Socket::TRANSPORTS {
        let user = format!("1:{transport}");
        let (mut socket, welcome) = Socket::user(server.address, transport, &user);
        on_channel(&mut socket, "news");
        for round in 0..8 {
            let first = json!({"channel": "news", "data": format!("first {round}")});
            other.command("publish", first);
            assert_eq!(socket.expect("message")["data"], format!("first {round}"));
            let received = socket.received;
            drop(socket);
            let second = json!({"channel": "news", "data": format!("second {round}")});
            other.command("publish", second);
            other.expect_nothing_before_an_answer();
            let back = json!({"session": welcome["session"], "received": received});
            socket = match round % 2 {
                0 => Socket::connect(server.address, transport, back),
                _ => {
                    let mut socket = Socket::connect(server.address, transport, Value::Null);
                    socket.expect("idyou");
                    let welcome = socket.ask("resume", back);
                    assert_eq!(welcome["resumed"], true);
                    socket.event_follows(received);
                    socket
                }
            };
            if round % 2 == 0 {
                assert_eq!(socket.expect("idyou"), json!({}));
                assert_eq!(socket.expect("welcome")["resumed"], true);
                socket.received = received;
            }
            assert_eq!(socket.expect("message")["data"], format!("second {round}"));
        }
        assert_eq!(socket.ask("time", json!({"t0": 1}))["t0"], 1);
    }
}

#[test]
fn a_session_goes_on_over_another_door_and_back() {
    let server = Server::start();
    for transport in Socket::TRANSPORTS {
        let (mut socket, welcome) = Socket::user(server.address, transport, "1:1");
        on_channel(&mut socket, "news");
        let back = json!({"session": welcome["session"], "received": socket.received});
        let mut other = server.connect();
        other.command("resume", back);
        assert_eq!(other.expect("welcome")["resumed"], true);
        // The older line is told that it is not to come back.
        assert_eq!(socket.packet(), "41");
        other.command("publish", json!({"channel": "news", "data": 1}));
        assert_eq!(other.expect("message")["data"], 1);
        let back = json!({"session": welcome["session"], "received": socket.received});
        let mut socket = Socket::connect(server.address, transport, back);
        socket.expect("idyou");
        socket.expect("welcome");
        assert_eq!(socket.expect("message")["data"], 1);
        assert_eq!(other.close_code(), 4002);
        let id = welcome["session"].as_str().unwrap();
        let target = format!("/tunnel?id={id}&format=longpoll");
        let tunnel = send(server.address, "GET", &target, "", "");
        assert_eq!(tunnel.status, 200, "{}", tunnel.text());
        assert_eq!(socket.packet(), "41");
    }
}

#[test]
fn an_answer_that_another_socket_asked_for_is_an_event() {
    let server = Server::start();
    let (mut socket, welcome) = Socket::user(server.address, "websocket", "1:1");
    on_channel(&mut socket, "a");
    on_channel(&mut socket, "b");
    let back = json!({"session": welcome["session"], "received": 1});
    let mut socket = Socket::connect(server.address, "websocket", back);
    socket.expect("idyou");
    socket.expect("welcome");
    assert_eq!(socket.expect("joined")["channel"], "b");
    // Ids begin anew.
    assert_eq!(socket.ask("time", json!({"t0": 1}))["t0"], 1);
}

#[test]
fn namespaces_of_one_line_are_sessions_of_their_own() {
    let server = Server::with(&[("socketio.namespaces", r#"["/lobby"]"#)]);
    for transport in Socket::TRANSPORTS {
        let (main, _) = Socket::user(server.address, transport, "1:1");
        let line = main.into_line();
        let mut lobby = Socket::on(line, "/lobby", json!({"user": "1:2"}));
        lobby.expect("idyou");
        assert_eq!(lobby.expect("welcome")["user"], "1:2");
        on_channel(&mut lobby, "news");
        // A publication of the one is heard by the other.
        lobby.raw(r#"42["publish",{"channel":"news","data":7}]"#);
        assert_eq!(lobby.expect("message")["from"], "1:1");
        lobby.raw("41");
        assert_eq!(lobby.ask("time", json!({"t0": 1}))["t0"], 1);
        // What was on its way to the one that left is passed over.
        lobby.raw(r#"42["publish",{"channel":"news","data":8}]"#);
        assert_eq!(lobby.ask("time", json!({"t0": 2}))["t0"], 2);
        // The one ends with its goodbye, and the line goes on.
        let line = lobby.into_line();
        let mut main = Socket::on(line, "/", json!({"user": "1:3"}));
        main.expect("idyou");
        main.expect("welcome");
        main.emit("bye", json!({}));
        assert_eq!(main.packet(), "41");
        main.raw(r#"42/lobby,5["time",{"t0":3}]"#);
        assert!(main.packet().starts_with("43/lobby,5[{"));
    }
}

#[test]
fn who_does_not_say_who_it_is_is_closed() {
    let server = Server::with(&[("session.identify_timeout_ms", "200")]);
    let mut socket = Socket::connect(server.address, "websocket", Value::Null);
    socket.expect("idyou");
    let Line::WebSocket(mut client) = socket.into_line() else {
        panic!("a WebSocket");
    };
    assert_eq!(client.close_code(), 4001);
    let mut socket = Socket::connect(server.address, "polling", Value::Null);
    socket.expect("idyou");
    assert_eq!(socket.packet(), "1");
    server.await_metric("turntable_connections", 0.0);
}

#[test]
fn a_reader_that_stalls_is_closed_and_resumes() {
    let server = Server::with(&[
        ("session.outbox_bytes_max", "140000"),
        ("session.replay_bytes_max", "1000000"),
    ]);
    let (mut socket, welcome) = Socket::user(server.address, "polling", "1:1");
    on_channel(&mut socket, "news");
    let mut other = server.user("1:9");
    let data = "x".repeat(10_000);
    for _ in 0..40 {
        other.command("publish", json!({"channel": "news", "data": data}));
    }
    other.expect_nothing_before_an_answer();
    let closed = r#"turntable_connections_closed_total{name="too_slow"}"#;
    server.await_metric(closed, 1.0);
    // What it can still read ends with the end.
    let mut messages = 0;
    while socket.packet() != "1" {
        messages += 1;
    }
    assert!((6..=12).contains(&messages), "{messages}");
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
fn packets_that_are_none_end_the_connection() {
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
        socket.raw(wrong);
        let Line::WebSocket(mut client) = socket.into_line() else {
            panic!("a WebSocket");
        };
        if code == 0 {
            client.send_text(r#"42["time",{"t0":1}]"#);
            assert_eq!(client.close_code(), 1002, "{wrong}");
        } else {
            assert_eq!(client.close_code(), code, "{wrong}");
        }
    }
    // Before it is on a namespace it has nothing to say.
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(r#"42["time",{"t0":1}]"#);
    assert_eq!(client.close_code(), 1002);
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_frame(&Frame::new(Opcode::BINARY, [1]));
    assert_eq!(client.close_code(), 1002);
}

#[test]
fn socket_ios_own_recovery_gives_what_was_missed() {
    let server = Server::with(&[("socketio.recovery", "true")]);
    let mut other = server.user("1:9");
    for transport in Socket::TRANSPORTS {
        let (mut socket, welcome) = {
            let mut socket = Socket::connect(server.address, transport, json!({"user": "1:1"}));
            socket.event("idyou");
            let welcome = socket.expect("welcome");
            (socket, welcome)
        };
        let pid = socket.connect["pid"].clone();
        assert_eq!(pid, welcome["session"]);
        on_channel(&mut socket, "news");
        for round in 0..6 {
            other.command("publish", json!({"channel": "news", "data": "seen"}));
            let seen = socket.event("message");
            assert_eq!(seen.len(), 2);
            assert_eq!(seen[1], seen[0]["id"], "the offset of a message is its id");
            drop(socket);
            for n in 0..3 {
                let data = format!("missed {round} {n}");
                other.command("publish", json!({"channel": "news", "data": data}));
            }
            other.expect_nothing_before_an_answer();
            let auth = json!({"pid": pid, "offset": seen[1], "user": "1:1"});
            socket = Socket::connect(server.address, transport, auth);
            assert_eq!(socket.connect["pid"], pid, "it was recovered");
            for n in 0..3 {
                assert_eq!(
                    socket.expect("message")["data"],
                    format!("missed {round} {n}")
                );
            }
        }
        // What cannot be recovered begins anew.
        let auth = json!({"pid": pid, "offset": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "user": "1:2"});
        let mut socket = Socket::connect(server.address, transport, auth);
        assert_ne!(socket.connect["pid"], pid);
        socket.event("idyou");
        let welcome = socket.event("welcome");
        assert_eq!(welcome[0]["session"], socket.connect["pid"]);
        // From the welcome on as well.
        on_channel(&mut socket, "news");
        drop(socket);
        let auth = json!({"pid": welcome[0]["session"], "offset": welcome[1]});
        let mut socket = Socket::connect(server.address, transport, auth);
        assert_eq!(socket.expect("joined")["channel"], "news");
    }
}

#[test]
fn a_goodbye_to_all_says_where_to_go() {
    let mut server = Server::start();
    let (mut client, _) = Socket::user(server.address, "websocket", "1:1");
    let (polling, _) = Socket::user(server.address, "polling", "1:2");
    let Line::Polling(polling) = polling.into_line() else {
        panic!("polling");
    };
    let waiting = polling.ask();
    std::thread::sleep(SILENCE);
    server.signal("TERM");
    assert_eq!(client.expect("goaway")["reason"], "going_away");
    let Line::WebSocket(mut line) = client.into_line() else {
        panic!("a WebSocket");
    };
    assert_eq!(line.close_code(), 1001);
    let packets = packets(&waiting.join().unwrap());
    assert!(packets[0].starts_with(r#"42["goaway",{"reason":"going_away","#));
    assert_eq!(packets[1], "1");
    assert!(server.wait().success());
}

#[test]
fn the_name_of_a_line_opens_no_other_door() {
    let server = Server::start();
    let polling = Polling::open(server.address, "/socket.io/");
    let target = format!("/tunnel?id={}&format=ndjson", polling.sid);
    assert_eq!(send(server.address, "GET", &target, "", "").status, 410);
    polling.push(&["40"]);
    assert!(polling.poll()[0].starts_with("40{"));
    let (mut socket, welcome) = Socket::user(server.address, "websocket", "1:1");
    let session = welcome["session"].as_str().unwrap();
    for sid in [session, "AAAAAAAAAAAAAAAAAAAAAA"] {
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let response = send(server.address, "GET", &target, "", "");
        assert_eq!(response.json()["code"], 1);
    }
    assert_eq!(socket.ask("time", json!({"t0": 1}))["t0"], 1);
    // A session may be spoken for by whoever knows its secret, as ever.
    let command = json!({"tunnel": session, "path": "/server",
        "data": {"command": "time", "data": {"t0": 2}}});
    let response = send(
        server.address,
        "POST",
        "/tunnel/send",
        "",
        &command.to_string(),
    );
    assert_eq!(response.status, 200);
    assert_eq!(socket.expect("time")["t0"], 2);
}

#[test]
fn a_probe_goes_along_to_another_worker() {
    let server = Server::start();
    // Now the session is on the same worker, now on the other.
    for round in 0..8 {
        let (_old, welcome) = Socket::user(server.address, "websocket", "1:1");
        let polling = Polling::open(server.address, "/socket.io/");
        let mut probe = polling.probe();
        probe.send_text("2probe");
        assert_eq!(probe.text(), "3probe");
        let auth = json!({"session": welcome["session"], "received": 0});
        polling.push(&[&format!("40{auth}")]);
        probe.send_text("5");
        assert!(probe.text().starts_with("40{"), "round {round}");
        assert_eq!(probe.text(), r#"42["idyou",{}]"#);
        let told = probe.text();
        assert!(told.starts_with(r#"42["welcome""#), "{told}");
        probe.send_text(r#"423["time",{"t0":1}]"#);
        let told = probe.text();
        assert!(told.starts_with(r#"433[{"t0":1,"#), "{told}");
    }
    // All are counted out again.
    server.await_metric("turntable_connections", 0.0);
}
