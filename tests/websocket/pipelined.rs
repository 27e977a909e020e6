//! Commands that arrive in one segment, before any of them is answered: their
//! effects are those of their order.

use serde_json::{Value, json};

use turntable_testkit::metric::{ROOMS, SESSIONS};
use turntable_testkit::{Client, Frame, Server};

/// Sends these commands in one segment.
fn send_together(client: &mut Client, commands: &[(&str, Value)]) {
    let bytes: Vec<u8> = commands
        .iter()
        .flat_map(|(command, data)| {
            Frame::text(&json!({"command": command, "data": data}).to_string()).masked()
        })
        .collect();
    client.send_raw(&bytes);
}

fn join(user: &str) -> Value {
    json!({"channel": "room", "self": user})
}

#[test]
fn next_session_inherits_nothing_after_leave_and_bye() {
    let server = Server::with(&[("server.workers", "1")]);
    let mut mel = server.user("1:1");
    mel.request("joinchannel", json!({"channel": "talk"}));
    mel.request("joinchannel", json!({"channel": "all", "subpaths": true}));
    mel.request("joingame", join("1:1"));
    let mut leaver = server.user("1:2");
    leaver.request("joinchannel", json!({"channel": "talk"}));
    leaver.request("joinchannel", json!({"channel": "all", "subpaths": true}));
    leaver.request("joingame", join("1:2"));
    send_together(
        &mut leaver,
        &[
            ("leavegame", json!({"channel": "room"})),
            ("leavechannel", json!({"channel": "talk"})),
            ("leavechannel", json!({"channel": "all"})),
            ("bye", json!({})),
        ],
    );
    leaver.close_code();
    mel.await_command("memberchange");
    server.await_metric(SESSIONS, 1.0);
    // The next session gets the slot of the one that ended.
    let mut next = server.user("1:3");
    mel.command("publish", json!({"channel": "talk", "data": "secret"}));
    mel.command("publish", json!({"channel": "all/1", "data": "secret"}));
    let action = json!({"timestamp": 1, "from": "1:1", "data": "secret"});
    mel.command("game", json!({"channel": "room", "actions": [action]}));
    mel.await_command("game");
    next.expect_none();
}

#[test]
fn join_after_refused_join_is_undone_when_session_ends() {
    let server = Server::with(&[("room.empty_ms", "0"), ("room.invites_max", "1")]);
    let mut mel = server.user("1:2");
    let mut too_many = join("1:2");
    too_many["invite"] = json!(["1:8", "1:9"]);
    send_together(
        &mut mel,
        &[("joingame", too_many), ("joingame", join("1:2"))],
    );
    mel.expect_error("too_many");
    mel.expect("joined");
    mel.bye();
    server.await_metric(ROOMS, 0.0);
}

#[test]
fn join_after_leave_is_undone_when_session_ends() {
    let server = Server::with(&[("room.empty_ms", "0")]);
    let mut mel = server.user("1:1");
    mel.request("joingame", join("1:1"));
    let mut pomke = server.user("1:2");
    let leave = || ("leavegame", json!({"channel": "room"}));
    send_together(
        &mut pomke,
        &[
            ("joingame", join("1:2")),
            leave(),
            ("joingame", join("1:2")),
        ],
    );
    pomke.expect("joined");
    pomke.expect("joined");
    for change in ["joined", "left", "joined"] {
        assert_eq!(mel.expect("memberchange")["members"]["1:2"], change);
    }
    pomke.bye();
    assert_eq!(mel.expect("memberchange")["members"]["1:2"], "left");
    mel.bye();
    server.await_metric(ROOMS, 0.0);
}

#[test]
fn join_is_answered_even_if_leave_follows_at_once() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    let join = json!({"channel": "a", "subpaths": true});
    send_together(
        &mut mel,
        &[
            ("joinchannel", join),
            ("leavechannel", json!({"channel": "a"})),
        ],
    );
    assert_eq!(mel.expect("joined")["channel"], "a");
    mel.request("publish", json!({"channel": "a/b", "data": 1}));
    mel.expect_none();
}

#[test]
fn each_of_many_resumes_in_one_segment_is_refused() {
    let server = Server::with(&[("session.error_burst", "1000000")]);
    let mut mel = server.connect();
    let resume = json!({"session": "AAAAAAAAAAAAAAAAAAAAAA", "received": 0});
    let resumes = vec![("resume", resume); 700];
    send_together(&mut mel, &resumes);
    for _ in 0..700 {
        mel.expect_error("session_expired");
    }
    mel.identify("1:1");
}

#[test]
fn bye_behind_idme_follows_welcome() {
    let server = Server::start();
    let mut mel = server.connect();
    send_together(
        &mut mel,
        &[("idme", json!({"user": "1:1"})), ("bye", json!({}))],
    );
    assert_eq!(mel.expect("welcome")["user"], "1:1");
    mel.expect_close(1000);
}
#[test]
fn publish_right_behind_the_own_join_with_subpaths_comes_back() {
    for workers in ["1", "2"] {
        let server = Server::with(&[("server.workers", workers)]);
        for number in 0..50 {
            let mut mel = server.user("1:1");
            let path = format!("a{number}");
            let join = json!({"channel": path, "subpaths": true});
            let publish = json!({"channel": format!("{path}/b"), "data": number});
            send_together(&mut mel, &[("joinchannel", join), ("publish", publish)]);
            assert_eq!(mel.expect("joined")["channel"], path);
            assert_eq!(mel.expect("message")["data"], number);
            mel.bye();
        }
    }
}

#[test]
fn publish_between_a_join_with_subpaths_and_the_end_is_not_lost() {
    let server = Server::with(&[("server.workers", "2")]);
    let mut tom = server.user("1:2");
    tom.request("joinchannel", json!({"channel": "talk"}));
    let mut mel = server.user("1:1");
    send_together(
        &mut mel,
        &[
            ("joinchannel", json!({"channel": "a", "subpaths": true})),
            ("publish", json!({"channel": "talk", "data": 1})),
            ("bye", json!({})),
        ],
    );
    assert_eq!(tom.expect("message")["data"], 1);
}
