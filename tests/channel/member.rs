//! Who is on a channel: the list of a `joined`, and the changes behind it.

use serde_json::{Value, json};

use turntable_testkit::channel::{join, join_with_subpaths, leave, publish, published};
use turntable_testkit::session::Session;
use turntable_testkit::{Client, Server};

fn server(entry: &str, keys: &[(&str, &str)]) -> Server {
    let file = format!("[channels.\"c/**\"]\nmembers = true\n{entry}\n");
    Server::configured(&file, keys)
}

/// The members of a `joined`, each with its state.
fn names(joined: &Value) -> Vec<&str> {
    let members = joined["members"].as_object().expect("a list of members");
    for member in members.values() {
        assert_eq!(*member, json!({"state": "joined"}));
    }
    members.keys().map(String::as_str).collect()
}

fn expect_change(client: &mut Client, channel: &str, members: Value) {
    let change = client.expect("memberchange");
    // The epoch tells it from a change of a room.
    let epoch = &change["epoch"];
    let expected = json!({"channel": channel, "epoch": epoch, "members": members});
    assert_eq!(change, expected);
    assert!(epoch.is_string());
}

/// A client of `1:1` and a session of `1:2` on the channel `c`.
fn pair(server: &Server) -> (Client, Session<'_>) {
    let mut mel = server.user("1:1");
    join(&mut mel, "c");
    let mut pomke = Session::begin(server, "1:2");
    pomke.request("joinchannel", json!({"channel": "c"}));
    expect_change(&mut mel, "c", json!({"1:2": "joined"}));
    (mel, pomke)
}

#[test]
fn listeners_get_all_members_and_then_each_change() {
    let server = server("", &[]);
    let [mut mel, mut pomke, mut ada] = ["1:1", "1:2", "1:3"].map(|id| server.user(id));
    assert_eq!(names(&join(&mut mel, "c")), ["1:1"]);
    assert_eq!(names(&join_with_subpaths(&mut pomke, "c")), ["1:1", "1:2"]);
    expect_change(&mut mel, "c", json!({"1:2": "joined"}));
    // A user on a path above or below is on that path.
    let below = join(&mut ada, "c/below");
    assert_eq!(names(&below), ["1:3"]);
    mel.expect_nothing_pending();
    pomke.expect_nothing_pending();
    // A second session of a user, and a join again, are no change.
    let mut second = server.user("1:1");
    assert_eq!(names(&join(&mut second, "c")), ["1:1", "1:2"]);
    join_with_subpaths(&mut mel, "c");
    join(&mut mel, "c");
    leave(&mut second, "c");
    pomke.expect_nothing_pending();
    leave(&mut mel, "c");
    expect_change(&mut pomke, "c", json!({"1:1": "left"}));
    join(&mut mel, "c");
    expect_change(&mut pomke, "c", json!({"1:1": "joined"}));
    pomke.bye();
    expect_change(&mut mel, "c", json!({"1:2": "left"}));
    mel.expect_nothing_pending();
}

