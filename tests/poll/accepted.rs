//! Batches that are numbered and sent again after a break: each of their entries
//! takes effect exactly once.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use turntable_testkit::http::{self, Response};
use turntable_testkit::journal::{self, Journal, Kind, Witness};
use turntable_testkit::poll::{PollClient, call, entries};
use turntable_testkit::session::resume;
use turntable_testkit::{DEADLINE, Random, Server};

/// The entries that were not accepted, with `time` among them.
fn batch(journal: &Journal, random: &mut Random) -> Vec<Value> {
    let mut batch = Vec::new();
    for issued in journal.rest() {
        if random.below(8) == 0 {
            batch.push(json!({"f": "$av:time", "args": {"t0": 1}}));
        }
        batch.push(match issued.kind {
            Kind::Unreadable => json!({"f": 7}),
            _ => {
                let (command, data) = journal.command(*issued);
                call(&format!("$av:{command}"), data, issued.number)
            }
        });
    }
    batch
}

/// An entry in the form of version 1.
fn message(entry: &Value) -> Value {
    match entry["f"].as_str().and_then(|f| f.strip_prefix("$av:")) {
        Some(command) => json!({"command": command, "data": entry["args"]}),
        None => entry.clone(),
    }
}

/// Posts `sent` bytes, and reads `read` bytes of the answer at the most. Returns
/// the answer, where it is whole.
fn post_and_cut(server: &Server, text: &str, sent: usize, read: usize) -> Option<Response> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(&text.as_bytes()[..sent]).unwrap();
    let mut answer = vec![0; read];
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut count = 0;
    while sent == text.len() && count < read {
        match stream.read(&mut answer[count..]).unwrap() {
            0 => return Some(Response::parse(&answer[..count])),
            more => count += more,
        }
    }
    None
}

/// One client, whose requests are cut until each is answered.
fn cut_at_random(server: &Server, seed: u64, batches: u64) {
    let mut random = Random::new(seed);
    let mut journal = Journal::new(&format!("{seed:x}"));
    let witness = Witness::new(server, &journal);
    let client = PollClient::user(server, journal.user());
    let join = json!([call("$av:joingame", journal.join(), "join")]);
    let mut received = client.batch(1, &join).len() as u64;
    journal.begin_at(1);
    for number in 2..batches {
        journal.issue_some(&mut random, 6);
        if number + 1 == batches {
            journal.issue_last();
        }
        let body = json!(batch(&journal, &mut random)).to_string();
        let target = format!("/poll?batch={number}");
        let text = http::text(server.address, "POST", &target, &client.header(), &body);
        let answer = loop {
            let (sent, read) = match random.below(4) {
                0 => (text.len(), 1 << 20),
                1 => (text.len(), random.index(300)),
                _ => (random.index(text.len()), 0),
            };
            if let Some(answer) = post_and_cut(server, &text, sent, read) {
                break answer;
            }
        };
        let rest = journal.rest().len();
        journal.accept(journal.count(), rest);
        for entry in entries(&answer) {
            received += 1;
            journal.receive(&message(&entry));
        }
    }
    while !journal.is_answered(true) {
        for entry in client.heartbeat() {
            received += 1;
            journal.receive(&message(&entry));
        }
    }
    let (_client, welcome) = resume(server, &json!(client.session), received);
    assert_eq!(
        welcome["data"]["accepted"],
        journal.count(),
        "seed {seed:#x}: {welcome}"
    );
    witness.check(&journal);
}

#[test]
fn repeated_batches_take_effect_once() {
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
        cut_at_random(&server, seed, 60)
    });
}
