//! Input that is not whole, or waits: heads and bodies of requests, WebSocket messages,
//! Socket.IO packets without their attachments, commands behind an identification.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::engineio::{Polling, websocket};
use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::{CONNECTIONS, HTTP_CONNECTIONS, limit_reached};
use turntable_testkit::websocket::connect_from;
use turntable_testkit::{Client, DEADLINE, Frame, Opcode, Server};

const CLOSED_RATE_LIMITED: &str = "turntable_connections_closed_total{name=\"rate_limited\"}";
const SOCKETIO: &str = "/socket.io/";

/// Room for four half-sent bodies of one address, in bytes. Each counts 32,768 at its
/// head and a few more with its first part; a bound near a multiple of this would refuse
/// one or two, by how those of two workers cross.
const BODIES_OF_ADDRESS: &str = "150000";
/// Room for nine of all addresses, in bytes.
const BODIES_OF_ALL: &str = "310000";

/// A server with the least bounds: 131,072 bytes for each address, twice that in all.
fn bounded() -> Server {
    Server::with(&[
        ("server.incomplete_bytes_per_address_max", "131072"),
        ("server.incomplete_bytes_max", "262144"),
    ])
}

fn of_address() -> String {
    limit_reached("server.incomplete_bytes_per_address_max")
}

fn of_all() -> String {
    limit_reached("server.incomplete_bytes_max")
}

