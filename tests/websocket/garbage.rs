//! Thousands of malformed frames and commands from several connections, while the
//! server serves everybody else.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use turntable_testkit::command::CLIENT;
use turntable_testkit::metric::{ACTORS_LOST, CONNECTIONS, ROOMS, SESSIONS};
use turntable_testkit::{Client, Frame, Opcode, Random, Server};

/// How many connections send garbage at the same time.
const SENDERS: u64 = 6;
/// How much each sends.
const PIECES: usize = 1_500;

/// Commands that no client may send, beside those of [`CLIENT`].
const UNKNOWN: &[&str] = &["idyou", "welcome", "", "\u{0}", "goaway"];

/// Parts of messages, valid and invalid, to be combined at random.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "1e999",
    "-0.0",
    "18446744073709551616",
    "0.1e-400",
    "\"\"",
    "\"1:1\"",
    "\"1:garbage\"",
    "\"CStrike\"",
    "\"a//b\"",
    "\"*\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[[[[[[[]]]]]]]]",
    "[\"1:1\",\"1:2\",\"1:1\"]",
    "{\"\":{\"\":[]}}",
    "{\"channel\":\"CStrike\",\"self\":\"1:garbage\",\"invite\":[\"1:good\"]}",
    "{\"channel\":\"CStrike\",\"self\":\"1:garbage\",\"team\":\"\",\"game\":\"strike\"}",
    "{\"channel\":\"CStrike\",\"actions\":[{\"timestamp\":1e300,\"from\":\"1:garbage\",\"data\":0}]}",
    "{\"channel\":\"CStrike\",\"actions\":[{\"timestamp\":-1e300,\"from\":\"1:garbage\",\"data\":{}}]}",
    "{\"channel\":\"CStrike\",\"actions\":[{\"timestamp\":null,\"from\":7}]}",
    "{\"channel\":\"a/b\",\"subpaths\":true,\"since\":{\"epoch\":\"x\",\"offset\":-1}}",
    "{\"channel\":\"a/b\",\"subpaths\":true}",
    "{\"channel\":\"a/b\",\"data\":[null]}",
    "{\"channel\":\"a\"}",
    "{\"t0\":-1e308}",
    "{\"t0\":1,\"received\":18446744073709551615}",
    "{\"session\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"received\":0}",
    "{\"state\":\"busy\",\"note\":[]}",
    "{\"f\":\"a:b\",\"args\":1}",
    "{\"user\":\"1:garbage\",\"attributes\":{\"a\":null}}",
];

fn one_of<'a>(random: &mut Random, choices: &[&'a str]) -> &'a str {
    choices[random.index(choices.len())]
}

/// A message, or one with some bytes changed or missing.
fn text(random: &mut Random) -> Vec<u8> {
    // No `bye`: it would only close the connection.
    let known = CLIENT.iter().filter(|command| **command != "bye");
    let commands: Vec<&str> = known.chain(UNKNOWN).copied().collect();
    let (command, value, id) = (
        one_of(random, &commands).escape_default().to_string(),
        one_of(random, VALUES),
        one_of(random, VALUES),
    );
    let mut text = match random.index(4) {
        0 => format!("{{\"command\":\"{command}\",\"data\":{value},\"id\":{id}}}"),
        1 => value.to_owned(),
        _ => format!("{{\"data\":{value},\"command\":\"{command}\"}}"),
    }
    .into_bytes();
    match random.index(6) {
        0 => text.truncate(random.index(text.len() + 1)),
        1 => {
            let at = random.index(text.len());
            text[at] = random.number() as u8;
        }
        2 => {
            let at = random.index(text.len());
            let end = (at + 1 + random.index(8)).min(text.len());
            text.drain(at..end);
        }
        _ => {}
    }
    text
}

/// Bytes, a frame, or several frames, of which most are invalid.
fn garbage(random: &mut Random) -> Vec<u8> {
    match random.index(20) {
        0 => random.bytes(200),
        1 => {
            let frame = Frame {
                bits: random.number() as u8 & 0xf,
                opcode: random.number() as u8 & 0xf,
                payload: random.bytes(300),
            };
            frame.masked()
        }
        2 => Frame::new(Opcode::PING, random.bytes(125)).masked(),
        3 => {
            let text = text(random);
            let (start, end) = text.split_at(random.index(text.len() + 1));
            let mut bytes = Frame::fragment(Opcode::TEXT, start).masked();
            bytes.extend(Frame::new(Opcode::PONG, random.bytes(10)).masked());
            bytes.extend(Frame::new(Opcode::CONTINUATION, end).masked());
            bytes
        }
        _ => Frame::new(Opcode::TEXT, text(random)).masked(),
    }
}

/// Sends garbage, and connects again whenever the server closes. Returns how
/// often it connected.
fn send_garbage(address: SocketAddr, seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut connections = 0;
    let mut left = PIECES;
    while left > 0 {
        connections += 1;
        let mut client = Client::greeted(address);
        if random.index(4) > 0 {
            client.send_text(r#"{"command":"idme","data":"1:garbage"}"#);
        }
        let wait = Some(Duration::from_millis(200));
        client.stream.set_write_timeout(wait).unwrap();
        // Several in one segment, so that invalid bytes follow valid ones.
        while left > 0 {
            let bytes: Vec<u8> = (0..3).flat_map(|_| garbage(&mut random)).collect();
            left = left.saturating_sub(3);
            if std::io::Write::write_all(&mut client.stream, &bytes).is_err() {
                break;
            }
            if client.is_closed() {
                break;
            }
        }
    }
    connections
}

#[test]
fn garbage_only_affects_its_sender() {
    let server = Server::with(&[
        ("session.error_burst", "1000000"),
        ("session.identify_timeout_ms", "3000"),
        ("session.sessions_per_user_max", "1000"),
        ("session.resume_ms", "500"),
        ("presence.grace_ms", "0"),
        ("room.seat_ms", "200"),
        ("room.empty_ms", "200"),
    ]);
    let (mut good, mut friend) = (server.user("1:good"), server.user("1:friend"));
    good.command("joinchannel", json!({"channel": "good"}));
    good.expect("joined");
    let address = server.address;
    let senders: Vec<_> = (0..SENDERS)
        .map(|seed| std::thread::spawn(move || send_garbage(address, seed)))
        .collect();
    let mut rounds = 0;
    while rounds < 20 || senders.iter().any(|sender| !sender.is_finished()) {
        friend.request("publish", json!({"channel": "good", "data": rounds}));
        // The senders may invite, so that other messages arrive, too.
        assert_eq!(good.await_command("message")["data"], rounds);
        rounds += 1;
        friend.expect_none_for(Duration::from_millis(10));
    }
    let connections: usize = senders
        .into_iter()
        .map(|sender| sender.join().unwrap())
        .sum();
    assert!(connections > 50, "closed only {connections} times");
    server.await_metric(CONNECTIONS, 2.0);
    server.await_metric(SESSIONS, 2.0);
    server.await_metric(ROOMS, 0.0);
    assert_eq!(server.metric(ACTORS_LOST), 0.0);
    friend.request("publish", json!({"channel": "good", "data": "still"}));
    assert_eq!(good.await_command("message")["data"], "still");
}
