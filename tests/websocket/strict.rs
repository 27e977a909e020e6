//! Handshakes as strict as RFC 6455 and RFC 9110 want them, and names that the
//! server does not have.

use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Response, Server, http, request};

/// The usual handshake with these lines in place of one, or behind it.
fn with(line: &str, others: &str) -> String {
    let whole = handshake("/ws", "");
    let start = whole.find(line).unwrap();
    let end = start + whole[start..].find("\r\n").unwrap() + 2;
    format!("{}{others}{}", &whole[..start], &whole[end..])
}

fn refusal(server: &Server, text: &str) -> (u16, String) {
    request(server.address, text).error()
}

#[test]
fn what_the_standards_forbid_is_refused() {
    let server = Server::start();
    let version = "Sec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases = [
        (with("Sec-WebSocket-Version", &version.repeat(2)), 400),
        (with("Sec-WebSocket-Key", &key.repeat(2)), 400),
        (handshake("/ws", "Sec-WebSocket-Extensions: a; =\r\n"), 400),
        (handshake("/ws", "Content-Length: 5\r\n"), 400),
        // With its end: behind the answer the server waits for it before it closes.
        (
            handshake("/ws", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            400,
        ),
        (with("Host:", "Host: user@localhost\r\n"), 400),
        (handshake("/ws", "").replace("HTTP/1.1", "HTTP/1.0"), 426),
    ];
    for (text, status) in cases {
        assert_eq!(refusal(&server, &text).0, status, "{text}");
    }
}

#[test]
fn upgrade_may_stand_on_several_lines() {
    let server = Server::start();
    for others in [
        "Connection: close, Upgrade\r\n",
        "Connection: keep-alive\r\nConnection: upgrade\r\n",
    ] {
        let text = with("Connection:", others);
        let mut client = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(&mut client, text.as_bytes()).unwrap();
        let mut status = [0; 12];
        std::io::Read::read_exact(&mut client, &mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 101", "{others}");
    }
}

#[test]
fn head_has_no_body_in_its_answer() {
    let server = Server::start();
    let answer = request(
        server.address,
        &handshake("/ws", "").replace("GET ", "HEAD "),
    );
    assert_eq!(answer.status, 405);
    assert!(answer.body.is_empty());
}

#[test]
fn foreign_origin_does_not_hide_behind_the_own() {
    let server = Server::start();
    let own = format!("Origin: http://{}\r\n", server.address);
    let foreign = "Origin: http://evil.example\r\n";
    for lines in [format!("{own}{foreign}"), format!("{foreign}{own}")] {
        let text = handshake("/ws", &lines);
        assert_eq!(refusal(&server, &text), (403, "forbidden".to_owned()));
    }
}

#[test]
fn other_names_of_the_server_have_to_be_configured() {
    let named = |server: &Server, name: &str| -> Response {
        let text = format!(
            "GET /tunnel?new=1&format=jsonp&callback=f HTTP/1.1\r\nHost: {name}\r\n\
             Origin: http://{name}\r\nConnection: close\r\n\r\n"
        );
        request(server.address, &text)
    };
    let server = Server::with(&[("tunnel.longpoll_ms", "100")]);
    let answer = named(&server, "evil.example:8080");
    assert_eq!(answer.error(), (403, "forbidden".to_owned()));
    let _ = server.await_log("hosts = [\"evil.example\"]");
    assert_eq!(named(&server, "localhost:1").status, 200);
    let managed = http::request(
        server.management,
        "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(managed.error(), (403, "forbidden".to_owned()));
    // A target in absolute form takes the place of Host (RFC 9112, 3.2.2).
    for (address, path) in [
        (server.address, "/tunnel/send?d=%5B%5D"),
        (server.management, "/metrics"),
    ] {
        for (name, status) in [("evil.example", 403), ("localhost", 200)] {
            let text = format!(
                "GET http://{name}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(request(address, &text).status, status, "{name} {path}");
        }
    }
    let server = Server::with(&[
        ("server.hosts", "[\"game.example\"]"),
        ("tunnel.longpoll_ms", "100"),
    ]);
    assert_eq!(named(&server, "game.example:8080").status, 200);
}

#[test]
fn script_tags_of_other_sites_are_refused() {
    let server = Server::with(&[("tunnel.longpoll_ms", "100")]);
    let targets = [
        "/tunnel?new=1&format=jsonp&callback=f",
        "/tunnel/send?d=%7B%7D",
        "/socket.io/?EIO=4&transport=polling",
    ];
    for target in targets {
        for lines in [
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\nReferer: http://other.localhost/\r\n",
            "Referer: http://evil.example/page\r\n",
        ] {
            let answer = http::send(server.address, "GET", target, lines, "");
            assert_eq!(answer.status, 403, "{target} {lines}");
        }
        let answer = http::send(
            server.address,
            "GET",
            target,
            "Sec-Fetch-Site: same-origin\r\n",
            "",
        );
        assert_ne!(answer.status, 403, "{target}");
    }
}

#[test]
fn pages_of_other_sites_are_refused_without_an_origin_by_poll_and_websocket() {
    let server = Server::start();
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let cases = [
        ("Sec-Fetch-Site: cross-site\r\n", false),
        (
            "Sec-Fetch-Site: same-site\r\nReferer: http://other.localhost/\r\n",
            false,
        ),
        ("Referer: http://evil.example/page\r\n", false),
        (own, true),
        ("Sec-Fetch-Site: none\r\n", true),
        ("", true),
    ];
    for (lines, is_allowed) in cases {
        let poll = http::send(server.address, "POST", "/poll", lines, "[]");
        assert_eq!(poll.status == 200, is_allowed, "/poll {lines}");
        let upgrade = handshake("/ws", lines);
        if is_allowed {
            Client::open_with(server.address, &upgrade).expect("idyou");
        } else {
            assert_eq!(poll.error(), (403, "forbidden".to_owned()), "{lines}");
            assert_eq!(refusal(&server, &upgrade), (403, "forbidden".to_owned()));
        }
    }
}
