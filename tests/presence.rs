//! Friends come and go: who is told what, when, and who is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Client, Server};

/// A server where a drop is seen soon.
fn impatient() -> Server {
    Server::with(&[("presence.grace_ms", "100")])
}

/// The next change, which must be this one alone.
fn told(client: &mut Client, user: &str, state: &str) {
    assert_eq!(client.expect("userchange"), json!({ user: state }));
}

fn one(server: &Server, user: &str) -> Value {
    server.user("9:9").ask("lookup", json!([user]))[user].clone()
}

#[test]
fn the_first_userchange_names_everybody_who_is_watched() {
    let server = Server::start();
    let _here = (server.user("1:1"), server.user("1:2"));
    let mut client = server.user("2:1");
    let all = client.subscribe(&["1:1", "1:2", "1:3", "2:1"]);
    let expected = json!({"1:1": "online", "1:2": "online", "1:3": "offline", "2:1": "online"});
    assert_eq!(all, expected);
    client.expect_none();
}

#[test]
fn later_ones_name_the_changes_alone() {
    let server = Server::start();
    let _here = server.user("1:1");
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2", "1:3"]);
    let friend = server.user("1:2");
    told(&mut client, "1:2", "online");
    friend.bye();
    told(&mut client, "1:2", "offline");
    client.expect_none();
}

#[test]
fn watching_adds_to_what_is_watched() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    assert_eq!(client.subscribe(&["1:2"]), json!({"1:2": "offline"}));
    let _here = server.user("1:1");
    told(&mut client, "1:1", "online");
    let _too = server.user("1:2");
    told(&mut client, "1:2", "online");
    // Asked again, the state is told again.
    assert_eq!(client.subscribe(&["1:1"]), json!({"1:1": "online"}));
}

#[test]
fn an_answer_is_given_where_the_command_has_an_id() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.send(json!({"command": "subscribe", "data": ["1:1"], "id": 5}));
    assert_eq!(client.expect("userchange"), json!({"1:1": "offline"}));
    let reply = client.next();
    assert_eq!(
        (&reply["command"], &reply["id"]),
        (&json!("reply"), &json!(5))
    );
    client.ask("unsubscribe", json!(["1:1"]));
    client.ask("status", json!("busy"));
    client.ask("subscribe", json!([]));
}

#[test]
fn watching_nobody_is_no_error() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.command("subscribe", json!([]));
    client.command("unsubscribe", json!(["1:1"]));
    client.expect_nothing_before_an_answer();
}

#[test]
fn ids_that_are_none_are_refused_and_nothing_is_watched() {
    let server = Server::start();
    let mut client = server.user("2:1");
    for wrong in [
        json!([1]),
        json!([null]),
        json!([["1:1"]]),
        json!("1:1"),
        json!({}),
        json!(null),
    ] {
        client.send(json!({"command": "subscribe", "data": wrong, "id": 1}));
        assert_eq!(client.expect_error("bad_message")["id"], 1);
    }
    client.command("subscribe", json!(["1:1", "one"]));
    let error = client.expect_error("invalid_id");
    assert_eq!(error["data"]["details"]["index"], 1);
    let _here = server.user("1:1");
    client.expect_none();
}

