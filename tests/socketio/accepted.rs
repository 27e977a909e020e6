//! Events that are emitted again after a break: each takes effect exactly once.

use std::io::Write;
use std::net::Shutdown;

use serde_json::{Value, json};

use turntable_testkit::engineio::websocket;
use turntable_testkit::journal::{self, Journal, Kind, Witness};
use turntable_testkit::{Client, Frame, Opcode, Random, Server};

/// The main namespace on a WebSocket, and the data of `welcome`.
fn connect(server: &Server, auth: &Value) -> (Client, Value) {
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(&format!("40{auth}"));
    assert!(client.text().starts_with("40{"));
    assert_eq!(message(&client.text()).unwrap()["command"], "idyou");
    let mut welcome = message(&client.text()).unwrap();
    assert_eq!(
        welcome["command"], "welcome",
        "{auth} is answered by {welcome}"
    );
    (client, welcome["data"].take())
}

/// An event in the form of version 1.
fn message(packet: &str) -> Option<Value> {
    let event: Value = serde_json::from_str(packet.strip_prefix("42")?).unwrap();
    Some(json!({"command": event[0], "data": event[1]}))
}

/// The commands that were not accepted, with `time` among them, as frames; and
/// whether each is counted. Acknowledgements belong to one socket, so none is
/// requested.
fn frames(journal: &mut Journal, random: &mut Random) -> Vec<(Vec<u8>, bool)> {
    let frame = |event: Value| Frame::text(&format!("42{event}")).masked();
    let mut frames = Vec::new();
    for issued in journal.rest().to_vec() {
        if random.below(8) == 0 {
            frames.push((frame(json!(["time", {"t0": 1}])), false));
        }
        let (name, data) = match issued.kind {
            Kind::Unreadable => ("publish", json!(7)),
            _ => journal.command(issued),
        };
        if !matches!(issued.kind, Kind::Game | Kind::Unreadable) {
            journal.has_no_answer(issued.number);
        }
        frames.push((frame(json!([name, data])), true));
    }
    frames
}

/// What the client received.
#[derive(Default)]
struct Received {
    count: u64,
    errors: usize,
}

impl Received {
    fn add(&mut self, packet: &str, journal: &mut Journal) {
        let Some(message) = message(packet) else {
            return;
        };
        self.count += 1;
        if message["command"] == "error" {
            self.errors += 1;
        } else {
            journal.receive(&message);
        }
    }
}

/// One client, cut `cuts` times.
fn cut_at_random(server: &Server, seed: u64, cuts: usize) {
    let mut random = Random::new(seed);
    let mut journal = Journal::new(&format!("{seed:x}"));
    let witness = Witness::new(server, &journal);
    let (mut client, welcome) = connect(server, &json!({"user": journal.user()}));
    assert_eq!(welcome["accepted"], 0);
    let session = welcome["session"].clone();
    client.send_text(&format!("42{}", json!(["joingame", journal.join()])));
    let mut received = Received::default();
    received.add(&client.text(), &mut journal);
    journal.begin_at(1);
    for cut in 0..cuts {
        journal.issue_some(&mut random, 6);
        if cut + 1 == cuts {
            journal.issue_last();
        }
        let frames = frames(&mut journal, &mut random);
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(bytes, _)| bytes)
            .copied()
            .collect();
        let sent = match random.below(3) {
            0 => bytes.len(),
            _ => random.index(bytes.len() + 1),
        };
        let _ = client.stream.write_all(&bytes[..sent]);
        let mut end = 0;
        let whole = frames.iter().filter(|(frame, is_counted)| {
            end += frame.len();
            *is_counted && end <= sent
        });
        let whole = whole.count();
        let mut old = None;
        match random.below(4) {
            0 => drop(client.stream.shutdown(Shutdown::Both)),
            // The old connection stays open until it is replaced.
            1 => old = Some(client),
            _ => {
                for frame in client.frames_before_cut(random.index(4_000)) {
                    if frame.opcode == Opcode::TEXT {
                        received.add(&String::from_utf8(frame.payload).unwrap(), &mut journal);
                    }
                }
            }
        }
        let auth = json!({"session": session, "received": received.count});
        let (next, welcome) = connect(server, &auth);
        assert_eq!(
            welcome["resumed"], true,
            "seed {seed:#x}, cut {cut}: {welcome}"
        );
        journal.accept(welcome["accepted"].as_u64().unwrap(), whole);
        client = next;
        drop(old);
    }
    for (frame, _) in frames(&mut journal, &mut random) {
        client.send_raw(&frame);
    }
    while !journal.is_answered(false) || received.errors < journal.refused() {
        received.add(&client.text(), &mut journal);
    }
    assert_eq!(received.errors, journal.refused());
    witness.check(&journal);
}

#[test]
fn repeated_events_take_effect_once() {
    let server = journal::server(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("limits.game.per_second", "0"),
        ("limits.call.per_second", "0"),
        ("limits.time.per_second", "0"),
        ("session.error_burst", "1000000"),
        ("session.replay_bytes_max", "16777216"),
        ("session.outbox_bytes_max", "16777216"),
    ]);
    Random::run(&[0x5eed, 0xfeed, 0xbeef], |seed| {
        cut_at_random(&server, seed, 200)
    });
}
