//! Sessions that Socket.IO clients resume, by turntable's own means or by Socket.IO's
//! connection state recovery.

use serde_json::{Value, json};

use turntable_testkit::engineio::Polling;
use turntable_testkit::socketio::{Socket, TRANSPORTS};
use turntable_testkit::{Server, http};

use crate::socket::join;

#[test]
fn missed_messages_are_delivered_on_any_worker_and_transport() {
    let server = Server::start();
    let mut other = server.user("1:9");
    for transport in TRANSPORTS {
        let user = format!("1:{transport}");
        let (mut socket, welcome) = Socket::user(server.address, transport, &user);
        join(&mut socket, "news");
        for round in 0..8 {
            let first = json!({"channel": "news", "data": format!("first {round}")});
            other.command("publish", first);
            assert_eq!(socket.expect("message")["data"], format!("first {round}"));
            let received = socket.received;
            drop(socket);
            let second = json!({"channel": "news", "data": format!("second {round}")});
            other.command("publish", second);
            other.expect_nothing_pending();
            let back = json!({"session": welcome["session"], "received": received});
            socket = match round % 2 {
                0 => Socket::connect(server.address, transport, back),
                _ => {
                    let mut socket = Socket::connect(server.address, transport, Value::Null);
                    socket.expect("idyou");
                    let welcome = socket.request("resume", back);
                    assert_eq!(welcome["resumed"], true);
                    socket.resumed_at(received);
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
        assert_eq!(socket.request("time", json!({"t0": 1}))["t0"], 1);
    }
}

#[test]
fn session_moves_to_another_transport_and_back() {
    let server = Server::start();
    for transport in TRANSPORTS {
        let (mut socket, welcome) = Socket::user(server.address, transport, "1:1");
        join(&mut socket, "news");
        let back = json!({"session": welcome["session"], "received": socket.received});
        let mut other = server.connect();
        other.command("resume", back);
        assert_eq!(other.expect("welcome")["resumed"], true);
        // The older client gets DISCONNECT, so that it does not reconnect.
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
        let tunnel = http::send(server.address, "GET", &target, "", "");
        assert_eq!(tunnel.status, 200, "{}", tunnel.text());
        assert_eq!(socket.packet(), "41");
    }
}

#[test]
fn answer_requested_by_previous_socket_is_an_event() {
    let server = Server::start();
    let (mut socket, welcome) = Socket::user(server.address, "websocket", "1:1");
    join(&mut socket, "a");
    join(&mut socket, "b");
    let back = json!({"session": welcome["session"], "received": 1});
    let mut socket = Socket::connect(server.address, "websocket", back);
    socket.expect("idyou");
    socket.expect("welcome");
    assert_eq!(socket.expect("joined")["channel"], "b");
    // Ids of acknowledgements start again.
    assert_eq!(socket.request("time", json!({"t0": 1}))["t0"], 1);
}

#[test]
fn connection_state_recovery_delivers_missed_messages() {
    let server = Server::with(&[("socketio.recovery", "true")]);
    let mut other = server.user("1:9");
    for transport in TRANSPORTS {
        let (mut socket, welcome) = {
            let mut socket = Socket::connect(server.address, transport, json!({"user": "1:1"}));
            socket.event("idyou");
            let welcome = socket.expect("welcome");
            (socket, welcome)
        };
        let pid = socket.connect["pid"].clone();
        assert_eq!(pid, welcome["session"]);
        join(&mut socket, "news");
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
            other.expect_nothing_pending();
            let auth = json!({"pid": pid, "offset": seen[1], "user": "1:1"});
            socket = Socket::connect(server.address, transport, auth);
            assert_eq!(socket.connect["pid"], pid, "recovered");
            for n in 0..3 {
                assert_eq!(
                    socket.expect("message")["data"],
                    format!("missed {round} {n}")
                );
            }
        }
        // Without anything to recover a new session begins.
        let auth = json!({"pid": pid, "offset": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "user": "1:2"});
        let mut socket = Socket::connect(server.address, transport, auth);
        assert_ne!(socket.connect["pid"], pid);
        socket.event("idyou");
        let welcome = socket.event("welcome");
        assert_eq!(welcome[0]["session"], socket.connect["pid"]);
        // The offset of the welcome is valid, too.
        join(&mut socket, "news");
        drop(socket);
        let auth = json!({"pid": welcome[0]["session"], "offset": welcome[1]});
        let mut socket = Socket::connect(server.address, transport, auth);
        assert_eq!(socket.expect("joined")["channel"], "news");
    }
}

#[test]
fn engine_io_sid_is_not_accepted_by_other_transports() {
    let server = Server::start();
    let polling = Polling::open(server.address, "/socket.io/");
    let target = format!("/tunnel?id={}&format=ndjson", polling.sid);
    assert_eq!(
        http::send(server.address, "GET", &target, "", "").status,
        410
    );
    polling.push(&["40"]);
    assert!(polling.poll()[0].starts_with("40{"));
    let (mut socket, welcome) = Socket::user(server.address, "websocket", "1:1");
    let session = welcome["session"].as_str().unwrap();
    for sid in [session, "AAAAAAAAAAAAAAAAAAAAAA"] {
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let response = http::send(server.address, "GET", &target, "", "");
        assert_eq!(response.json()["code"], 1);
    }
    assert_eq!(socket.request("time", json!({"t0": 1}))["t0"], 1);
    // A client that knows the secret of a session may send for it over any
    // transport.
    let command = json!({"tunnel": session, "path": "/server",
        "data": {"command": "time", "data": {"t0": 2}}});
    let response = http::send(
        server.address,
        "POST",
        "/tunnel/send",
        "",
        &command.to_string(),
    );
    assert_eq!(response.status, 200);
    assert_eq!(socket.expect("time")["t0"], 2);
}
