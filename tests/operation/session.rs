//! `session` of the management listener: which sessions there are, what is known of one, and
//! the end of one.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use turntable_testkit::poll::PollClient;
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Server, channel, room};

/// The number of the only session of a user.
fn number(server: &Server, user: &str) -> Value {
    let sessions = server.rpc("user/getSessions", &json!({"userId": user}));
    sessions.json()[0]["session"].clone()
}

fn list(server: &Server, arguments: Value) -> Value {
    server.rpc("session/listAll", &arguments).json()
}

fn users(list: &Value) -> Vec<&str> {
    let sessions = list["sessions"].as_array().unwrap().iter();
    sessions
        .map(|session| session["user"].as_str().unwrap())
        .collect()
}

fn get(server: &Server, number: &Value) -> Value {
    server
        .rpc("session/get", &json!({"session": number}))
        .json()
}

fn busy_client(server: &Server) -> Client {
    let mut client = server.user("1:1");
    client.subscribe(&["1:7", "1:8"]);
    channel::join_with_subpaths(&mut client, "news");
    room::join(&mut client, "table", "1:1");
    client
}

#[test]
fn sessions_come_page_by_page() {
    let server = Server::with(&[("management.list_max", "3"), ("server.workers", "2")]);
    let _clients: Vec<_> = (1..=5).map(|n| server.user(&format!("1:{n}"))).collect();
    let all = server.rpc("session/listAll", &json!({}));
    assert_eq!(all.error(), (413, "too_large".to_owned()), "{}", all.text());
    let first = list(&server, json!({"limit": 3}));
    let next = first["next"].clone();
    assert_eq!(first["sessions"][2]["session"], next);
    let rest = list(&server, json!({"limit": 3, "after": next}));
    assert_eq!(rest.get("next"), None, "{rest}");
    let mut all = [users(&first), users(&rest)].concat();
    all.sort_unstable();
    assert_eq!(all, ["1:1", "1:2", "1:3", "1:4", "1:5"]);
    let path = format!("/session/listAll/3/{}", next.as_str().unwrap());
    assert_eq!(server.manage(&path).json(), rest);
}

#[test]
fn those_that_send_the_most_come_first() {
    let server = Server::with(&[("server.workers", "2")]);
    let mut clients: Vec<_> = (1..=3).map(|n| server.user(&format!("1:{n}"))).collect();
    for _ in 0..3 {
        clients[1].request("lookup", json!([]));
    }
    clients[2].request(
        "lookup",
        json!(["1:1", "1:2", "1:3", "1:4", "1:5", "1:6", "1:7", "1:8"]),
    );
    clients[2].request(
        "lookup",
        json!(["1:1", "1:2", "1:3", "1:4", "1:5", "1:6", "1:7", "1:8"]),
    );
    let most = list(&server, json!({"order": "messages", "limit": 1}));
    assert_eq!(users(&most), ["1:2"], "{most}");
    assert_eq!(most["sessions"][0]["received"], 3);
    let most = list(&server, json!({"order": "bytes", "limit": 2}));
    assert_eq!(users(&most), ["1:3", "1:2"], "{most}");
    let most = list(&server, json!({"order": "queue"}));
    assert_eq!(users(&most).len(), 3);
    for wrong in [
        json!({"order": "age"}),
        json!({"order": "queue", "after": "0000000000000000"}),
        json!({"after": "1:1"}),
        json!({"limit": 0}),
    ] {
        let answer = server.rpc("session/listAll", &wrong);
        assert_eq!(answer.error(), (400, "bad_message".to_owned()), "{wrong}");
    }
}

