//! Plain HTTP in front of everything: connections that send little, read nothing
//! or come in masses.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::metric::{HTTP_CONNECTIONS, SESSIONS};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, DEADLINE, Response, Server, http, poll, request};

/// A connection on which requests are written by hand.
#[derive(Debug)]
pub(crate) struct Kept(TcpStream);

impl Kept {
    pub(crate) fn open(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Reads one answer, which has a length.
    pub(crate) fn answer(&mut self) -> Response {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            bytes.extend_from_slice(&byte);
        }
        let head = Response::parse(&bytes);
        let length = head.header("Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Response::parse(&[bytes, body].concat())
    }

    /// Reads until the server closes.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} instead of the end of the connection"),
        }
        rest
    }
}

const HEALTH: &str = "/health/live";

#[test]
fn half_sent_body_is_answered_in_time() {
    let server = Server::with(&[("server.body_timeout_ms", "200")]);
    for target in ["/poll", "/tunnel/send"] {
        let text =
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[");
        let answer = request(server.address, &text);
        assert_eq!(answer.error(), (408, "timeout".to_owned()), "{target}");
    }
}

#[test]
fn half_sent_head_is_closed_in_time_on_a_kept_connection_too() {
    let server = Server::with(&[("server.head_timeout_ms", "500")]);
    let mut first = Kept::open(&server);
    first.send("GET / HT");
    let answer = Response::parse(&first.rest());
    assert_eq!(answer.error(), (408, "timeout".to_owned()));
    let mut kept = Kept::open(&server);
    kept.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(kept.answer().status, 200);
    // Byte by byte: none of them gives it more time.
    let start = Instant::now();
    for byte in "GET / HTTP/1.1\r\n".chars().cycle() {
        if kept.0.write_all(byte.to_string().as_bytes()).is_err() {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "the connection is never closed");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.await_metric(HTTP_CONNECTIONS, 0.0);
}

#[test]
fn connection_is_kept_for_another_request_as_long_as_configured() {
    let server = Server::with(&[
        ("server.keep_alive_ms", "1500"),
        ("server.head_timeout_ms", "300"),
    ]);
    let mut kept = Kept::open(&server);
    kept.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(kept.answer().status, 200);
    std::thread::sleep(Duration::from_millis(700));
    kept.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(kept.answer().status, 200);
    assert_eq!(kept.rest(), b"", "it is closed without an answer");
}

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
fn body_without_an_end_is_cut_off_wherever_it_goes() {
    let server = Server::start();
    for target in ["/poll", "/nowhere"] {
        for endless in ["1\r\na\r\n", "1;aaaaaaaaaaaa", "0000000"] {
            let mut connection = Kept::open(&server);
            connection.send(&format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            ));
            let part = if endless.starts_with("1;") {
                "1;aaa"
            } else {
                ""
            };
            connection.send(part);
            let text = endless.trim_start_matches("1;").repeat(1_000);
            let mut sent = 0;
            while connection.0.write_all(text.as_bytes()).is_ok() {
                sent += text.len();
                assert!(sent < 50_000_000, "{target} {endless:?} has no end");
            }
        }
    }
    server.await_metric(HTTP_CONNECTIONS, 0.0);
}

#[test]
fn one_address_does_not_take_all_places() {
    let server = Server::limited_to_files(400);
    let mut idle = Vec::new();
    for _ in 0..400 {
        let mut connection = Kept::open(&server);
        let _ = connection.0.write_all(b"GET / HT");
        idle.push(connection);
    }
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from: std::net::SocketAddr = ([127, 0, 0, 2], 0).into();
    other.bind(&from.into()).unwrap();
    other.connect(&server.address.into()).unwrap();
    let mut other = Kept(other.into());
    other.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(other.answer().status, 200);
}

#[test]
fn connections_count_from_their_first_byte_on() {
    let server = Server::with(&[("server.connections_per_address_max", "3")]);
    let mut half: Vec<Kept> = (0..3).map(|_| Kept::open(&server)).collect();
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
        let mut connection = Kept::open(&server);
        let _ = connection.0.write_all(b"GET / HT");
        idle.push(connection);
    }
    assert_eq!(server.manage(HEALTH).status, 200);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    drop(idle);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    server.user("1:1").expect_nothing_pending();
}