#[test]
fn only_so_many_users_can_be_watched() {
    let server = Server::with(&[("presence.watch_max", "3")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2"]);
    client.command("subscribe", json!(["1:3", "1:4"]));
    let error = client.expect_error("too_many");
    assert_eq!(error["data"]["details"]["max"], 3);
    // Those that are watched already take no place.
    client.subscribe(&["1:1", "1:2", "1:3"]);
    client.ask("unsubscribe", json!(["1:1"]));
    client.subscribe(&["1:4"]);
}

#[test]
fn who_does_not_watch_is_never_told() {
    let server = Server::start();
    let mut stranger = server.user("3:1");
    stranger.subscribe(&["1:2"]);
    let mut former = server.user("3:2");
    former.subscribe(&["1:1", "1:2"]);
    former.ask("unsubscribe", json!(["1:1"]));
    let mut watcher = server.user("3:3");
    watcher.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    told(&mut watcher, "1:1", "online");
    friend.command("status", json!("busy"));
    told(&mut watcher, "1:1", "busy");
    friend.bye();
    told(&mut watcher, "1:1", "offline");
    stranger.expect_none();
    former.expect_none();
}

#[test]
fn all_who_watch_are_told_on_whatever_worker_they_are() {
    let server = Server::start();
    let mut watchers: Vec<Client> = (0..8).map(|n| server.user(&format!("2:{n}"))).collect();
    for watcher in &mut watchers {
        watcher.subscribe(&["1:1"]);
    }
    let friend = server.user("1:1");
    watchers
        .iter_mut()
        .for_each(|watcher| told(watcher, "1:1", "online"));
    friend.bye();
    watchers
        .iter_mut()
        .for_each(|watcher| told(watcher, "1:1", "offline"));
}

#[test]
fn changes_that_wait_for_one_client_travel_together() {
    let server = Server::with(&[("presence.coalesce_ms", "1000")]);
    let mut client = server.user("2:1");
    let names: Vec<String> = (0..30).map(|n| format!("1:{n}")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    client.subscribe(&ids);
    // The first change may go at once, and the second begins the wait.
    let mut friends = vec![server.user(ids[0])];
    told(&mut client, "1:0", "online");
    friends.extend(ids[1..].iter().map(|id| server.user(id)));
    let (mut messages, mut seen) = (0, 0);
    while seen < 29 {
        messages += 1;
        seen += client.expect("userchange").as_object().unwrap().len();
    }
    assert!(messages <= 6, "{messages} messages for 29 changes");
}

#[test]
fn a_second_tab_changes_nothing_and_the_last_one_to_go_does() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let first = server.user("1:1");
    told(&mut client, "1:1", "online");
    let second = server.user("1:1");
    first.bye();
    client.expect_none();
    second.bye();
    told(&mut client, "1:1", "offline");
}

#[test]
fn a_dropped_connection_is_seen_when_the_grace_is_over() {
    let server = Server::with(&[("presence.grace_ms", "400")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    let start = Instant::now();
    friend.drop_dead();
    told(&mut client, "1:1", "offline");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_return_within_the_grace_is_never_seen() {
    let server = Server::with(&[("presence.grace_ms", "1000")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    friend.drop_dead();
    let _again = server.user("1:1");
    client.expect_none_for(Duration::from_millis(1_500));
}

#[test]
fn a_goodbye_is_seen_at_once() {
    let server = Server::with(&[("presence.grace_ms", "600000")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    friend.bye();
    told(&mut client, "1:1", "offline");
}

#[test]
fn a_friend_says_how_it_is() {
    let server = impatient();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    friend.command("status", json!("busy"));
    told(&mut client, "1:1", "busy");
    friend.command("status", json!({"state": "idle"}));
    told(&mut client, "1:1", "idle");
    friend.command("status", json!("invisible"));
    told(&mut client, "1:1", "offline");
    friend.command("status", json!({"state": "online", "note": "back"}));
    told(&mut client, "1:1", "online");
    friend.ask("status", json!("online"));
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
fn the_most_available_of_several_sessions_is_seen_and_invisible_hides_all() {
    let server = impatient();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut desk = server.user("1:1");
    told(&mut client, "1:1", "online");
    let mut phone = server.user("1:1");
    desk.ask("status", json!("idle"));
    client.expect_none();
    phone.ask("status", json!("busy"));
    told(&mut client, "1:1", "busy");
    phone.ask("status", json!("idle"));
    told(&mut client, "1:1", "idle");
    desk.ask("status", json!("online"));
    told(&mut client, "1:1", "online");
    phone.ask("status", json!("invisible"));
    told(&mut client, "1:1", "offline");
    phone.bye();
    told(&mut client, "1:1", "online");
}

#[test]
fn a_member_of_a_game_is_busy_until_it_leaves() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    for room in ["CStrike", "Chess"] {
        friend.command("joingame", json!({"channel": room, "self": "1:1"}));
        friend.expect("joined");
    }
    told(&mut client, "1:1", "busy");
    friend.ask("leavegame", json!({"channel": "CStrike"}));
    client.expect_none();
    friend.ask("leavegame", json!({"channel": "Chess"}));
    told(&mut client, "1:1", "online");
}

#[test]
fn nobody_is_busy_by_a_game_where_that_is_switched_off() {
    let server = Server::with(&[("presence.busy_in_game", "false")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    friend.command("joingame", json!({"channel": "CStrike", "self": "1:1"}));
    friend.expect("joined");
    client.expect_none();
}

#[test]
fn nobody_is_idle_by_itself_unless_that_is_configured() {
    let server = Server::start();
    let mut client = server.user("2:1");
    let _silent = server.user("1:1");
    client.subscribe(&["1:1"]);
    client.expect_none_for(Duration::from_millis(600));

    let server = Server::with(&[("presence.idle_after_ms", "300")]);
    let mut client = server.user("2:1");
    let mut friend = server.user("1:1");
    client.subscribe(&["1:1"]);
    told(&mut client, "1:1", "idle");
    friend.command("lookup", json!([]));
    told(&mut client, "1:1", "online");
    told(&mut client, "1:1", "idle");
}

#[test]
fn a_lookup_tells_devices_note_and_when_somebody_was_last_there() {
    let server = impatient();
    let never = json!({"state": "offline", "devices": 0});
    assert_eq!(one(&server, "1:1"), never);
    let mut desk = server.user("1:1");
    let phone = server.user("1:1");
    desk.ask(
        "status",
        json!({"state": "busy", "note": {"in": "a meeting"}}),
    );
    phone.bye();
    let now = one(&server, "1:1");
    assert_eq!(
        (&now["state"], &now["devices"]),
        (&json!("busy"), &json!(1))
    );
    assert_eq!(now["note"], json!({"in": "a meeting"}));
    desk.bye();
    let then = one(&server, "1:1");
    assert_eq!(
        (&then["state"], &then["devices"]),
        (&json!("offline"), &json!(0))
    );
    let ago = server.user("9:9").identify("9:9")["time"].as_u64().unwrap()
        - then["last_seen"].as_u64().unwrap();
    assert!(ago < 10_000, "{ago} ms ago");
}

#[test]
fn a_lookup_does_not_betray_the_invisible_and_is_bounded() {
    let server = Server::with(&[("presence.lookup_max", "2")]);
    let mut hidden = server.user("1:1");
    hidden.ask("status", json!({"state": "invisible", "note": "hush"}));
    let seen = one(&server, "1:1");
    assert_eq!(
        (&seen["state"], &seen["devices"]),
        (&json!("offline"), &json!(0))
    );
    assert!(seen.get("note").is_none(), "{seen}");
    hidden.command("lookup", json!(["1:1", "1:2", "1:3"]));
    assert_eq!(hidden.expect_error("too_many")["data"]["details"]["max"], 2);
}

#[test]
fn an_avatar_goes_away_with_the_last_who_is_it_or_watches_it() {
    let server = Server::with(&[("presence.grace_ms", "50"), ("session.resume_ms", "50")]);
    let avatars = "turntable_actors{name=\"avatar\"}";
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2", "1:3"]);
    server.await_metric(avatars, 4.0);
    let friend = server.user("1:1");
    told(&mut client, "1:1", "online");
    client.ask("unsubscribe", json!(["1:2", "1:3"]));
    server.await_metric(avatars, 2.0);
    client.drop_dead();
    server.await_metric(avatars, 1.0);
    friend.bye();
    server.await_metric(avatars, 0.0);
    one(&server, "1:77");
    server.await_metric(avatars, 0.0);
    server.await_metric("turntable_sessions", 0.0);
}
