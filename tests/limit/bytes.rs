//! Bytes: what one client sends is limited for its session, its address, its channels and
//! its rooms, so that no other client pays for it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use turntable_testkit::metric::{CLOSED_TOO_SLOW, HTTP_CONNECTIONS, limits_reached};
use turntable_testkit::poll::{PollClient, call, entries, post};
use turntable_testkit::room::{act, action_data, join, members};
use turntable_testkit::socketio::Socket;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Frame, Server};

/// A publication of so many bytes.
fn publication(bytes: usize) -> Value {
    json!({"channel": "busy", "data": "x".repeat(bytes)})
}

fn on_channel(server: &Server, user: &str) -> Client {
    let mut client = server.user(user);
    client.command("joinchannel", json!({"channel": "busy"}));
    client.expect("joined");
    client
}

/// How many channel messages have come.
fn messages(client: &mut Client) -> usize {
    let mut count = 0;
    client.command("time", json!({"t0": 1}));
    loop {
        let message = client.next();
        match message["command"].as_str().unwrap() {
            "message" => count += 1,
            "time" => return count,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn one_publisher_does_not_close_listeners() {
    let server = Server::start();
    let mut listener = on_channel(&server, "2:1");
    let mut publisher = server.user("1:1");
    let publish = json!({"command": "publish", "data": publication(60_000)});
    let bytes = Frame::text(&publish.to_string()).masked().repeat(100);
    let timeout = Some(Duration::from_secs(2));
    publisher.stream.set_write_timeout(timeout).unwrap();
    // It is closed while it sends.
    let _ = publisher.stream.write_all(&bytes);
    assert_eq!(publisher.close_code(), 4007);
    // A burst of limits.bytes has four; more if this took seconds.
    let first: [Value; 4] = std::array::from_fn(|_| listener.expect("message"));
    let received = first.len() + messages(&mut listener);
    assert!(received < 30, "{received} messages");
    assert_eq!(server.metric(CLOSED_TOO_SLOW), 0.0);
    assert!(server.metric(&limits_reached("limits.bytes")) >= 1.0);
    assert_eq!(server.metric(&limits_reached("limits.flood")), 1.0);
}

#[test]
fn bytes_over_the_rate_are_refused_until_they_are_refilled() {
    let server = Server::with(&[("limits.bytes", "{ per_second = 20000, burst = 10000 }")]);
    let mut client = server.user("1:1");
    client.request("publish", publication(9_000));
    client.send(json!({"command": "publish", "data": publication(9_000), "id": 7}));
    let error = client.expect_error("rate_limited");
    assert_eq!(error["id"], 7);
    assert_eq!(error["data"]["command"], "publish");
    let retry_ms = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    assert!((1..=450).contains(&retry_ms), "{retry_ms}");
    client.expect_none_for(Duration::from_millis(retry_ms + 10));
    client.request("publish", publication(9_000));
    // Others are not affected.
    server.user("1:2").request("publish", publication(9_000));
}

#[test]
fn client_that_waits_as_long_as_it_has_to_is_never_closed() {
    let server = Server::with(&[
        ("limits.bytes", "{ per_second = 100000, burst = 10000 }"),
        ("limits.flood", "{ per_second = 1, burst = 3 }"),
    ]);
    let mut client = server.user("1:1");
    let mut refused = 0;
    while refused < 20 {
        client.command("publish", publication(3_000));
        client.command("time", json!({"t0": 1}));
        let answer = client.next();
        if answer["command"] == "error" {
            refused += 1;
            let retry_ms = answer["data"]["details"]["retry_ms"].as_u64().unwrap();
            client.expect("time");
            client.expect_none_for(Duration::from_millis(retry_ms));
        } else {
            assert_eq!(answer["command"], "time");
        }
    }
    // One that does not wait is closed.
    for _ in 0..100 {
        client.command("publish", publication(3_000));
    }
    assert_eq!(client.close_code(), 4007);
}

#[test]
fn bodies_of_requests_are_paid_by_their_address() {
    let server = Server::with(&[(
        "limits.address_bytes",
        "{ per_second = 1000, burst = 50000 }",
    )]);
    // What an address has sent is forgotten when the last connection of all is closed.
    let _other = TcpStream::connect(server.address).unwrap();
    server.await_metric(HTTP_CONNECTIONS, 1.0);
    let padded = format!("[{}]", " ".repeat(30_000));
    assert_eq!(post(&server, "/poll", "", &padded).status, 200);
    assert_eq!(
        post(&server, "/poll", "", &padded).error(),
        (429, "rate_limited".to_owned())
    );
    assert_eq!(post(&server, "/tunnel/send", "", &padded).status, 429);
    assert_eq!(post(&server, "/poll", "", "[]").status, 200);
    assert_eq!(server.metric(&limits_reached("limits.address_bytes")), 2.0);
}

#[test]
fn unreadable_messages_are_paid_too() {
    let server = Server::with(&[("limits.bytes", "{ per_second = 100, burst = 10000 }")]);
    let mut client = server.user("1:1");
    client.send_text(&"x".repeat(9_900));
    client.expect_error("bad_json");
    client.command("publish", publication(500));
    client.expect_error("rate_limited");
}

#[test]
fn sessions_of_one_address_share_its_bytes() {
    let rate = "{ per_second = 1000, burst = 20000 }";
    let server = Server::with(&[("limits.address_bytes", rate)]);
    let mut first = server.user("1:1");
    let mut second = server.user("1:2");
    first.request("publish", publication(15_000));
    second.command("publish", publication(15_000));
    let error = second.expect_error("rate_limited");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    assert_eq!(server.metric(&limits_reached("limits.address_bytes")), 1.0);
    second.request("publish", publication(1_000));
}

#[test]
fn bodies_of_polls_are_charged() {
    let server = Server::with(&[("limits.bytes", "{ per_second = 100, burst = 5000 }")]);
    let client = PollClient::user(&server, "1:1");
    client.request("$av:publish", publication(4_000));
    let body = json!([call("$av:publish", publication(4_000), 2)]);
    let answer = client.send("", &body.to_string());
    assert_eq!(answer.error(), (429, "rate_limited".to_owned()));
    assert_eq!(server.metric(&limits_reached("limits.bytes")), 1.0);
    client.heartbeat();
}

#[test]
fn events_of_socketio_are_charged() {
    let server = Server::with(&[("limits.bytes", "{ per_second = 100, burst = 10000 }")]);
    for transport in ["websocket", "polling"] {
        let (mut socket, _) = Socket::user(server.address, transport, "1:1");
        socket.request("publish", publication(6_000));
        let answer = socket.request("publish", publication(6_000));
        assert_eq!(answer["error"]["code"], "rate_limited", "{answer}");
    }
}

#[test]
fn datagrams_of_tunnels_are_charged() {
    let server = Server::with(&[("limits.bytes", "{ per_second = 100, burst = 5000 }")]);
    let tunnel = Tunnel::user(&server, "1:1");
    tunnel.send("/channel/busy", json!("x".repeat(4_000)));
    let refused = tunnel.send_refused("/channel/busy", json!("x".repeat(4_000)));
    assert_eq!(refused, (429, "rate_limited".to_owned()));
    let other = Tunnel::user(&server, "1:2");
    let refused = tunnel.send_refused(&other.path(), json!("x".repeat(4_000)));
    assert_eq!(refused, (429, "rate_limited".to_owned()));
}

#[test]
fn many_publishers_do_not_close_listeners_of_a_channel() {
    let server = Server::with(&[
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        // The burst alone, however long all of it takes.
        ("channel.bytes.per_second", "1"),
    ]);
    let mut listener = on_channel(&server, "2:1");
    let mut publishers: Vec<Client> = (0..4).map(|n| server.user(&format!("1:{n}"))).collect();
    let mut refused = 0;
    for _ in 0..10 {
        for publisher in &mut publishers {
            publisher.send(json!({"command": "publish", "data": publication(60_000), "id": 1}));
        }
        for publisher in &mut publishers {
            let answer = publisher.next();
            if answer["command"] == "error" {
                assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "2.4 MB in a moment");
    assert_eq!(messages(&mut listener), 40 - refused);
    assert_eq!(server.metric(CLOSED_TOO_SLOW), 0.0);
    let counted = server.metric(&limits_reached("channel.bytes"));
    assert_eq!(counted, refused as f64);
}

#[test]
fn bytes_of_a_room_are_limited_for_its_members() {
    let server = Server::with(&[("room.bytes", "{ per_second = 1000, burst = 10000 }")]);
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let large = json!("x".repeat(6_000));
    act(&mut mel, "r", "1:1", large.clone());
    assert_eq!(action_data(&mut mel), std::slice::from_ref(&large));
    assert_eq!(action_data(&mut pomke), std::slice::from_ref(&large));
    act(&mut mel, "r", "1:1", large);
    let error = mel.expect_error("rate_limited");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    act(&mut mel, "r", "1:1", json!("small"));
    assert_eq!(action_data(&mut pomke), ["small"]);
    assert_eq!(server.metric(&limits_reached("room.bytes")), 1.0);
}

#[test]
fn joins_are_limited_for_the_members_and_leaving_is_not() {
    let server = Server::with(&[("room.bytes", "{ per_second = 1000, burst = 2000 }")]);
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let mut changes = 0;
    let error = loop {
        pomke.request("leavegame", json!({"channel": "r"}));
        pomke.command("joingame", json!({"channel": "r", "self": "1:2"}));
        changes += 2;
        let answer = pomke.next();
        if answer["command"] == "error" {
            break answer;
        }
    };
    assert_eq!(error["data"]["code"], "rate_limited");
    assert_eq!(error["data"]["command"], "joingame");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() < 1_000);
    // The member that stayed got each change but the join that was refused.
    for _ in 0..changes - 1 {
        mel.expect("memberchange");
    }
    mel.expect_nothing_pending();
    assert_eq!(server.metric(&limits_reached("room.bytes")), 1.0);
}

#[test]
fn joins_pay_for_the_state_that_they_receive() {
    let rate = ("limits.bytes", "{ per_second = 1000, burst = 20000 }");
    let server = Server::configured("[games.g]\nkeep_state = true\n", &[rate]);
    let [mut mel, mut pomke] = members(&server, "r", "g", ["1:1", "1:2"]);
    act(&mut mel, "r", "1:1", json!({"state": "x".repeat(8_000)}));
    action_data(&mut pomke);
    // Each of these few bytes is answered with 8 kB.
    for _ in 0..3 {
        let joined = join(&mut pomke, "r", "1:2");
        assert_eq!(joined["state"].as_str().unwrap().len(), 8_000);
    }
    pomke.command("joingame", json!({"channel": "r", "self": "1:2"}));
    let error = pomke.expect_error("rate_limited");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    assert_eq!(server.metric(&limits_reached("limits.bytes")), 1.0);
}

#[test]
fn state_that_joins_bring_is_paid_by_the_address_too() {
    let rate = (
        "limits.address_bytes",
        "{ per_second = 100, burst = 26000 }",
    );
    let server = Server::configured("[games.g]\nkeep_state = true\n", &[rate]);
    let [mut mel, mut pomke] = members(&server, "r", "g", ["1:1", "1:2"]);
    act(&mut mel, "r", "1:1", json!({"state": "x".repeat(8_000)}));
    action_data(&mut pomke);
    // Each of these sessions has bytes of its own; those of the address are used up by
    // the third, and the fourth has to wait.
    let others = ["1:3", "1:4", "1:5", "1:6"];
    let mut clients = others.map(|user| (user, server.user(user)));
    let mut answer = |at: usize| {
        let (user, client) = &mut clients[at];
        client.command("joingame", json!({"channel": "r", "self": user}));
        client.next()
    };
    for at in 0..3 {
        let joined = answer(at);
        let state = joined["data"]["state"].as_str();
        assert_eq!(state.map(str::len), Some(8_000), "{joined}");
    }
    assert_eq!(answer(3)["data"]["code"], "rate_limited");
    let reached = limits_reached("limits.address_bytes");
    assert_eq!(server.metric(&reached), 1.0);
}

#[test]
fn past_messages_have_no_more_room_than_the_bytes_of_their_address() {
    let rate = (
        "limits.address_bytes",
        "{ per_second = 100, burst = 40000 }",
    );
    let server = Server::with(&[rate]);
    let mut publisher = server.user("1:0");
    let mut epoch = Value::Null;
    for _ in 0..10 {
        epoch = publisher.request("publish", publication(1_000))["epoch"].clone();
    }
    // About 11 kB each time, and as much was sent.
    let past = |number: usize| {
        let mut client = server.user(&format!("1:{number}"));
        let since = json!({"epoch": epoch, "offset": 0});
        let joined = client.request("joinchannel", json!({"channel": "busy", "since": since}));
        (joined["recovered"] == true, messages(&mut client))
    };
    let past: Vec<(bool, usize)> = (1..6).map(past).collect();
    let (all, none) = ((true, 10), (false, 0));
    assert_eq!(past, [all, all, none, none, none]);
    let reached = limits_reached("limits.address_bytes");
    assert_eq!(server.metric(&reached), 3.0);
}

#[test]
fn refused_publishes_take_nothing_from_the_clients_of_the_same_address() {
    let server = Server::with(&[
        ("limits.publish", "{ per_second = 1, burst = 1 }"),
        ("limits.address_publish", "{ per_second = 1, burst = 4000 }"),
    ]);
    let (mut one, mut other) = (server.user("1:1"), server.user("1:2"));
    one.request("publish", publication(1_000));
    for _ in 0..5 {
        one.command("publish", publication(1_000));
        let error = one.expect_error("rate_limited")["data"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(!message.contains("your address"), "{message}");
    }
    other.request("publish", publication(1_000));
}

#[test]
fn attributes_are_charged_to_what_others_get_of_an_address() {
    let server = Server::with(&[
        ("limits.address_publish", "{ per_second = 1, burst = 5000 }"),
        ("limits.session", "{ per_second = 1, burst = 3 }"),
    ]);
    let (mut one, mut other) = (server.user("1:1"), server.user("1:2"));
    let long = json!({"name": "x".repeat(3_000)});
    one.request("set", long.clone());
    other.command("set", long.clone());
    let error = other.expect_error("rate_limited")["data"].clone();
    assert_eq!(error["command"], "set");
    assert!(error["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    // Nor with the identification, of which no session is charged.
    let mut late = server.connect();
    late.command("idme", json!({"user": "1:3", "attributes": long}));
    let error = late.expect_error("rate_limited")["data"].clone();
    assert_eq!(error["command"], "idme");
    assert!(error["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    assert_eq!(
        server.metric(&limits_reached("limits.address_publish")),
        2.0
    );
    late.command(
        "idme",
        json!({"user": "1:3", "attributes": {"name": "Tom"}}),
    );
    assert_eq!(late.expect("welcome")["attributes"]["name"], "Tom");
    other.request("set", json!({"name": "Mel"}));
}

#[test]
fn answers_to_lookups_are_paid_for_by_session_and_address() {
    let server = Server::with(&[
        ("limits.bytes.per_second", "100"),
        ("limits.bytes.burst", "20000"),
        ("limits.address_bytes.per_second", "100"),
        ("limits.address_bytes.burst", "30000"),
    ]);
    let mut mel = server.user("1:1");
    let mut tom = server.user("1:2");
    mel.request("set", json!({"name": "x".repeat(4_000)}));
    // Small commands with large answers.
    let mut refused = None;
    for count in 0..10 {
        tom.send(json!({"command": "lookup", "data": ["1:1"], "id": count}));
        let answer = tom.next();
        if answer["command"] == "error" {
            refused = Some((count, answer));
            break;
        }
        assert_eq!(answer["command"], "reply");
    }
    let (count, error) = refused.unwrap();
    assert!((4..7).contains(&count), "{count}");
    assert_eq!(error["data"]["code"], "rate_limited");
    assert_eq!(server.metric(&limits_reached("limits.bytes")), 1.0);
    // Others of its address pay too.
    let mut other = server.user("1:3");
    let mut answers = 0;
    let error = loop {
        other.send(json!({"command": "lookup", "data": ["1:1"], "id": 1}));
        let answer = other.next();
        if answer["command"] == "error" {
            break answer;
        }
        answers += 1;
    };
    assert!(answers < 4, "{answers}");
    assert_eq!(error["data"]["code"], "rate_limited");
    assert_eq!(server.metric(&limits_reached("limits.address_bytes")), 1.0);
}

#[test]
fn requests_of_a_session_are_paid_for_by_the_address_that_sends_them() {
    let server = Server::with(&[
        ("limits.address_publish", "{ per_second = 1, burst = 1000 }"),
        ("server.trusted_proxies", "[\"127.0.0.1\"]"),
    ]);
    let poll = PollClient::user(&server, "1:1");
    let data = "x".repeat(700);
    let publish = json!([call(
        "$av:publish",
        json!({"channel": "c", "data": data}),
        2
    )]);
    let publish_from = |address: &str| {
        let headers = format!("{}X-Forwarded-For: {address}\r\n", poll.header());
        let answer = entries(&post(&server, "/poll", &headers, &publish.to_string()));
        let answered = answer.into_iter().find(|entry| entry["id"] == 2);
        answered.unwrap()["error"]["code"].clone()
    };
    assert_eq!(publish_from("192.0.2.1"), json!(null));
    assert_eq!(publish_from("192.0.2.1"), "rate_limited");
    // Others at the address where it began, and at the next one, have all of theirs.
    poll.request("$av:publish", json!({"channel": "c", "data": data}));
    assert_eq!(publish_from("192.0.2.2"), json!(null));
}
