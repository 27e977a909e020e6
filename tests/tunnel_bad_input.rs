//! What tunnels refuse: wrong requests, wrong pages, and attempts to write into
//! an answer what does not belong there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod stream;
mod support;

use serde_json::{Value, json};
use stream::{Stream, Tunnel, ask, encode, fault, post};
use support::{Response, Server};

/// The status, the code and the message of a refused body.
fn send(server: &Server, body: &str) -> (u16, String, String) {
    let answer = ask(server, "POST", "/tunnel/send", "", body);
    let (status, code) = fault(&answer);
    let message = answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    (status, code, message)
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    let server = Server::start();
    for (path, allowed) in [("/tunnel", "GET"), ("/tunnel/send", "GET, POST")] {
        for method in ["PUT", "DELETE", "PATCH", "HEAD", "BREW"] {
            let answer = ask(&server, method, path, "", "");
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("Allow"), Some(allowed));
        }
    }
    assert_eq!(
        ask(&server, "POST", "/tunnel?new=1&format=sse", "", "").status,
        405
    );
    for path in [
        "/tunnel/",
        "/tunnel/x",
        "/tunnel/send/",
        "/Tunnel",
        "/tunnels",
    ] {
        assert_eq!(ask(&server, "GET", path, "", "").status, 404, "{path}");
    }
}

#[test]
fn what_is_no_datagram_is_told_what_one_is() {
    let server = Server::start();
    let tunnel = Tunnel::of(&server, "1:1");
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
        let answer = ask(&server, "GET", &format!("/tunnel/send{query}"), "", "");
        assert_eq!(fault(&answer).0, 400, "{query}");
    }
}

#[test]
fn bodies_have_their_bounds() {
    let server = Server::with(&[
        ("server.max_message_bytes", "4096"),
        ("tunnel.batch_max", "8"),
    ]);
    let tunnel = Tunnel::of(&server, "1:1");
    let long = tunnel.datagram("/channel/c", json!("x".repeat(5_000)));
    let (status, code, message) = send(&server, &long.to_string());
    assert_eq!((status, code.as_str()), (413, "too_large"));
    assert!(message.contains("4096"), "{message}");
    let query = format!("/tunnel/send?d={}", encode(&long.to_string()));
    let by_get = ask(&server, "GET", &query, "", "");
    assert_eq!(by_get.status, 413, "{by_get:?}");
    let many = vec![tunnel.datagram("/channel/c", json!(1)); 9];
    let answer = post(&server, &json!(many));
    assert_eq!(fault(&answer), (429, "too_many".to_owned()));
    assert_eq!(answer.json()["error"]["details"]["max"], 8);
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let body = format!(
        r#"{{"tunnel": "{}", "path": "/channel/c", "data": {deep}}}"#,
        tunnel.id
    );
    assert_eq!(send(&server, &body).0, 413);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let server = Server::start();
    let address = server.address;
    let mut text = format!(
        "POST /tunnel/send HTTP/1.1\r\nHost: {address}\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    text.extend(b"\"\xff\xfe\"");
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut socket, &text).unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut socket, &mut answer).unwrap();
    assert_eq!(
        fault(&Response::parse(&answer)),
        (400, "bad_json".to_owned())
    );
}

