//! Seats in rooms: retained for a while after a drop, then lost; released at once
//! by `bye` (D27 of docs/promises.md).

use serde_json::json;

use turntable_testkit::metric::{CONNECTIONS, ROOMS, SESSIONS};
use turntable_testkit::room::{act, action_data, expect_change, join, join_with, members};
use turntable_testkit::{Client, Frame, Server, session};

/// Resumes a session on a new connection, after `received` messages.
fn resume(server: &Server, session: &str, received: u64) -> Client {
    let (client, welcome) = session::resume(server, &json!(session), received);
    assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
    client
}

/// Two members of a room, and the session of the first one, which has received
/// `joined` and `memberchange`.
fn two_members(server: &Server) -> (Client, String, Client) {
    let mut mel = server.connect();
    let session = mel.identify("1:1")["session"].as_str().unwrap().to_owned();
    join(&mut mel, "r", "1:1");
    let mut pomke = server.user("1:2");
    join(&mut pomke, "r", "1:2");
    expect_change(&mut mel, "1:2", "joined");
    (mel, session, pomke)
}

#[test]
fn dropped_member_is_away_and_back_after_resume() {
    let server = Server::start();
    let (mel, session, mut pomke) = two_members(&server);
    mel.drop_connection();
    expect_change(&mut pomke, "1:1", "away");

    let mut tom = server.user("1:3");
    let joined = join(&mut tom, "r", "1:3");
    assert_eq!(joined["members"]["1:1"]["state"], "away");
    expect_change(&mut pomke, "1:3", "joined");

    let mut mel = resume(&server, &session, 2);
    for member in [&mut pomke, &mut tom] {
        expect_change(member, "1:1", "back");
    }
    expect_change(&mut mel, "1:1", "away");
    expect_change(&mut mel, "1:3", "joined");
    expect_change(&mut mel, "1:1", "back");
    act(&mut mel, "r", "1:1", json!("here"));
    assert_eq!(action_data(&mut mel), ["here"]);
    assert_eq!(action_data(&mut pomke), ["here"]);
}

#[test]
fn seat_expires() {
    let server = Server::with(&[("room.seat_ms", "150")]);
    let [mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    mel.drop_connection();
    expect_change(&mut pomke, "1:1", "away");
    expect_change(&mut pomke, "1:1", "left");
}

#[test]
fn resumed_session_is_notified_of_lost_seat() {
    let server = Server::with(&[("room.seat_ms", "100")]);
    let (mel, session, mut pomke) = two_members(&server);
    mel.drop_connection();
    expect_change(&mut pomke, "1:1", "away");
    expect_change(&mut pomke, "1:1", "left");
    let mut mel = resume(&server, &session, 2);
    expect_change(&mut mel, "1:1", "away");
    expect_change(&mut mel, "1:1", "left");
    act(&mut mel, "r", "1:1", json!("hidden"));
    mel.expect_error("not_member");
}

#[test]
fn new_session_of_user_takes_over_seat_and_team() {
    let file = "[games.ctf]\nteams = [\"red\", \"blue\"]\nmembers_max = 2\n";
    let server = Server::configured(file, &[]);
    let mut mel = server.user("1:1");
    let data = json!({"channel": "r", "self": "1:1", "game": "ctf", "team": "blue"});
    join_with(&mut mel, data);
    let mut pomke = server.user("1:2");
    join(&mut pomke, "r", "1:2");
    mel.drop_connection();
    expect_change(&mut pomke, "1:1", "away");
    // The seat is taken for others, not for its own user.
    let mut tom = server.user("1:3");
    tom.command("joingame", json!({"channel": "r", "self": "1:3"}));
    tom.expect_error("room_full");
    let mut mel = server.user("1:1");
    assert_eq!(join(&mut mel, "r", "1:1")["team"], "blue");
    expect_change(&mut pomke, "1:1", "back");
}

#[test]
fn seat_outlives_dropped_session() {
    for resume_ms in ["0", "100"] {
        let server = Server::with(&[("session.resume_ms", resume_ms)]);
        let [mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
        mel.drop_connection();
        expect_change(&mut pomke, "1:1", "away");
        server.await_metric(SESSIONS, 1.0);
        let mut mel = server.user("1:1");
        join(&mut mel, "r", "1:1");
        expect_change(&mut pomke, "1:1", "back");
    }
}

#[test]
fn close_without_bye_is_a_drop() {
    for code in [1000, 1001, 4000] {
        let server = Server::start();
        let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
        mel.send_frame(&Frame::close(code, "reload"));
        expect_change(&mut pomke, "1:1", "away");
        assert_eq!(mel.close_code(), code);
    }
}

#[test]
fn bye_releases_seat_at_once() {
    let server = Server::start();
    let [mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    mel.bye();
    expect_change(&mut pomke, "1:1", "left");
}

#[test]
fn member_stays_while_any_session_is_connected() {
    let server = Server::start();
    let [mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let mut tablet = server.user("1:1");
    join(&mut tablet, "r", "1:1");
    mel.drop_connection();
    server.await_metric(CONNECTIONS, 2.0);
    act(&mut tablet, "r", "1:1", json!("still here"));
    assert_eq!(action_data(&mut pomke), ["still here"]);
    tablet.drop_connection();
    expect_change(&mut pomke, "1:1", "away");
}

#[test]
fn room_ends_when_last_seat_expires() {
    let server = Server::with(&[("room.seat_ms", "100"), ("room.empty_ms", "100")]);
    let [mel] = members(&server, "r", "", ["1:1"]);
    server.await_metric(ROOMS, 1.0);
    mel.drop_connection();
    server.await_metric(ROOMS, 0.0);
}
