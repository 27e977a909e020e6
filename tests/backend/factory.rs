//! The factory of avatars, asked from a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::receiver::Backend;
use turntable_testkit::{Client, Server};

fn server(backend: &Backend, file: &str, keys: &[(&str, &str)]) -> Server {
    let mut all = vec![("avatar.url", backend.url()), ("presence.grace_ms", "0")];
    all.extend_from_slice(keys);
    Server::configured(file, &all)
}

const FILE: &str = "[avatar.attributes]\nname = \"New player\"\nrank = 1\n\
                    [portal.roles]\nanonymous = [\"visitor\"]\n\
                    [roles.visitor]\nattributes.get = [\"**\"]\nattributes.set = [\"**\"]\n\
                    [services.forum]\nproviders = [\"1:99\"]\n";

#[test]
fn backend_is_asked_once_for_each_life_of_an_avatar() {
    let backend = Backend::start(|_| {
        let plan = json!({"attributes": {"rank": 7}, "services": ["forum:listPosts"]});
        Some((200, plan.to_string()))
    });
    let server = server(&backend, FILE, &[]);
    let mut mel = Client::greeted(server.address);
    let welcome = mel.identify("1:1");
    let attributes = json!({"name": "New player", "rank": 7});
    assert_eq!(welcome["attributes"], attributes);
    assert!(welcome["services"]["forum"].is_object(), "{welcome}");
    let question = json!({"user": "1:1", "roles": ["visitor"], "attributes": {}});
    assert_eq!(backend.next().json(), question);
    // Another device gets the same, and nobody is asked.
    let mut other = Client::greeted(server.address);
    let welcome = other.identify("1:1");
    assert_eq!(welcome["attributes"], attributes);
    assert!(welcome["services"]["forum"].is_object(), "{welcome}");
    backend.expect_none();
    mel.send(json!({"command": "call", "data": {"f": "forum:listPosts"}, "id": 1}));
    mel.expect_error("service_down");
    mel.send(json!({"command": "call", "data": {"f": "forum:createPost"}, "id": 2}));
    mel.expect_error("forbidden");
    mel.request("set", json!({"name": "Mel"}));
    other.expect("attributes");
    mel.bye();
    other.bye();
    server.await_metric("turntable_actors{name=\"avatar\"}", 0.0);
    let mut again = Client::greeted(server.address);
    let welcome = again.identify("1:1");
    assert_eq!(welcome["attributes"], json!({"name": "Mel", "rank": 7}));
    let question = backend.next().json();
    assert_eq!(question["attributes"], json!({"name": "Mel", "rank": 7}));
}

#[test]
fn question_shows_the_token_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let backend = Backend::start(|request| {
        assert_eq!(request.header("authorization"), "Bearer s3cret");
        Some((200, json!({"attributes": {"rank": 7}}).to_string()))
    });
    let file = token.to_str().unwrap();
    let server = server(&backend, "", &[("avatar.token_file", file)]);
    let welcome = Client::greeted(server.address).identify("1:1");
    assert_eq!(welcome["attributes"], json!({"rank": 7}));
    // It may change; without one the factory fails.
    std::fs::remove_file(&token).unwrap();
    let welcome = Client::greeted(server.address).identify("1:2");
    assert_eq!(welcome["attributes"], json!({}));
    server.await_metric("turntable_avatar_factory_failures_total", 1.0);
}

#[test]
fn factory_that_fails_gives_what_the_configuration_gives() {
    for answer in [
        Some((500, "{}".to_owned())),
        Some((200, "nonsense".to_owned())),
        Some((200, json!({"services": ["a b"]}).to_string())),
        Some((200, r#"{"attributes": {"rank": "\ud800"}}"#.to_owned())),
        Some((200, r#"{"attributes": {"rank": 1e999}}"#.to_owned())),
        None,
    ] {
        let text = format!("{answer:?}");
        let backend = Backend::start(move |_| answer.clone());
        let server = server(&backend, FILE, &[("avatar.timeout_ms", "100")]);
        let mut mel = Client::greeted(server.address);
        let welcome = mel.identify("1:1");
        let attributes = json!({"name": "New player", "rank": 1});
        assert_eq!(welcome["attributes"], attributes, "{text}");
        assert_eq!(welcome["services"], json!({}), "{text}");
        server.await_metric("turntable_avatar_factory_failures_total", 1.0);
        // What a user has set stays.
        mel.request("set", json!({"name": "Mel"}));
        mel.bye();
        server.await_metric("turntable_actors{name=\"avatar\"}", 0.0);
        let welcome = Client::greeted(server.address).identify("1:1");
        assert_eq!(welcome["attributes"]["name"], "Mel", "{text}");
        assert!(!server.log().contains("ERROR"));
    }
}

#[test]
fn required_factory_is_asked_again_by_the_next_identification() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let backend = Backend::start(move |_| match counter.fetch_add(1, Ordering::Relaxed) {
        0 => Some((500, String::new())),
        _ => Some((200, "{}".to_owned())),
    });
    let server = server(&backend, FILE, &[("avatar.required", "true")]);
    let mut mel = Client::greeted(server.address);
    mel.command("idme", json!("1:1"));
    mel.expect_error("unavailable");
    mel.command("idme", json!("1:1"));
    mel.expect("welcome");
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn others_are_served_while_a_factory_is_slow_and_what_is_sent_behind_waits() {
    let backend = Backend::start(|request| {
        let user = request.json()["user"].clone();
        (user != "1:1").then(|| (200, "{}".to_owned()))
    });
    let server = server(&backend, FILE, &[("avatar.timeout_ms", "1000")]);
    let mut slow = Client::greeted(server.address);
    slow.command("idme", json!("1:1"));
    slow.send(json!({"command": "set", "data": {"rank": 2}, "id": 1}));
    let begun = std::time::Instant::now();
    let mut quick = server.user("1:2");
    quick.expect_nothing_pending();
    assert!(begun.elapsed().as_millis() < 900);
    assert_eq!(slow.expect("welcome")["attributes"]["rank"], 1);
    slow.expect("reply");
}

#[test]
fn backend_that_fails_has_a_pause() {
    let backend = Backend::start(|_| Some((500, "{}".to_owned())));
    let server = server(&backend, FILE, &[]);
    for number in 1..=7 {
        let welcome = Client::greeted(server.address).identify(&format!("1:{number}"));
        assert_eq!(welcome["attributes"]["rank"], 1, "{number}");
    }
    for number in 1..=5 {
        assert_eq!(backend.next().json()["user"], format!("1:{number}"));
    }
    backend.expect_none();
    server.await_metric("turntable_avatar_factory_failures_total", 7.0);
}
