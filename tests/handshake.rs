//! The way in: who gets a WebSocket, and what everybody else is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use support::{Client, KEY, Response, Server, handshake, request};

fn ask(server: &Server, text: &str) -> Response {
    request(server.address, text)
}

/// The handshake with one header replaced, or removed by an empty line.
fn with(header: &str, line: &str) -> String {
    let whole = handshake("/ws", "");
    let start = whole.find(header).unwrap();
    let end = start + whole[start..].find("\r\n").unwrap() + 2;
    format!("{}{line}{}", &whole[..start], &whole[end..])
}

fn code(response: &Response) -> String {
    response.json()["error"]["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_handshake_of_rfc_6455_is_answered() {
    let server = Server::start();
    // The client checks Sec-WebSocket-Accept.
    let client = server.connect();
    assert_eq!(client.response.header("Upgrade"), Some("websocket"));
    assert_eq!(client.response.header("Sec-WebSocket-Protocol"), None);
}

#[test]
fn an_older_version_is_told_which_one_is_spoken() {
    let server = Server::start();
    for version in ["8", "0", "7", "14", "13.0", "many"] {
        let line = format!("Sec-WebSocket-Version: {version}\r\n");
        let answer = ask(&server, &with("Sec-WebSocket-Version", &line));
        assert_eq!(answer.status, 426, "{version}");
        assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"));
    }
    let answer = ask(&server, &with("Sec-WebSocket-Version", ""));
    assert_eq!(answer.status, 400);
}

#[test]
fn hixie_76_is_refused() {
    let server = Server::start();
    let answer = ask(
        &server,
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
         Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U",
    );
    assert_eq!(answer.status, 400);
}

#[test]
fn a_key_has_to_be_sixteen_bytes_in_base64() {
    let server = Server::start();
    let answer = ask(&server, &with("Sec-WebSocket-Key", ""));
    assert_eq!(answer.status, 400);
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ====",
    ] {
        let line = format!("Sec-WebSocket-Key: {key}\r\n");
        let answer = ask(&server, &with("Sec-WebSocket-Key", &line));
        assert_eq!(answer.status, 400, "{key}");
        assert_eq!(code(&answer), "handshake");
    }
}

#[test]
fn a_get_without_an_upgrade_is_told_to_upgrade() {
    let server = Server::start();
    let answer = server.get("/ws");
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("Upgrade"), Some("websocket"));
    let answer = ask(&server, &with("Upgrade: websocket", ""));
    assert_eq!(answer.status, 426);
}

#[test]
fn other_methods_are_not_allowed() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE"] {
        let text = handshake("/ws", "Content-Length: 0\r\n").replacen("GET", method, 1);
        let answer = ask(&server, &text);
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("GET"));
        let text = format!(
            "{method} /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            ask(&server, &text).status,
            405,
            "{method} without an upgrade"
        );
    }
}

#[test]
fn no_other_path_is_a_websocket() {
    let server = Server::start();
    for path in [
        "/",
        "/ws/",
        "/wss",
        "/echo",
        "/strike",
        "/ws/../ws",
        "/%77s",
    ] {
        let answer = ask(&server, &handshake(path, ""));
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(code(&answer), "not_found");
    }
    // A query does not change the path.
    Client::open(server.address, "/ws?user=1").expect("idyou");
}

#[test]
fn a_request_to_connect_elsewhere_is_refused() {
    let server = Server::start();
    let answer = ask(
        &server,
        "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
    );
    assert_eq!(answer.status, 404);
}

#[test]
fn only_pages_of_the_same_host_may_connect_by_default() {
    let server = Server::start();
    let own = handshake("/ws", "Origin: http://localhost\r\n");
    Client::shake(server.address, &own).expect("idyou");
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "file://",
        "\u{e9}",
    ] {
        let answer = ask(&server, &handshake("/ws", &format!("Origin: {origin}\r\n")));
        assert_eq!(answer.status, 403, "{origin}");
        assert_eq!(code(&answer), "origin");
    }
    assert_eq!(
        server.metric("turntable_handshakes_refused_total{name=\"origin\"}"),
        5.0
    );
}

#[test]
fn the_configured_origins_replace_the_own_one() {
    let server = Server::with(&[("server.allowed_origins", "[\"https://game.example\"]")]);
    let page = |origin| handshake("/ws", &format!("Origin: {origin}\r\n"));
    Client::shake(server.address, &page("https://game.example")).expect("idyou");
    assert_eq!(ask(&server, &page("http://localhost")).status, 403);
    assert_eq!(ask(&server, &page("https://game.example.evil")).status, 403);
    server.connect();
    let server = Server::with(&[("server.allowed_origins", "[\"*\"]")]);
    Client::shake(server.address, &page("https://any.example")).expect("idyou");
}

#[test]
fn the_subprotocol_is_the_one_that_both_speak() {
    let server = Server::start();
    for offered in ["turntable.v1.json", "chat, turntable.v1.json"] {
        let text = handshake("/ws", &format!("Sec-WebSocket-Protocol: {offered}\r\n"));
        let mut client = Client::shake(server.address, &text);
        let spoken = client.response.header("Sec-WebSocket-Protocol");
        assert_eq!(spoken, Some("turntable.v1.json"));
        client.expect("idyou");
    }
    // None in common: the answer names none, and the client may go.
    let text = handshake("/ws", "Sec-WebSocket-Protocol: chat\r\n");
    let client = Client::shake(server.address, &text);
    assert_eq!(client.response.header("Sec-WebSocket-Protocol"), None);
}

#[test]
fn extensions_that_are_not_spoken_are_not_accepted() {
    let server = Server::start();
    let text = handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let client = Client::shake(server.address, &text);
    assert_eq!(client.response.header("Sec-WebSocket-Extensions"), None);
}

#[test]
fn header_names_and_values_are_taken_in_any_case() {
    let server = Server::start();
    let text = format!(
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nCONNECTION: keep-alive, UPGRADE\r\n\
         upgrade: WebSocket\r\nsec-websocket-version: 13\r\nsec-websocket-KEY: {KEY}\r\n\r\n"
    );
    Client::shake(server.address, &text).expect("idyou");
}

#[test]
fn connections_are_limited_in_all() {
    let server = Server::with(&[("server.connections_max", "3")]);
    let mut held: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    let answer = ask(&server, &handshake("/ws", ""));
    assert_eq!(answer.status, 503);
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(code(&answer), "connections_max");
    held.pop().unwrap().drop_dead();
    server.await_metric("turntable_connections", 2.0);
    server.connect();
}

#[test]
fn connections_are_limited_by_address() {
    let server = Server::with(&[("server.connections_per_address_max", "2")]);
    let mut held: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    let answer = ask(&server, &handshake("/ws", ""));
    assert_eq!(answer.status, 429);
    assert_eq!(code(&answer), "connections_per_address_max");
    held.clear();
    server.await_metric("turntable_connections", 0.0);
    server.connect();
}

#[test]
fn refused_handshakes_leave_nothing_behind() {
    let server = Server::with(&[("server.connections_max", "2")]);
    for _ in 0..20 {
        assert_eq!(ask(&server, &with("Sec-WebSocket-Key", "")).status, 400);
        assert_eq!(ask(&server, &handshake("/nowhere", "")).status, 404);
    }
    let _both = (server.connect(), server.connect());
}