#[test]
fn channels_without_the_switch_have_no_members() {
    let server = server("", &[]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    assert_eq!(join(&mut mel, "d").get("members"), None);
    join(&mut pomke, "d");
    mel.expect_nothing_pending();
}

#[test]
fn changes_and_messages_have_one_order() {
    let server = server("", &[]);
    let [mut mel, mut pomke, mut ada] = ["1:1", "1:2", "1:3"].map(|id| server.user(id));
    join(&mut mel, "c");
    join(&mut ada, "c");
    expect_change(&mut mel, "c", json!({"1:3": "joined"}));
    for n in 0..5 {
        join(&mut pomke, "c");
        pomke.command("publish", json!({"channel": "c", "data": n}));
        assert_eq!(published(&mut pomke), [n]);
        leave(&mut pomke, "c");
    }
    for client in [&mut mel, &mut ada] {
        for n in 0..5 {
            expect_change(client, "c", json!({"1:2": "joined"}));
            assert_eq!(published(client), [n]);
            expect_change(client, "c", json!({"1:2": "left"}));
        }
        client.expect_nothing_pending();
    }
}

#[test]
fn resume_within_the_grace_is_not_seen() {
    let server = server("", &[("presence.grace_ms", "60000")]);
    let (mut mel, mut pomke) = pair(&server);
    for n in 0..3 {
        pomke.cut_and_resume();
        publish(&mut server.user("1:9"), "c", json!(n));
        assert_eq!(pomke.published(), n);
        assert_eq!(published(&mut mel), [n]);
    }
    mel.expect_nothing_pending();
}

#[test]
fn lost_connection_leaves_after_the_grace_and_comes_back() {
    let server = server("", &[("presence.grace_ms", "100")]);
    let (mut mel, mut pomke) = pair(&server);
    pomke.cut();
    expect_change(&mut mel, "c", json!({"1:2": "left"}));
    // Who joins meanwhile does not see it.
    let mut ada = server.user("1:3");
    assert_eq!(names(&join(&mut ada, "c")), ["1:1", "1:3"]);
    expect_change(&mut mel, "c", json!({"1:3": "joined"}));
    pomke.resume();
    expect_change(&mut mel, "c", json!({"1:2": "joined"}));
    expect_change(&mut ada, "c", json!({"1:2": "joined"}));
    // It got what was published and said meanwhile, its own change included.
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(pomke.expect("memberchange")["members"].take());
    }
    let expected = [
        json!({"1:2": "left"}),
        json!({"1:3": "joined"}),
        json!({"1:2": "joined"}),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn expired_session_leaves_with_its_user_gone() {
    let keys = [("presence.grace_ms", "60000"), ("session.resume_ms", "200")];
    let server = server("", &keys);
    let (mut mel, mut pomke) = pair(&server);
    pomke.cut();
    expect_change(&mut mel, "c", json!({"1:2": "left"}));
}

#[test]
fn invisible_user_is_hidden_with_all_its_sessions() {
    let server = server("", &[]);
    let mut mel = server.user("1:1");
    join(&mut mel, "c");
    // Hidden right before its join.
    let mut pomke = server.user("1:2");
    pomke.command("status", json!("invisible"));
    assert_eq!(names(&join(&mut pomke, "c")), ["1:1", "1:2"]);
    // Another session of it, which knows of the status from its avatar.
    let mut second = server.user("1:2");
    assert_eq!(names(&join(&mut second, "c/2")), ["1:2"]);
    let mut ada = server.user("1:3");
    assert_eq!(names(&join(&mut ada, "c/2")), ["1:3"]);
    expect_change(&mut second, "c/2", json!({"1:3": "joined"}));
    join(&mut second, "c");
    mel.expect_nothing_pending();
    pomke.request("status", json!("online"));
    expect_change(&mut mel, "c", json!({"1:2": "joined"}));
    expect_change(&mut ada, "c/2", json!({"1:2": "joined"}));
    pomke.expect("memberchange");
    for _ in 0..2 {
        second.expect("memberchange");
    }
    second.command("status", json!("invisible"));
    expect_change(&mut mel, "c", json!({"1:2": "left"}));
    expect_change(&mut ada, "c/2", json!({"1:2": "left"}));
}

#[test]
fn many_members_are_a_number() {
    let server = server("members_max = 2", &[]);
    let mut mel = server.user("1:1");
    join(&mut mel, "c");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "c");
    expect_change(&mut mel, "c", json!({"1:2": "joined"}));
    let mut ada = server.user("1:3");
    assert_eq!(join(&mut ada, "c")["members"], 3);
    expect_change(&mut mel, "c", json!(3));
    // The number comes at most once a second, so these two are one change.
    let others = ["1:4", "1:5"].map(|id| {
        let mut client = server.user(id);
        join(&mut client, "c");
        client
    });
    expect_change(&mut mel, "c", json!(5));
    for client in others {
        client.bye();
    }
    ada.bye();
    // Few have names again: all of them.
    let mut last = mel.expect("memberchange")["members"].take();
    while last.is_number() {
        last = mel.expect("memberchange")["members"].take();
    }
    assert_eq!(last, json!({"1:1": "joined", "1:2": "joined"}));
    pomke.bye();
    expect_change(&mut mel, "c", json!({"1:2": "left"}));
}
