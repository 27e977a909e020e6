//! Sessions that outlive their connections: after any break and on any worker the
//! client gets every message once and in order.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use turntable_testkit::metric::{CLOSED_TOO_SLOW, CONNECTIONS};
use turntable_testkit::presence::expect_state;
use turntable_testkit::session::{Session, expect_expired, resume};
use turntable_testkit::{Client, Frame, Opcode, Random, Server};

fn publish(client: &mut Client, numbers: std::ops::Range<u64>) {
    for n in numbers {
        client.request("publish", json!({"channel": "c", "data": n}));
    }
}

#[test]
fn resumed_session_gets_exactly_the_missed_messages() {
    let server = Server::start();
    // Connections are spread over the two workers in turn, so that a session is
    // resumed on its own worker and on the other one.
    let mut others = Vec::new();
    for round in 0..4 {
        let mut publisher = server.user("1:9");
        let mut session = Session::begin(&server, "1:1");
        session.request("joinchannel", json!({"channel": "c"}));
        publish(&mut publisher, 0..6);
        for n in 0..4 {
            assert_eq!(session.expect("message")["data"], n);
        }
        if round % 2 == 1 {
            others.push(server.connect());
        }
        let old = session.resume();
        drop(old);
        publish(&mut publisher, 6..9);
        for n in 4..9 {
            assert_eq!(session.expect("message")["data"], n, "round {round}");
        }
        session.client.expect_nothing_pending();
        session.client.bye();
        publisher.bye();
    }
}

#[test]
fn messages_sent_while_disconnected_wait() {
    let server = Server::start();
    let mut publisher = server.user("1:9");
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    session.cut();
    server.await_metric(CONNECTIONS, 1.0);
    publish(&mut publisher, 0..20);
    session.resume();
    for n in 0..20 {
        assert_eq!(session.expect("message")["data"], n);
    }
}

#[test]
fn replies_and_errors_are_counted() {
    let server = Server::start();
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    session.request("status", json!("busy"));
    session.client.command("dance", json!({}));
    session
        .client
        .command("publish", json!({"channel": "c", "data": "last"}));
    assert_eq!(session.next()["data"]["code"], "unknown_command");
    session.cut_and_resume();
    assert_eq!(session.expect("message")["data"], "last");
    session.client.expect_nothing_pending();
}

/// Publishes, reads, and breaks the connection at random bytes, `cuts` times.
fn break_at_random(server: &Server, seed: u64, cuts: usize) {
    let mut random = Random::new(seed);
    let path = format!("random/{seed}");
    let mut publisher = server.user(&format!("p:{seed}"));
    let mut session = Session::begin(server, &format!("l:{seed}"));
    session.request("joinchannel", json!({"channel": path}));
    let (mut published, mut got) = (0, 0);
    for cut in 0..cuts {
        for _ in 0..random.below(8) {
            publisher.command("publish", json!({"channel": path, "data": published}));
            published += 1;
        }
        for _ in 0..random.below(8).min(published - got) {
            assert_eq!(session.published(), got, "seed {seed}, cut {cut}");
            got += 1;
        }
        if random.below(4) == 0 {
            let acknowledgement = json!({"t0": 1, "received": session.received});
            session.client.command("time", acknowledgement);
        }
        let ending = random.below(4);
        if ending > 0 && random.below(4) == 0 {
            // An incomplete frame is never executed.
            let command = json!({"command": "publish", "data": {"channel": path, "data": "half"}});
            let bytes = Frame::text(&command.to_string()).masked();
            let half = random.below(bytes.len() as u64) as usize;
            let _ = session.client.stream.write_all(&bytes[..half]);
        }
        match ending {
            0 => session.client.send_frame(&Frame::close(1000, "")),
            // The old connection stays open until the new one replaces it.
            1 => {}
            2 => session.cut(),
            // The connection breaks after any byte.
            _ => {
                for message in session.client.cut_after(random.below(400) as usize) {
                    session.received += 1;
                    if message["command"] == "message" {
                        assert_eq!(message["data"]["data"], got, "seed {seed}, cut {cut}");
                        got += 1;
                    }
                }
            }
        }
        session.resume();
    }
    while got < published {
        assert_eq!(session.published(), got, "seed {seed}, after the last cut");
        got += 1;
    }
    // No message is delivered a second time.
    publisher.request("publish", json!({"channel": path, "data": "end"}));
    assert_eq!(session.published(), "end");
}

