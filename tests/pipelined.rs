//! Commands that come together in one segment, before any of them is answered:
//! what they leave behind is what their order says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use serde_json::{Value, json};

use support::{Client, Frame, Server};

const ROOMS: &str = r#"turntable_actors{name="room"}"#;

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
fn who_leaves_and_says_bye_leaves_nothing_to_the_next_session() {
    let server = Server::with(&[("server.workers", "1")]);
    let mut mel = server.user("1:1");
    mel.ask("joinchannel", json!({"channel": "talk"}));
    mel.ask("joinchannel", json!({"channel": "all", "subpaths": true}));
    mel.ask("joingame", join("1:1"));
    let mut leaver = server.user("1:2");
    leaver.ask("joinchannel", json!({"channel": "talk"}));
    leaver.ask("joinchannel", json!({"channel": "all", "subpaths": true}));
    leaver.ask("joingame", join("1:2"));
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
    server.await_metric("turntable_sessions", 1.0);
    // This one takes the place of the one that went.
    let mut next = server.user("1:3");
    mel.command("publish", json!({"channel": "talk", "data": "secret"}));
    mel.command("publish", json!({"channel": "all/1", "data": "secret"}));
    let action = json!({"timestamp": 1, "from": "1:1", "data": "secret"});
    mel.command("game", json!({"channel": "room", "actions": [action]}));
    mel.await_command("game");
    next.expect_none();
}

#[test]
fn a_join_behind_a_refused_one_is_undone_at_the_end() {
    let server = Server::with(&[("room.empty_ms", "0"), ("room.invites_max", "1")]);
    let mut mel = server.user("1:2");
    let mut greedy = join("1:2");
    greedy["invite"] = json!(["1:8", "1:9"]);
    send_together(&mut mel, &[("joingame", greedy), ("joingame", join("1:2"))]);
    mel.expect_error("too_many");
    mel.expect("joined");
    mel.bye();
    server.await_metric(ROOMS, 0.0);
}

#[test]
fn a_join_behind_a_leave_is_undone_at_the_end() {
    let server = Server::with(&[("room.empty_ms", "0")]);
    let mut mel = server.user("1:1");
    mel.ask("joingame", join("1:1"));
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
fn every_join_is_answered_though_the_client_left_meanwhile() {
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
    mel.ask("publish", json!({"channel": "a/b", "data": 1}));
    mel.expect_none();
}

#[test]
fn many_resumes_in_one_segment_are_each_refused() {
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
