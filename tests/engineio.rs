//! Engine.IO over real sockets: handshakes, payloads, heartbeats, the end, and
//! the move from polling to a WebSocket. Most of it against the echo of the
//! conformance mode.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod engine;
mod support;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use engine::{Polling, packets, send, websocket};
use support::{Frame, Opcode, Server, handshake, request};

const ECHO: &str = "/engine.io/";

fn echo() -> Server {
    Server::with(&[("socketio.conformance", "true")])
}

fn brisk() -> Server {
    Server::with(&[
        ("socketio.conformance", "true"),
        ("socketio.ping_interval_ms", "300"),
        ("socketio.ping_timeout_ms", "200"),
        ("server.max_message_bytes", "1000000"),
    ])
}

#[test]
fn a_handshake_tells_what_a_client_has_to_know() {
    let server = brisk();
    let polling = Polling::open(server.address, ECHO);
    let told = &polling.handshake;
    assert_eq!(told["upgrades"], serde_json::json!(["websocket"]));
    assert_eq!(told["pingInterval"], 300);
    assert_eq!(told["pingTimeout"], 200);
    assert_eq!(told["maxPayload"], 1_000_000);
    assert_eq!(told.as_object().unwrap().len(), 5);
    let (_, told) = websocket(server.address, ECHO);
    assert_eq!(told["upgrades"], serde_json::json!([]));
    assert_eq!(told["sid"].as_str().unwrap().len(), 22);
    // With and without the slash at the end.
    Polling::open(server.address, "/socket.io");
}