#[test]
fn report_shows_what_a_session_does() {
    let server = Server::start();
    let _client = busy_client(&server);
    let number = number(&server, "1:1");
    let report = get(&server, &number);
    assert_eq!(report["user"], "1:1");
    assert_eq!(report["state"], "connected");
    assert_eq!(report["transport"], "websocket");
    assert_eq!(report["address"], "127.0.0.1");
    assert_eq!(report["watching"], 2);
    assert_eq!(report["rooms"], json!(["table"]));
    assert_eq!(
        report["channels"],
        json!([{"channel": "news", "subpaths": true}])
    );
    assert_eq!(report["subscriptions"], 4);
    assert_eq!(report["received"], 3);
    assert_eq!(
        report["recent_commands"],
        json!(["joingame", "joinchannel", "subscribe"])
    );
    assert_eq!(report["queue"]["bytes"], 0);
    assert_eq!(report["queue"]["bytes_max"], 1_048_576);
    assert!(report["queue"]["retained"].as_u64() >= Some(3), "{report}");
    let kernel_ms = report["round_trip"]["kernel_ms"].as_f64();
    assert!(kernel_ms.is_some_and(|ms| ms > 0.0), "{report}");
    let since_ms = report["since_ms"].as_f64().unwrap();
    assert!((room::unix_ms() - since_ms).abs() < 60_000.0, "{report}");
}

#[test]
fn session_without_a_connection_is_shown_as_one() {
    let server = Server::start();
    let client = busy_client(&server);
    let number = number(&server, "1:1");
    drop(client);
    let report = loop {
        let report = get(&server, &number);
        if report["state"] == "detached" {
            break report;
        }
    };
    assert_eq!(report.get("transport"), None, "{report}");
    assert!(report["detached_ms"].as_u64() >= report["since_ms"].as_u64());
}

#[test]
fn one_session_of_a_user_is_closed_and_the_other_goes_on() {
    let server = Server::with(&[("server.workers", "2")]);
    let mut client = server.user("1:1");
    let closed = number(&server, "1:1");
    let other = PollClient::user(&server, "1:1");
    let close = json!({"session": closed, "reason": "spam"});
    assert_eq!(server.rpc("session/close", &close).json(), true);
    let error = client.expect_error("forbidden");
    assert_eq!(error["data"]["message"], "spam");
    client.expect_close(4005);
    let left = server
        .rpc("user/getSessions", &json!({"userId": "1:1"}))
        .json();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_ne!(left[0]["session"], closed);
    other.send("", "[]");
    let log = server.await_log("session/close session=");
    assert!(log.contains("reason=\"spam\""), "{log}");
}

#[test]
fn closed_session_is_over_at_once_though_its_client_reads_nothing() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut publisher = server.user("1:1");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(32_768).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
    let mut stalled = Client::after_handshake(stream);
    stalled.expect("idyou");
    stalled.identify("2:1");
    channel::join(&mut stalled, "busy");
    let closed = number(&server, "2:1");
    // The kernel takes no more for it.
    while get(&server, &closed)["queue"]["bytes"] == 0 {
        channel::publish(&mut publisher, "busy", json!("x".repeat(30_000)));
    }
    let answer = server.rpc("session/close", &json!({"session": closed}));
    assert_eq!(answer.json(), true, "{}", answer.text());
    let sessions = server.rpc("user/getSessions", &json!({"userId": "2:1"}));
    assert_eq!(sessions.json(), json!([]));
    let ended = server.rpc("session/getEnded", &json!({"userId": "2:1"}));
    assert_eq!(ended.json()["sessions"][0]["cause"], "operator");
    let again = server.rpc("session/close", &json!({"session": closed}));
    assert_eq!(again.error(), (404, "not_found".to_owned()));
    // Its connection ends, though the client neither reads the close frame nor closes.
    server.await_metric("turntable_connections", 1.0);
    drop(stalled);
}

#[test]
fn unknown_sessions_are_not_found_and_wrong_numbers_are_refused() {
    let server = Server::start();
    for method in ["session/get", "session/close"] {
        let unknown = server.rpc(method, &json!({"session": "0123456789abcdef"}));
        assert_eq!(unknown.error(), (404, "not_found".to_owned()), "{method}");
        for wrong in [json!("1:1"), json!(7), json!("0123456789abcdeg")] {
            let answer = server.rpc(method, &json!({"session": wrong}));
            assert_eq!(
                answer.error(),
                (400, "bad_message".to_owned()),
                "{method} {wrong}"
            );
        }
        let wrong = server.rpc(method, &json!({"session": []}));
        assert_eq!(wrong.error(), (400, "bad_message".to_owned()), "{method}");
    }
}
