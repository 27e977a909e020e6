//! Who may watch whom: users that watch each other, and rules of roles.

use serde_json::json;

use turntable_testkit::presence::expect_state;
use turntable_testkit::{Client, Server, session};

fn mutual() -> Server {
    Server::with(&[
        ("presence.watch", "mutual"),
        ("presence.grace_ms", "0"),
        ("server.workers", "2"),
    ])
}

#[test]
fn two_users_see_each_other_while_both_watch() {
    let server = mutual();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    pomke.request("set", json!({"name": "Pomke"}));
    assert_eq!(mel.subscribe(&["1:2"]), json!({"1:2": "offline"}));
    pomke.request("status", json!("busy"));
    let found = mel.request("lookup", json!(["1:2", "1:1"]));
    assert_eq!(found["1:2"], json!({"state": "offline", "devices": 0}));
    assert_eq!(found["1:1"]["state"], "online");
    mel.expect_nothing_pending();
    // Now both do.
    if pomke.subscribe(&["1:1"]) == json!({"1:1": "offline"}) {
        expect_state(&mut pomke, "1:1", "online");
    }
    expect_state(&mut mel, "1:2", "busy");
    assert_eq!(mel.expect("profiles"), json!({"1:2": {"name": "Pomke"}}));
    assert_eq!(
        mel.request("lookup", json!(["1:2"]))["1:2"]["state"],
        "busy"
    );
    pomke.request("status", json!("online"));
    expect_state(&mut mel, "1:2", "online");
    // And now one does not any more.
    pomke.request("unsubscribe", json!(["1:1"]));
    expect_state(&mut mel, "1:2", "offline");
    pomke.request("status", json!("idle"));
    mel.expect_nothing_pending();
    mel.bye();
    pomke.expect_nothing_pending();
}

#[test]
fn user_that_comes_back_is_seen_when_it_watches_again() {
    let server = mutual();
    let mut mel = server.user("1:1");
    mel.subscribe(&["1:2"]);
    for _ in 0..2 {
        let mut pomke = server.user("1:2");
        mel.expect_nothing_pending();
        pomke.subscribe(&["1:1"]);
        expect_state(&mut mel, "1:2", "online");
        pomke.bye();
        expect_state(&mut mel, "1:2", "offline");
    }
}

#[test]
fn resumed_session_goes_on_to_see() {
    let server = Server::with(&[("presence.watch", "mutual"), ("server.workers", "2")]);
    let mut mel = Client::greeted(server.address);
    let welcome = mel.identify("1:1");
    let mut pomke = server.user("1:2");
    mel.subscribe(&["1:2"]);
    pomke.subscribe(&["1:1"]);
    expect_state(&mut mel, "1:2", "online");
    mel.drop_connection();
    let (mut mel, _) = session::resume(&server, &welcome["session"], 2);
    pomke.command("status", json!("busy"));
    expect_state(&mut mel, "1:2", "busy");
}

#[test]
fn avatar_that_was_lost_knows_again_who_watches() {
    let server = Server::with(&[("presence.watch", "mutual"), ("test_faults", "1")]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    mel.subscribe(&["1:2"]);
    pomke.subscribe(&["1:1"]);
    expect_state(&mut mel, "1:2", "online");
    mel.request("call", json!({"f": "fault:avatar", "args": "1:1"}));
    mel.command("lookup", json!(["1:1"]));
    mel.expect_error("unavailable");
    server.await_metric("turntable_actors_recovered_total", 1.0);
    pomke.command("unsubscribe", json!(["1:1"]));
    loop {
        if mel.expect("userchange")["1:2"] == "offline" {
            break;
        }
    }
}

#[test]
fn role_says_whom_its_users_watch() {
    let server = Server::configured(
        "[presence]\nwatch = \"rule\"\n[portal.roles]\nanonymous = [\"visitor\"]\n\
         [roles.visitor]\nwatch = [\"fb:*\", \"1:3\"]\n",
        &[],
    );
    let _all = ["1:2", "1:3", "fb:1"].map(|user| server.user(user));
    let mut mel = server.user("1:1");
    let seen = mel.subscribe(&["1:1", "1:2", "1:3", "fb:1"]);
    let expected = json!({
        "1:1": "online", "1:2": "offline", "1:3": "online", "fb:1": "online",
    });
    assert_eq!(seen, expected);
    let found = mel.request("lookup", json!(["1:2", "1:3"]));
    assert_eq!(
        (&found["1:2"]["state"], &found["1:3"]["state"]),
        (&json!("offline"), &json!("online"))
    );
    mel.expect_nothing_pending();
}