/// Requests whose answers nobody reads, until the server takes no more.
fn pipeline(connection: &mut Kept, target: &str, most: usize) -> usize {
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
    pipeline(&mut Kept::open(&server), "/turntable.js", 400_000);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let before = server.resident_bytes();
    let mut connections: Vec<Kept> = (0..8).map(|_| Kept::open(&server)).collect();
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
    let server = Server::start();
    let id = server_engine_id(&server);
    // Answers that are not read, and a request that waits with more behind it.
    let mut unread = Kept::open(&server);
    pipeline(&mut unread, "/turntable.js", 400_000);
    let mut waiting = Kept::open(&server);
    waiting.send(&format!(
        "GET /socket.io/?EIO=4&transport=polling&sid={id} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ));
    pipeline(&mut waiting, "/", 400_000);
    let before = server.processor_ms();
    std::thread::sleep(Duration::from_millis(1_000));
    let used = server.processor_ms() - before;
    assert!(
        used < 200,
        "{used} ms of processor time in a second of silence"
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
    let mut connection = Kept::open(&server);
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
    let mut connection = Kept::open(&server);
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
        let mut connection = Kept::open(&server);
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
    let mut connection = Kept::open(&server);
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
    let mut connection = Kept::open(&server);
    let page = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.send(&format!("{page}{}", handshake("/ws", "")));
    assert_eq!(connection.answer().status, 404);
    let mut status = [0; 12];
    connection.0.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
}

#[test]
fn unidentified_polls_of_one_connection_do_not_lock_its_address_out() {
    let server = Server::with(&[("poll.unidentified_max", "5")]);
    let mut connection = Kept::open(&server);
    let empty = "POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]";
    for _ in 0..5 {
        connection.send(empty);
        assert_eq!(connection.answer().status, 200);
    }
    for _ in 0..100 {
        connection.send(empty);
        assert_eq!(connection.answer().error(), (429, "too_many".to_owned()));
    }
    server.user("1:1").expect_nothing_pending();
    assert_eq!(poll::post(&server, "/poll", "", "[]").status, 200);
}

#[test]
fn unidentified_connections_of_an_address_are_few_and_gone_soon() {
    let server = Server::with(&[
        ("session.unidentified_per_address_max", "4"),
        ("session.identify_timeout_ms", "400"),
    ]);
    let known = server.user("1:1");
    let waiting: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    assert_eq!(poll::post(&server, "/poll", "", "[]").status, 200);
    let answer = request(server.address, &handshake("/ws", ""));
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    drop(waiting);
    // The poll is gone as soon as another connection would be.
    server.await_metric("turntable_connections", 1.0);
    server.user("1:2").expect_nothing_pending();
    drop(known);
}

#[test]
fn sessions_of_one_address_begin_at_a_rate() {
    let server = Server::with(&[
        ("limits.session.burst", "3"),
        ("limits.session.per_second", "1"),
    ]);
    let users: Vec<Client> = ["1:1", "1:2", "1:3"].map(|id| server.user(id)).into();
    let mut late = server.connect();
    late.send(json!({"command": "idme", "data": "1:4", "id": 4}));
    let error = late.expect_error("rate_limited");
    assert_eq!(
        (&error["id"], &error["data"]["command"]),
        (&json!(4), &json!("idme"))
    );
    let wait = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    late.expect_none_for(Duration::from_millis(wait));
    late.identify("1:4");
    assert_eq!(server.metric(SESSIONS), 4.0);
    drop(users);
}

#[test]
fn client_behind_a_trusted_proxy_is_counted_by_its_own_address() {
    let server = Server::with(&[
        ("server.trusted_proxies", "[\"127.0.0.0/8\"]"),
        ("server.connections_per_address_max", "2"),
    ]);
    let open = |from: &str| {
        let text = handshake("/ws", &format!("X-Forwarded-For: 6.6.6.6, {from}\r\n"));
        Kept::open_upgrade(&server, &text)
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
        Kept::open_upgrade(&server, &text)
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
        Kept::open_upgrade_bytes(&server, &bytes)
    };
    let _first = open(1).unwrap();
    assert_eq!(open(1).unwrap_err(), 429);
    let _other = open(2).unwrap();
    // Without its header a proxy's connection is closed.
    let mut bare = Kept::open(&server);
    bare.send(&http::text(server.address, "GET", "/", "", ""));
    assert!(bare.rest().is_empty());
}

impl Kept {
    fn open_upgrade(server: &Server, text: &str) -> Result<Self, u16> {
        Self::open_upgrade_bytes(server, text.as_bytes())
    }

    /// A WebSocket, or the status of its refusal.
    fn open_upgrade_bytes(server: &Server, bytes: &[u8]) -> Result<Self, u16> {
        let mut connection = Self::open(server);
        connection.0.write_all(bytes).unwrap();
        let mut status = [0; 12];
        connection.0.read_exact(&mut status).unwrap();
        let status = std::str::from_utf8(&status[9..]).unwrap().parse().unwrap();
        if status == 101 {
            Ok(connection)
        } else {
            Err(status)
        }
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

#[test]
fn requests_behind_the_last_byte_of_a_body_do_not_pile_up() {
    let server = Server::start();
    pipeline(&mut Kept::open(&server), "/turntable.js", 400_000);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let before = server.resident_bytes();
    let mut connections: Vec<Kept> = (0..8).map(|_| Kept::open(&server)).collect();
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
