//! Requests that tunnels refuse, and limits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use turntable_testkit::http::{self, escape};
use turntable_testkit::metric::CONNECTIONS;
use turntable_testkit::tunnel::{Tunnel, post, refused};
use turntable_testkit::{Response, Server};

/// Status, error code and message of a refused body.
fn send(server: &Server, body: &str) -> (u16, String, String) {
    let answer = http::send(server.address, "POST", "/tunnel/send", "", body);
    let (status, code) = answer.error();
    let message = answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    (status, code, message)
}

#[test]
fn other_methods_are_not_allowed() {
    let server = Server::start();
    for (path, allowed) in [("/tunnel", "GET"), ("/tunnel/send", "GET, POST")] {
        for method in ["PUT", "DELETE", "PATCH", "HEAD", "BREW"] {
            let answer = http::send(server.address, method, path, "", "");
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("Allow"), Some(allowed));
        }
    }
    assert_eq!(
        http::send(server.address, "POST", "/tunnel?new=1&format=sse", "", "").status,
        405
    );
    for path in [
        "/tunnel/",
        "/tunnel/x",
        "/tunnel/send/",
        "/Tunnel",
        "/tunnels",
    ] {
        assert_eq!(
            http::send(server.address, "GET", path, "", "").status,
            404,
            "{path}"
        );
    }
}

#[test]
fn invalid_datagram_error_describes_a_datagram() {
    let server = Server::start();
    let tunnel = Tunnel::user(&server, "1:1");
    for body in ["", "{", "[", "x", "{\"tunnel\"}", "[1,]", "\u{feff}{}"] {
        let (status, code, _) = send(&server, body);
        assert_eq!((status, code.as_str()), (400, "bad_json"), "{body:?}");
    }
    for body in ["1", "null", "\"x\"", "true"] {
        let (status, code, message) = send(&server, body);
        assert_eq!((status, code.as_str()), (400, "bad_message"), "{body:?}");
        assert!(
            message.contains("a datagram is {\"tunnel\": T"),
            "{message}"
        );
    }
    for (data, words) in [
        (json!({}), "tunnel is missing"),
        (json!({"tunnel": 1, "path": "/server", "data": 1}), "tunnel"),
        (json!({"tunnel": tunnel.id}), "path is missing"),
        (json!({"tunnel": tunnel.id, "path": 1, "data": 1}), "path"),
        (
            json!({"tunnel": tunnel.id, "path": "/server"}),
            "data is missing",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/channel/c"}),
            "data is missing",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "server", "data": 1}),
            "path",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/channel", "data": 1}),
            "path",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/game/c", "data": 1}),
            "path",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/interest", "data": {}}),
            "add",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/interest", "data": []}),
            "data",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/interest", "data": {"add": [1]}}),
            "path",
        ),
        (
            json!({"tunnel": tunnel.id, "path": "/interest", "data": {"add": "c"}}),
            "add",
        ),
    ] {
        let (status, code, message) = send(&server, &data.to_string());
        assert_eq!(
            (status, code.as_str()),
            (400, "bad_message"),
            "{data}: {message}"
        );
        assert!(message.contains(words), "{data}: {message}");
    }
    for channel in ["", "a b", "a//b", "a/*", "/a", "a/", "\u{1}"] {
        let data = tunnel.datagram(&format!("/channel/{channel}"), json!(1));
        let (status, _, message) = send(&server, &data.to_string());
        assert_eq!(status, 400, "{channel:?}: {message}");
    }
    for query in ["", "?d=", "?d=%7B", "?e=1", "?d=%FF"] {
        let answer = http::send(
            server.address,
            "GET",
            &format!("/tunnel/send{query}"),
            "",
            "",
        );
        assert_eq!(answer.error().0, 400, "{query}");
    }
}

#[test]
fn body_size_count_and_depth_are_limited() {
    let server = Server::with(&[
        ("server.max_message_bytes", "4096"),
        ("tunnel.batch_max", "8"),
    ]);
    let tunnel = Tunnel::user(&server, "1:1");
    let long = tunnel.datagram("/channel/c", json!("x".repeat(5_000)));
    let (status, code, message) = send(&server, &long.to_string());
    assert_eq!((status, code.as_str()), (413, "too_large"));
    assert!(message.contains("4096"), "{message}");
    let query = format!("/tunnel/send?d={}", escape(&long.to_string()));
    let by_get = http::send(server.address, "GET", &query, "", "");
    assert_eq!(by_get.status, 413, "{by_get:?}");
    let many = vec![tunnel.datagram("/channel/c", json!(1)); 9];
    let answer = post(&server, &json!(many));
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    assert_eq!(answer.json()["error"]["details"]["max"], 8);
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let body = format!(
        r#"{{"tunnel": "{}", "path": "/channel/c", "data": {deep}}}"#,
        tunnel.id
    );
    assert_eq!(send(&server, &body).0, 413);
}

