//! Members of rooms: joins and leaves, stored state, teams, limits, empty rooms
//! (D16, D19, D20, D27 of docs/promises.md).

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::metric::ROOMS;
use turntable_testkit::room::{act, action_data, actions, expect_change, join, join_with, members};

#[test]
fn first_join_creates_room_and_later_joins_are_reported() {
    let server = Server::start();
    let mut mel = server.user("1:3456");
    let joined = join(&mut mel, "CStrike", "1:3456");
    assert_eq!(joined["channel"], "CStrike");
    assert_eq!(joined["self"], "1:3456");
    assert_eq!(joined["members"], json!({"1:3456": {"state": "joined"}}));
    assert!(joined["time"].as_f64().unwrap() > 1.7e12);
    assert_eq!(joined.get("state"), None);

    let mut pomke = server.user("1:2345");
    let joined = join(&mut pomke, "CStrike", "1:2345");
    let both = json!({"1:2345": {"state": "joined"}, "1:3456": {"state": "joined"}});
    assert_eq!(joined["members"], both);
    expect_change(&mut mel, "1:2345", "joined");
    mel.expect_nothing_pending();
    pomke.expect_nothing_pending();
}

#[test]
fn joining_again_is_answered_and_not_reported() {
    let server = Server::start();
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let answer = mel.request("joingame", json!({"channel": "r", "self": "1:1"}));
    assert_eq!(answer["members"].as_object().unwrap().len(), 2);
    // A report of the join would precede this action in the room's order.
    act(&mut mel, "r", "1:1", json!("after"));
    assert_eq!(action_data(&mut pomke), ["after"]);
    assert_eq!(action_data(&mut mel), ["after"]);
}

#[test]
fn self_must_be_identified_user() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    mel.command("joingame", json!({"channel": "r", "self": "1:2"}));
    let error = mel.expect_error("forbidden");
    assert_eq!(error["data"]["command"], "joingame");
    mel.command("leavegame", json!({"channel": "r"}));
    mel.expect_error("not_found");
}

#[test]
fn leave_is_reported_and_removes_all_sessions_of_user() {
    let server = Server::start();
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let mut tablet = server.user("1:2");
    join(&mut tablet, "r", "1:2");
    assert_eq!(
        pomke.request("leavegame", json!({"channel": "r"})),
        json!({})
    );
    expect_change(&mut mel, "1:2", "left");
    expect_change(&mut tablet, "1:2", "left");
    act(&mut tablet, "r", "1:2", json!("hidden"));
    tablet.expect_error("not_member");
    act(&mut mel, "r", "1:1", json!("alone"));
    assert_eq!(action_data(&mut mel), ["alone"]);
    pomke.expect_nothing_pending();
    tablet.expect_nothing_pending();
}

#[test]
fn late_joiner_gets_members_and_stored_state() {
    let server = Server::configured("[games.chess]\nkeep_state = true\n", &[]);
    let [mut mel] = members(&server, "r", "chess", ["1:1"]);
    for data in [
        json!({"state": {"board": [1, 2]}, "move": "e4"}),
        json!({"chat": "hello"}),
    ] {
        act(&mut mel, "r", "1:1", data);
        actions(&mut mel);
    }
    let mut late = server.user("1:2");
    let joined = join(&mut late, "r", "1:2");
    assert_eq!(joined["state"], json!({"board": [1, 2]}));
    assert_eq!(joined["members"]["1:1"]["state"], "joined");
    late.expect_nothing_pending();

    act(&mut mel, "r", "1:1", json!({"state": null}));
    let mut later = server.user("1:3");
    // The room handles both in the order in which they arrived.
    assert_eq!(action_data(&mut late), [json!({"state": null})]);
    assert_eq!(join(&mut later, "r", "1:3").get("state"), None);
}

#[test]
fn members_per_room_are_limited_by_game() {
    let server = Server::configured("[games.duel]\nmembers_max = 2\n", &[]);
    let [mut mel, _pomke] = members(&server, "r", "duel", ["1:1", "1:2"]);
    let mut third = server.user("1:3");
    third.command("joingame", json!({"channel": "r", "self": "1:3"}));
    let error = third.expect_error("room_full");
    assert_eq!(error["data"]["details"]["max"], 2);
    mel.request("leavegame", json!({"channel": "r"}));
    join(&mut third, "r", "1:3");
}

#[test]
fn teams_are_balanced_or_as_requested_and_unknown_teams_are_refused() {
    let file = "[games.ctf]\nteams = [\"red\", \"blue\"]\nteam_members_max = 2\n";
    let server = Server::configured(file, &[]);
    let request = |user: &str, team: Value| {
        let mut data = json!({"channel": "r", "self": user, "game": "ctf"});
        if !team.is_null() {
            data["team"] = team;
        }
        data
    };
    let mut first = server.user("1:1");
    let joined = join_with(&mut first, request("1:1", json!("red")));
    assert_eq!(joined["team"], "red");
    let mut second = server.user("1:2");
    let joined = join_with(&mut second, request("1:2", Value::Null));
    assert_eq!(joined["team"], "blue", "the smaller team");
    assert_eq!(
        joined["members"]["1:1"],
        json!({"team": "red", "state": "joined"})
    );
    let mut third = server.user("1:3");
    third.command("joingame", request("1:3", json!("green")));
    third.expect_error("forbidden");
    join_with(&mut third, request("1:3", json!("red")));
    let mut fourth = server.user("1:4");
    fourth.command("joingame", request("1:4", json!("red")));
    assert_eq!(
        fourth.expect_error("room_full")["data"]["details"]["max"],
        2
    );
}

#[test]
fn empty_room_ends_and_its_name_can_be_reused() {
    let file = "[games.duel]\nmembers_max = 1\nkeep_state = true\n";
    let server = Server::configured(file, &[("room.empty_ms", "100")]);
    let [mut mel] = members(&server, "r", "duel", ["1:1"]);
    act(&mut mel, "r", "1:1", json!({"state": "old"}));
    actions(&mut mel);
    server.await_metric(ROOMS, 1.0);
    mel.request("leavegame", json!({"channel": "r"}));
    server.await_metric(ROOMS, 0.0);
    mel.command("leavegame", json!({"channel": "r"}));
    mel.expect_error("not_found");
    let joined = join(&mut mel, "r", "1:1");
    assert_eq!(joined.get("state"), None, "no state of the former room");
}

#[test]
fn empty_room_retains_state_for_configured_time() {
    let file = "[games.chess]\nkeep_state = true\n";
    let server = Server::configured(file, &[("room.empty_ms", "60000")]);
    let [mut mel] = members(&server, "r", "chess", ["1:1"]);
    act(&mut mel, "r", "1:1", json!({"state": "stored"}));
    actions(&mut mel);
    mel.request("leavegame", json!({"channel": "r"}));
    assert_eq!(join(&mut mel, "r", "1:1")["state"], "stored");
}

#[test]
fn member_is_busy_in_rooms_and_online_afterwards() {
    let server = Server::start();
    let mut friend = server.user("1:9");
    let mut mel = server.user("1:1");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "online"}));
    join(&mut mel, "r", "1:1");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "busy"}));
    // Still in a room after leaving one of two.
    join(&mut mel, "s", "1:1");
    mel.request("leavegame", json!({"channel": "r"}));
    friend.expect_none();
    mel.request("leavegame", json!({"channel": "s"}));
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
}
