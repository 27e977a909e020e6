//! Pages of other origins, and attempts to inject headers into an answer.

use std::io::{Read, Write};
use std::net::TcpStream;

use turntable_testkit::http::{self, escape};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{DEADLINE, Response, Server};

/// Sends a request as a page of this origin.
fn from_page(server: &Server, method: &str, target: &str, origin: &str) -> Response {
    http::send(
        server.address,
        method,
        target,
        &format!("Origin: {origin}\r\n"),
        "",
    )
}

#[test]
fn only_same_origin_may_connect_by_default() {
    let server = Server::start();
    let own = format!("http://{}", server.address);
    let stream = Stream::open_with(&server, "new=1&format=sse", &format!("Origin: {own}\r\n"));
    let allowed = stream.response.header("Access-Control-Allow-Origin");
    assert_eq!(allowed, Some(own.as_str()));
    for origin in ["https://evil.example", "null", "", "http://localhost"] {
        for target in ["/tunnel?new=1&format=sse", "/tunnel/send?d=[]"] {
            for method in ["GET", "POST", "OPTIONS"] {
                let answer = from_page(&server, method, target, origin);
                assert_eq!(answer.error(), (403, "forbidden".to_owned()), "{origin}");
                // Its developer may read why.
                let readable = (!origin.is_empty()).then_some(origin);
                assert_eq!(answer.header("Access-Control-Allow-Origin"), readable);
                assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
                assert_eq!(answer.header("Turntable-Tunnel"), None);
            }
        }
    }
}

#[test]
fn allowed_origin_may_read_answers_and_errors() {
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
    // The server's own pages need not be listed.
    let own = format!("http://{}", server.address);
    Stream::open_with(&server, "new=1&format=sse", &format!("Origin: {own}\r\n"));
}

/// Status line and headers of the answer to this request.
fn raw(server: &Server, text: &str) -> String {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
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
fn parameters_and_origin_cannot_inject_headers() {
    let server = Server::with(&[("server.allowed_origins", r#"["*"]"#)]);
    let id = Tunnel::user(&server, "1:1").id;
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
        let value = escape(text);
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
    // An accepted Origin is echoed; one with a line end is not accepted.
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
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}