#[test]
fn invalid_utf_8_is_refused() {
    let server = Server::start();
    let address = server.address;
    let mut text = format!(
        "POST /tunnel/send HTTP/1.1\r\nHost: {address}\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    text.extend(b"\"\xff\xfe\"");
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&text).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(
        Response::parse(&answer).error(),
        (400, "bad_json".to_owned())
    );
}

#[test]
fn other_content_types_are_refused() {
    let server = Server::start();
    for kind in [
        "text/html",
        "application/xml",
        "multipart/form-data; boundary=x",
        "json",
        "",
    ] {
        let header = format!("Content-Type: {kind}\r\n");
        let answer = http::send(server.address, "POST", "/tunnel/send", &header, "[]");
        assert_eq!(answer.status, 415, "{kind:?}");
        assert!(
            answer.text().contains("application/json"),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn duplicate_parameter_is_refused() {
    let server = Server::start();
    for query in [
        "new=1&format=sse&format=ndjson",
        "new=1&new=1&format=sse",
        "new=%FF&format=sse",
    ] {
        let answer = http::send(server.address, "GET", &format!("/tunnel?{query}"), "", "");
        assert_eq!(answer.error().0, 400, "{query}");
    }
}

#[test]
fn unidentified_tunnel_is_closed_after_timeout() {
    let server = Server::with(&[("session.identify_timeout_ms", "200")]);
    let mut tunnel = Tunnel::unidentified(&server);
    tunnel.expect_footer();
    let gone = tunnel.send_refused("/server", json!({"command": "idme", "data": "1:1"}));
    assert_eq!(gone, (410, "session_expired".to_owned()));
    let query = format!("format=sse&id={}", tunnel.id);
    let gone = refused(&server, &query).error();
    assert_eq!(gone, (410, "session_expired".to_owned()));
    // Resuming does not extend the time.
    let mut tunnel = Tunnel::unidentified(&server);
    let start = Instant::now();
    tunnel.resume_after_last();
    tunnel.expect_footer();
    let time = start.elapsed();
    assert!(time.as_secs() < 5, "{time:?}");
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn client_with_too_many_errors_is_closed() {
    let server = Server::with(&[
        ("session.error_burst", "5"),
        ("session.errors_per_second", "1"),
    ]);
    let mut tunnel = Tunnel::user(&server, "1:1");
    let bad: Vec<Value> = (0..10)
        .map(|_| {
            tunnel.datagram(
                "/server",
                json!({"command": "leavegame", "data": {"channel": "x"}}),
            )
        })
        .collect();
    post(&server, &json!(bad));
    let rest = tunnel.stream.rest();
    assert!(rest.ends_with("{\"close\":4006}\n"), "{rest}");
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn sent_datagrams_count_against_rate_limits() {
    let server = Server::with(&[("limits.publish", "{ per_second = 1, burst = 3 }")]);
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let many = vec![tunnel.datagram("/channel/c", json!(1)); 6];
    post(&server, &json!(many));
    let answers: Vec<Value> = (0..6).map(|_| tunnel.next()).collect();
    let errors = answers
        .iter()
        .filter(|answer| answer["data"]["command"] == "error");
    assert_eq!(errors.count(), 3, "{answers:?}");
}

#[test]
fn connections_over_limit_get_retry_after() {
    let server = Server::with(&[("server.connections_per_address_max", "2")]);
    let (first, _second) = (Tunnel::user(&server, "1:1"), Tunnel::user(&server, "1:2"));
    let answer = refused(&server, "new=1&format=sse&user=1:3");
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    assert!(answer.header("Retry-After").is_some());
    drop(first);
    server.await_metric(CONNECTIONS, 1.0);
    drop(Tunnel::user(&server, "1:3"));
    // Refused requests do not count as connections.
    for _ in 0..5 {
        refused(&server, "new=1&format=sse&user=bad");
    }
    server.await_metric(CONNECTIONS, 1.0);
    drop(Tunnel::user(&server, "1:3"));
}
