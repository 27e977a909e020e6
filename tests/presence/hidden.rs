//! Nothing of an invisible user is seen: it is as if it were absent.

use serde_json::{Value, json};

use turntable_testkit::presence::{expect_state, lookup};
use turntable_testkit::{Client, Server, http};

fn with_store(path: &str) -> Server {
    Server::with(&[("store.path", path), ("presence.grace_ms", "100")])
}

/// Only the client that watches is left.
fn all_ended(server: &Server) {
    server.await_metric("turntable_actors{name=\"avatar\"}", 1.0);
}

/// What a client that begins to watch a user gets of it.
fn watched(server: &Server, user: &str) -> (Value, Value) {
    let mut client = server.user("2:2");
    let state = client.subscribe(&[user]);
    let profile = client.expect("profiles");
    client.bye();
    (state[user].clone(), profile[user].clone())
}

/// The same for every store.
fn hidden_lives_are_not_seen(server: &Server) {
    let mut client = server.user("2:1");
    let mut mel = server.user("1:1");
    mel.request("set", json!({"name": "Mel", "playing": "strike"}));
    mel.bye();
    all_ended(server);
    client.subscribe(&["1:1"]);
    assert_eq!(client.expect("profiles"), json!({"1:1": {"name": "Mel"}}));
    let before = lookup(server, "1:1");
    assert_eq!(before["profile"], json!({"name": "Mel"}));
    for life in 0..3 {
        let mut mel = server.connect();
        let claim = json!({"user": "1:1", "status": "invisible"});
        mel.command("idme", claim);
        let attributes = mel.expect("welcome")["attributes"].clone();
        let name = format!("Melanie {life}");
        mel.request("set", json!({"name": name, "score": life, "note": "x"}));
        if life > 0 {
            // The seat of one that drops outlives its session.
            mel.command("joingame", json!({"channel": "r", "self": "1:1"}));
            mel.expect("joined");
        }
        assert_eq!(attributes["name"] == "Mel", life == 0);
        assert_eq!(lookup(server, "1:1"), before);
        let seen = (json!("offline"), json!({"name": "Mel"}));
        assert_eq!(watched(server, "1:1"), seen);
        match life {
            0 => mel.drop_connection(),
            _ => mel.bye(),
        }
        all_ended(server);
        assert_eq!(lookup(server, "1:1"), before);
        assert_eq!(watched(server, "1:1"), seen);
    }
    client.expect_nothing_pending();
    let _mel = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    let now = json!({"name": "Melanie 2", "score": 2, "note": "x"});
    let seen = client.expect("profiles")["1:1"].clone();
    for key in ["name", "score", "note"] {
        assert_eq!(seen[key], now[key]);
    }
}

#[test]
fn hidden_lives_are_not_seen_with_a_store_in_memory() {
    hidden_lives_are_not_seen(&Server::with(&[
        ("presence.grace_ms", "100"),
        ("session.resume_ms", "100"),
    ]));
}

#[test]
fn hidden_lives_are_not_seen_with_a_store_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    hidden_lives_are_not_seen(&Server::with(&[
        ("store.path", path.to_str().unwrap()),
        ("presence.grace_ms", "100"),
        ("session.resume_ms", "100"),
    ]));
}

#[test]
fn what_a_hidden_user_changed_is_not_seen_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let path = path.to_str().unwrap();
    let mut server = with_store(path);
    let mut mel = server.user("1:1");
    mel.request("set", json!({"name": "Mel"}));
    mel.request("status", json!("invisible"));
    mel.request("set", json!({"name": "Melanie", "status": "invisible"}));
    mel.bye();
    server.signal("TERM");
    server.wait();
    let server = with_store(path);
    assert_eq!(lookup(&server, "1:1")["profile"], json!({"name": "Mel"}));
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    assert_eq!(client.expect("profiles"), json!({"1:1": {"name": "Mel"}}));
    // It chose to be invisible before.
    let mut mel = server.user("1:1");
    client.expect_nothing_pending();
    mel.request("status", json!("online"));
    expect_state(&mut client, "1:1", "online");
    assert_eq!(
        client.expect("profiles"),
        json!({"1:1": {"name": "Melanie"}})
    );
}