#[test]
fn repeated_disconnects_lose_and_duplicate_nothing() {
    // Ten thousand breaks in seconds exceed the rate limits of a user.
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("limits.time.per_second", "0"),
        ("limits.resume.per_second", "0"),
    ]);
    std::thread::scope(|scope| {
        for seed in [0x5eed, 0xfeed, 0xbeef, 0xcafe] {
            let server = &server;
            scope.spawn(move || break_at_random(server, seed, 2_500));
        }
    });
}

#[test]
fn old_connection_is_closed_before_new_one_is_welcomed() {
    let server = Server::start();
    for round in 0..4 {
        let mut session = Session::begin(&server, "1:1");
        // Alternates between the other worker and the same one.
        let _other = (round % 2 == 1).then(|| server.connect());
        let mut old = session.resume();
        old.stream.set_nonblocking(true).unwrap();
        let arrived = old.stream.peek(&mut [0; 2]);
        let is_closed = arrived.is_ok_and(|count| count > 0);
        assert!(is_closed, "welcome was sent before the close");
        old.stream.set_nonblocking(false).unwrap();
        old.expect_close(4002);
        session.client.expect_nothing_pending();
        session.client.bye();
    }
}

#[test]
fn commands_after_resume_wait_for_it() {
    let server = Server::start();
    for _ in 0..4 {
        let mut session = Session::begin(&server, "1:1");
        session.request("joinchannel", json!({"channel": "c"}));
        session.cut();
        let mut client = server.connect();
        let mut bytes = Vec::new();
        for message in [
            json!({"command": "resume", "data": {"session": session.secret, "received": 1}}),
            json!({"command": "publish", "data": {"channel": "c", "data": "at once"}}),
        ] {
            bytes.extend(Frame::text(&message.to_string()).masked());
        }
        client.send_raw(&bytes);
        assert_eq!(client.expect("welcome")["resumed"], true);
        assert_eq!(client.expect("message")["data"], "at once");
        client.bye();
    }
}

#[test]
fn presence_and_subscriptions_survive_resume() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let mut session = Session::begin(&server, "1:1");
    session.request("status", json!({"state": "busy", "note": "thinking"}));
    session.client.command("subscribe", json!(["1:2", "1:3"]));
    let states = json!({"1:2": "online", "1:3": "offline"});
    assert_eq!(session.expect("userchange"), states);
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "busy"}));

    session.cut();
    server.await_metric(CONNECTIONS, 1.0);
    friend.request("status", json!("idle"));
    let mut tom = server.user("1:3");
    session.resume();
    // Changes in between are merged into one message or two.
    let mut changed = json!({});
    while changed.as_object().unwrap().len() < 2 {
        let change = session.expect("userchange");
        changed
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
    }
    assert_eq!(changed, json!({"1:2": "idle", "1:3": "online"}));
    // The friend was not notified of the break, and the subscription lasts.
    friend.expect_none();
    tom.request("status", json!("busy"));
    assert_eq!(session.expect("userchange"), json!({"1:3": "busy"}));
    let seen = friend.request("lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"]["state"], "busy");
    assert_eq!(seen["1:1"]["note"], "thinking");
}

#[test]
fn rooms_and_channels_survive_resume() {
    let server = Server::start();
    let mut session = Session::begin(&server, "1:1");
    session.request("joingame", json!({"channel": "r", "self": "1:1"}));
    session.request("joinchannel", json!({"channel": "a", "subpaths": true}));
    session.cut();
    server.await_metric(CONNECTIONS, 0.0);
    session.resume();
    let away = json!({"channel": "r", "members": {"1:1": "away"}});
    assert_eq!(session.expect("memberchange"), away);
    let back = json!({"channel": "r", "members": {"1:1": "back"}});
    assert_eq!(session.expect("memberchange"), back);
    let action = json!({"timestamp": 1, "from": "1:1", "data": "still in"});
    session
        .client
        .command("game", json!({"channel": "r", "actions": [action]}));
    assert_eq!(session.expect("game")["actions"][0]["data"], "still in");
    session
        .client
        .command("publish", json!({"channel": "a/b", "data": "still on"}));
    assert_eq!(session.expect("message")["data"], "still on");
}

