//! Engine.IO: handshakes, payloads, heartbeats, the end. Most of it against the
//! echo of the conformance mode.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::json;

use turntable_testkit::engineio::{Polling, packets, websocket};
use turntable_testkit::http::{self, Pending};
use turntable_testkit::metric::{CLOSED_HEARTBEAT_MISSED, CONNECTIONS, transport_key};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Frame, Opcode, Server, request};

/// Where the conformance mode echoes messages.
const ECHO: &str = "/engine.io/";

fn echo_server() -> Server {
    Server::with(&[("socketio.conformance", "true")])
}

/// On one worker, requests are taken in the order in which they were sent (see
/// [`Polling::start_poll`]).
fn one_worker() -> Server {
    Server::with(&[("socketio.conformance", "true"), ("server.workers", "1")])
}

/// An echo server with short heartbeats.
fn short_heartbeats() -> Server {
    Server::with(&[
        ("socketio.conformance", "true"),
        ("socketio.ping_interval_ms", "300"),
        ("socketio.ping_timeout_ms", "200"),
        ("server.max_message_bytes", "1000000"),
    ])
}

#[test]
fn handshake_has_session_id_upgrades_timeouts_and_size_limit() {
    let server = short_heartbeats();
    let polling = Polling::open(server.address, ECHO);
    let handshake = &polling.handshake;
    assert_eq!(handshake["upgrades"], json!(["websocket"]));
    assert_eq!(handshake["pingInterval"], 300);
    assert_eq!(handshake["pingTimeout"], 200);
    assert_eq!(handshake["maxPayload"], 1_000_000);
    assert_eq!(handshake.as_object().unwrap().len(), 5);
    let (_, handshake) = websocket(server.address, ECHO);
    assert_eq!(handshake["upgrades"], json!([]));
    assert_eq!(handshake["sid"].as_str().unwrap().len(), 22);
    // The path also works without the final slash.
    Polling::open(server.address, "/socket.io");
}

#[test]
fn invalid_requests_get_engine_io_errors() {
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
        (
            "GET",
            "EIO=abc&transport=polling",
            5,
            "Unsupported protocol version",
        ),
    ] {
        let target = format!("/socket.io/?{query}");
        let response = http::send(server.address, method, &target, "", "");
        assert_eq!(response.status, 400, "{method} {query}");
        let expected = json!({"code": code, "message": message});
        assert_eq!(response.json(), expected, "{method} {query}");
        assert_eq!(response.header("Content-Type"), Some("application/json"));
    }
    for (query, code) in [
        ("transport=websocket", 5),
        ("EIO=abc&transport=websocket", 5),
        ("EIO=4", 0),
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
    let response = http::send(server.address, "GET", target, evil, "");
    assert_eq!(
        (response.status, response.json()["code"].clone()),
        (403, 4.into())
    );
    let origin = format!("http://{}", server.address);
    let own = format!("Origin: {origin}\r\n");
    let response = http::send(server.address, "GET", target, &own, "");
    assert_eq!(
        response.header("Access-Control-Allow-Origin"),
        Some(origin.as_str())
    );
    let response = http::send(server.address, "OPTIONS", target, &own, "");
    assert_eq!(response.status, 204);
    let response = request(
        server.address,
        &handshake("/socket.io/?EIO=4&transport=websocket", evil),
    );
    assert_eq!(response.status, 403);
}

#[test]
fn disabled_transport_is_not_found() {
    let server = Server::with(&[
        (&*transport_key("socketio"), "false"),
        ("socketio.conformance", "true"),
    ]);
    for path in ["/socket.io/", "/engine.io/"] {
        let target = format!("{path}?EIO=4&transport=polling");
        assert_eq!(
            http::send(server.address, "GET", &target, "", "").status,
            404
        );
        let target = format!("{path}?EIO=4&transport=websocket");
        assert_eq!(request(server.address, &handshake(&target, "")).status, 404);
    }
    // The echo exists in conformance mode only.
    let server = Server::start();
    let target = "/engine.io/?EIO=4&transport=polling";
    assert_eq!(
        http::send(server.address, "GET", target, "", "").status,
        404
    );
}

#[test]
fn payloads_carry_text_and_binary() {
    let server = echo_server();
    let polling = Polling::open(server.address, ECHO);
    polling.push(&["4hello"]);
    assert_eq!(polling.poll(), ["4hello"]);
    polling.push(&["4test1", "4test2", "bAQIDBA==", "4"]);
    assert_eq!(polling.poll(), ["4test1", "4test2", "bAQIDBA==", "4"]);
    let waiting = polling.start_poll();
    let long = format!("4{}", "é".repeat(30_000));
    polling.push(&[&long]);
    assert_eq!(packets(&waiting.answer()), [long]);
}

#[test]
fn poll_answer_has_at_most_sixteen_packets() {
    let server = echo_server();
    let polling = Polling::open(server.address, ECHO);
    let sent: Vec<String> = (0..40).map(|n| format!("4{n}")).collect();
    let packets: Vec<&str> = sent.iter().map(String::as_str).collect();
    polling.push(&packets);
    assert_eq!(polling.poll(), sent[..16]);
    // Waiting packets keep their order and precede later ones.
    polling.push(&["4more"]);
    assert_eq!(polling.poll(), sent[16..32]);
    assert_eq!(
        polling.poll(),
        [&sent[32..], &["4more".to_owned()]].concat()
    );
}

