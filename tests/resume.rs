//! Sessions that outlive their connections: whatever breaks and wherever the
//! client comes back, it gets every message once and in order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod line;
mod support;

use std::io::Write;

use serde_json::json;

use line::{Line, resume};
use support::{Client, Frame, Server};

fn publish(client: &mut Client, numbers: std::ops::Range<u64>) {
    for n in numbers {
        client.ask("publish", json!({"channel": "c", "data": n}));
    }
}

#[test]
fn a_resumed_session_gets_exactly_the_messages_behind_those_it_has() {
    let server = Server::start();
    // Connections go round the two workers, so that a session is resumed on
    // its own worker and on the other one.
    let mut spares = Vec::new();
    for round in 0..4 {
        let mut publisher = server.user("1:9");
        let mut line = Line::begin(&server, "1:1");
        line.ask("joinchannel", json!({"channel": "c"}));
        publish(&mut publisher, 0..6);
        for n in 0..4 {
            assert_eq!(line.expect("message")["data"], n);
        }
        if round % 2 == 1 {
            spares.push(server.connect());
        }
        let old = line.resume();
        drop(old);
        publish(&mut publisher, 6..9);
        for n in 4..9 {
            assert_eq!(line.expect("message")["data"], n, "round {round}");
        }
        line.client.expect_nothing_before_an_answer();
        line.client.bye();
        publisher.bye();
    }
}

#[test]
fn what_came_while_nobody_was_connected_waits() {
    let server = Server::start();
    let mut publisher = server.user("1:9");
    let mut line = Line::begin(&server, "1:1");
    line.ask("joinchannel", json!({"channel": "c"}));
    line.cut();
    server.await_metric("turntable_connections", 1.0);
    publish(&mut publisher, 0..20);
    line.resume();
    for n in 0..20 {
        assert_eq!(line.expect("message")["data"], n);
    }
}

#[test]
fn replies_and_errors_count_too() {
    let server = Server::start();
    let mut line = Line::begin(&server, "1:1");
    line.ask("joinchannel", json!({"channel": "c"}));
    line.ask("status", json!("busy"));
    line.client.command("dance", json!({}));
    line.client
        .command("publish", json!({"channel": "c", "data": "last"}));
    assert_eq!(line.next()["data"]["code"], "unknown_command");
    line.cut_and_resume();
    assert_eq!(line.expect("message")["data"], "last");
    line.client.expect_nothing_before_an_answer();
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Publishes, reads and breaks at random bytes, `cuts` times.
fn torture(server: &Server, seed: u64, cuts: usize) {
    let mut dice = Dice(seed);
    let path = format!("torture/{seed}");
    let mut publisher = server.user(&format!("p:{seed}"));
    let mut line = Line::begin(server, &format!("l:{seed}"));
    line.ask("joinchannel", json!({"channel": path}));
    let (mut published, mut got) = (0, 0);
    for cut in 0..cuts {
        for _ in 0..dice.below(8) {
            publisher.command("publish", json!({"channel": path, "data": published}));
            published += 1;
        }
        for _ in 0..dice.below(8).min(published - got) {
            assert_eq!(line.number(), got, "seed {seed}, cut {cut}");
            got += 1;
        }
        if dice.below(4) == 0 {
            let told = json!({"t0": 1, "received": line.received});
            line.client.command("time", told);
        }
        let ending = dice.below(4);
        if ending > 0 && dice.below(4) == 0 {
            // What was not sent whole never was.
            let command = json!({"command": "publish", "data": {"channel": path, "data": "half"}});
            let bytes = Frame::text(&command.to_string()).masked();
            let half = dice.below(bytes.len() as u64) as usize;
            let _ = line.client.stream.write_all(&bytes[..half]);
        }
        match ending {
            0 => line.client.send_frame(&Frame::close(1000, "")),
            // The new connection takes over from one that lives.
            1 => {}
            2 => line.cut(),
            // At any byte.
            _ => {
                for message in line.client.break_behind(dice.below(400) as usize) {
                    line.received += 1;
                    if message["command"] == "message" {
                        assert_eq!(message["data"]["data"], got, "seed {seed}, cut {cut}");
                        got += 1;
                    }
                }
            }
        }
        line.resume();
    }
    while got < published {
        assert_eq!(line.number(), got, "seed {seed}, behind the last cut");
        got += 1;
    }
    // Nothing comes twice behind it.
    publisher.ask("publish", json!({"channel": path, "data": "end"}));
    assert_eq!(line.number(), "end");
}

#[test]
fn nothing_is_lost_or_doubled_however_often_the_connection_breaks() {
    // Ten thousand breaks in seconds are more than a user may.
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.time.per_second", "0"),
    ]);
    std::thread::scope(|scope| {
        for seed in [0x5eed, 0xfeed, 0xbeef, 0xcafe] {
            let server = &server;
            scope.spawn(move || torture(server, seed, 2_500));
        }
    });
}

