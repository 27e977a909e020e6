//! Commands that a client sends in requests while its tunnel has no connection:
//! they are those of an attached session, and nobody is back without a connection.

use serde_json::{Value, json};

use turntable_testkit::metric::CONNECTIONS;
use turntable_testkit::room::{action, action_data, expect_change, join};
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Server};

const ROOM: &str = "yard";

fn joining(user: &str) -> Value {
    json!({"channel": ROOM, "self": user})
}

/// A member of the room that sees what the others do.
fn friend(server: &Server) -> Client {
    let mut friend = server.user("1:2");
    join(&mut friend, ROOM, "1:2");
    friend
}

/// A tunnel whose stream is broken.
fn detached(server: &Server) -> Tunnel<'_> {
    let mut tunnel = Tunnel::user(server, "1:1");
    tunnel.stream.cut();
    server.await_metric(CONNECTIONS, 1.0);
    tunnel
}

#[test]
fn member_acts_while_detached() {
    let server = Server::start();
    let mut friend = friend(&server);
    let mut tunnel = Tunnel::user(&server, "1:1");
    tunnel.command("joingame", joining("1:1"));
    tunnel.expect_command("joined");
    expect_change(&mut friend, "1:1", "joined");
    tunnel.stream.cut();
    expect_change(&mut friend, "1:1", "away");
    let actions = [action("1:1", 1.0, json!("hop"))];
    tunnel.command("game", json!({"channel": ROOM, "actions": actions}));
    assert_eq!(action_data(&mut friend), ["hop"]);
    tunnel.resume_after_last();
    expect_change(&mut friend, "1:1", "back");
    let path = format!("/game/{ROOM}");
    let away = tunnel.expect_message(&path, "memberchange");
    assert_eq!(away["members"], json!({"1:1": "away"}));
    let game = tunnel.expect_message(&path, "game");
    assert_eq!(game["actions"][0]["data"], "hop");
    let back = tunnel.expect_message(&path, "memberchange");
    assert_eq!(back["members"], json!({"1:1": "back"}));
}

#[test]
fn member_that_joins_while_detached_is_away_until_its_session_is_resumed() {
    let server = Server::start();
    let mut friend = friend(&server);
    let mut tunnel = detached(&server);
    tunnel.command("joingame", joining("1:1"));
    expect_change(&mut friend, "1:1", "joined");
    expect_change(&mut friend, "1:1", "away");
    // The repeated command is answered, and changes nothing.
    tunnel.command("joingame", joining("1:1"));
    friend.expect_none();
    tunnel.resume_after_last();
    expect_change(&mut friend, "1:1", "back");
    for _ in 0..2 {
        let joined = tunnel.expect_command("joined");
        assert_eq!(joined["members"]["1:1"], json!({"state": "away"}));
    }
    let back = tunnel.expect_message(&format!("/game/{ROOM}"), "memberchange");
    assert_eq!(back["members"], json!({"1:1": "back"}));
    tunnel.expect_nothing_pending();
}

#[test]
fn seat_that_is_taken_while_detached_runs_out_after_seat_time() {
    // Far shorter than session.resume_ms.
    let server = Server::with(&[("room.seat_ms", "600")]);
    let mut friend = friend(&server);
    let mut tunnel = detached(&server);
    tunnel.command("joingame", joining("1:1"));
    expect_change(&mut friend, "1:1", "joined");
    expect_change(&mut friend, "1:1", "away");
    tunnel.command("joingame", joining("1:1"));
    expect_change(&mut friend, "1:1", "left");
    tunnel.resume_after_last();
    for _ in 0..2 {
        tunnel.expect_command("joined");
    }
    let left = tunnel.expect_message(&format!("/game/{ROOM}"), "memberchange");
    assert_eq!(left["members"], json!({"1:1": "left"}));
    tunnel.expect_nothing_pending();
    friend.expect_nothing_pending();
}

#[test]
fn bye_while_detached_leaves_rooms_at_once() {
    let server = Server::start();
    let mut friend = friend(&server);
    let tunnel = detached(&server);
    tunnel.command("joingame", joining("1:1"));
    expect_change(&mut friend, "1:1", "joined");
    expect_change(&mut friend, "1:1", "away");
    tunnel.command("bye", json!({}));
    expect_change(&mut friend, "1:1", "left");
}
