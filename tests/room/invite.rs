//! Invites: who receives them, how long they wait, what the inviter receives (D21
//! of docs/promises.md).

use std::time::Duration;

use serde_json::{Value, json};

use turntable_testkit::metric::{AVATARS, CONNECTIONS};
use turntable_testkit::room::{expect_change, join, join_with};
use turntable_testkit::{Client, Server};

/// `mel` joins the room and invites these users.
fn invite(mel: &mut Client, room: &str, users: &[&str]) {
    let data = json!({"channel": room, "self": "1:1", "invite": users});
    assert_eq!(join_with(mel, data)["channel"], room);
}

fn invitation(room: &str) -> Value {
    json!({"channel": room, "from": "1:1"})
}

fn answer(room: &str, user: &str, accepted: bool) -> Value {
    json!({"channel": room, "user": user, "accepted": accepted})
}

#[test]
fn invite_reaches_every_session_of_invited_user_only() {
    let server = Server::start();
    let mut pomke = [server.user("1:2"), server.user("1:2"), server.user("1:2")];
    let mut stranger = server.user("1:3");
    let mut tablet = server.user("1:1");
    let mut mel = server.user("1:1");
    // The list contains the inviter itself, and one user twice.
    invite(&mut mel, "CStrike", &["1:2", "1:1", "1:2"]);
    for socket in &mut pomke {
        assert_eq!(socket.expect("invite"), invitation("CStrike"));
    }
    for other in [&mut mel, &mut tablet, &mut stranger] {
        other.expect_nothing_pending();
    }
    for socket in &mut pomke {
        socket.expect_none_for(Duration::from_millis(50));
    }
}

#[test]
fn members_are_not_invited() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    join(&mut mel, "r", "1:1");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "r", "1:2");
    expect_change(&mut mel, "1:2", "joined");
    invite(&mut mel, "r", &["1:2"]);
    pomke.expect_none();
}

#[test]
fn invite_of_offline_user_waits_and_is_delivered_once() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    invite(&mut mel, "r", &["1:2"]);
    invite(&mut mel, "s", &["1:2", "1:3"]);
    let mut pomke = server.user("1:2");
    assert_eq!(pomke.expect("invite"), invitation("r"));
    assert_eq!(pomke.expect("invite"), invitation("s"));
    let mut tablet = server.user("1:2");
    tablet.expect_none();
    pomke.expect_nothing_pending();
    // The invite was delivered, and can still be answered.
    join(&mut tablet, "s", "1:2");
    expect_change(&mut mel, "1:2", "joined");
    assert_eq!(mel.expect("invitereply"), answer("s", "1:2", true));
}

#[test]
fn users_that_are_only_invited_have_no_avatar() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    let users: Vec<String> = (0..32).map(|number| format!("2:{number}")).collect();
    let invited: Vec<&str> = users.iter().map(String::as_str).collect();
    invite(&mut mel, "r", &invited);
    // The owners of these users have got the invites before.
    let found = mel.request("lookup", json!(users));
    assert_eq!(found["2:0"]["state"], "offline");
    assert_eq!(server.metric(AVATARS), 1.0);
    let mut pomke = server.user("2:31");
    assert_eq!(pomke.expect("invite"), invitation("r"));
    // Those of a user that has gone wait in the same way.
    pomke.bye();
    server.await_metric(AVATARS, 1.0);
    invite(&mut mel, "s", &["2:31"]);
    mel.request("lookup", json!(["2:31"]));
    assert_eq!(server.metric(AVATARS), 1.0);
    let mut pomke = server.user("2:31");
    assert_eq!(pomke.expect("invite"), invitation("s"));
    pomke.expect_nothing_pending();
}

#[test]
fn disconnected_user_gets_invite_on_resume() {
    let server = Server::start();
    let mut pomke = server.connect();
    let session = pomke.identify("1:2")["session"].clone();
    pomke.drop_connection();
    server.await_metric(CONNECTIONS, 0.0);
    let mut mel = server.user("1:1");
    invite(&mut mel, "r", &["1:2"]);
    let mut pomke = server.connect();
    pomke.command("resume", json!({"session": session, "received": 0}));
    assert_eq!(pomke.expect("welcome")["resumed"], true);
    assert_eq!(pomke.expect("invite"), invitation("r"));
}