#[test]
fn the_old_connection_is_closed_before_the_new_one_is_welcomed() {
    let server = Server::start();
    for round in 0..4 {
        let mut line = Line::begin(&server, "1:1");
        // Now on the other worker, now on the same.
        let _spare = (round % 2 == 1).then(|| server.connect());
        let mut old = line.resume();
        old.stream.set_nonblocking(true).unwrap();
        let there = old.stream.peek(&mut [0; 2]);
        assert!(there.is_ok_and(|count| count > 0), "the welcome came first");
        old.stream.set_nonblocking(false).unwrap();
        old.expect_close(4002);
        line.client.expect_nothing_before_an_answer();
        line.client.bye();
    }
}

#[test]
fn commands_behind_resume_wait_for_it() {
    let server = Server::start();
    for _ in 0..4 {
        let mut line = Line::begin(&server, "1:1");
        line.ask("joinchannel", json!({"channel": "c"}));
        line.cut();
        let mut client = server.connect();
        let mut bytes = Vec::new();
        for message in [
            json!({"command": "resume", "data": {"session": line.session, "received": 1}}),
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
fn presence_and_what_is_watched_survive() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let mut line = Line::begin(&server, "1:1");
    line.ask("status", json!({"state": "busy", "note": "thinking"}));
    line.client.command("subscribe", json!(["1:2", "1:3"]));
    let states = json!({"1:2": "online", "1:3": "offline"});
    assert_eq!(line.expect("userchange"), states);
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "busy"}));

    line.cut();
    server.await_metric("turntable_connections", 1.0);
    friend.ask("status", json!("idle"));
    let mut tom = server.user("1:3");
    line.resume();
    // What changed meanwhile is merged; it may come in one message or two.
    let mut told = json!({});
    while told.as_object().unwrap().len() < 2 {
        let change = line.expect("userchange");
        told.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
    }
    assert_eq!(told, json!({"1:2": "idle", "1:3": "online"}));
    // The friend never saw the break, and the watching goes on.
    friend.expect_none();
    tom.ask("status", json!("busy"));
    assert_eq!(line.expect("userchange"), json!({"1:3": "busy"}));
    let seen = friend.ask("lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"]["state"], "busy");
    assert_eq!(seen["1:1"]["note"], "thinking");
}

#[test]
fn rooms_and_channels_survive() {
    let server = Server::start();
    let mut line = Line::begin(&server, "1:1");
    line.ask("joingame", json!({"channel": "r", "self": "1:1"}));
    line.ask("joinchannel", json!({"channel": "a", "subpaths": true}));
    line.cut();
    server.await_metric("turntable_connections", 0.0);
    line.resume();
    let away = json!({"channel": "r", "members": {"1:1": "away"}});
    assert_eq!(line.expect("memberchange"), away);
    let back = json!({"channel": "r", "members": {"1:1": "back"}});
    assert_eq!(line.expect("memberchange"), back);
    let action = json!({"timestamp": 1, "from": "1:1", "data": "still in"});
    line.client
        .command("game", json!({"channel": "r", "actions": [action]}));
    assert_eq!(line.expect("game")["actions"][0]["data"], "still in");
    line.client
        .command("publish", json!({"channel": "a/b", "data": "still on"}));
    assert_eq!(line.expect("message")["data"], "still on");
}

#[test]
fn an_identified_connection_resumes_nothing() {
    let server = Server::start();
    let line = Line::begin(&server, "1:1");
    let mut other = server.user("1:2");
    other.command("resume", json!({"session": line.session, "received": 0}));
    other.expect_error("bad_message");
    // Nor was the other session touched.
    let (_client, answer) = resume(&server, &line.session, 0);
    assert_eq!(answer["data"]["resumed"], true);
}
