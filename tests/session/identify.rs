//! Identification: `idyou`, the claim (`idme`), and commands before it.

use serde_json::json;
use turntable_testkit::metric::{CLOSED_NOT_IDENTIFIED, CONNECTIONS, SESSIONS};
use turntable_testkit::session::resume;
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Frame, Server};

#[test]
fn server_sends_exactly_idyou_first() {
    let server = Server::start();
    let mut client = Client::open(server.address, "/ws");
    let frame = client.frame();
    assert_eq!(frame, Frame::text(r#"{"command":"idyou","data":{}}"#));
    client.expect_none();
}

#[test]
fn string_claim_is_welcomed() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(json!({"command": "idme", "data": "1:12345", "id": 7}));
    let message = client.next();
    assert_eq!(message["command"], "welcome");
    assert_eq!(message["id"], 7);
    let welcome = &message["data"];
    assert_eq!(welcome["user"], "1:12345");
    assert_eq!(welcome["resumed"], false);
    assert_eq!(welcome["session"].as_str().unwrap().len(), 22);
    assert_eq!(welcome["heartbeat_ms"], 25_000);
    assert!(welcome["time"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(welcome["limits"].is_object() && welcome["attributes"].is_object());
}

#[test]
fn trusted_claims_are_a_warning_once() {
    let server = Server::start();
    let mut client = server.connect();
    let welcome = client.identify("1:1");
    let warnings = welcome["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{welcome}");
    assert!(warnings[0].as_str().unwrap().contains("portal.checkers"));
    assert_eq!(client.identify("1:1")["warnings"], json!(null));
    let (_resumed, answer) = resume(&server, &welcome["session"], 0);
    assert_eq!(answer["data"]["resumed"], true);
    assert_eq!(answer["data"]["warnings"], json!(null));
    // The operator has it in the log, once.
    let log = server.await_log("portal.checkers");
    assert_eq!(log.matches("portal.checkers").count(), 1, "{log}");
}

#[test]
fn object_claim_sets_attributes() {
    let server = Server::start();
    let mut client = server.connect();
    let data = json!({"user": "fb:mel", "attributes": {"name": "Mel"}});
    client.command("idme", data);
    let welcome = client.expect("welcome");
    assert_eq!(welcome["user"], "fb:mel");
    assert_eq!(welcome["attributes"], json!({"name": "Mel"}));
}

#[test]
fn every_session_has_its_own_secret() {
    let server = Server::start();
    let mut secrets: Vec<String> = (0..20)
        .map(|_| server.connect().identify("1:1")["session"].to_string())
        .collect();
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 20);
}

#[test]
fn other_commands_require_identification() {
    let server = Server::start();
    let mut client = server.connect();
    let commands = [
        ("subscribe", json!(["1:1"])),
        ("unsubscribe", json!(["1:1"])),
        ("status", json!("busy")),
        ("joingame", json!({"channel": "CStrike", "self": "1:1"})),
        ("leavegame", json!({"channel": "CStrike"})),
        ("game", json!({"channel": "CStrike", "actions": []})),
        ("declineinvite", json!({"channel": "CStrike"})),
        ("joinchannel", json!({"channel": "chat"})),
        ("leavechannel", json!({"channel": "chat"})),
        ("publish", json!({"channel": "chat", "data": 1})),
        ("call", json!({"f": "forum:createPost", "args": 1})),
        ("set", json!({"name": "Mel"})),
        ("provide", json!({"services": {}})),
        ("lookup", json!(["1:1"])),
        ("authenticate", json!({"credentials": {}})),
        ("block", json!({})),
    ];
    for (command, data) in commands {
        client.send(json!({"command": command, "data": data, "id": command}));
        let error = client.expect_error("not_identified");
        assert_eq!(error["id"], command);
        assert_eq!(error["data"]["command"], command);
    }
    client.identify("1:1");
}

#[test]
fn functions_of_an_ordinary_user_are_its_own() {
    let server = Server::start();
    let mut client = server.user("1:1");
    let offer = json!({"services": {"chat": ["sendMessage"]}});
    client.send(json!({"command": "provide", "data": offer, "id": 7}));
    let answer = client.expect("reply");
    assert_eq!(answer, json!({"services": [], "own": ["chat"]}));
}

#[test]
fn time_needs_no_identification() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(json!({"command": "time", "data": {"t0": 10223232.25}, "id": "a"}));
    let message = client.next();
    assert_eq!(
        (&message["command"], &message["id"]),
        (&json!("time"), &json!("a"))
    );
    assert_eq!(message["data"]["t0"], 10223232.25, "unchanged");
    assert!(message["data"]["t1"].as_u64() <= message["data"]["t2"].as_u64());
}

#[test]
fn commands_in_same_segment_run_after_claim() {
    let server = Server::start();
    let mut client = server.connect();
    let mut bytes = Frame::text(r#"{"command":"idme","data":"1:1"}"#).masked();
    for id in 0..50 {
        let text = json!({"command": "subscribe", "data": [format!("2:{id}")]}).to_string();
        bytes.extend(Frame::text(&text).masked());
    }
    bytes.extend(Frame::text(r#"{"command":"time","data":{"t0":1}}"#).masked());
    client.send_raw(&bytes);
    client.expect("welcome");
    let mut seen = 0;
    loop {
        let message = client.next();
        match message["command"].as_str().unwrap() {
            "userchange" => seen += message["data"].as_object().unwrap().len(),
            "time" => {}
            other => panic!("{other}"),
        }
        if seen == 50 {
            break;
        }
    }
}

#[test]
fn claim_in_handshake_segment_is_accepted() {
    let server = Server::start();
    let mut bytes = handshake("/ws", "").into_bytes();
    bytes.extend(Frame::text(r#"{"command":"idme","data":"1:1"}"#).masked());
    bytes.extend(Frame::text(r#"{"command":"lookup","data":[],"id":1}"#).masked());
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut stream, &bytes).unwrap();
    let mut client = Client::after_handshake(stream);
    client.expect("idyou");
    assert_eq!(client.expect("welcome")["user"], "1:1");
    assert_eq!(client.expect("reply"), json!({}));
}

#[test]
fn malformed_id_is_refused_and_valid_one_accepted_afterwards() {
    let server = Server::start();
    let mut client = server.connect();
    let long = format!("1:{}", "x".repeat(129));
    for wrong in [
        "", "12345", ":1", "1:", "a b:1", "1:a b", "1:\u{7}", "ä:1", &long,
    ] {
        client.send(json!({"command": "idme", "data": wrong, "id": wrong.len()}));
        let error = client.expect_error("invalid_id");
        assert_eq!(error["id"], wrong.len());
    }
    for wrong in [
        json!(12345),
        json!(null),
        json!(["1:1"]),
        json!({"user": 1}),
    ] {
        client.command("idme", wrong);
        client.expect_error("bad_message");
    }
    client.identify("1:Zoë:2");
}

#[test]
fn same_claim_again_is_accepted_and_another_is_forbidden() {
    let server = Server::start();
    let mut client = server.connect();
    let first = client.identify("1:1");
    let again = client.identify("1:1");
    assert_eq!(first["session"], again["session"]);
    client.command("idme", json!("1:2"));
    client.expect_error("forbidden");
    let mut friend = server.user("2:2");
    assert_eq!(
        friend.subscribe(&["1:1", "1:2"]),
        json!({"1:1": "online", "1:2": "offline"})
    );
}

#[test]
fn unidentified_connection_is_closed_after_timeout() {
    let server = Server::with(&[("session.identify_timeout_ms", "300")]);
    let start = std::time::Instant::now();
    let mut client = server.connect();
    // Other commands do not extend the time.
    client.command("time", json!({"t0": 1}));
    client.expect("time");
    client.expect_close(4001);
    assert!(start.elapsed().as_millis() >= 300);
    assert_eq!(server.metric(CLOSED_NOT_IDENTIFIED), 1.0);
}

#[test]
fn identified_connection_is_not_closed_by_identify_timeout() {
    let server = Server::with(&[("session.identify_timeout_ms", "100")]);
    let mut client = server.user("1:1");
    // Waits for the timeout of a connection that was opened later.
    server.connect().expect_close(4001);
    client.expect_nothing_pending();
}

#[test]
fn users_of_other_realms_are_unauthorized() {
    let server = Server::with(&[("portal.realms", "[\"1\", \"fb\"]")]);
    let mut client = server.connect();
    client.command("idme", json!("2:1"));
    client.expect_error("unauthorized");
    client.identify("fb:1");
}

#[test]
fn claim_alone_is_unauthorized_without_anonymous() {
    let server = Server::with(&[("portal.checkers", r#"["session"]"#)]);
    let mut client = server.connect();
    client.command("idme", json!("1:1"));
    client.expect_error("unauthorized");
}

#[test]
fn sessions_per_user_are_limited() {
    let server = Server::with(&[("session.sessions_per_user_max", "2")]);
    let first = server.user("1:1");
    let _second = server.user("1:1");
    let mut third = server.connect();
    third.send(json!({"command": "idme", "data": "1:1", "id": 3}));
    assert_eq!(third.expect_error("too_many")["id"], 3);
    first.bye();
    third.identify("1:1");
}

#[test]
fn bye_works_with_and_without_identification() {
    let server = Server::start();
    let mut client = server.connect();
    client.command("bye", json!({}));
    client.expect_close(1000);
    let mut client = server.user("1:1");
    client.command("bye", json!({}));
    client.expect_close(1000);
    server.await_metric(CONNECTIONS, 0.0);
    server.await_metric(SESSIONS, 0.0);
}

#[test]
fn session_secret_is_never_logged() {
    let server = Server::start();
    let secret = server.connect().identify("1:1")["session"].clone();
    assert!(!server.log().contains(secret.as_str().unwrap()));
}