#[test]
fn new_device_has_the_status_that_its_user_chose() {
    let server = Server::with(&[("presence.grace_ms", "0")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2"]);
    for (user, status, state) in [("1:1", "invisible", None), ("1:2", "busy", Some("busy"))] {
        let mut desk = server.connect();
        let claim = json!({"user": user, "status": status, "attributes": {"status": status}});
        desk.command("idme", claim);
        desk.expect("welcome");
        if let Some(state) = state {
            expect_state(&mut client, user, state);
        }
        desk.bye();
        if state.is_some() {
            expect_state(&mut client, user, "offline");
        }
        let _phone = server.user(user);
        if let Some(state) = state {
            expect_state(&mut client, user, state);
        }
        client.expect_nothing_pending();
    }
    // What a session says of itself comes first, and other values are none.
    let mut third = server.connect();
    third.command("idme", json!({"user": "1:3", "attributes": {"status": 1}}));
    third.expect("welcome");
    assert_eq!(lookup(&server, "1:3")["state"], "online");
    third.request("set", json!({"status": "busy"}));
    let mut other = server.connect();
    other.command("idme", json!({"user": "1:3", "status": "online"}));
    other.expect("welcome");
    third.bye();
    assert_eq!(lookup(&server, "1:3")["state"], "online");
}

#[test]
fn renewal_of_credentials_keeps_the_status() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2"]);
    for (user, attribute, status) in [("1:1", "busy", "invisible"), ("1:2", "invisible", "idle")] {
        let path = format!("/auth/set/{user}/secret-of-{user}");
        assert_eq!(server.manage(&path).json(), true);
        let credentials = json!({"sessionId": format!("secret-of-{user}")});
        let mut session = server.connect();
        let claim = json!({
            "user": user,
            "credentials": credentials,
            "status": status,
            "attributes": {"status": attribute},
        });
        session.command("idme", claim);
        session.expect("welcome");
        if status == "idle" {
            expect_state(&mut client, user, status);
        }
        session.request("authenticate", json!({"credentials": credentials}));
        let seen = if status == "idle" { "idle" } else { "offline" };
        let found = client.request("lookup", json!([user]));
        assert_eq!(found[user]["state"], seen);
        client.expect_nothing_pending();
    }
}

#[test]
fn attribute_of_the_status_can_be_switched_off() {
    let server = Server::with(&[("presence.status_attribute", "\"\"")]);
    let mut mel = server.connect();
    let claim = json!({"user": "1:1", "attributes": {"status": "invisible"}});
    mel.command("idme", claim);
    mel.expect("welcome");
    assert_eq!(lookup(&server, "1:1")["state"], "online");
}

#[test]
fn user_that_was_never_visible_was_never_seen() {
    let server = Server::with(&[("presence.grace_ms", "0"), ("session.resume_ms", "100")]);
    let never = json!({"state": "offline", "devices": 0});
    let begin = || {
        let mut mel = server.connect();
        mel.command("idme", json!({"user": "1:1", "status": "invisible"}));
        mel.expect("welcome");
        mel
    };
    begin().bye();
    assert_eq!(lookup(&server, "1:1"), never);
    begin().drop_connection();
    server.await_metric("turntable_sessions", 0.0);
    assert_eq!(lookup(&server, "1:1"), never);
}

#[test]
fn hidden_user_watches_nobody_that_could_notice() {
    let keys = [("presence.watch", "mutual"), ("presence.grace_ms", "0")];
    let server = Server::with(&keys);
    let mut mel = server.user("1:1");
    mel.subscribe(&["1:2"]);
    let mut pomke = server.connect();
    let claim = json!({"user": "1:2", "status": "invisible", "attributes": {"name": "Pomke"}});
    pomke.command("idme", claim);
    pomke.expect("welcome");
    // It sees her, as she watches it.
    if pomke.subscribe(&["1:1"]) == json!({"1:1": "offline"}) {
        expect_state(&mut pomke, "1:1", "online");
    }
    mel.expect_nothing_pending();
    pomke.request("status", json!("online"));
    expect_state(&mut mel, "1:2", "online");
    assert_eq!(mel.expect("profiles"), json!({"1:2": {"name": "Pomke"}}));
    pomke.request("status", json!("invisible"));
    expect_state(&mut mel, "1:2", "offline");
    let found = mel.request("lookup", json!(["1:2"]));
    assert_eq!(found["1:2"], json!({"state": "offline", "devices": 0}));
    mel.request("status", json!("busy"));
    expect_state(&mut pomke, "1:1", "busy");
    // One that begins to watch it sees nothing, and is seen by it.
    let mut ada = server.user("1:3");
    pomke.subscribe(&["1:3"]);
    assert_eq!(ada.subscribe(&["1:2"]), json!({"1:2": "offline"}));
    expect_state(&mut pomke, "1:3", "online");
    ada.expect_nothing_pending();
}

fn manage(server: &Server, path: &str, body: &Value) {
    let answer = http::send(server.management, "POST", path, "", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn operator_changes_what_others_see_of_an_absent_user_at_once() {
    let server = Server::with(&[("presence.grace_ms", "0")]);
    let mut mel: Client = server.user("1:1");
    mel.request("set", json!({"name": "rude", "status": "invisible"}));
    mel.bye();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    client.expect("profiles");
    let set = json!({"userId": "1:1", "attributes": {"name": "Mel"}});
    manage(&server, "/rpc/user/setAttributes", &set);
    assert_eq!(client.expect("profiles"), json!({"1:1": {"name": "Mel"}}));
    assert_eq!(lookup(&server, "1:1")["profile"], json!({"name": "Mel"}));
    // What it changes unseen goes with the rest.
    let mut mel = server.user("1:1");
    mel.request("set", json!({"name": "Melanie"}));
    manage(&server, "/rpc/user/erase", &json!({"userId": "1:1"}));
    assert_eq!(client.expect("profiles"), json!({"1:1": {"name": null}}));
    let seen = lookup(&server, "1:1");
    assert!(seen.get("profile").is_none(), "{seen}");
}
