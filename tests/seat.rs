//! Seats in rooms: kept through a drop for a while, lost afterwards, given up
//! by a goodbye (D27 of docs/promises.md).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod party;
mod support;

use serde_json::json;

use party::{expect_change, join, join_with, party, said, say};
use support::{Client, Frame, Server};

/// Comes back to a session on a new connection; has got `received` messages.
fn resume(server: &Server, session: &str, received: u64) -> Client {
    let mut client = server.connect();
    client.command("resume", json!({"session": session, "received": received}));
    assert_eq!(client.expect("welcome")["resumed"], true);
    client
}

#[test]
fn a_dropped_member_is_away_and_back_when_its_session_is_resumed() {
    let server = Server::start();
    let mut mel = server.connect();
    let session = mel.identify("1:1")["session"].as_str().unwrap().to_owned();
    join(&mut mel, "r", "1:1");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "r", "1:2");
    expect_change(&mut mel, "1:2", "joined");
    mel.drop_dead();
    expect_change(&mut pomke, "1:1", "away");

    let mut tom = server.user("1:3");
    let joined = join(&mut tom, "r", "1:3");
    assert_eq!(joined["members"]["1:1"]["state"], "away");
    expect_change(&mut pomke, "1:3", "joined");

    // Got so far: joined, memberchange.
    let mut mel = resume(&server, &session, 2);
    for member in [&mut pomke, &mut tom] {
        expect_change(member, "1:1", "back");
    }
    expect_change(&mut mel, "1:1", "away");
    expect_change(&mut mel, "1:3", "joined");
    expect_change(&mut mel, "1:1", "back");
    say(&mut mel, "r", "1:1", json!("here"));
    assert_eq!(said(&mut mel), ["here"]);
    assert_eq!(said(&mut pomke), ["here"]);
}

#[test]
fn a_seat_is_lost_when_its_time_is_over() {
    let server = Server::with(&[("room.seat_ms", "150")]);
    let [mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    mel.drop_dead();
    expect_change(&mut pomke, "1:1", "away");
    expect_change(&mut pomke, "1:1", "left");
}

#[test]
fn a_resumed_session_hears_that_its_seat_was_lost() {
    let server = Server::with(&[("room.seat_ms", "100")]);
    let mut mel = server.connect();
    let session = mel.identify("1:1")["session"].as_str().unwrap().to_owned();
    join(&mut mel, "r", "1:1");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "r", "1:2");
    expect_change(&mut mel, "1:2", "joined");
    mel.drop_dead();
    expect_change(&mut pomke, "1:1", "away");
    expect_change(&mut pomke, "1:1", "left");
    let mut mel = resume(&server, &session, 2);
    expect_change(&mut mel, "1:1", "away");
    expect_change(&mut mel, "1:1", "left");
    say(&mut mel, "r", "1:1", json!("hidden"));
    mel.expect_error("not_member");
}

#[test]
fn a_new_session_of_the_user_takes_its_seat_and_team_again() {
    let file = "[games.ctf]\nteams = [\"red\", \"blue\"]\nmembers_max = 2\n";
    let server = Server::configured(file, &[]);
    let mut mel = server.user("1:1");
    let wish = json!({"channel": "r", "self": "1:1", "game": "ctf", "team": "blue"});
    join_with(&mut mel, wish);
    let mut pomke = server.user("1:2");
    join(&mut pomke, "r", "1:2");
    mel.drop_dead();
    expect_change(&mut pomke, "1:1", "away");
    // The seat counts as taken by others, not by its own user.
    let mut tom = server.user("1:3");
    tom.command("joingame", json!({"channel": "r", "self": "1:3"}));
    tom.expect_error("room_full");
    let mut mel = server.user("1:1");
    assert_eq!(join(&mut mel, "r", "1:1")["team"], "blue");
    expect_change(&mut pomke, "1:1", "back");
}

#[test]
fn a_seat_outlives_the_session_that_dropped() {
    const SESSIONS: &str = "turntable_sessions";
    for resume_ms in ["0", "100"] {
        let server = Server::with(&[("session.resume_ms", resume_ms)]);
        let [mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
        mel.drop_dead();
        expect_change(&mut pomke, "1:1", "away");
        server.await_metric(SESSIONS, 1.0);
        let mut mel = server.user("1:1");
        join(&mut mel, "r", "1:1");
        expect_change(&mut pomke, "1:1", "back");
    }
}

#[test]
fn any_close_but_a_goodbye_is_a_drop() {
    for code in [1000, 1001, 4000] {
        let server = Server::start();
        let [mut mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
        mel.send_frame(&Frame::close(code, "reload"));
        expect_change(&mut pomke, "1:1", "away");
        assert_eq!(mel.close_code(), code);
    }
}

#[test]
fn a_goodbye_gives_the_seat_up_at_once() {
    let server = Server::start();
    let [mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    mel.bye();
    expect_change(&mut pomke, "1:1", "left");
}

#[test]
fn a_member_is_there_while_any_of_its_sessions_is() {
    let server = Server::start();
    let [mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    let mut tablet = server.user("1:1");
    join(&mut tablet, "r", "1:1");
    mel.drop_dead();
    server.await_metric("turntable_connections", 2.0);
    say(&mut tablet, "r", "1:1", json!("still here"));
    assert_eq!(said(&mut pomke), ["still here"]);
    tablet.drop_dead();
    expect_change(&mut pomke, "1:1", "away");
}

#[test]
fn a_room_whose_last_seat_is_lost_ends() {
    let server = Server::with(&[("room.seat_ms", "100"), ("room.empty_ms", "100")]);
    let [mel] = party(&server, "r", "", ["1:1"]);
    server.await_metric(r#"turntable_actors{name="room"}"#, 1.0);
    mel.drop_dead();
    server.await_metric(r#"turntable_actors{name="room"}"#, 0.0);
}
