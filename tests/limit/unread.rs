//! Answers over HTTP that fit the kernel's buffers, and that nobody reads.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::HTTP_CONNECTIONS;
use turntable_testkit::{DEADLINE, Server};

const UNREAD: &str = "turntable_handshakes_refused_total{name=\"write_timeout\"}";
const SEND_BUFFERS: &str = "turntable_send_buffer_bytes";

/// A client that tells the kernel to take little for it.
fn narrow(server: &Server) -> HttpConnection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&server.address.into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    HttpConnection(socket.into())
}

/// Requests so many answers of 7 kB each, and reads none.
fn request(connection: &mut HttpConnection, count: usize) {
    let text = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.send(&text.repeat(count));
}

#[test]
fn answers_that_are_not_read_are_counted_and_given_up() {
    let server = Server::with(&[("server.write_timeout_ms", "3000")]);
    let mut connections: Vec<_> = (0..4).map(|_| narrow(&server)).collect();
    for connection in &mut connections {
        request(connection, 6);
    }
    let until = Instant::now() + DEADLINE;
    while server.metric(SEND_BUFFERS) < 60_000.0 {
        assert!(Instant::now() < until, "{}", server.metric(SEND_BUFFERS));
        std::thread::yield_now();
    }
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    assert_eq!(server.metric(UNREAD), 4.0);
    server.await_metric(SEND_BUFFERS, 0.0);
    for mut connection in connections {
        // What the kernel had for it is gone.
        let error = connection.0.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn last_answers_that_are_not_read_have_their_place_until_they_are_given_up() {
    let server = Server::with(&[("server.write_timeout_ms", "3000")]);
    let mut connection = narrow(&server);
    request(&mut connection, 2);
    connection.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let until = Instant::now() + DEADLINE;
    while server.metric(SEND_BUFFERS) < 10_000.0 {
        assert!(Instant::now() < until, "{}", server.metric(SEND_BUFFERS));
        std::thread::yield_now();
    }
    assert_eq!(server.metric(HTTP_CONNECTIONS), 1.0);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    assert_eq!(server.metric(UNREAD), 1.0);
    server.await_metric(SEND_BUFFERS, 0.0);
    // One that reads them gets all of them, and its place is free at once.
    let mut connection = narrow(&server);
    request(&mut connection, 2);
    connection.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for _ in 0..3 {
        assert_eq!(connection.answer().status, 200);
    }
    assert!(connection.rest().is_empty());
    drop(connection);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    assert_eq!(server.metric(UNREAD), 1.0);
}

#[test]
fn answers_that_are_not_read_go_first_while_memory_is_short() {
    let server = Server::with(&[
        ("server.write_timeout_ms", "600000"),
        ("server.keep_alive_ms", "600000"),
        ("server.memory_bytes_max", "16777216"),
    ]);
    let mut connection = narrow(&server);
    request(&mut connection, 6);
    // One that has read all stays.
    let mut other = HttpConnection::open(&server);
    request(&mut other, 1);
    other.answer();
    server.await_metric(UNREAD, 1.0);
    server.await_metric(HTTP_CONNECTIONS, 1.0);
}

#[test]
fn slow_reader_that_reads_on_gets_all_answers() {
    let server = Server::with(&[("server.write_timeout_ms", "1000")]);
    let mut connection = narrow(&server);
    let count = 20;
    request(&mut connection, count);
    let mut one = HttpConnection::open(&server);
    request(&mut one, 1);
    let body = one.answer().text().len();
    let mut read = 0;
    let mut part = [0; 4_096];
    // Four times as fast as it has to be, and longer than the time limit.
    while read < count * body {
        read += connection.0.read(&mut part).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
    assert_eq!(server.metric(UNREAD), 0.0);
}
