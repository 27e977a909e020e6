//! Public attributes of watched users: `profiles` and `lookup`.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::presence::{expect_state, lookup};

#[test]
fn watcher_gets_all_public_attributes_and_then_changes() {
    let server = Server::start();
    let mut friend = server.user("1:1");
    friend.request("set", json!({"name": "Mel", "score": 1.50, "email": "a@b"}));
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2"]);
    let first = client.expect("profiles");
    assert_eq!(first, json!({"1:1": {"name": "Mel", "score": 1.50}}));
    friend.request("set", json!({"score": 2, "email": "c@d"}));
    assert_eq!(client.expect("profiles"), json!({"1:1": {"score": 2}}));
    // Nothing of what is unchanged or private.
    friend.request("set", json!({"score": 2, "name": "Mel", "email": "e@f"}));
    friend.request("set", json!({"name": null}));
    assert_eq!(client.expect("profiles"), json!({"1:1": {"name": null}}));
    // A user without attributes gets some.
    let mut other = server.user("1:2");
    expect_state(&mut client, "1:2", "online");
    other.request("set", json!({"colour": "red"}));
    assert_eq!(client.expect("profiles"), json!({"1:2": {"colour": "red"}}));
    client.expect_nothing_pending();
}

#[test]
fn changes_within_the_collection_time_are_one_message() {
    let server = Server::with(&[("presence.coalesce_ms", "300")]);
    let mut friends = [server.user("1:1"), server.user("1:2")];
    let mut client = server.user("2:1");
    client.subscribe(&["1:1", "1:2"]);
    friends[0].request("set", json!({"score": -1}));
    client.expect("profiles");
    for score in 0..20 {
        for friend in &mut friends {
            friend.request("set", json!({"score": score}));
        }
    }
    let mut messages = 0;
    loop {
        messages += 1;
        let profiles = client.expect("profiles");
        if profiles["1:1"]["score"] == 19 && profiles["1:2"]["score"] == 19 {
            break;
        }
    }
    assert!(messages < 5, "{messages}");
    client.expect_nothing_pending();
}

#[test]
fn missed_profiles_follow_at_resume() {
    let server = Server::start();
    let mut friend = server.user("1:1");
    friend.request("set", json!({"name": "Mel"}));
    let mut client = server.connect();
    let session = client.identify("2:1")["session"].clone();
    client.subscribe(&["1:1"]);
    let name = client.expect("profiles");
    assert_eq!(name, json!({"1:1": {"name": "Mel"}}));
    client.drop_connection();
    friend.request("set", json!({"score": 1, "note": "a"}));
    friend.request("set", json!({"score": 2, "note": null}));
    let mut client = server.connect();
    // It has received the snapshot only.
    client.command("resume", json!({"session": session, "received": 1}));
    assert_eq!(client.expect("welcome")["resumed"], json!(true));
    assert_eq!(client.expect("profiles"), name);
    // The first change may have been written before the loss was noticed.
    let mut seen = json!({});
    while seen["score"] != 2 {
        let changes = client.expect("profiles");
        for (key, value) in changes["1:1"].as_object().unwrap() {
            seen[key] = value.clone();
        }
    }
    assert_eq!(seen["note"], json!(null));
    client.expect_nothing_pending();
}

#[test]
fn invisible_user_shows_no_change_and_not_what_it_plays() {
    let server = Server::start();
    let mut friend = server.user("1:1");
    friend.request("set", json!({"name": "Mel", "playing": "strike"}));
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    client.expect("profiles");
    assert_eq!(lookup(&server, "1:1")["profile"]["playing"], "strike");
    friend.request("status", json!("invisible"));
    expect_state(&mut client, "1:1", "offline");
    assert_eq!(client.expect("profiles"), json!({"1:1": {"playing": null}}));
    friend.request("set", json!({"playing": "four", "name": "Melanie"}));
    let seen = lookup(&server, "1:1");
    assert_eq!(seen["profile"], json!({"name": "Mel"}));
    client.expect_nothing_pending();
    friend.request("status", json!("online"));
    expect_state(&mut client, "1:1", "online");
    let now = json!({"1:1": {"name": "Melanie", "playing": "four"}});
    assert_eq!(client.expect("profiles"), now);
    client.expect_nothing_pending();
}

#[test]
fn names_of_public_attributes_are_configured() {
    let server = Server::with(&[("attributes.public", r#"["rank"]"#)]);
    let mut friend = server.user("1:1");
    let mut client = server.user("2:1");
    client.subscribe(&["1:1"]);
    friend.request("set", json!({"name": "Mel", "rank": {"of": 1}}));
    let rank = json!({"rank": {"of": 1}});
    assert_eq!(client.expect("profiles"), json!({"1:1": rank}));
    assert_eq!(lookup(&server, "1:1")["profile"], rank);
    client.expect_nothing_pending();
}

#[test]
fn many_long_profiles_do_not_overflow_the_outbox_of_their_watcher() {
    const USERS: usize = 300;
    let server = Server::with(&[
        ("session.outbox_bytes_max", "140000"),
        ("presence.attributes_bytes_max", "4096"),
        ("limits.address_publish.per_second", "0"),
    ]);
    let name = "x".repeat(4_000);
    let ids: Vec<String> = (0..USERS).map(|n| format!("1:{n}")).collect();
    let friends: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut friend = server.user(id);
            friend.request("set", json!({"name": name}));
            friend
        })
        .collect();
    let mut client = server.user("2:1");
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    client.command("subscribe", json!(ids));
    let states = client.expect("userchange");
    assert_eq!(states.as_object().unwrap().len(), USERS);
    let mut seen = 0;
    while seen < USERS {
        seen += client.expect("profiles").as_object().unwrap().len();
    }
    assert_eq!(seen, USERS);
    drop(friends);
}
