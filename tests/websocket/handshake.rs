//! Handshakes: which requests get a WebSocket, and how others are refused.

use turntable_testkit::http;
use turntable_testkit::metric::{CONNECTIONS, REFUSED_ORIGIN};
use turntable_testkit::websocket::{KEY, handshake};
use turntable_testkit::{Client, Response, Server, request};

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
fn rfc_6455_handshake_is_answered() {
    let server = Server::start();
    // The client checks Sec-WebSocket-Accept.
    let client = server.connect();
    assert_eq!(client.response.header("Upgrade"), Some("websocket"));
    assert_eq!(client.response.header("Sec-WebSocket-Protocol"), None);
}

#[test]
fn websocket_is_one_of_the_protocols_of_upgrade() {
    let server = Server::start();
    for line in [
        "Upgrade: h2c, WebSocket\r\n",
        "Upgrade: websocket,h2c\r\n",
        "Upgrade: h2c\r\nUpgrade: websocket\r\n",
    ] {
        let text = with("Upgrade: websocket", line);
        let mut client = Client::open_with(server.address, &text);
        assert_eq!(client.response.header("Upgrade"), Some("websocket"));
        client.expect("idyou");
        client.identify("1:1");
        client.bye();
    }
    // As with the protocol alone, a fault has its answer.
    for (header, status) in [("Sec-WebSocket-Key", 400), ("Sec-WebSocket-Version", 400)] {
        let text = with(header, "").replace("Upgrade: websocket", "Upgrade: h2c, websocket");
        assert_eq!(request(server.address, &text).status, status, "{header}");
    }
    let text = with("Upgrade: websocket", "Upgrade: h2c, websockets\r\n");
    assert_eq!(request(server.address, &text).status, 426);
}

#[test]
fn other_versions_are_refused_with_supported_version() {
    let server = Server::start();
    for version in ["8", "0", "7", "14", "13.0", "many"] {
        let line = format!("Sec-WebSocket-Version: {version}\r\n");
        let answer = request(server.address, &with("Sec-WebSocket-Version", &line));
        assert_eq!(answer.status, 426, "{version}");
        assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"));
    }
    let answer = request(server.address, &with("Sec-WebSocket-Version", ""));
    assert_eq!(answer.status, 400);
}

#[test]
fn hixie_76_is_refused() {
    let server = Server::start();
    let answer = request(
        server.address,
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
         Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U",
    );
    assert_eq!(answer.status, 400);
}

#[test]
fn key_must_be_sixteen_bytes_in_base64() {
    let server = Server::start();
    let answer = request(server.address, &with("Sec-WebSocket-Key", ""));
    assert_eq!(answer.status, 400);
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ====",
    ] {
        let line = format!("Sec-WebSocket-Key: {key}\r\n");
        let answer = request(server.address, &with("Sec-WebSocket-Key", &line));
        assert_eq!(answer.status, 400, "{key}");
        assert_eq!(code(&answer), "bad_message");
    }
}

#[test]
fn get_without_upgrade_is_answered_with_426() {
    let server = Server::start();
    let answer = server.get("/ws");
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("Upgrade"), Some("websocket"));
    let answer = request(server.address, &with("Upgrade: websocket", ""));
    assert_eq!(answer.status, 426);
}

#[test]
fn other_methods_are_not_allowed() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE"] {
        let text = handshake("/ws", "Content-Length: 0\r\n").replacen("GET", method, 1);
        let answer = request(server.address, &text);
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("GET"));
        let text = format!(
            "{method} /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            request(server.address, &text).status,
            405,
            "{method} without an upgrade"
        );
    }
}

#[test]
fn other_paths_are_not_found() {
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
        let answer = request(server.address, &handshake(path, ""));
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(code(&answer), "not_found");
    }
    // A query does not change the path.
    Client::open(server.address, "/ws?user=1").expect("idyou");
}

#[test]
fn connect_method_is_refused() {
    let server = Server::start();
    let answer = request(
        server.address,
        "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
    );
    assert_eq!(answer.status, 404);
}

#[test]
fn only_same_origin_may_connect_by_default() {
    let server = Server::start();
    let own = handshake("/ws", "Origin: http://localhost\r\n");
    Client::open_with(server.address, &own).expect("idyou");
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "file://",
        "\u{e9}",
    ] {
        let answer = request(
            server.address,
            &handshake("/ws", &format!("Origin: {origin}\r\n")),
        );
        assert_eq!(answer.status, 403, "{origin}");
        assert_eq!(code(&answer), "forbidden");
    }
    assert_eq!(server.metric(REFUSED_ORIGIN), 5.0);
}

