//! Who may watch whom, asked from a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::receiver::Backend;
use turntable_testkit::Server;

fn server(backend: &Backend, keys: &[(&str, &str)]) -> Server {
    let mut all = vec![
        ("presence.watch", "backend"),
        ("presence.watch_url", backend.url()),
        ("presence.grace_ms", "0"),
    ];
    all.extend_from_slice(keys);
    Server::with(&all)
}

#[test]
fn backend_says_whom_a_user_sees() {
    let backend = Backend::start(|request| {
        let question = request.json();
        let users = question["users"].as_array().unwrap().iter();
        let allowed: Vec<&Value> = users.filter(|user| *user != "1:3").collect();
        Some((200, json!({ "allowed": allowed }).to_string()))
    });
    let server = server(&backend, &[]);
    let (mut friend, _foe) = (server.user("1:2"), server.user("1:3"));
    friend.request("set", json!({"name": "Pomke"}));
    let mut mel = server.user("1:1");
    let seen = mel.subscribe(&["1:1", "1:2", "1:3"]);
    assert_eq!(
        (&seen["1:1"], &seen["1:3"]),
        (&json!("online"), &json!("offline"))
    );
    if seen["1:2"] == "offline" {
        // The answer came behind the first message.
        assert_eq!(mel.await_command("userchange"), json!({"1:2": "online"}));
    }
    assert_eq!(
        mel.await_command("profiles"),
        json!({"1:2": {"name": "Pomke"}})
    );
    let question = backend.next().json();
    assert_eq!(question, json!({"watcher": "1:1", "users": ["1:2", "1:3"]}));
    // A lookup says no more than a watch, and what is known is not asked again.
    let found = mel.request("lookup", json!(["1:2", "1:3"]));
    assert_eq!(found["1:2"]["state"], "online");
    assert_eq!(found["1:3"], json!({"state": "offline", "devices": 0}));
    backend.expect_none();
    // One that is not known is requested.
    let found = mel.request("lookup", json!(["1:3", "1:4"]));
    assert_eq!(found["1:4"]["state"], "offline");
    assert_eq!(backend.next().json()["users"], json!(["1:4"]));
    friend.request("status", json!("busy"));
    assert_eq!(mel.expect("userchange"), json!({"1:2": "busy"}));
}

#[test]
fn answer_holds_for_a_while_and_then_another_one_does() {
    let count = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(move |_| {
        let allowed = match count.fetch_add(1, Ordering::Relaxed) {
            0 => json!(["1:2"]),
            1 => return Some((500, String::new())),
            _ => json!([]),
        };
        Some((200, json!({ "allowed": allowed }).to_string()))
    });
    let server = server(&backend, &[("presence.watch_cache_ms", "300")]);
    let _friend = server.user("1:2");
    let mut mel = server.user("1:1");
    if mel.subscribe(&["1:2"])["1:2"] == "offline" {
        assert_eq!(mel.expect("userchange"), json!({"1:2": "online"}));
    }
    // The failure between changes nothing.
    assert_eq!(mel.expect("userchange"), json!({"1:2": "offline"}));
    for _ in 0..3 {
        backend.next();
    }
}

#[test]
fn backend_that_does_not_answer_shows_nobody() {
    let backend = Backend::start(|_| None);
    let server = server(&backend, &[("presence.watch_timeout_ms", "100")]);
    let _friend = server.user("1:2");
    let mut mel = server.user("1:1");
    assert_eq!(mel.subscribe(&["1:2"]), json!({"1:2": "offline"}));
    let found = mel.request("lookup", json!(["1:2"]));
    assert_eq!(found["1:2"]["state"], "offline");
    let _ = server.await_log("presence.watch_url failed");
    mel.expect_nothing_pending();
}
