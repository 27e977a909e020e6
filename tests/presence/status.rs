//! The state of a user: connections, grace, status, rooms, and `lookup`.

use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::presence::{expect_state, lookup};

/// A server that reports dropped connections soon.
fn short_grace() -> Server {
    Server::with(&[("presence.grace_ms", "100")])
}

#[test]
fn only_first_and_last_session_of_user_change_presence() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let first = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    let second = server.user("1:1");
    first.bye();
    client.expect_none();
    second.bye();
    expect_state(&mut client, "1:1", "offline");
}

#[test]
fn dropped_connection_is_reported_after_grace() {
    let server = Server::with(&[("presence.grace_ms", "400")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    let start = Instant::now();
    friend.drop_connection();
    expect_state(&mut client, "1:1", "offline");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn return_within_grace_is_not_reported() {
    let server = Server::with(&[("presence.grace_ms", "1000")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    friend.drop_connection();
    let _again = server.user("1:1");
    client.expect_none_for(Duration::from_millis(1_500));
}

#[test]
fn bye_is_reported_at_once() {
    let server = Server::with(&[("presence.grace_ms", "600000")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    friend.bye();
    expect_state(&mut client, "1:1", "offline");
}

#[test]
fn status_changes_are_reported() {
    let server = short_grace();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    friend.command("status", json!("busy"));
    expect_state(&mut client, "1:1", "busy");
    friend.command("status", json!({"state": "idle"}));
    expect_state(&mut client, "1:1", "idle");
    friend.command("status", json!("invisible"));
    expect_state(&mut client, "1:1", "offline");
    friend.command("status", json!({"state": "online", "note": "back"}));
    expect_state(&mut client, "1:1", "online");
    friend.request("status", json!("online"));
    client.expect_none();
    for wrong in [
        json!("away"),
        json!({}),
        json!(1),
        json!({"state": "gone"}),
        json!(null),
    ] {
        friend.command("status", wrong);
        friend.expect_error("bad_message");
    }
    client.expect_none();
}

#[test]
fn most_available_session_counts_and_invisible_hides_all() {
    let server = short_grace();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut desk = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    let mut phone = server.user("1:1");
    desk.request("status", json!("idle"));
    client.expect_none();
    phone.request("status", json!("busy"));
    expect_state(&mut client, "1:1", "busy");
    phone.request("status", json!("idle"));
    expect_state(&mut client, "1:1", "idle");
    desk.request("status", json!("online"));
    expect_state(&mut client, "1:1", "online");
    phone.request("status", json!("invisible"));
    expect_state(&mut client, "1:1", "offline");
    phone.bye();
    expect_state(&mut client, "1:1", "online");
}

#[test]
fn room_member_is_busy_until_it_leaves() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    for room in ["CStrike", "Chess"] {
        friend.command("joingame", json!({"channel": room, "self": "1:1"}));
        friend.expect("joined");
    }
    expect_state(&mut client, "1:1", "busy");
    friend.request("leavegame", json!({"channel": "CStrike"}));
    client.expect_none();
    friend.request("leavegame", json!({"channel": "Chess"}));
    expect_state(&mut client, "1:1", "online");
}

#[test]
fn busy_in_game_can_be_switched_off() {
    let server = Server::with(&[("presence.busy_in_game", "false")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    friend.command("joingame", json!({"channel": "CStrike", "self": "1:1"}));
    friend.expect("joined");
    client.expect_none();
}

#[test]
fn automatic_idle_is_off_unless_configured() {
    let server = Server::start();
    let mut client = server.user("2:1");
    let _silent = server.user("1:1");
    client.subscribe(&["1:1"]);
    client.expect_none_for(Duration::from_millis(600));

    let server = Server::with(&[("presence.idle_after_ms", "300")]);
    let mut client = server.user("2:1");
    let mut friend = server.user("1:1");
    client.subscribe(&["1:1"]);
    expect_state(&mut client, "1:1", "idle");
    friend.command("lookup", json!([]));
    expect_state(&mut client, "1:1", "online");
    expect_state(&mut client, "1:1", "idle");
}

#[test]
fn lookup_returns_devices_note_and_last_seen() {
    let server = short_grace();
    let never = json!({"state": "offline", "devices": 0});
    assert_eq!(lookup(&server, "1:1"), never);
    let mut desk = server.user("1:1");
    let phone = server.user("1:1");
    desk.request(
        "status",
        json!({"state": "busy", "note": {"in": "a meeting"}}),
    );
    phone.bye();
    let now = lookup(&server, "1:1");
    assert_eq!(
        (&now["state"], &now["devices"]),
        (&json!("busy"), &json!(1))
    );
    assert_eq!(now["note"], json!({"in": "a meeting"}));
    desk.bye();
    let then = lookup(&server, "1:1");
    assert_eq!(
        (&then["state"], &then["devices"]),
        (&json!("offline"), &json!(0))
    );
    let ago = server.user("9:9").identify("9:9")["time"].as_u64().unwrap()
        - then["last_seen"].as_u64().unwrap();
    assert!(ago < 10_000, "{ago} ms ago");
}

#[test]
fn lookup_hides_invisible_users_and_is_limited() {
    let server = Server::with(&[("presence.lookup_max", "2")]);
    let mut hidden = server.user("1:1");
    hidden.request("status", json!({"state": "invisible", "note": "hush"}));
    let seen = lookup(&server, "1:1");
    assert_eq!(
        (&seen["state"], &seen["devices"]),
        (&json!("offline"), &json!(0))
    );
    assert!(seen.get("note").is_none(), "{seen}");
    hidden.command("lookup", json!(["1:1", "1:2", "1:3"]));
    assert_eq!(hidden.expect_error("too_many")["data"]["details"]["max"], 2);
}