#[test]
fn refused_page_is_in_the_log_with_the_key_that_admits_it() {
    for (origin, expected) in [
        (
            "http://games.example",
            "refused a request of a page of another origin; if that may connect, add to \
             [server]: allowed_origins = [\"http://games.example\"]",
        ),
        (
            "null",
            "refused a request of a page without an origin (a file, or a sandboxed frame); serve \
             the page over HTTP",
        ),
    ] {
        let server = Server::start();
        let refused = request(
            server.address,
            &handshake("/ws", &format!("Origin: {origin}\r\n")),
        );
        assert_eq!(refused.status, 403);
        let _ = server.await_log(expected);
    }
    let server = Server::start();
    let foreign = handshake("/ws", "").replace("Host: localhost", "Host: other.example");
    assert_eq!(request(server.address, &foreign).status, 403);
    let _ = server.await_log(
        "refused a request for another host; if that is this server, add to [server]: \
         hosts = [\"other.example\"]",
    );
}

#[test]
fn configured_origins_are_allowed_beside_the_own() {
    let list = "[\"https://game.example\", \"https://*.pages.example\", \"same-host\"]";
    let server = Server::with(&[("server.allowed_origins", list)]);
    let page = |origin| handshake("/ws", &format!("Origin: {origin}\r\n"));
    for allowed in [
        "https://game.example",
        "https://me.pages.example",
        "http://localhost",
        "http://localhost:3000",
    ] {
        Client::open_with(server.address, &page(allowed)).expect("idyou");
    }
    for refused in ["https://game.example.evil", "https://pages.example", "null"] {
        assert_eq!(
            request(server.address, &page(refused)).status,
            403,
            "{refused}"
        );
    }
    server.connect();
    let server = Server::with(&[("server.allowed_origins", "[\"*\"]")]);
    Client::open_with(server.address, &page("https://any.example")).expect("idyou");
}

#[test]
fn common_subprotocol_is_selected() {
    let server = Server::start();
    for offered in ["turntable.v1.json", "chat, turntable.v1.json"] {
        let text = handshake("/ws", &format!("Sec-WebSocket-Protocol: {offered}\r\n"));
        let mut client = Client::open_with(server.address, &text);
        let selected = client.response.header("Sec-WebSocket-Protocol");
        assert_eq!(selected, Some("turntable.v1.json"));
        client.expect("idyou");
    }
    // Without a common one the answer names none, and the client may leave.
    let text = handshake("/ws", "Sec-WebSocket-Protocol: chat\r\n");
    let client = Client::open_with(server.address, &text);
    assert_eq!(client.response.header("Sec-WebSocket-Protocol"), None);
}

#[test]
fn origin_is_judged_alike_for_requests_and_websockets() {
    let origin = "Origin: http://gr\u{fc}n.example\r\n";
    let engine = "/socket.io/?EIO=4&transport=websocket";
    let polling = "/socket.io/?EIO=4&transport=polling";
    let server = Server::with(&[("server.allowed_origins", r#"["*"]"#)]);
    Client::open_with(server.address, &handshake("/ws", origin)).expect("idyou");
    Client::open_with(server.address, &handshake(engine, origin));
    let answer = http::send(server.address, "GET", polling, origin, "");
    assert_eq!(answer.status, 200);
    let server = Server::start();
    for path in ["/ws", engine] {
        let answer = request(server.address, &handshake(path, origin));
        assert_eq!(answer.status, 403);
    }
    let answer = http::send(server.address, "GET", polling, origin, "");
    assert_eq!(answer.status, 403);
    assert_eq!(server.metric(REFUSED_ORIGIN), 3.0, "by one name");
}

#[test]
fn unsupported_extensions_are_not_accepted() {
    let server = Server::start();
    let text = handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let client = Client::open_with(server.address, &text);
    assert_eq!(client.response.header("Sec-WebSocket-Extensions"), None);
}

#[test]
fn header_names_and_values_are_case_insensitive() {
    let server = Server::start();
    let text = format!(
        "GET /ws HTTP/1.1\r\nhost: localhost\r\nCONNECTION: keep-alive, UPGRADE\r\n\
         upgrade: WebSocket\r\nsec-websocket-version: 13\r\nsec-websocket-KEY: {KEY}\r\n\r\n"
    );
    Client::open_with(server.address, &text).expect("idyou");
}

#[test]
fn total_connections_are_limited() {
    let server = Server::with(&[("server.connections_max", "3")]);
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    let answer = request(server.address, &handshake("/ws", ""));
    assert_eq!(answer.status, 503);
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(code(&answer), "unavailable");
    clients.pop().unwrap().drop_connection();
    server.await_metric(CONNECTIONS, 2.0);
    server.connect();
}

#[test]
fn connections_per_address_are_limited() {
    let server = Server::with(&[("server.connections_per_address_max", "2")]);
    let mut clients: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    let answer = request(server.address, &handshake("/ws", ""));
    assert_eq!(answer.status, 429);
    assert_eq!(code(&answer), "too_many");
    clients.clear();
    server.await_metric(CONNECTIONS, 0.0);
    server.connect();
}

#[test]
fn refused_handshakes_do_not_count_as_connections() {
    let server = Server::with(&[("server.connections_max", "2")]);
    for _ in 0..20 {
        assert_eq!(
            request(server.address, &with("Sec-WebSocket-Key", "")).status,
            400
        );
        assert_eq!(
            request(server.address, &handshake("/nowhere", "")).status,
            404
        );
    }
    let _both = (server.connect(), server.connect());
}