#[test]
fn requests_that_fit_nothing_are_answered_as_engine_io_does() {
    let server = Server::start();
    let polling = Polling::open(server.address, "/socket.io/");
    let sid = &polling.sid;
    for (method, query, code, message) in [
        ("GET", "EIO=4", 0, "Transport unknown"),
        ("GET", "EIO=4&transport=tobi", 0, "Transport unknown"),
        (
            "GET",
            "EIO=4&transport=polling&sid=x",
            1,
            "Session ID unknown",
        ),
        (
            "POST",
            "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA",
            1,
            "Session ID unknown",
        ),
        ("POST", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("PUT", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET", "EIO=4&transport=websocket", 3, "Bad request"),
        (
            "PUT",
            &format!("EIO=4&transport=polling&sid={sid}"),
            3,
            "Bad request",
        ),
        (
            "GET",
            "EIO=3&transport=polling",
            5,
            "Unsupported protocol version",
        ),
        (
            "GET",
            "transport=polling",
            5,
            "Unsupported protocol version",
        ),
    ] {
        let target = format!("/socket.io/?{query}");
        let response = send(server.address, method, &target, "", "");
        assert_eq!(response.status, 400, "{method} {query}");
        let expected = serde_json::json!({"code": code, "message": message});
        assert_eq!(response.json(), expected, "{method} {query}");
        assert_eq!(response.header("Content-Type"), Some("application/json"));
    }
    for (query, code) in [
        ("transport=websocket", 5),
        ("EIO=4&transport=abc", 0),
        ("EIO=4&transport=polling", 3),
        ("EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAAAA", 1),
    ] {
        let response = request(
            server.address,
            &handshake(&format!("/socket.io/?{query}"), ""),
        );
        assert_eq!(response.status, 400, "{query}");
        assert_eq!(response.json()["code"], code, "{query}");
    }
    let target = "/socket.io/?EIO=4&transport=polling";
    let evil = "Origin: http://evil.example\r\n";
    let response = send(server.address, "GET", target, evil, "");
    assert_eq!(
        (response.status, response.json()["code"].clone()),
        (403, 4.into())
    );
    let own = "Origin: http://localhost\r\n";
    let response = send(server.address, "GET", target, own, "");
    assert_eq!(
        response.header("Access-Control-Allow-Origin"),
        Some("http://localhost")
    );
    let response = send(server.address, "OPTIONS", target, own, "");
    assert_eq!(response.status, 204);
    let response = request(
        server.address,
        &handshake("/socket.io/?EIO=4&transport=websocket", evil),
    );
    assert_eq!(response.status, 403);
}

#[test]
fn a_door_that_is_off_is_not_found() {
    let server = Server::with(&[
        ("transports.socketio", "false"),
        ("socketio.conformance", "true"),
    ]);
    for path in ["/socket.io/", "/engine.io/"] {
        let target = format!("{path}?EIO=4&transport=polling");
        assert_eq!(send(server.address, "GET", &target, "", "").status, 404);
        let target = format!("{path}?EIO=4&transport=websocket");
        assert_eq!(request(server.address, &handshake(&target, "")).status, 404);
    }
    // The echo is for conformance suites alone.
    let server = Server::start();
    let target = "/engine.io/?EIO=4&transport=polling";
    assert_eq!(send(server.address, "GET", target, "", "").status, 404);
}

#[test]
fn payloads_carry_text_and_bytes() {
    let server = echo();
    let polling = Polling::open(server.address, ECHO);
    polling.push(&["4hello"]);
    assert_eq!(polling.poll(), ["4hello"]);
    polling.push(&["4test1", "4test2", "bAQIDBA==", "4"]);
    assert_eq!(polling.poll(), ["4test1", "4test2", "bAQIDBA==", "4"]);
    let waiting = polling.ask();
    let long = format!("4{}", "é".repeat(30_000));
    polling.push(&[&long]);
    assert_eq!(packets(&waiting.join().unwrap()), [long]);
}

#[test]
fn an_answer_has_no_more_packets_than_clients_take() {
    let server = echo();
    let polling = Polling::open(server.address, ECHO);
    let sent: Vec<String> = (0..40).map(|n| format!("4{n}")).collect();
    let packets: Vec<&str> = sent.iter().map(String::as_str).collect();
    polling.push(&packets);
    assert_eq!(polling.poll(), sent[..16]);
    // What waits stays in order, before what comes behind it.
    polling.push(&["4more"]);
    assert_eq!(polling.poll(), sent[16..32]);
    assert_eq!(
        polling.poll(),
        [&sent[32..], &["4more".to_owned()]].concat()
    );
}

#[test]
fn a_websocket_carries_text_and_bytes() {
    let server = echo();
    let (mut client, _) = websocket(server.address, ECHO);
    client.send_text("4hello");
    assert_eq!(client.text(), "4hello");
    client.send_frame(&Frame::new(Opcode::BINARY, [1, 2, 3, 4]));
    let frame = client.frame();
    assert_eq!(
        (frame.opcode, &frame.payload[..]),
        (Opcode::BINARY, &[1, 2, 3, 4][..])
    );
}

#[test]
fn what_is_no_packet_ends_the_session() {
    let server = echo();
    for wrong in ["abc", "", "4x\x1eabc", "2", "0{}", "5", "b!!!"] {
        let polling = Polling::open(server.address, ECHO);
        let response = polling.post(wrong);
        assert_eq!(response.status, 400, "{wrong:?}");
        // What waits is the end, if anything.
        let response = polling.get();
        if response.status == 200 {
            assert!(response.text().ends_with('1'), "{wrong:?}");
            assert_eq!(polling.get().status, 400, "{wrong:?}");
        }
    }
    for wrong in ["abc", "2", "0{}", "5"] {
        let (mut client, _) = websocket(server.address, ECHO);
        client.send_text(wrong);
        assert_eq!(client.close_code(), 1002, "{wrong:?}");
    }
    let polling = Polling::open(server.address, ECHO);
    let many = vec!["4"; 1_025].join("\x1e");
    assert_eq!(polling.post(&many).status, 400);
}

#[test]
fn what_is_too_long_is_refused_and_ends_the_session() {
    let server = Server::with(&[
        ("socketio.conformance", "true"),
        ("server.max_message_bytes", "1000"),
    ]);
    let polling = Polling::open(server.address, ECHO);
    let long = format!("4{}", "x".repeat(1_000));
    polling.push(&[&long[..1_000]]);
    assert_eq!(polling.poll(), [&long[..1_000]]);
    let waiting = polling.ask();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(polling.post(&long).status, 413);
    assert_eq!(packets(&waiting.join().unwrap()), ["1"]);
    assert_eq!(polling.get().status, 400);
    let (mut client, _) = websocket(server.address, ECHO);
    client.send_text(&long);
    assert_eq!(client.close_code(), 1009);
}

#[test]
fn two_requests_for_packets_end_the_session() {
    let server = echo();
    let polling = Polling::open(server.address, ECHO);
    let answers = [polling.ask(), polling.ask()].map(|asked| asked.join().unwrap());
    let mut statuses = answers.each_ref().map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    let first = answers.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!(packets(first), ["1"]);
    assert_eq!(polling.get().status, 400);
}

#[test]
fn a_request_for_packets_that_is_given_up_ends_the_session() {
    let server = echo();
    for how in [Shutdown::Both, Shutdown::Write] {
        let polling = Polling::open(server.address, ECHO);
        let mut stream = TcpStream::connect(server.address).unwrap();
        let target = polling.target("polling");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        stream.shutdown(how).unwrap();
        server.await_metric("turntable_connections", 0.0);
        assert_eq!(polling.get().status, 400);
    }
}

#[test]
fn a_session_lives_as_long_as_it_answers() {
    let server = brisk();
    let polling = Polling::open(server.address, ECHO);
    let (mut client, _) = websocket(server.address, ECHO);
    for _ in 0..3 {
        assert_eq!(polling.poll(), ["2"]);
        polling.push(&["3"]);
        assert_eq!(client.text(), "2");
        client.send_text("3");
    }
    assert_eq!(client.text(), "2");
    assert_eq!(client.close_code(), 4008);
    let polling = Polling::open(server.address, ECHO);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(polling.get().status, 400, "to the millisecond");
    assert!(server.metric("turntable_connections_closed_total{name=\"heartbeat_missed\"}") >= 2.0);
}

#[test]
fn a_client_closes_its_session() {
    let server = echo();
    let polling = Polling::open(server.address, ECHO);
    let waiting = polling.ask();
    std::thread::sleep(Duration::from_millis(50));
    polling.push(&["1"]);
    assert_eq!(packets(&waiting.join().unwrap()), ["6"]);
    assert_eq!(polling.get().status, 400);
    let (mut client, _) = websocket(server.address, ECHO);
    client.send_text("1");
    assert_eq!(client.close_code(), 1000);
}

#[test]
fn a_session_moves_from_polling_to_a_websocket() {
    let server = echo();
    // On one worker or on two.
    for _ in 0..4 {
        let polling = Polling::open(server.address, ECHO);
        let waiting = polling.ask();
        std::thread::sleep(Duration::from_millis(20));
        let mut probe = polling.probe();
        probe.send_text("2probe");
        assert_eq!(probe.text(), "3probe");
        assert_eq!(
            packets(&waiting.join().unwrap()),
            ["6"],
            "it need not poll on"
        );
        assert_eq!(polling.poll(), ["6"], "nor if it does");
        // What waits when it moves goes out on the WebSocket.
        polling.push(&["4before", "bAQID"]);
        probe.send_text("5");
        assert_eq!(probe.text(), "4before");
        assert_eq!(probe.frame().payload, [1, 2, 3]);
        probe.send_text("4after");
        assert_eq!(probe.text(), "4after");
        let response = polling.get();
        assert_eq!(
            (response.status, response.json()["code"].clone()),
            (400, 3.into())
        );
        assert_eq!(polling.post("4x").json()["code"], 3);
        let mut second = polling.probe();
        assert_eq!(second.close_code(), 1002, "it has moved");
        probe.send_text("4still");
        assert_eq!(probe.text(), "4still");
    }
}

#[test]
fn everything_at_once_moves_too() {
    let server = echo();
    let polling = Polling::open(server.address, ECHO);
    let mut probe = polling.probe();
    let mut bytes = Vec::new();
    for text in ["2probe", "5", "4one", "4two"] {
        bytes.extend(Frame::text(text).masked());
    }
    probe.send_raw(&bytes);
    for text in ["3probe", "4one", "4two"] {
        assert_eq!(probe.text(), text);
    }
    server.await_metric("turntable_connections", 1.0);
}

#[test]
fn a_probe_that_ends_leaves_the_session_where_it_is() {
    let server = echo();
    let polling = Polling::open(server.address, ECHO);
    let mut probe = polling.probe();
    probe.send_text("2probe");
    assert_eq!(probe.text(), "3probe");
    drop(probe);
    server.await_metric("turntable_connections", 1.0);
    polling.push(&["4here"]);
    assert_eq!(polling.poll(), ["4here"]);
    let mut probe = polling.probe();
    probe.send_text("2probe");
    assert_eq!(probe.text(), "3probe");
}

#[test]
fn handshakes_without_more_are_counted_and_end() {
    let server = Server::with(&[
        ("server.connections_per_address_max", "8"),
        ("socketio.connect_timeout_ms", "1000"),
    ]);
    let target = "/socket.io/?EIO=4&transport=polling";
    for _ in 0..8 {
        assert_eq!(send(server.address, "GET", target, "", "").status, 200);
    }
    assert_eq!(send(server.address, "GET", target, "", "").status, 429);
    server.await_metric("turntable_connections", 0.0);
    assert_eq!(send(server.address, "GET", target, "", "").status, 200);
}

#[test]
fn a_stopping_server_ends_what_waits() {
    let mut server = Server::start();
    let polling = Polling::open(server.address, "/socket.io/");
    let waiting = polling.ask();
    let (mut client, _) = websocket(server.address, "/socket.io/");
    std::thread::sleep(Duration::from_millis(50));
    server.signal("TERM");
    assert_eq!(packets(&waiting.join().unwrap()), ["1"]);
    assert_eq!(client.close_code(), 1001);
    assert!(server.wait().success());
}