/// Waits until a counter has at least this value.
fn await_at_least(server: &Server, metric: &str, value: f64) {
    let until = Instant::now() + DEADLINE;
    while server.metric(metric) < value {
        assert!(Instant::now() < until, "{metric} stays below {value}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A body of which a part was sent.
fn half_sent_body(server: &Server, bytes: usize) -> HttpConnection {
    let mut connection = HttpConnection::open(server);
    let sent = "x".repeat(bytes);
    connection.send(&format!(
        "POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{sent}"
    ));
    connection
}

#[test]
fn half_sent_bodies_of_one_address_are_bounded() {
    let server = Server::with(&[
        ("server.incomplete_bytes_per_address_max", BODIES_OF_ADDRESS),
        ("server.max_message_bytes", "60000"),
    ]);
    let reached = limit_reached("server.incomplete_bytes_per_address_max");
    let half_sent: Vec<HttpConnection> = (0..10).map(|_| half_sent_body(&server, 1)).collect();
    server.await_metric(&reached, 6.0);
    let answer = half_sent_body(&server, 1).answer();
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    let mut other = HttpConnection(connect_from(server.address, [127, 0, 0, 2]));
    other.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]");
    assert_eq!(other.answer().status, 200);
    drop((half_sent, other));
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let whole = half_sent_body(&server, 60_000).answer();
    assert_eq!(whole.error().1, "bad_json");
    assert_eq!(server.metric(&reached), 7.0);
}

#[test]
fn half_sent_bodies_of_one_client_behind_a_proxy_are_bounded() {
    let server = Server::with(&[
        ("server.incomplete_bytes_per_address_max", BODIES_OF_ADDRESS),
        ("server.incomplete_bytes_max", BODIES_OF_ALL),
        ("server.max_message_bytes", "60000"),
        ("server.trusted_proxies", "[\"127.0.0.1\"]"),
    ]);
    let half_sent = |client: &str| {
        let mut connection = HttpConnection::open(&server);
        connection.send(&format!(
            "POST /poll HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n\
             Content-Length: 60000\r\n\r\nx"
        ));
        connection
    };
    let _half_sent: Vec<HttpConnection> = (0..10).map(|_| half_sent("192.0.2.1")).collect();
    server.await_metric(&of_address(), 6.0);
    let answer = half_sent("192.0.2.1").answer();
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    // Others have room.
    let mut other = half_sent("192.0.2.2");
    other.send(&"x".repeat(59_999));
    assert_eq!(other.answer().error().1, "bad_json");
    assert_eq!(server.metric(&of_all()), 0.0);
}

#[test]
fn half_sent_bodies_of_all_addresses_are_bounded() {
    let server = Server::with(&[
        ("server.incomplete_bytes_per_address_max", BODIES_OF_ADDRESS),
        ("server.incomplete_bytes_max", BODIES_OF_ALL),
        ("server.max_message_bytes", "60000"),
    ]);
    let half_sent = |host: u8| {
        let mut connection = HttpConnection(connect_from(server.address, [127, 0, 1, host]));
        connection.send(
            "POST /tunnel/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n[",
        );
        connection
    };
    let reached = limit_reached("server.incomplete_bytes_max");
    let unfinished: Vec<HttpConnection> = (1..=12).map(half_sent).collect();
    server.await_metric(&reached, 4.0);
    let answer = half_sent(13).answer();
    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    drop(unfinished);
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let mut whole = HttpConnection(connect_from(server.address, [127, 0, 1, 14]));
    whole.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]");
    assert_eq!(whole.answer().status, 200);
}

#[test]
fn half_sent_bodies_are_charged_to_their_address() {
    let rate = ("limits.address_bytes", "{ per_second = 1, burst = 40000 }");
    let server = Server::with(&[rate]);
    let reached = limit_reached("limits.address_bytes");
    let _half_sent: Vec<HttpConnection> = (0..2).map(|_| half_sent_body(&server, 30_000)).collect();
    let until = Instant::now() + DEADLINE;
    while server.metric(&reached) == 0.0 {
        assert!(
            Instant::now() < until,
            "what came of the bodies is not charged"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A head of 40,000 bytes without its end, for which 65,536 count.
fn half_sent_head(server: &Server, host: u8) -> HttpConnection {
    let mut connection = HttpConnection(connect_from(server.address, [127, 0, 1, host]));
    let filler = "x".repeat(39_900);
    connection.send(&format!(
        "GET /four/ HTTP/1.1\r\nHost: localhost\r\nX-Filler: {filler}"
    ));
    connection
}

fn is_served(server: &Server, host: u8) {
    let mut connection = HttpConnection(connect_from(server.address, [127, 0, 1, host]));
    connection.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(connection.answer().status, 200);
}

#[test]
fn half_sent_heads_of_one_address_are_bounded() {
    let server = bounded();
    let half_sent: Vec<HttpConnection> = (0..10).map(|_| half_sent_head(&server, 1)).collect();
    server.await_metric(&of_address(), 8.0);
    let answer = half_sent_head(&server, 1).answer();
    assert_eq!(answer.error(), (429, "too_many".to_owned()));
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    // A head that comes as a whole is served, and so is one of another address in parts.
    is_served(&server, 1);
    let mut other = half_sent_head(&server, 2);
    other.send("\r\n\r\n");
    assert_eq!(other.answer().status, 200);
    drop((half_sent, other));
    server.await_metric(HTTP_CONNECTIONS, 0.0);
    let mut again = half_sent_head(&server, 1);
    again.send("\r\n\r\n");
    assert_eq!(again.answer().status, 200);
    // The next head on the same connection counts anew.
    again.send("GET /four/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(again.answer().status, 200);
    assert_eq!(server.metric(&of_address()), 9.0);
}

#[test]
fn half_sent_heads_of_all_addresses_are_bounded() {
    let server = bounded();
    let _half_sent: Vec<HttpConnection> =
        (1..=10).map(|host| half_sent_head(&server, host)).collect();
    server.await_metric(&of_all(), 7.0);
    let answer = half_sent_head(&server, 11).answer();
    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    is_served(&server, 12);
}

#[test]
fn heads_bodies_and_messages_count_together() {
    let server = bounded();
    let _head = half_sent_head(&server, 1);
    let mut body = HttpConnection(connect_from(server.address, [127, 0, 1, 1]));
    body.send("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n[");
    let mut client = greeted(&server, 1);
    // 65,536 bytes, 32,768 and a few more, and as many: two of the three have room. They
    // come at different threads.
    client.send_raw(&Frame::fragment(Opcode::TEXT, vec![b' '; 33_000]).masked());
    await_at_least(&server, &of_address(), 1.0);
}

/// A client that identifies, from the address of this host.
fn greeted(server: &Server, host: u8) -> Client {
    let mut client = Client::greeted_from(server.address, [127, 0, 1, host]);
    client.identify(&format!("1:{host}"));
    client
}

/// 60,000 bytes of a message of 65,000.
fn half_sent_frame() -> Vec<u8> {
    let mut text = json!({"command": "time", "data": {"t0": 1}}).to_string();
    text.push_str(&" ".repeat(65_000 - text.len()));
    let mut bytes = Frame::text(&text).masked();
    bytes.truncate(60_000);
    bytes
}

/// The same in a whole fragment.
fn half_sent_message() -> Vec<u8> {
    Frame::fragment(Opcode::TEXT, vec![b' '; 60_000]).masked()
}

#[test]
fn half_sent_messages_of_one_address_are_bounded() {
    for half in [half_sent_frame(), half_sent_message()] {
        let server = bounded();
        let mut clients: Vec<Client> = (0..10).map(|_| greeted(&server, 1)).collect();
        for client in &mut clients {
            client.send_raw(&half);
        }
        // One or two have room, by how often their buffer grew.
        await_at_least(&server, &of_address(), 8.0);
        await_at_least(&server, CLOSED_RATE_LIMITED, 8.0);
        // Messages that come as a whole pass, and half messages of other addresses.
        let mut client = greeted(&server, 1);
        client.command("time", json!({"t0": 1}));
        client.expect("time");
        let mut other = greeted(&server, 2);
        other.send_raw(&half_sent_message());
        let rest = json!({"command": "time", "data": {"t0": 2}}).to_string();
        other.send_frame(&Frame::new(Opcode::CONTINUATION, rest.clone()));
        assert_eq!(other.expect("time")["t0"], 2);
        drop((client, clients, other));
        server.await_metric(CONNECTIONS, 0.0);
        let mut client = greeted(&server, 1);
        for _ in 0..2 {
            client.send_raw(&half_sent_message());
            client.send_frame(&Frame::new(Opcode::CONTINUATION, rest.clone()));
            client.expect("time");
        }
    }
}

#[test]
fn half_sent_messages_of_all_addresses_are_bounded() {
    let server = bounded();
    let mut clients: Vec<Client> = (1..=10).map(|host| greeted(&server, host)).collect();
    for client in &mut clients {
        client.send_raw(&half_sent_message());
    }
    await_at_least(&server, &of_all(), 6.0);
    let mut client = greeted(&server, 11);
    client.command("time", json!({"t0": 1}));
    client.expect("time");
}

fn time_command() -> Vec<u8> {
    Frame::text(&json!({"command": "time", "data": {"t0": 1}}).to_string()).masked()
}

/// Commands of 60,000 bytes together, which come at once.
fn pipelined() -> Vec<u8> {
    let time = time_command();
    time.repeat(60_000 / time.len())
}

#[test]
fn commands_that_wait_behind_claims_are_bounded() {
    // Nobody answers there.
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", backend.local_addr().unwrap());
    let server = Server::with(&[
        ("server.incomplete_bytes_per_address_max", "131072"),
        ("server.incomplete_bytes_max", "262144"),
        ("portal.checkers", r#"["http"]"#),
        ("portal.http.url", url.as_str()),
        ("portal.http.timeout_ms", "30000"),
        ("portal.checker_timeout_ms", "30000"),
    ]);
    let claim = json!({"command": "idme", "data": {"user": "1:1", "credentials": {"ticket": "x"}}});
    let mut input = Frame::text(&claim.to_string()).masked();
    input.extend(pipelined());
    let _clients: Vec<Client> = (0..10)
        .map(|_| {
            let mut client = Client::greeted_from(server.address, [127, 0, 1, 1]);
            client.send_raw(&input);
            client
        })
        .collect();
    // 60,000 bytes each, where they come in one read.
    await_at_least(&server, &of_address(), 4.0);
    await_at_least(&server, CLOSED_RATE_LIMITED, 4.0);
    assert_eq!(server.metric(&of_all()), 0.0);
}

#[test]
fn commands_that_had_their_turn_do_not_count() {
    let server = Server::with(&[
        ("server.incomplete_bytes_per_address_max", "131072"),
        ("limits.time", "{ per_second = 100000, burst = 100000 }"),
    ]);
    let mut client = greeted(&server, 1);
    let input = pipelined();
    for _ in 0..4 {
        client.send_raw(&input);
        for _ in 0..input.len() / time_command().len() {
            client.expect("time");
        }
    }
    assert_eq!(server.metric(&of_address()), 0.0);
}

/// A packet with two attachments, of which one follows.
const PACKET: &str = r#"452-["publish",{"channel":"a","data":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]}]"#;

/// A WebSocket of Socket.IO whose client has identified.
fn socketio(server: &Server) -> Client {
    let (mut client, _) = websocket(server.address, SOCKETIO);
    client.send_text(r#"40{"user":"1:1"}"#);
    assert!(client.text().starts_with("40{"));
    client
}

/// The code of the close frame behind what else comes.
fn close_code(client: &mut Client) -> Option<u16> {
    loop {
        let frame = client.frame();
        if frame.opcode == Opcode::CLOSE {
            return frame.close_code();
        }
    }
}

#[test]
fn missing_attachments_of_one_address_are_bounded() {
    let server = bounded();
    // 53,336 bytes each, as base64: two have room.
    let attachment = Frame::new(Opcode::BINARY, vec![0; 40_000]);
    let mut clients: Vec<Client> = (0..4).map(|_| socketio(&server)).collect();
    for client in &mut clients {
        client.send_text(PACKET);
        client.send_frame(&attachment);
    }
    server.await_metric(&of_address(), 2.0);
    let mut client = socketio(&server);
    client.send_text(PACKET);
    client.send_frame(&attachment);
    assert_eq!(close_code(&mut client), Some(4007));
    drop((client, clients));
    server.await_metric(CONNECTIONS, 0.0);
    // Over polling what is not whole is retained between requests.
    // The body of a request counts as it comes, with its buffer.
    let base64 = format!("b{}", "A".repeat(40_000));
    let polling = || {
        let polling = Polling::open(server.address, SOCKETIO);
        polling.push(&[r#"40{"user":"1:1"}"#]);
        let response = polling.post(&format!("{PACKET}\x1e{base64}"));
        (response.status, polling)
    };
    let [first, second, third] = [polling(), polling(), polling()];
    assert_eq!([first.0, second.0, third.0], [200, 200, 400]);
    // The rest of the first makes room.
    first.1.push(&["bAQIDBA=="]);
    assert_eq!(polling().0, 200);
}

#[test]
fn attachments_are_not_awaited_although_pings_are_answered() {
    let server = Server::with(&[
        ("session.heartbeat_ms", "600"),
        ("socketio.ping_interval_ms", "200"),
        ("socketio.ping_timeout_ms", "200"),
    ]);
    let mut client = socketio(&server);
    // The timer of one that is whole does not end the next.
    for _ in 0..2 {
        client.send_text(PACKET);
        client.send_frame(&Frame::new(Opcode::BINARY, vec![1]));
        client.send_frame(&Frame::new(Opcode::BINARY, vec![2]));
    }
    client.send_text(PACKET);
    let start = Instant::now();
    let close = loop {
        let frame = client.frame();
        match frame.payload.as_slice() {
            b"2" => client.send_text("3"),
            _ if frame.opcode == Opcode::CLOSE => break frame,
            _ => {}
        }
    };
    assert_eq!(close.close_code(), Some(4008), "{close:?}");
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[test]
fn attachments_are_not_awaited_between_polls() {
    let server = Server::with(&[("session.heartbeat_ms", "300")]);
    let polling = Polling::open(server.address, SOCKETIO);
    polling.push(&[r#"40{"user":"1:1"}"#]);
    polling.push(&[PACKET]);
    server.await_metric(CONNECTIONS, 0.0);
    assert_eq!(polling.get().status, 400);
}
