//! The store in a file that is damaged, empty or cannot be written: what the server does,
//! and what it says.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use turntable_testkit::{Client, Server};

const PAGE: usize = 4_096;

fn keys(path: &Path) -> [(&'static str, String); 4] {
    [
        ("store.path", path.to_str().unwrap().to_owned()),
        // As a greater file, which is not looked through at the start.
        ("store.check_bytes_max", "0".to_owned()),
        ("attributes.durable", r#"["n"]"#.to_owned()),
        ("presence.grace_ms", "0".to_owned()),
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
    format!("1:u{number:03}")
}

/// A file with users, closed.
fn fill(path: &Path) {
    let mut server = with_file(path);
    for number in 0..60 {
        let mut client = server.user(&user(number));
        client.request("set", json!({"n": number, "x": "y".repeat(1_500)}));
        client.bye();
    }
    server.signal("TERM");
    assert!(server.wait().success());
}

/// Overwrites the page that has the record of a user.
fn damage(path: &Path, number: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let text = format!(r#"{{"n":{number},"#);
    let is_record = |window: &&[u8]| *window == text.as_bytes();
    let mut found = 0;
    for at in 0..bytes.len() - text.len() {
        if is_record(&&bytes[at..at + text.len()]) {
            let page = at / PAGE * PAGE;
            bytes[page..page + PAGE].fill(0xff);
            found += 1;
        }
    }
    assert!(found > 0);
    std::fs::write(path, bytes).unwrap();
}

fn identify(client: &mut Client, user: &str) -> serde_json::Value {
    client.send(json!({"command": "idme", "data": user, "id": 1}));
    client.next()
}

fn serve(path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turntable"));
    for (key, value) in keys(path) {
        let name = key.replace('.', "__").to_uppercase();
        command.env(format!("TURNTABLE_{name}"), value);
    }
    command
        .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
        .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap()
}

fn check(path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(["store", "check", path.to_str().unwrap()])
        .output()
        .unwrap()
}

/// Fails with a sentence that has these words.
fn refuses(output: &Output, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(words), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn damaged_page_refuses_its_users_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    fill(&file);
    damage(&file, 30);
    let server = with_file(&file);
    let answer = identify(&mut server.connect(), &user(30));
    assert_eq!(answer["data"]["code"], "unavailable", "{answer}");
    let log = server.await_log("what is on such a page cannot be loaded or stored");
    assert!(log.contains("ERROR"), "{log}");
    let mut served = 0;
    for number in (0..60).step_by(2).filter(|number| *number != 30) {
        let mut client = server.connect();
        let answer = identify(&mut client, &user(number));
        if answer["command"] == "welcome" {
            assert_eq!(answer["data"]["attributes"]["n"], number);
            client.request("set", json!({"n": 1_000 + number}));
            served += 1;
        }
    }
    assert!(served >= 25, "{served} of 29");
    let mut fresh = server.user("1:fresh");
    fresh.request("set", json!({"n": 1}));
    let ready = server.manage("/health/ready");
    let body: serde_json::Value = serde_json::from_slice(&ready.body).unwrap();
    assert_eq!(ready.status, 200);
    assert_eq!(body, json!({"status": "ready", "store": "damaged"}));
    drop(server);
    refuses(&check(&file), "damaged");
}

#[test]
fn start_with_a_file_that_cannot_be_used_ends_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("empty"), b"").unwrap();
    refuses(&serve(&path("empty")), "the file is empty");
    refuses(&check(&path("empty")), "the file is empty");
    refuses(&serve(folder.path()), "cannot be opened");
    refuses(&serve(Path::new("/proc/store")), "cannot be opened");

    // A program that runs cannot be written, by root neither.
    std::fs::copy("/bin/sleep", path("running")).unwrap();
    let mut running = Command::new(path("running")).arg("100").spawn().unwrap();
    let output = serve(&path("running"));
    running.kill().unwrap();
    running.wait().unwrap();
    refuses(&output, "cannot be opened");

    // All of the tables are gone.
    fill(&path("damaged"));
    let mut bytes = std::fs::read(path("damaged")).unwrap();
    bytes[PAGE..].fill(0xff);
    std::fs::write(path("damaged"), bytes).unwrap();
    refuses(&serve(&path("damaged")), "damaged");
    refuses(&check(&path("damaged")), "damaged");
}
