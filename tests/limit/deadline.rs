//! Requests that never end, and connections without one.

use std::io::Write;
use std::time::{Duration, Instant};

use super::http_connection::HttpConnection;
use turntable_testkit::metric::{HTTP_CONNECTIONS, limit_reached};
use turntable_testkit::websocket::connect_from;
use turntable_testkit::{DEADLINE, Response, Server, request};

#[test]
fn half_sent_body_is_answered_in_time() {
    let server = Server::with(&[("server.body_timeout_ms", "200")]);
    for target in ["/poll", "/tunnel/send"] {
        let text =
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[");
        let answer = request(server.address, &text);
        assert_eq!(answer.error(), (408, "timeout".to_owned()), "{target}");
    }
}

/// A body of which a part was sent.
fn half_sent_body(server: &Server, bytes: usize) -> HttpConnection {
    let mut connection = HttpConnection::open(server);
    let sent = "x".repeat(bytes);
    connection.send(&format!(
        "POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{sent}"
    ));
    connection
}

#[test]
fn half_sent_bodies_of_one_address_are_bounded() {
    let server = Server::with(&[
        ("server.body_bytes_per_address_max", "131072"),
        ("server.max_message_bytes", "60000"),
    ]);
    let reached = limit_reached("server.body_bytes_per_address_max");
    // Each has 32,768 bytes and a few more: three of them have room.
    let half_sent: Vec<HttpConnection> = (0..10).map(|_| half_sent_body(&server, 1)).collect();
    server.await_metric(&reached, 7.0);
    let answer = half_sent_body(&server, 1).answer();
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    let mut other = HttpConnection(connect_from(server.address, [127, 0, 0, 2]));
    other.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]");
    assert_eq!(other.answer().status, 200);
    drop((half_sent, other));
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let whole = half_sent_body(&server, 60_000).answer();
    assert_eq!(whole.error().1, "bad_json");
    assert_eq!(server.metric(&reached), 8.0);
}

#[test]
fn half_sent_bodies_of_all_addresses_are_bounded() {
    let server = Server::with(&[
        ("server.body_bytes_per_address_max", "131072"),
        ("server.body_bytes_max", "262144"),
        ("server.max_message_bytes", "60000"),
    ]);
    let half_sent = |host: u8| {
        let mut connection = HttpConnection(connect_from(server.address, [127, 0, 1, host]));
        connection.send(
            "POST /tunnel/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n[",
        );
        connection
    };
    // Each has 32,768 bytes and a few more: seven of them have room, and none more of any address.
    let reached = limit_reached("server.body_bytes_max");
    let unfinished: Vec<HttpConnection> = (1..=10).map(half_sent).collect();
    server.await_metric(&reached, 3.0);
    let answer = half_sent(11).answer();
    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    drop(unfinished);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let mut whole = HttpConnection(connect_from(server.address, [127, 0, 1, 12]));
    whole.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]");
    assert_eq!(whole.answer().status, 200);
}

#[test]
fn half_sent_bodies_are_charged_to_their_address() {
    let rate = ("limits.address_bytes", "{ per_second = 1, burst = 40000 }");
    let server = Server::with(&[rate]);
    let reached = limit_reached("limits.address_bytes");
    let _half_sent: Vec<HttpConnection> = (0..2).map(|_| half_sent_body(&server, 30_000)).collect();
    let until = Instant::now() + DEADLINE;
    while server.metric(&reached) == 0.0 {
        assert!(
            Instant::now() < until,
            "what came of the bodies is not charged"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn half_sent_head_is_closed_in_time_on_an_idle_connection_too() {
    let server = Server::with(&[("server.head_timeout_ms", "500")]);
    let mut first = HttpConnection::open(&server);
    first.send("GET / HT");
    let answer = Response::parse(&first.rest());
    assert_eq!(answer.error(), (408, "timeout".to_owned()));
    let mut idle = HttpConnection::open(&server);
    idle.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    // Byte by byte: none of them gives it more time.
    let start = Instant::now();
    for byte in "GET / HTTP/1.1\r\n".chars().cycle() {
        if idle.0.write_all(byte.to_string().as_bytes()).is_err() {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "the connection is never closed");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.await_metric(HTTP_CONNECTIONS, 0.0);
}

#[test]
fn connection_stays_open_for_another_request_as_long_as_configured() {
    let server = Server::with(&[
        ("server.keep_alive_ms", "1500"),
        ("server.head_timeout_ms", "300"),
    ]);
    let mut idle = HttpConnection::open(&server);
    idle.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    // Heads that begin at the same time and later are given up before.
    for _ in 0..2 {
        let mut head = HttpConnection::open(&server);
        head.send("GET / HT");
        let answer = Response::parse(&head.rest());
        assert_eq!(answer.error(), (408, "timeout".to_owned()));
    }
    idle.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    assert_eq!(idle.rest(), b"", "it is closed without an answer");
}

#[test]
fn body_without_an_end_is_cut_off_wherever_it_goes() {
    let server = Server::start();
    for target in ["/poll", "/nowhere"] {
        for endless in ["1\r\na\r\n", "1;aaaaaaaaaaaa", "0000000"] {
            let mut connection = HttpConnection::open(&server);
            connection.send(&format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            ));
            let part = if endless.starts_with("1;") {
                "1;aaa"
            } else {
                ""
            };
            connection.send(part);
            let text = endless.trim_start_matches("1;").repeat(1_000);
            let mut sent = 0;
            while connection.0.write_all(text.as_bytes()).is_ok() {
                sent += text.len();
                assert!(sent < 50_000_000, "{target} {endless:?} has no end");
            }
        }
    }
    server.await_metric(HTTP_CONNECTIONS, 0.0);
}
