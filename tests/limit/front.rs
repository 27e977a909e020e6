//! Plain HTTP in front of everything: requests that are none, or too large.

use turntable_testkit::websocket::handshake;
use turntable_testkit::{Server, http, poll, request};

#[test]
fn host_that_is_none_is_refused_over_every_transport() {
    let server = Server::with(&[("server.hosts", "[\"*\"]")]);
    for host in ["a b", "x\"y", "http://a", "a@b", "a,b", "a:99999", ""] {
        for (method, target) in [("POST", "/poll"), ("GET", "/tunnel?new=1&format=sse")] {
            let text = format!(
                "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            let answer = request(server.address, &text);
            assert_eq!(
                answer.error(),
                (400, "bad_message".to_owned()),
                "{target} {host:?}"
            );
        }
        let upgrade =
            handshake("/ws", "").replacen("Host: ", &format!("Host: {host}\r\nX-Was: "), 1);
        assert_eq!(request(server.address, &upgrade).status, 400, "{host:?}");
    }
}

#[test]
fn garbage_is_answered_and_no_error_in_the_log() {
    let server = Server::start();
    for garbage in [
        "\r\n\r\nhello\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /poll HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ] {
        let answer = request(server.address, garbage);
        assert_eq!(
            answer.error(),
            (400, "bad_message".to_owned()),
            "{garbage:?}"
        );
    }
    let long = format!(
        "GET /tunnel/send?d={} HTTP/1.1\r\nHost: a\r\n\r\n",
        "x".repeat(70_000)
    );
    assert_eq!(request(server.address, &long).error().0, 400);
    let headers = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(90_000));
    assert_eq!(
        request(server.address, &headers).error(),
        (431, "too_large".to_owned())
    );
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    let refused = "turntable_handshakes_refused_total{name=\"invalid_request\"}";
    assert!(server.metric(refused) >= 6.0);
}

#[test]
fn compressed_body_is_refused_as_such() {
    let server = Server::start();
    let answer = poll::post(&server, "/poll", "Content-Encoding: gzip\r\n", "[]");
    assert_eq!(answer.error(), (415, "bad_message".to_owned()));
    assert_eq!(answer.header("Accept-Encoding"), Some("identity"));
    let answer = poll::post(&server, "/poll", "Content-Encoding: identity\r\n", "[]");
    assert_eq!(answer.status, 200);
}

#[test]
fn declared_length_over_the_limit_is_refused_at_once() {
    let server = Server::start();
    let text = "POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n[";
    let answer = request(server.address, text);
    assert_eq!(answer.error(), (413, "too_large".to_owned()));
}

#[test]
fn large_body_is_read_whole() {
    let server = Server::with(&[
        ("server.max_message_bytes", "1000000"),
        ("session.outbox_bytes_max", "4000000"),
    ]);
    let body = format!("[{}]", " ".repeat(999_000));
    let answer = poll::post(&server, "/poll", "", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn answer_to_a_body_that_is_not_read_arrives() {
    let server = Server::start();
    let body = "x".repeat(300_000);
    for (target, status) in [("/poll", 413), ("/nothing", 404)] {
        let text = http::text(server.address, "POST", target, "", &body);
        let answer = request(server.address, &text);
        assert_eq!(answer.status, status, "{target}");
    }
    assert_eq!(
        server.metric("turntable_handshakes_refused_total{name=\"head_too_long\"}"),
        0.0
    );
}
