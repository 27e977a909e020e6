//! A backend that is asked about claims.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};

use crate::backend::{Answer, Backend};
use crate::entry::ENTRIES;
use turntable_testkit::Server;
use turntable_testkit::http::{Pending, text};

fn server(backend: &Backend, more: &[(&str, &str)]) -> Server {
    let url = backend.url("/check");
    let keys = [
        ("portal.checkers", r#"["http", "session"]"#),
        ("portal.http.url", url.as_str()),
    ];
    let keys: Vec<_> = keys.iter().chain(more).copied().collect();
    Server::with(&keys)
}

fn claim(user: &str, ticket: &str) -> Value {
    json!({"user": user, "credentials": {"ticket": ticket}})
}

/// The ticket that a request is about.
fn ticket(body: &str) -> String {
    let question: Value = serde_json::from_str(body).unwrap();
    question["credentials"]["ticket"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn by_ticket(body: &str) -> Answer {
    match ticket(body).as_str() {
        "good" => Some((200, "{}".to_owned())),
        "rich" => Some((
            200,
            json!({"user": "mel", "attributes": {"level": 7, "gone": null}, "roles": ["vip"], "expires_in": 60})
                .to_string(),
        )),
        "old" => Some((401, json!({"reason": "expired"}).to_string())),
        "bad" => Some((403, String::new())),
        "pass" => Some((204, String::new())),
        "nonsense" => Some((200, "]".to_owned())),
        "list" => Some((200, "[]".to_owned())),
        "surrogate" => Some((200, r#"{"attributes": {"a": "\ud800"}}"#.to_owned())),
        "huge" => Some((200, r#"{"attributes": {"a": [1e999]}}"#.to_owned())),
        "deep" => {
            let value = "[".repeat(1_000) + &"]".repeat(1_000);
            Some((200, format!("{{\"attributes\": {{\"a\": {value}}}}}")))
        }
        "odd" => Some((400, String::new())),
        "stranger" => Some((200, json!({"user": "1:stranger"}).to_string())),
        "moved" => Some((302, String::new())),
        "gone" => None,
        other => panic!("{other}"),
    }
}

#[test]
fn backend_decides_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let backend = Backend::start(|request| {
        let head = request.head.to_lowercase();
        assert!(head.starts_with("post /check http/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: bearer s3cret\r\n"));
        assert!(head.contains("content-type: application/json\r\n"));
        let question: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(question["address"], "127.0.0.1");
        assert!(question["user"] == "1:7" || question["user"].is_null());
        by_ticket(&request.body)
    });
    let server = server(
        &backend,
        &[
            ("portal.http.token_file", token.to_str().unwrap()),
            ("portal.http.failures", "1000"),
            ("portal.address_failures.per_minute", "0"),
            ("portal.user_failures.per_minute", "0"),
        ],
    );
    for (name, identify) in ENTRIES {
        let welcome = identify(server.address, &claim("1:7", "good")).expect(name);
        assert_eq!(welcome["user"], "1:7", "{name}");
        let rich = json!({"credentials": {"ticket": "rich"}});
        let welcome = identify(server.address, &rich).expect(name);
        assert_eq!(welcome["user"], "1:mel", "{name}");
        // Null is no attribute, as in a token.
        assert_eq!(welcome["attributes"], json!({"level": 7}), "{name}");
        assert!((50..=60).contains(&welcome["expires_in"].as_u64().unwrap()));
        for (ticket, code, reason) in [
            ("old", "unauthorized", json!("expired")),
            ("bad", "unauthorized", json!("invalid")),
            ("pass", "unauthorized", json!("invalid")),
            ("stranger", "unauthorized", json!("invalid")),
            ("nonsense", "unavailable", Value::Null),
            ("list", "unavailable", Value::Null),
            ("surrogate", "unavailable", Value::Null),
            ("huge", "unavailable", Value::Null),
            ("deep", "unavailable", Value::Null),
            ("moved", "unavailable", Value::Null),
            ("gone", "unavailable", Value::Null),
        ] {
            let error = identify(server.address, &claim("1:7", ticket)).unwrap_err();
            assert_eq!(error["code"], code, "{name} {ticket}");
            assert_eq!(error["details"]["reason"], reason, "{name} {ticket}");
        }
    }
    // A claim without credentials is not its.
    let asked = backend.count();
    assert!(ENTRIES[0].1(server.address, &json!("1:7")).is_err());
    assert_eq!(backend.count(), asked);
    assert!(!server.log().contains("s3cret"));
}

#[test]
fn credentials_that_the_backend_does_not_understand_make_no_pause() {
    let backend = Backend::start(|request| by_ticket(&request.body));
    let server = server(
        &backend,
        &[
            ("portal.http.failures", "3"),
            ("portal.http.pause_ms", "600000"),
        ],
    );
    for _ in 0..6 {
        let error = ENTRIES[0].1(server.address, &claim("1:1", "odd")).unwrap_err();
        assert_eq!(error["code"], "unavailable");
    }
    let welcome = ENTRIES[0].1(server.address, &claim("1:2", "good")).unwrap();
    assert_eq!(welcome["user"], "1:2");
}

#[test]
fn backend_that_is_down_is_left_alone_and_drops_nobody() {
    let is_up = std::sync::Arc::new(Mutex::new(true));
    let known = is_up.clone();
    let backend = Backend::start(move |_| match *known.lock().unwrap() {
        true => Some((200, "{}".to_owned())),
        false => Some((500, String::new())),
    });
    let server = server(
        &backend,
        &[
            ("portal.http.failures", "3"),
            ("portal.http.pause_ms", "500"),
        ],
    );
    let mut client = server.connect();
    client.command("idme", claim("1:1", "x"));
    client.expect("welcome");
    *is_up.lock().unwrap() = false;
    let asked = backend.count();
    let try_to = || ENTRIES[0].1(server.address, &claim("1:2", "x"));
    for _ in 0..6 {
        assert_eq!(try_to().unwrap_err()["code"], "unavailable");
    }
    let begun = std::time::Instant::now();
    assert!(backend.count() - asked < 6, "it was asked each time");
    *is_up.lock().unwrap() = true;
    while try_to().is_err() {
        assert!(begun.elapsed().as_secs() < 30);
    }
    client.request("lookup", json!(["1:1"]));
}

/// A backend that says the same to all once it may.
fn blocked(status: u16) -> (Backend, Sender<()>) {
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let released = Mutex::new(released);
    let backend = Backend::start(move |_| {
        // An error, too: the sender is gone, so all may answer.
        let _ = released.lock().unwrap().recv();
        Some((status, "{}".to_owned()))
    });
    (backend, release)
}

fn wait_for(backend: &Backend, count: usize) {
    let begun = std::time::Instant::now();
    while backend.count() < count {
        assert!(begun.elapsed().as_secs() < 30, "{}", backend.count());
        std::thread::yield_now();
    }
}

#[test]
fn claims_together_fail_no_more_often_than_one_behind_the_other() {
    let (backend, release) = blocked(401);
    let server = server(&backend, &[]);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.command("idme", claim("1:1", "x"));
    }
    wait_for(&backend, 5);
    // Another user of the address does not wait.
    let mut other = server.connect();
    other.command("idme", claim("1:2", "x"));
    wait_for(&backend, 6);
    drop(release);
    other.expect_error("unauthorized");
    let (mut refused, mut limited) = (0, 0);
    for client in &mut clients {
        match client.next()["data"]["code"].as_str() {
            Some("unauthorized") => refused += 1,
            Some("rate_limited") => limited += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((refused, limited, backend.count()), (5, 15, 6));
}

#[test]
fn claims_that_are_accepted_together_wait_and_are_all_welcomed() {
    let (backend, release) = blocked(200);
    let server = server(&backend, &[]);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.command("idme", claim("1:1", "x"));
    }
    wait_for(&backend, 5);
    drop(release);
    for client in &mut clients {
        client.expect("welcome");
    }
}

#[test]
fn user_that_is_revoked_while_a_claim_is_checked_is_not_welcomed() {
    for method in ["auth/remove", "user/kick"] {
        let (backend, release) = blocked(200);
        let server = server(&backend, &[]);
        let manage = |path: &str, body: Value| {
            let kind = "Content-Type: application/json\r\n";
            let path = format!("/rpc/{path}");
            let request = text(server.management, "POST", &path, kind, &body.to_string());
            Pending::send(server.management, &request).answer()
        };
        manage("auth/set", json!({"userId": "1:1", "sessionId": "s"}));
        let mut client = server.connect();
        client.command("idme", claim("1:1", "x"));
        wait_for(&backend, 1);
        assert_eq!(manage(method, json!({"userId": "1:1"})).status, 200);
        drop(release);
        let error = client.expect_error("unauthorized");
        assert_eq!(error["data"]["details"]["reason"], "revoked", "{method}");
        // A new claim is decided anew.
        client.command("idme", claim("1:1", "x"));
        client.expect("welcome");
    }
}