#[test]
fn a_body_of_another_type_is_refused() {
    let server = Server::start();
    for kind in [
        "text/html",
        "application/xml",
        "multipart/form-data; boundary=x",
        "json",
        "",
    ] {
        let header = format!("Content-Type: {kind}\r\n");
        let answer = ask(&server, "POST", "/tunnel/send", &header, "[]");
        assert_eq!(answer.status, 415, "{kind:?}");
        assert!(
            answer.text().contains("application/json"),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn a_parameter_that_stands_twice_is_refused() {
    let server = Server::start();
    for query in [
        "new=1&format=sse&format=ndjson",
        "new=1&new=1&format=sse",
        "new=%FF&format=sse",
    ] {
        let answer = ask(&server, "GET", &format!("/tunnel?{query}"), "", "");
        assert_eq!(fault(&answer).0, 400, "{query}");
    }
}

/// A page of this origin asks.
fn from_page(server: &Server, method: &str, target: &str, origin: &str) -> Response {
    ask(server, method, target, &format!("Origin: {origin}\r\n"), "")
}

#[test]
fn pages_of_the_same_host_may_connect_by_themselves_and_others_may_not() {
    let server = Server::start();
    let own = format!("http://{}", server.address);
    let stream = Stream::open_with(&server, "new=1&format=sse", &format!("Origin: {own}\r\n"));
    let told = stream.response.header("Access-Control-Allow-Origin");
    assert_eq!(told, Some(own.as_str()));
    for origin in ["https://evil.example", "null", "", "http://localhost"] {
        for target in ["/tunnel?new=1&format=sse", "/tunnel/send?d=[]"] {
            for method in ["GET", "POST", "OPTIONS"] {
                let answer = from_page(&server, method, target, origin);
                assert_eq!(fault(&answer), (403, "forbidden".to_owned()), "{origin}");
                assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
                assert_eq!(answer.header("Turntable-Tunnel"), None);
            }
        }
    }
}

#[test]
fn pages_of_an_allowed_origin_may_read_answers_and_errors() {
    let origin = "https://game.example";
    let server = Server::with(&[("server.allowed_origins", r#"["https://game.example"]"#)]);
    let header = format!("Origin: {origin}\r\n");
    let stream = Stream::open_with(&server, "new=1&format=sse", &header);
    let refused = from_page(&server, "GET", "/tunnel?format=sse", origin);
    let gone = from_page(
        &server,
        "GET",
        &format!("/tunnel?format=sse&id={}", "A".repeat(22)),
        origin,
    );
    let sent = from_page(&server, "GET", "/tunnel/send?d=[]", origin);
    assert_eq!((refused.status, gone.status, sent.status), (400, 410, 200));
    for answer in [&stream.response, &refused, &gone, &sent] {
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(origin));
        assert_eq!(
            answer.header("Access-Control-Allow-Credentials"),
            Some("true")
        );
        assert!(
            answer.header("Vary").unwrap().contains("Origin"),
            "{answer:?}"
        );
        let exposed = answer.header("Access-Control-Expose-Headers").unwrap();
        assert!(exposed.contains("Turntable-Tunnel"), "{exposed}");
    }
    for (target, methods) in [("/tunnel", "GET"), ("/tunnel/send", "GET, POST")] {
        let answer = from_page(&server, "OPTIONS", target, origin);
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("Access-Control-Allow-Methods"), Some(methods));
        let headers = answer.header("Access-Control-Allow-Headers").unwrap();
        for name in ["Content-Type", "Last-Event-ID", "Turntable-Session"] {
            assert!(headers.contains(name), "{headers}");
        }
    }
    // Its list takes the place of the own host.
    let own = format!("http://{}", server.address);
    assert_eq!(
        from_page(&server, "GET", "/tunnel?new=1&format=sse", &own).status,
        403
    );
}

/// The heads of all answers that `text` gets.
fn raw(server: &Server, text: &str) -> String {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(support::DEADLINE)).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
    let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        match socket.read(&mut bytes) {
            Ok(count @ 1..) => answer.extend_from_slice(&bytes[..count]),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

#[test]
fn no_parameter_and_no_origin_splits_an_answer() {
    let server = Server::with(&[("server.allowed_origins", r#"["*"]"#)]);
    let id = Tunnel::of(&server, "1:1").id;
    let evil = [
        "x\r\nInjected: 1",
        "x\nInjected: 1",
        "x\rInjected: 1",
        "x\r\n\r\nHTTP/1.1 200 OK\r\nInjected: 1\r\n\r\n<script>",
        "\u{560d}\u{560a}Injected: 1",
        "x\0Injected: 1",
    ];
    let head_of = |query: &str, origin: &str| {
        let text =
            format!("GET /tunnel?{query} HTTP/1.1\r\nHost: x\r\n{origin}Connection: close\r\n\r\n");
        raw(&server, &text)
    };
    let clean = |head: &str, query: &str| {
        assert!(head.starts_with("HTTP/1.1 "), "{query}: {head:?}");
        for line in head.split("\r\n").skip(1) {
            assert!(!line.contains(['\r', '\n', '\0']), "{query}: {line:?}");
            assert!(!line.starts_with("Injected"), "{query}: {head:?}");
        }
    };
    for text in evil {
        let value = encode(text);
        for query in [
            format!("new={value}&format=sse"),
            format!("new=1&format={value}"),
            format!("new=1&format=sse&user={value}"),
            format!("new=1&format=sse&user=1:{value}"),
            format!("new=1&format=sse&user=1:1&credentials={value}"),
            format!("new=1&format=jsonp&callback={value}"),
            format!("new=1&format=sse&callback={value}"),
            format!("id={value}&format=sse"),
            format!("id={id}&format=sse&after={value}"),
            format!("id={id}&format=sse&received={value}"),
            format!("new=1&format=sse&{value}={value}"),
        ] {
            clean(&head_of(&query, ""), &query);
        }
        let target = format!("/tunnel/send?d={value}");
        let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        clean(&raw(&server, &text), &target);
    }
    // An Origin is echoed as it came: it can have no line end to begin with.
    for origin in [
        "Origin: a\nInjected: 1\r\n",
        "Origin: a\rInjected: 1\r\n",
        "Origin: a\0b\r\n",
    ] {
        let head = head_of("new=1&format=sse", origin);
        clean(&head, origin);
    }
    let head = head_of(
        "new=1&format=sse",
        "Origin: https://a.example\r\nOrigin: https://b.example\r\n",
    );
    assert_eq!(
        head.matches("access-control-allow-origin").count(),
        1,
        "{head}"
    );
}

#[test]
fn one_that_nobody_identifies_is_closed_in_time() {
    let server = Server::with(&[("session.identify_timeout_ms", "200")]);
    let mut tunnel = Tunnel::nobody(&server);
    tunnel.expect_footer();
    let gone = tunnel.send_refused("/server", json!({"command": "idme", "data": "1:1"}));
    assert_eq!(gone, (410, "session_expired".to_owned()));
    let query = format!("format=sse&id={}", tunnel.id);
    let gone = fault(&stream::refused(&server, &query));
    assert_eq!(gone, (410, "session_expired".to_owned()));
    // A new attachment gives it no more time than it has.
    let mut tunnel = Tunnel::nobody(&server);
    let (_, time) = stream::timed(|| {
        tunnel.back_after();
        tunnel.expect_footer();
    });
    assert!(time.as_secs() < 5, "{time:?}");
    server.await_metric("turntable_connections", 0.0);
}

#[test]
fn a_client_that_errs_without_end_is_sent_away() {
    let server = Server::with(&[
        ("session.error_burst", "5"),
        ("session.errors_per_second", "1"),
    ]);
    let mut tunnel = Tunnel::of(&server, "1:1");
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
    server.await_metric("turntable_connections", 0.0);
}

#[test]
fn what_is_sent_counts_against_the_same_limits() {
    let server = Server::with(&[("limits.publish", "{ per_second = 1, burst = 3 }")]);
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    let many = vec![tunnel.datagram("/channel/c", json!(1)); 6];
    post(&server, &json!(many));
    let told: Vec<Value> = (0..6).map(|_| tunnel.next()).collect();
    let errors = told
        .iter()
        .filter(|told| told["data"]["command"] == "error");
    assert_eq!(errors.count(), 3, "{told:?}");
}

#[test]
fn as_many_connections_as_may_be_are_told_to_come_later() {
    let server = Server::with(&[("server.connections_per_address_max", "2")]);
    let (first, _second) = (Tunnel::of(&server, "1:1"), Tunnel::of(&server, "1:2"));
    let answer = stream::refused(&server, "new=1&format=sse&user=1:3");
    assert_eq!(fault(&answer), (429, "too_many".to_owned()));
    assert!(answer.header("Retry-After").is_some());
    drop(first);
    server.await_metric("turntable_connections", 1.0);
    drop(Tunnel::of(&server, "1:3"));
    // Refusals are answers and no lines: they take no place.
    for _ in 0..5 {
        stream::refused(&server, "new=1&format=sse&user=bad");
    }
    server.await_metric("turntable_connections", 1.0);
    drop(Tunnel::of(&server, "1:3"));
}
