//! Requests that come before the answer to the one before, and answers that nobody
//! reads.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::HTTP_CONNECTIONS;
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Frame, Opcode, Server, poll};

/// Requests whose answers nobody reads, until the server takes no more.
fn pipeline(connection: &mut HttpConnection, target: &str, most: usize) -> usize {
    let text = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(100);
    connection.0.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut blocked = None;
    while sent < most {
        match connection.0.write(text.as_bytes()) {
            Ok(count) => {
                sent += count;
                blocked = None;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let since = *blocked.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_millis(300) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn answers_that_are_not_read_take_no_memory_and_are_given_up() {
    let server = Server::with(&[("server.write_timeout_ms", "1500")]);
    // The first ones make pages of the program resident.
    pipeline(&mut HttpConnection::open(&server), "/turntable.js", 400_000);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let before = server.resident_bytes();
    let mut connections: Vec<HttpConnection> =
        (0..8).map(|_| HttpConnection::open(&server)).collect();
    for connection in &mut connections {
        pipeline(connection, "/turntable.js", 4_000_000);
    }
    let used = server.resident_bytes().saturating_sub(before);
    // Two megabytes for each: one answer, one head and what allocators leave.
    assert!(used < 16_000_000, "{used} bytes more");
    server.await_metric(HTTP_CONNECTIONS, 0.0);
}

#[test]
fn silent_pipeline_takes_no_processor_time() {
    let server = Server::with(&[("session.heartbeat_ms", "500")]);
    let id = server_engine_id(&server);
    // Answers that are not read, and a request that waits with more behind it.
    let mut unread = HttpConnection::open(&server);
    pipeline(&mut unread, "/turntable.js", 400_000);
    let mut waiting = HttpConnection::open(&server);
    waiting.send(&format!(
        "GET /socket.io/?EIO=4&transport=polling&sid={id} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ));
    pipeline(&mut waiting, "/", 400_000);
    // The server pings a client that is silent: two pings take a second. What was sent is
    // worked off in the first of them; a connection that is polled in vain would use all.
    let mut silent = server.user("1:1");
    let mut used_of_a_second = || {
        let (begun, before) = (Instant::now(), server.processor_ms());
        for _ in 0..2 {
            let ping = silent.frame();
            assert_eq!(ping.opcode, Opcode::PING);
            silent.send_frame(&Frame::new(Opcode::PONG, ping.payload));
        }
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(900), "{waited:?}");
        u128::from(server.processor_ms() - before) * 1000 / waited.as_millis()
    };
    let is_silent = |used: &Vec<u128>| used.last().is_some_and(|ms| *ms < 200);
    let mut used = Vec::new();
    while !is_silent(&used) && used.len() < 8 {
        used.push(used_of_a_second());
    }
    assert!(
        is_silent(&used),
        "{used:?} ms of processor time in seconds of silence"
    );
}

/// The id of a session of Engine.IO whose next poll waits for its ping.
fn server_engine_id(server: &Server) -> String {
    let opened = server.get("/socket.io/?EIO=4&transport=polling");
    let text = opened.text().strip_prefix('0').unwrap().to_owned();
    let open: serde_json::Value = serde_json::from_str(&text).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut connection = HttpConnection::open(&server);
    let mut text = String::new();
    for number in 0..50 {
        let body = json!([poll::call("$av:time", json!({"t0": number}), number)]).to_string();
        text.push_str(&format!(
            "POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        if number % 10 == 0 {
            text.push_str("GET /turntable.js HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
    }
    // The sessions do not identify, and there are more of them than one connection
    // may have.
    connection.send(&text);
    let mut refused = 0;
    for number in 0..50 {
        let answer = connection.answer();
        if answer.status == 429 {
            refused += 1;
        } else {
            let entries = poll::entries(&answer);
            assert_eq!(poll::result(&entries, number)["t0"], number);
        }
        if number % 10 == 0 {
            assert_eq!(connection.answer().status, 200);
        }
    }
    assert_eq!(refused, 50 - 16);
}

#[test]
fn pipelined_bodies_never_end_the_connection() {
    let server = Server::start();
    let mut listener = server.user("1:1");
    listener.request("joinchannel", json!({"channel": "talk"}));
    let opened = poll::post(
        &server,
        "/poll",
        "",
        &json!([poll::call("$av:idme", json!("1:2"), 1)]).to_string(),
    );
    let session = opened.header("Turntable-Session").unwrap().to_owned();
    let mut connection = HttpConnection::open(&server);
    let mut text = String::new();
    for number in 0..40 {
        let publish = json!({"channel": "talk", "data": number});
        // The bodies end anywhere in what the server reads at a time.
        let padding = " ".repeat(number * 97);
        let body = format!("[{}{padding}]", poll::call("$av:publish", publish, number));
        text.push_str(&format!(
            "POST /poll HTTP/1.1\r\nHost: localhost\r\nTurntable-Session: {session}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    connection.send(&text);
    for number in 0..40 {
        let answer = connection.answer();
        assert_eq!(answer.status, 200, "{number}: {}", answer.text());
        assert_eq!(answer.header("Connection"), None, "{number}");
        assert_eq!(listener.expect("message")["data"], number);
    }
    listener.expect_none();
}

#[test]
fn answer_has_nothing_of_a_later_request() {
    let server = Server::start();
    let first = "GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for second in [
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n".to_owned(),
        handshake("/ws", ""),
    ] {
        let mut connection = HttpConnection::open(&server);
        connection.send(&format!("{first}{second}"));
        let answer = connection.answer();
        assert_eq!(
            (answer.status, answer.header("Connection")),
            (200, None),
            "{second}"
        );
    }
}

#[test]
fn nothing_follows_a_request_with_a_body_in_chunks() {
    let server = Server::start();
    let mut listener = server.user("1:1");
    listener.request("joinchannel", json!({"channel": "talk"}));
    let mut connection = HttpConnection::open(&server);
    let publish = |data: &str| {
        let publish = json!({"channel": "talk", "data": data});
        json!([
            poll::call("$av:idme", json!("1:2"), 1),
            poll::call("$av:publish", publish, 2)
        ])
        .to_string()
    };
    let (first, second) = (publish("first"), publish("second"));
    connection.send(&format!(
        "POST /poll HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n0\r\n\r\n\
         POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{second}",
        first.len(),
        second.len(),
    ));
    let answer = connection.answer();
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (200, Some("close"))
    );
    connection.rest();
    assert_eq!(listener.expect("message")["data"], "first");
    listener.expect_none();
}

#[test]
fn request_before_an_upgrade_is_answered() {
    let server = Server::start();
    let mut connection = HttpConnection::open(&server);
    let page = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.send(&format!("{page}{}", handshake("/ws", "")));
    assert_eq!(connection.answer().status, 404);
    let mut status = [0; 12];
    connection.0.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
}

#[test]
fn requests_behind_the_last_byte_of_a_body_do_not_pile_up() {
    let server = Server::start();
    pipeline(&mut HttpConnection::open(&server), "/turntable.js", 400_000);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let before = server.resident_bytes();
    let mut connections: Vec<HttpConnection> =
        (0..8).map(|_| HttpConnection::open(&server)).collect();
    for connection in &mut connections {
        connection.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[");
        connection.send(&format!(
            "        ]{}",
            "GET /x HTTP/1.1\r\nHost:a\r\n\r\n".repeat(4_000)
        ));
    }
    assert_eq!(connections[0].answer().status, 200);
    let used = server.resident_bytes().saturating_sub(before);
    assert!(used < 8_000_000, "{used} bytes more");
}