#[test]
fn websocket_carries_text_and_binary() {
    let server = echo_server();
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
fn malformed_packet_ends_session() {
    let server = echo_server();
    for wrong in ["abc", "", "4x\x1eabc", "2", "0{}", "5", "b!!!"] {
        let polling = Polling::open(server.address, ECHO);
        let response = polling.post(wrong);
        assert_eq!(
            (response.status, response.json()["code"].clone()),
            (400, 3.into()),
            "{wrong:?}"
        );
        // The session is gone, whatever still waited for its client.
        let response = polling.get();
        assert_eq!(
            (response.status, response.json()["code"].clone()),
            (400, 1.into()),
            "{wrong:?}"
        );
        assert_eq!(polling.post("4x").status, 400, "{wrong:?}");
    }
    for wrong in ["abc", "2", "0{}", "5"] {
        let (mut client, _) = websocket(server.address, ECHO);
        client.send_text(wrong);
        assert_eq!(client.close_code(), 1002, "{wrong:?}");
    }
    let polling = Polling::open(server.address, ECHO);
    let many = vec!["4"; 1_025].join("\x1e");
    assert_eq!(polling.post(&many).status, 400);
    assert_eq!(polling.get().status, 400);
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn malformed_packet_ends_waiting_poll() {
    let server = one_worker();
    for wrong in ["abc", "2"] {
        let polling = Polling::open(server.address, ECHO);
        let waiting = polling.start_poll();
        let _later = websocket(server.address, ECHO);
        assert_eq!(polling.post(wrong).status, 400, "{wrong:?}");
        assert_eq!(packets(&waiting.answer()), ["1"], "{wrong:?}");
        assert_eq!(polling.get().status, 400, "{wrong:?}");
    }
}

#[test]
fn oversize_payload_is_refused_and_ends_session() {
    let server = Server::with(&[
        ("socketio.conformance", "true"),
        ("server.max_message_bytes", "1000"),
        ("server.workers", "1"),
    ]);
    let polling = Polling::open(server.address, ECHO);
    let long = format!("4{}", "x".repeat(1_000));
    polling.push(&[&long[..1_000]]);
    assert_eq!(polling.poll(), [&long[..1_000]]);
    let waiting = polling.start_poll();
    let (mut client, _) = websocket(server.address, ECHO);
    assert_eq!(polling.post(&long).status, 413);
    assert_eq!(packets(&waiting.answer()), ["1"]);
    assert_eq!(polling.get().status, 400);
    let unpolled = Polling::open(server.address, ECHO);
    assert_eq!(unpolled.post(&long).status, 413);
    assert_eq!(unpolled.get().status, 400);
    client.send_text(&long);
    assert_eq!(client.close_code(), 1009);
}

#[test]
fn two_concurrent_poll_requests_end_session() {
    let server = echo_server();
    let polling = Polling::open(server.address, ECHO);
    let answers = [polling.start_poll(), polling.start_poll()].map(Pending::answer);
    let mut statuses = answers.each_ref().map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    let first = answers.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!(packets(first), ["1"]);
    assert_eq!(polling.get().status, 400);
}

#[test]
fn aborted_poll_request_ends_session() {
    let server = one_worker();
    for how in [Shutdown::Both, Shutdown::Write] {
        let polling = Polling::open(server.address, ECHO);
        let mut stream = TcpStream::connect(server.address).unwrap();
        let target = polling.target("polling");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let _later = websocket(server.address, ECHO);
        stream.shutdown(how).unwrap();
        server.await_metric(CONNECTIONS, 1.0);
        assert_eq!(polling.get().status, 400);
    }
}

#[test]
fn session_lives_while_pings_are_answered() {
    let server = short_heartbeats();
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
    // Measures time: interval and timeout of the ping together. A request after that
    // is refused at once, although the server's timers are coarser.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(polling.get().status, 400, "expired to the millisecond");
    assert!(server.metric(CLOSED_HEARTBEAT_MISSED) >= 2.0);
}

#[test]
fn client_closes_session() {
    let server = one_worker();
    let polling = Polling::open(server.address, ECHO);
    let waiting = polling.start_poll();
    let (mut client, _) = websocket(server.address, ECHO);
    polling.push(&["1"]);
    assert_eq!(packets(&waiting.answer()), ["6"]);
    assert_eq!(polling.get().status, 400);
    client.send_text("1");
    assert_eq!(client.close_code(), 1000);
}

#[test]
fn sessions_without_connect_count_against_limit_and_time_out() {
    let server = Server::with(&[
        ("server.connections_per_address_max", "8"),
        ("socketio.connect_timeout_ms", "1000"),
    ]);
    let target = "/socket.io/?EIO=4&transport=polling";
    for _ in 0..8 {
        assert_eq!(
            http::send(server.address, "GET", target, "", "").status,
            200
        );
    }
    assert_eq!(
        http::send(server.address, "GET", target, "", "").status,
        429
    );
    server.await_metric(CONNECTIONS, 0.0);
    assert_eq!(
        http::send(server.address, "GET", target, "", "").status,
        200
    );
}

#[test]
fn shutdown_ends_waiting_poll_and_websocket() {
    let mut server = Server::with(&[("server.workers", "1")]);
    let polling = Polling::open(server.address, "/socket.io/");
    let waiting = polling.start_poll();
    let (mut client, _) = websocket(server.address, "/socket.io/");
    server.signal("TERM");
    assert_eq!(packets(&waiting.answer()), ["1"]);
    assert_eq!(client.close_code(), 1001);
    assert!(server.wait().success());
}
