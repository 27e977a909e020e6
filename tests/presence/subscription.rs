//! Watching users: which changes a watcher receives, and when.

use serde_json::json;

use turntable_testkit::metric::{ABSENT_WATCHED, AVATARS, SESSIONS};
use turntable_testkit::presence::{expect_state, lookup};
use turntable_testkit::{Client, Server};

#[test]
fn first_userchange_lists_all_watched_users() {
    let server = Server::start();
    let _here = (server.user("1:1"), server.user("1:2"));
    let mut client = server.user("2:1");
    let all = client.subscribe(&["1:1", "1:2", "1:3", "2:1"]);
    let expected = json!({"1:1": "online", "1:2": "online", "1:3": "offline", "2:1": "online"});
    assert_eq!(all, expected);
    client.expect_none();
}

#[test]
fn later_userchanges_list_only_changes() {
    let server = Server::start();
    let _here = server.user("1:1");
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2", "1:3"]);
    let friend = server.user("1:2");
    expect_state(&mut client, "1:2", "online");
    friend.bye();
    expect_state(&mut client, "1:2", "offline");
    client.expect_none();
}

#[test]
fn subscribe_adds_to_watched_users() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    assert_eq!(client.subscribe(&["1:2"]), json!({"1:2": "offline"}));
    let _here = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    let _too = server.user("1:2");
    expect_state(&mut client, "1:2", "online");
    // Subscribing again reports the state again.
    assert_eq!(client.subscribe(&["1:1"]), json!({"1:1": "online"}));
}

#[test]
fn command_with_id_is_answered() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.send(json!({"command": "subscribe", "data": ["1:1"], "id": 5}));
    assert_eq!(client.expect("userchange"), json!({"1:1": "offline"}));
    let reply = client.next();
    assert_eq!(
        (&reply["command"], &reply["id"]),
        (&json!("reply"), &json!(5))
    );
    client.request("unsubscribe", json!(["1:1"]));
    client.request("status", json!("busy"));
    client.request("subscribe", json!([]));
}

#[test]
fn empty_subscribe_is_no_error() {
    let server = Server::start();
    let mut client = server.user("2:1");
    client.command("subscribe", json!([]));
    client.command("unsubscribe", json!(["1:1"]));
    client.expect_nothing_pending();
}

#[test]
fn invalid_ids_are_refused_and_nothing_is_watched() {
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
fn watched_users_are_limited() {
    let server = Server::with(&[("presence.watch_max", "3")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2"]);
    client.command("subscribe", json!(["1:3", "1:4"]));
    let error = client.expect_error("too_many");
    assert_eq!(error["data"]["details"]["max"], 3);
    // Users that are watched already do not count again.
    client.subscribe(&["1:1", "1:2", "1:3"]);
    client.request("unsubscribe", json!(["1:1"]));
    client.subscribe(&["1:4"]);
}

#[test]
fn non_watchers_are_not_notified() {
    let server = Server::start();
    let mut other = server.user("3:1");
    other.subscribe(&["1:2"]);
    let mut former = server.user("3:2");
    former.subscribe(&["1:1", "1:2"]);
    former.request("unsubscribe", json!(["1:1"]));
    let mut watcher = server.user("3:3");
    watcher.subscribe(&["1:1"]);
    let mut friend = server.user("1:1");
    expect_state(&mut watcher, "1:1", "online");
    friend.command("status", json!("busy"));
    expect_state(&mut watcher, "1:1", "busy");
    friend.bye();
    expect_state(&mut watcher, "1:1", "offline");
    other.expect_none();
    former.expect_none();
}

#[test]
fn watchers_on_all_workers_are_notified() {
    let server = Server::start();
    let mut watchers: Vec<Client> = (0..8).map(|n| server.user(&format!("2:{n}"))).collect();
    for watcher in &mut watchers {
        watcher.subscribe(&["1:1"]);
    }
    let friend = server.user("1:1");
    watchers
        .iter_mut()
        .for_each(|watcher| expect_state(watcher, "1:1", "online"));
    friend.bye();
    watchers
        .iter_mut()
        .for_each(|watcher| expect_state(watcher, "1:1", "offline"));
}

#[test]
fn pending_changes_are_sent_in_one_message() {
    let server = Server::with(&[("presence.coalesce_ms", "1000")]);
    let mut client = server.user("2:1");
    let names: Vec<String> = (0..30).map(|n| format!("1:{n}")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    client.subscribe(&ids);
    // The first change may be sent at once; the second starts the delay.
    let mut friends = vec![server.user(ids[0])];
    expect_state(&mut client, "1:0", "online");
    friends.extend(ids[1..].iter().map(|id| server.user(id)));
    let (mut messages, mut seen) = (0, 0);
    while seen < 29 {
        messages += 1;
        seen += client.expect("userchange").as_object().unwrap().len();
    }
    assert!(messages <= 6, "{messages} messages for 29 changes");
}

#[test]
fn avatar_actor_ends_with_last_session() {
    let server = Server::with(&[("presence.grace_ms", "50"), ("session.resume_ms", "50")]);
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2", "1:3"]);
    server.await_metric(AVATARS, 1.0);
    server.await_metric(ABSENT_WATCHED, 3.0);
    let friend = server.user("1:1");
    expect_state(&mut client, "1:1", "online");
    server.await_metric(AVATARS, 2.0);
    client.request("unsubscribe", json!(["1:2", "1:3"]));
    server.await_metric(ABSENT_WATCHED, 0.0);
    friend.bye();
    expect_state(&mut client, "1:1", "offline");
    server.await_metric(AVATARS, 1.0);
    server.await_metric(ABSENT_WATCHED, 1.0);
    client.drop_connection();
    server.await_metric(AVATARS, 0.0);
    server.await_metric(ABSENT_WATCHED, 0.0);
    lookup(&server, "1:77");
    server.await_metric(AVATARS, 0.0);
    server.await_metric(SESSIONS, 0.0);
}

#[test]
fn watching_absent_users_makes_no_actors() {
    let server = Server::with(&[("limits.presence", "{ per_second = 0, burst = 1 }")]);
    let mut client = server.user("2:1");
    let names: Vec<String> = (0..1_000).map(|n| format!("1:{n}")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    let states = client.subscribe(&ids);
    assert_eq!(states.as_object().unwrap().len(), 1_000);
    server.await_metric(AVATARS, 1.0);
    server.await_metric(ABSENT_WATCHED, 1_000.0);
    let mut friend = server.user("1:7");
    expect_state(&mut client, "1:7", "online");
    // Attributes of a watched user last until it comes back.
    friend.request("set", json!({"email": "a@b"}));
    friend.bye();
    expect_state(&mut client, "1:7", "offline");
    let mut friend = server.connect();
    assert_eq!(
        friend.identify("1:7")["attributes"],
        json!({"email": "a@b"})
    );
    expect_state(&mut client, "1:7", "online");
    client.bye();
    server.await_metric(ABSENT_WATCHED, 0.0);
}
