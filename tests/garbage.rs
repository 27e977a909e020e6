//! Thousands of malformed frames and commands from several connections, and a
//! server that goes on serving everybody else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use support::{Client, Frame, Opcode, Server};

/// How many connections send garbage at one time.
const SENDERS: u64 = 6;
/// How much each sends.
const PIECES: usize = 1_500;

/// Numbers that look random and are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }
}

const COMMANDS: &[&str] = &[
    "idme",
    "resume",
    "subscribe",
    "unsubscribe",
    "status",
    "joingame",
    "leavegame",
    "game",
    "declineinvite",
    "joinchannel",
    "leavechannel",
    "publish",
    "call",
    "reply",
    "set",
    "provide",
    "time",
    "lookup",
    "authenticate",
    "idyou",
    "welcome",
    "",
    "\u{0}",
    "goaway",
];

/// Parts of messages, right and wrong, to be put together in any way.
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

/// A text that is a message, or was one before something happened to it.
fn text(numbers: &mut Numbers) -> Vec<u8> {
    let (command, value, id) = (
        numbers.one(COMMANDS).escape_default().to_string(),
        numbers.one(VALUES),
        numbers.one(VALUES),
    );
    let mut text = match numbers.below(4) {
        0 => format!("{{\"command\":\"{command}\",\"data\":{value},\"id\":{id}}}"),
        1 => value.to_owned(),
        _ => format!("{{\"data\":{value},\"command\":\"{command}\"}}"),
    }
    .into_bytes();
    match numbers.below(6) {
        0 => text.truncate(numbers.below(text.len() + 1)),
        1 => {
            let at = numbers.below(text.len());
            text[at] = numbers.next() as u8;
        }
        2 => {
            let at = numbers.below(text.len());
            let end = (at + 1 + numbers.below(8)).min(text.len());
            text.drain(at..end);
        }
        _ => {}
    }
    text
}

fn piece(numbers: &mut Numbers) -> Vec<u8> {
    match numbers.below(20) {
        0 => numbers.bytes(200),
        1 => {
            let frame = Frame {
                bits: numbers.next() as u8 & 0xf,
                opcode: numbers.next() as u8 & 0xf,
                payload: numbers.bytes(300),
            };
            frame.masked()
        }
        2 => Frame::new(Opcode::PING, numbers.bytes(125)).masked(),
        3 => {
            let text = text(numbers);
            let (start, end) = text.split_at(numbers.below(text.len() + 1));
            let mut bytes = Frame::piece(Opcode::TEXT, start).masked();
            bytes.extend(Frame::new(Opcode::PONG, numbers.bytes(10)).masked());
            bytes.extend(Frame::new(Opcode::CONTINUATION, end).masked());
            bytes
        }
        _ => Frame::new(Opcode::TEXT, text(numbers)).masked(),
    }
}

/// Sends garbage, and comes back whenever it is thrown out. Returns how often.
fn send_garbage(address: SocketAddr, seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let mut visits = 0;
    let mut left = PIECES;
    while left > 0 {
        visits += 1;
        let mut client = Client::greeted(address);
        if numbers.below(4) > 0 {
            client.send_text(r#"{"command":"idme","data":"1:garbage"}"#);
        }
        let wait = Some(Duration::from_millis(200));
        client.stream.set_write_timeout(wait).unwrap();
        // A few in one segment, so that what is wrong comes behind what is not.
        while left > 0 {
            let bytes: Vec<u8> = (0..3).flat_map(|_| piece(&mut numbers)).collect();
            left = left.saturating_sub(3);
            if std::io::Write::write_all(&mut client.stream, &bytes).is_err() {
                break;
            }
            if client.is_over() {
                break;
            }
        }
    }
    visits
}

#[test]
fn garbage_harms_nobody_but_its_sender() {
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
        friend.ask("publish", json!({"channel": "good", "data": rounds}));
        // The senders may invite as they please.
        assert_eq!(good.await_command("message")["data"], rounds);
        rounds += 1;
        friend.expect_none_for(Duration::from_millis(10));
    }
    let visits: usize = senders
        .into_iter()
        .map(|sender| sender.join().unwrap())
        .sum();
    assert!(visits > 50, "they were thrown out only {visits} times");
    server.await_metric("turntable_connections", 2.0);
    server.await_metric("turntable_sessions", 2.0);
    server.await_metric("turntable_actors{name=\"room\"}", 0.0);
    assert_eq!(server.metric("turntable_actors_lost_total"), 0.0);
    friend.ask("publish", json!({"channel": "good", "data": "still"}));
    assert_eq!(good.await_command("message")["data"], "still");
}
