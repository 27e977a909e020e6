//! Places of HTTP connections: in all, by address, and by the address that a proxy names.

use std::io::{Read, Write};
use std::time::Instant;

use serde_json::json;

use turntable_testkit::http::try_request;
use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::{CONNECTIONS, HTTP_CONNECTIONS};
use turntable_testkit::poll::call;
use turntable_testkit::websocket::{connect_from, handshake};
use turntable_testkit::{DEADLINE, Server, http, request};

const HEALTH: &str = "/health/live";

#[test]
fn one_address_does_not_take_all_places() {
    let server = Server::limited_to_files(400);
    let mut idle = Vec::new();
    for _ in 0..400 {
        let mut connection = HttpConnection::open(&server);
        let _ = connection.0.write_all(b"GET / HT");
        idle.push(connection);
    }
    let mut other = HttpConnection(connect_from(server.address, [127, 0, 0, 2]));
    other.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(other.answer().status, 200);
}

#[test]
fn connections_count_from_their_first_byte_on() {
    let server = Server::with(&[("server.connections_per_address_max", "3")]);
    let mut half: Vec<HttpConnection> = (0..3).map(|_| HttpConnection::open(&server)).collect();
    for connection in &mut half {
        connection.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
    }
    server.await_metric(HTTP_CONNECTIONS, 3.0);
    for text in [
        handshake("/ws", ""),
        http::text(server.address, "GET", "/", "", ""),
    ] {
        let answer = request(server.address, &text);
        assert_eq!(answer.error(), (429, "too_many".to_owned()));
        assert!(answer.header("Retry-After").is_some());
    }
    assert_eq!(server.manage(HEALTH).status, 200);
    drop(half);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    server.user("1:1").expect_nothing_pending();
}

#[test]
fn files_are_left_for_the_operator() {
    let server = Server::limited_to_files(150);
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut connection = HttpConnection::open(&server);
        let _ = connection.0.write_all(b"GET / HT");
        idle.push(connection);
    }
    assert_eq!(server.manage(HEALTH).status, 200);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    drop(idle);
    // Some of them were not accepted yet, and take the places of others until they are.
    let page = "GET /turntable.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let until = Instant::now() + DEADLINE;
    while !try_request(server.address, page).is_ok_and(|answer| answer.status == 200) {
        assert!(Instant::now() < until, "no place was given back");
    }
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    server.user("1:1").expect_nothing_pending();
}

#[test]
fn sessions_that_poll_take_no_files_beside_their_connections() {
    // About 220 connections have a place.
    let server = Server::limited_to_files(400);
    let mut polling = Vec::new();
    for number in 0..180_u8 {
        let mut connection =
            HttpConnection(connect_from(server.address, [127, 0, 0, 2 + number % 30]));
        let claim = call("$av:idme", json!(format!("1:{number}")), 1);
        let answer = connection.post("/poll", "", &json!([claim]).to_string());
        assert_eq!(answer.status, 200, "{number}: {}", answer.text());
        polling.push(connection);
    }
    server.await_metric(CONNECTIONS, 180.0);
    drop(polling);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    // Sockets of WebSockets do have one each.
    let mut sockets = Vec::new();
    let refused = (0..300_u16).find(|number| {
        let last = 2 + (number % 30) as u8;
        let mut socket = HttpConnection(connect_from(server.address, [127, 0, 0, last]));
        socket.send(&handshake("/ws", ""));
        let mut status = [0; 12];
        socket.0.read_exact(&mut status).unwrap();
        sockets.push(socket);
        !status.ends_with(b"101")
    });
    let opened = refused.unwrap();
    assert!((200..230).contains(&opened), "{opened}");
    assert_eq!(server.manage(HEALTH).status, 200);
}

#[test]
fn sessions_that_poll_take_no_files_of_their_address() {
    // About 220 connections have a place, and three quarters of them for one address.
    let server = Server::limited_to_files(400);
    let mut polling: Vec<_> = (0..100)
        .map(|number| {
            let mut connection = HttpConnection::open(&server);
            let claim = call("$av:idme", json!(format!("1:{number}")), 1);
            let answer = connection.post("/poll", "", &json!([claim]).to_string());
            assert_eq!(answer.status, 200, "{number}: {}", answer.text());
            connection
        })
        .collect();
    server.await_metric(CONNECTIONS, 100.0);
    let mut open = || {
        let mut connection = HttpConnection::open(&server);
        connection.send("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut status = [0; 12];
        let is_served = connection.0.read_exact(&mut status).is_ok() && !status.ends_with(b"429");
        polling.push(connection);
        is_served
    };
    let opened = 100 + (0..200).take_while(|_| open()).count();
    assert!((150..190).contains(&opened), "{opened}");
    drop(polling);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    // WebSockets have the same share.
    let mut sockets = Vec::new();
    let mut upgrade = || {
        let mut socket = HttpConnection::open(&server);
        socket.send(&handshake("/ws", ""));
        let mut status = [0; 12];
        let is_open = socket.0.read_exact(&mut status).is_ok() && status.ends_with(b"101");
        sockets.push(socket);
        is_open
    };
    let upgraded = (0..200).take_while(|_| upgrade()).count();
    assert!((150..190).contains(&upgraded), "{upgraded}");
}

#[test]
fn client_behind_a_trusted_proxy_is_counted_by_its_own_address() {
    let server = Server::with(&[
        ("server.trusted_proxies", "[\"127.0.0.0/8\"]"),
        ("server.connections_per_address_max", "2"),
    ]);
    let open = |from: &str| {
        let text = handshake("/ws", &format!("X-Forwarded-For: 6.6.6.6, {from}\r\n"));
        HttpConnection::open_upgrade(&server, &text)
    };
    let _first = open("192.0.2.1").unwrap();
    let _second = open("192.0.2.1").unwrap();
    assert_eq!(open("192.0.2.1").unwrap_err(), 429);
    let _other = open("192.0.2.2").unwrap();
    // A client of IPv6 is its /64.
    let _third = open("2001:db8::1").unwrap();
    let _fourth = open("2001:db8::2").unwrap();
    assert_eq!(open("2001:db8::3").unwrap_err(), 429);
}

#[test]
fn header_of_an_untrusted_client_is_not_believed() {
    let server = Server::with(&[("server.connections_per_address_max", "1")]);
    let open = |from: &str| {
        let text = handshake(
            "/ws",
            &format!("X-Forwarded-For: {from}\r\nForwarded: for={from}\r\n"),
        );
        HttpConnection::open_upgrade(&server, &text)
    };
    let _first = open("192.0.2.1").unwrap();
    assert_eq!(open("192.0.2.2").unwrap_err(), 429);
}

#[test]
fn proxy_protocol_tells_the_client() {
    let server = Server::with(&[
        ("server.trusted_proxies", "[\"127.0.0.1\"]"),
        ("server.proxy_protocol", "true"),
        ("server.connections_per_address_max", "1"),
    ]);
    let open = |last: u8| {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        bytes.extend_from_slice(&[192, 0, 2, last, 10, 0, 0, 1, 0x10, 0, 0, 80]);
        bytes.extend_from_slice(handshake("/ws", "").as_bytes());
        HttpConnection::open_upgrade_bytes(&server, &bytes)
    };
    let _first = open(1).unwrap();
    assert_eq!(open(1).unwrap_err(), 429);
    let _other = open(2).unwrap();
    // Without its header a proxy's connection is closed.
    let mut bare = HttpConnection::open(&server);
    bare.send(&http::text(server.address, "GET", "/", "", ""));
    assert!(bare.rest().is_empty());
}