#[test]
fn identified_connection_cannot_resume() {
    let server = Server::start();
    let session = Session::begin(&server, "1:1");
    let mut other = server.user("1:2");
    other.command("resume", json!({"session": session.secret, "received": 0}));
    other.expect_error("bad_message");
    // The other session is unaffected.
    let (_client, answer) = resume(&server, &session.secret, 0);
    assert_eq!(answer["data"]["resumed"], true);
}

#[test]
fn close_behind_a_resume_detaches_the_session_again() {
    // Owners learn of the resume first and of the loss behind it.
    let server = Server::with(&[("presence.grace_ms", "100")]);
    let mut friend = server.user("2:1");
    friend.subscribe(&["1:1"]);
    let mut session = Session::begin(&server, "1:1");
    expect_state(&mut friend, "1:1", "online");
    session.cut();
    expect_state(&mut friend, "1:1", "offline");
    let mut client = server.connect();
    let data = json!({"session": session.secret, "received": session.received});
    let resume = json!({"command": "resume", "data": data});
    let mut bytes = Frame::text(&resume.to_string()).masked();
    bytes.extend(Frame::close(1000, "").masked());
    client.send_raw(&bytes);
    assert_eq!(client.expect("welcome")["resumed"], true);
    expect_state(&mut friend, "1:1", "online");
    // Not only when the session expires, after `session.resume_ms`.
    expect_state(&mut friend, "1:1", "offline");
    session.resume();
    expect_state(&mut friend, "1:1", "online");
}

#[test]
fn session_whose_welcome_was_probably_lost_ends_soon() {
    let server = Server::with(&[
        ("session.unheard_ms", "200"),
        ("presence.grace_ms", "600000"),
        ("session.resume_ms", "600000"),
    ]);
    let mut friend = server.user("2:1");
    friend.subscribe(&["1:1", "1:2", "1:3"]);
    let mut lost = Session::begin(&server, "1:1");
    expect_state(&mut friend, "1:1", "online");
    let mut heard = Session::begin(&server, "1:2");
    expect_state(&mut friend, "1:2", "online");
    heard.request("lookup", json!(["1:1"]));
    let mut wrong = Session::begin(&server, "1:3");
    expect_state(&mut friend, "1:3", "online");
    wrong.client.send_text("no command");
    wrong.received += 1;
    wrong.client.expect_error("bad_json");
    lost.cut();
    expect_state(&mut friend, "1:1", "offline");
    expect_expired(&server, &lost.secret, 0);
    // Their clients have sent something, if only what is refused, and so they have their welcome.
    heard.cut();
    wrong.cut();
    friend.expect_none_for(Duration::from_millis(400));
    heard.resume();
    wrong.resume();
}

#[test]
fn commands_and_the_end_behind_idme_come_behind_its_welcome() {
    let server = Server::start();
    let mut client = server.connect();
    let mut bytes = Vec::new();
    for command in [
        json!({"command": "idme", "data": "1:1"}),
        json!({"command": "status", "data": "busy", "id": 1}),
        json!({"command": "bye", "data": {}}),
    ] {
        bytes.extend(Frame::text(&command.to_string()).masked());
    }
    client.send_raw(&bytes);
    assert_eq!(client.expect("welcome")["accepted"], 0);
    assert_eq!(client.close_code(), 1000);
}

#[test]
fn session_outlives_many_overflows_of_one_connection() {
    let server = Server::with(&[
        ("session.outbox_bytes_max", "70000"),
        ("limits.control.per_second", "0"),
    ]);
    let mut session = Session::begin(&server, "1:1");
    // Each pong over the limit reports that the reader is too slow.
    let ping = Frame::new(Opcode::PING, [7_u8; 125]).masked();
    let pings = ping.repeat(4_000);
    // The server may close before it has read all of them.
    let _ = session.client.stream.write_all(&pings);
    server.await_metric(CLOSED_TOO_SLOW, 1.0);
    session.resume();
    session.request("status", json!("busy"));
}
