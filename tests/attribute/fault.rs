//! The store in a file when things go wrong: kills in the middle of sets, a full disk.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::presence::lookup;
use turntable_testkit::{Client, DEADLINE, Server};

const USERS: usize = 6;
/// Sets that wait at each user; the kill comes before they are all carried out.
const SETS: u64 = 500;
/// Kills of the server.
const LIVES: u64 = 4;
/// What one file of a server may have, in bytes, in place of a full disk.
const FILE_BYTES_MAX: u64 = 6_291_456;

fn keys(path: &Path) -> [(&'static str, String); 6] {
    [
        ("store.path", path.to_str().unwrap().to_owned()),
        ("attributes.durable", r#"["n", "long"]"#.to_owned()),
        ("presence.attributes_bytes_max", "100000".to_owned()),
        ("limits.call", "{ per_second = 0, burst = 1 }".to_owned()),
        (
            "limits.bytes",
            "{ per_second = 0, burst = 1000000 }".to_owned(),
        ),
        ("limits.address_publish.per_second", "0".to_owned()),
    ]
}

fn with_file(path: &Path) -> Server {
    let keys = keys(path);
    let keys: Vec<_> = keys
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    Server::with(&keys)
}

fn user(number: usize) -> String {
    format!("1:{number}")
}

/// Sets `n` again and again, until the server is killed. `answered` is the last one that
/// was answered.
fn write_on(mut client: Client, from: u64, answered: &AtomicU64) {
    for n in from + 1..=from + SETS {
        client.send(json!({"command": "set", "data": {"n": n, "other": n}, "id": n}));
    }
    while let Some(reply) = client.next_or_end() {
        assert_eq!(reply["command"], "reply", "{reply}");
        answered.store(reply["id"].as_u64().unwrap(), Ordering::SeqCst);
    }
}

#[test]
fn kills_in_the_middle_of_durable_sets_of_many_users_lose_none_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let answered: Arc<[AtomicU64; USERS]> = Arc::default();
    for life in 1..=LIVES {
        let mut server = with_file(&file);
        let writers: Vec<_> = (0..USERS)
            .map(|number| {
                let mut client = server.connect();
                let stored = client.identify(&user(number))["attributes"]["n"].clone();
                let stored = stored.as_u64().unwrap_or(0);
                let known = answered[number].load(Ordering::SeqCst);
                assert!(
                    stored >= known,
                    "{stored} of user {number}, {known} was answered"
                );
                let answered = answered.clone();
                std::thread::spawn(move || write_on(client, stored, &answered[number]))
            })
            .collect();
        // In the middle: each has answers, and sets that wait.
        let goal = life * 20;
        while answered
            .iter()
            .any(|known| known.load(Ordering::SeqCst) < goal)
        {
            std::thread::yield_now();
        }
        server.signal("KILL");
        server.wait();
        for writer in writers {
            writer.join().unwrap();
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(["store", "check", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn store_in_memory_begins_empty_after_a_kill() {
    let mut server = Server::with(&[("attributes.durable", r#"["n"]"#)]);
    server.user("1:1").request("set", json!({"n": 1}));
    server.signal("KILL");
    server.wait();
    let server = Server::start();
    assert_eq!(server.connect().identify("1:1")["attributes"], json!({}));
}

fn last_seen(server: &Server, user: &str) -> Option<u64> {
    lookup(server, user)["last_seen"].as_u64()
}

/// The same of a user that is about to go.
fn await_last_seen(server: &Server, user: &str) -> u64 {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = last_seen(server, user) {
            return seen;
        }
        assert!(Instant::now() < until, "{user} was never seen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn last_seen_outlives_a_restart_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let mut server = with_file(&file);
    server.user("1:1").bye();
    let seen = await_last_seen(&server, "1:1");
    // One that is connected when the server ends goes on in the next process, without its client.
    let _there = server.user("1:2");
    server.signal("TERM");
    assert!(server.wait().success());
    let mut server = with_file(&file);
    assert_eq!(last_seen(&server, "1:1"), Some(seen));
    assert!(await_last_seen(&server, "1:2") > seen);
    assert_eq!(last_seen(&server, "1:3"), None);

    server.user("1:3").bye();
    let seen = await_last_seen(&server, "1:3");
    // A durable set is behind it, and is written together with it.
    server.user("1:4").request("set", json!({"n": 1}));
    server.signal("KILL");
    server.wait();
    let server = with_file(&file);
    assert_eq!(last_seen(&server, "1:3"), Some(seen));
}

/// A durable `set` of a long value: whether it was stored.
fn set_long(client: &mut Client, value: &Value) -> bool {
    client.send(json!({"command": "set", "data": {"long": value}, "id": 1}));
    let answer = client.next();
    match answer["command"].as_str() {
        Some("reply") => true,
        _ => {
            assert_eq!(answer["data"]["code"], "unavailable", "{answer}");
            false
        }
    }
}

#[test]
fn full_disk_is_said_loses_nothing_answered_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let keys = keys(&file);
    let keys: Vec<_> = keys
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let mut server = Server::limited_to_file_bytes(FILE_BYTES_MAX, &keys);
    let long = |number: usize| json!(number.to_string().repeat(20_000 / number.to_string().len()));
    let mut number = 0;
    let mut client = loop {
        let mut client = server.user(&user(number));
        if !set_long(&mut client, &long(number)) {
            break client;
        }
        number += 1;
        assert!(number < 2_000, "the limit of the file's size has no effect");
    };
    assert!(number > 10, "{number}");
    assert!(server.metric("turntable_store_failures_total") > 0.0);
    let log = server.await_log("the store fails");
    assert!(log.contains("durable attributes are refused"), "{log}");
    // Refused is not changed.
    assert!(client_attributes(&server, number).get("long").is_none());
    // All that was answered is there, and users come and go.
    for known in 0..number {
        assert_eq!(
            client_attributes(&server, known)["long"],
            long(known),
            "{known}"
        );
    }
    // What is not durable is set, and rooms and channels work.
    client.request("set", json!({"other": 1}));
    client.request("publish", json!({"channel": "a", "data": 1}));
    let smaller = json!("short");
    client.send(json!({"command": "set", "data": {"long": smaller}, "id": 2}));
    assert_eq!(client.next()["id"], 2);
    server.signal("TERM");
    assert!(server.wait().success());

    let server = with_file(&file);
    for known in 0..number {
        assert_eq!(
            client_attributes(&server, known)["long"],
            long(known),
            "{known}"
        );
    }
    let mut client = server.user(&user(number));
    assert!(set_long(&mut client, &long(number)), "there is room again");
}

fn client_attributes(server: &Server, number: usize) -> Value {
    let mut client = server.connect();
    client.identify(&user(number))["attributes"].clone()
}
