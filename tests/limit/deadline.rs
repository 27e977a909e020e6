//! Requests that never end, and connections without one.

use std::io::Write;
use std::time::{Duration, Instant};

use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::HTTP_CONNECTIONS;
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