#[test]
fn stored_invites_are_limited_and_oldest_are_dropped() {
    let server = Server::with(&[("presence.invites_stored_max", "2")]);
    let mut mel = server.user("1:1");
    for room in ["a", "b", "c"] {
        invite(&mut mel, room, &["1:2"]);
    }
    let mut pomke = server.user("1:2");
    assert_eq!(pomke.expect("invite"), invitation("b"));
    assert_eq!(pomke.expect("invite"), invitation("c"));
    pomke.expect_none();
}

#[test]
fn invite_expires() {
    let server = Server::with(&[("room.invite_ttl_ms", "1000")]);
    let mut watcher = server.user("1:3");
    let mut mel = server.user("1:1");
    invite(&mut mel, "r", &["1:2", "1:3"]);
    watcher.expect("invite");
    // Measures time: the expiry itself is not reported to anybody.
    watcher.expect_none_for(Duration::from_millis(1_200));
    let mut pomke = server.user("1:2");
    pomke.expect_none();
    watcher.command("declineinvite", json!({"channel": "r"}));
    watcher.expect_error("not_found");
    // The actor of an absent user does not outlive the invite either.
    pomke.bye();
    watcher.bye();
    mel.bye();
    server.await_metric(AVATARS, 0.0);
}

#[test]
fn join_accepts_invite_and_all_inviter_sessions_are_notified() {
    let server = Server::start();
    let mut tablet = server.user("1:1");
    let mut mel = server.user("1:1");
    let mut pomke = server.user("1:2");
    invite(&mut mel, "r", &["1:2"]);
    pomke.expect("invite");
    join(&mut pomke, "r", "1:2");
    expect_change(&mut mel, "1:2", "joined");
    assert_eq!(mel.expect("invitereply"), answer("r", "1:2", true));
    assert_eq!(tablet.expect("invitereply"), answer("r", "1:2", true));
    // Joining again sends no second answer.
    join(&mut pomke, "r", "1:2");
    mel.expect_none();
}

#[test]
fn decline_is_reported_to_inviter_only() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    let mut tom = server.user("1:3");
    join(&mut tom, "r", "1:3");
    invite(&mut mel, "r", &["1:2"]);
    expect_change(&mut tom, "1:1", "joined");
    let mut pomke = server.user("1:2");
    pomke.expect("invite");
    assert_eq!(
        pomke.request("declineinvite", json!({"channel": "r"})),
        json!({})
    );
    assert_eq!(mel.expect("invitereply"), answer("r", "1:2", false));
    tom.expect_none();
    pomke.command("declineinvite", json!({"channel": "r"}));
    pomke.expect_error("not_found");
}

#[test]
fn uninvited_user_cannot_decline() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    invite(&mut mel, "r", &["1:2"]);
    let mut stranger = server.user("1:3");
    for room in ["r", "nowhere"] {
        stranger.command("declineinvite", json!({"channel": room}));
        stranger.expect_error("not_found");
    }
    mel.expect_none();
}

#[test]
fn disconnected_inviter_gets_answer_on_resume() {
    let server = Server::start();
    let mut mel = server.connect();
    let session = mel.identify("1:1")["session"].clone();
    invite(&mut mel, "r", &["1:2"]);
    mel.drop_connection();
    let mut pomke = server.user("1:2");
    pomke.expect("invite");
    server.await_metric(CONNECTIONS, 1.0);
    pomke.request("declineinvite", json!({"channel": "r"}));
    let mut mel = server.connect();
    mel.command("resume", json!({"session": session, "received": 1}));
    mel.expect("welcome");
    expect_change(&mut mel, "1:1", "away");
    assert_eq!(mel.await_command("invitereply"), answer("r", "1:2", false));
}

#[test]
fn invites_per_joingame_are_limited() {
    let server = Server::with(&[("room.invites_max", "2")]);
    let mut mel = server.user("1:1");
    let many = json!({"channel": "r", "self": "1:1", "invite": ["1:2", "1:3", "1:4"]});
    mel.command("joingame", many);
    let error = mel.expect_error("too_many");
    assert_eq!(error["data"]["details"]["max"], 2);
    let mut pomke = server.user("1:2");
    pomke.expect_none();
    invite(&mut mel, "r", &["1:2", "1:3"]);
    pomke.expect("invite");
}
