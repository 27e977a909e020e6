//! Game rooms over real sockets: who is in, who hears what, in which order
//! (D16, D19, D20, D22, D23, D27 of docs/promises.md).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod party;
mod support;

use serde_json::{Value, json};

use party::{act, action, actions, expect_change, join, join_with, party, said, say};
use support::Server;

#[test]
fn the_first_to_join_makes_the_room_and_members_hear_who_comes() {
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
    mel.expect_nothing_before_an_answer();
    pomke.expect_nothing_before_an_answer();
}

#[test]
fn to_join_again_is_to_be_told_again_and_nobody_else_hears_it() {
    let server = Server::start();
    let [mut mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    let told = mel.ask("joingame", json!({"channel": "r", "self": "1:1"}));
    assert_eq!(told["members"].as_object().unwrap().len(), 2);
    // In the room's order: what others would have heard comes before this.
    say(&mut mel, "r", "1:1", json!("after"));
    assert_eq!(said(&mut pomke), ["after"]);
    assert_eq!(said(&mut mel), ["after"]);
}

#[test]
fn self_has_to_be_the_identified_user() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    mel.command("joingame", json!({"channel": "r", "self": "1:2"}));
    let error = mel.expect_error("forbidden");
    assert_eq!(error["data"]["command"], "joingame");
    mel.command("leavegame", json!({"channel": "r"}));
    mel.expect_error("not_found");
}

#[test]
fn an_action_reaches_every_member_the_sender_too() {
    let server = Server::start();
    let [mut mel, mut pomke, mut tom] = party(&server, "r", "", ["1:1", "1:2", "fb:tom"]);
    let data = json!({"strike_one": "1:2", "force": 1.50, "nothing": null});
    say(&mut mel, "r", "1:1", data.clone());
    for member in [&mut mel, &mut pomke, &mut tom] {
        let told = actions(member);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["from"], "1:1");
        assert_eq!(told[0]["data"], data);
    }
}

#[test]
fn the_data_of_an_action_passes_byte_for_byte() {
    let server = Server::start();
    let [mut mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    let data = r#"{"b":1.50,"a":1e2,"b":"\u00e9","long":12345678901234567890123}"#;
    mel.send_text(&format!(
        r#"{{"command":"game","data":{{"channel":"r","actions":[{{"timestamp":1,"from":"1:1","data":{data}}}]}}}}"#
    ));
    let text = pomke.text();
    assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
}

#[test]
fn eight_members_who_all_act_at_once_see_one_order() {
    const ACTIONS: usize = 40;
    let server = Server::start();
    let users = ["1:1", "1:2", "1:3", "1:4", "1:5", "1:6", "1:7", "1:8"];
    let members = party(&server, "r", "", users);
    let players: Vec<_> = members
        .into_iter()
        .zip(users)
        .map(|(mut member, user)| {
            std::thread::spawn(move || {
                for n in 0..ACTIONS {
                    say(&mut member, "r", user, json!([user, n]));
                }
                let mut seen = Vec::new();
                while seen.len() < users.len() * ACTIONS {
                    seen.extend(said(&mut member));
                }
                seen
            })
        })
        .collect();
    let seen: Vec<Vec<Value>> = players
        .into_iter()
        .map(|player| player.join().unwrap())
        .collect();
    for other in &seen[1..] {
        assert_eq!(other, &seen[0], "one order for all");
    }
    for user in users {
        let own = seen[0].iter().filter(|data| data[0] == user);
        let own: Vec<u64> = own.map(|data| data[1].as_u64().unwrap()).collect();
        assert_eq!(own, (0..ACTIONS as u64).collect::<Vec<_>>(), "{user}");
    }
}

#[test]
fn who_is_not_a_member_cannot_act_and_nobody_sees_it() {
    let server = Server::start();
    let [mut mel] = party(&server, "r", "", ["1:1"]);
    let mut outsider = server.user("1:2");
    say(&mut outsider, "r", "1:2", json!("hidden"));
    outsider.expect_error("not_member");
    outsider.command("leavegame", json!({"channel": "r"}));
    outsider.expect_error("not_member");
    say(&mut outsider, "nowhere", "1:2", json!("hidden"));
    outsider.expect_error("not_found");
    say(&mut mel, "r", "1:1", json!("seen"));
    assert_eq!(said(&mut mel), ["seen"]);
}

#[test]
fn another_session_of_a_member_has_to_join_for_itself() {
    let server = Server::start();
    let [mut mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    let mut tablet = server.user("1:1");
    say(&mut tablet, "r", "1:1", json!("hidden"));
    tablet.expect_error("not_member");
    join(&mut tablet, "r", "1:1");
    say(&mut tablet, "r", "1:1", json!("seen"));
    for session in [&mut mel, &mut pomke, &mut tablet] {
        assert_eq!(said(session), ["seen"]);
    }
}

#[test]
fn leaving_is_told_and_takes_all_sessions_of_the_user_out() {
    let server = Server::start();
    let [mut mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    let mut tablet = server.user("1:2");
    join(&mut tablet, "r", "1:2");
    assert_eq!(pomke.ask("leavegame", json!({"channel": "r"})), json!({}));
    expect_change(&mut mel, "1:2", "left");
    expect_change(&mut tablet, "1:2", "left");
    say(&mut tablet, "r", "1:2", json!("hidden"));
    tablet.expect_error("not_member");
    say(&mut mel, "r", "1:1", json!("alone"));
    assert_eq!(said(&mut mel), ["alone"]);
    pomke.expect_nothing_before_an_answer();
    tablet.expect_nothing_before_an_answer();
}

#[test]
fn a_late_joiner_gets_the_members_and_the_kept_state() {
    let server = Server::configured("[games.chess]\nkeep_state = true\n", &[]);
    let [mut mel] = party(&server, "r", "chess", ["1:1"]);
    for data in [
        json!({"state": {"board": [1, 2]}, "move": "e4"}),
        json!({"chat": "hello"}),
    ] {
        say(&mut mel, "r", "1:1", data);
        actions(&mut mel);
    }
    let mut late = server.user("1:2");
    let joined = join(&mut late, "r", "1:2");
    assert_eq!(joined["state"], json!({"board": [1, 2]}));
    assert_eq!(joined["members"]["1:1"]["state"], "joined");
    late.expect_nothing_before_an_answer();

    say(&mut mel, "r", "1:1", json!({"state": null}));
    let mut later = server.user("1:3");
    // The room takes both in the order in which they reached it.
    assert_eq!(said(&mut late), [json!({"state": null})]);
    assert_eq!(join(&mut later, "r", "1:3").get("state"), None);
}

#[test]
fn a_room_takes_as_many_members_as_its_game_allows() {
    let server = Server::configured("[games.duel]\nmembers_max = 2\n", &[]);
    let [mut mel, _pomke] = party(&server, "r", "duel", ["1:1", "1:2"]);
    let mut third = server.user("1:3");
    third.command("joingame", json!({"channel": "r", "self": "1:3"}));
    let error = third.expect_error("room_full");
    assert_eq!(error["data"]["details"]["max"], 2);
    mel.ask("leavegame", json!({"channel": "r"}));
    join(&mut third, "r", "1:3");
}

#[test]
fn teams_are_assigned_evenly_or_as_wished_and_unknown_ones_are_refused() {
    let file = "[games.ctf]\nteams = [\"red\", \"blue\"]\nteam_members_max = 2\n";
    let server = Server::configured(file, &[]);
    let wish = |user: &str, team: Value| {
        let mut data = json!({"channel": "r", "self": user, "game": "ctf"});
        if !team.is_null() {
            data["team"] = team;
        }
        data
    };
    let mut first = server.user("1:1");
    let joined = join_with(&mut first, wish("1:1", json!("red")));
    assert_eq!(joined["team"], "red");
    let mut second = server.user("1:2");
    let joined = join_with(&mut second, wish("1:2", Value::Null));
    assert_eq!(joined["team"], "blue", "the smaller team");
    assert_eq!(
        joined["members"]["1:1"],
        json!({"team": "red", "state": "joined"})
    );
    let mut third = server.user("1:3");
    third.command("joingame", wish("1:3", json!("green")));
    third.expect_error("forbidden");
    join_with(&mut third, wish("1:3", json!("red")));
    let mut fourth = server.user("1:4");
    fourth.command("joingame", wish("1:4", json!("red")));
    assert_eq!(
        fourth.expect_error("room_full")["data"]["details"]["max"],
        2
    );
}

#[test]
fn an_empty_room_is_destroyed_and_its_name_is_free_again() {
    const ROOMS: &str = r#"turntable_actors{name="room"}"#;
    let file = "[games.duel]\nmembers_max = 1\nkeep_state = true\n";
    let server = Server::configured(file, &[("room.empty_ms", "100")]);
    let [mut mel] = party(&server, "r", "duel", ["1:1"]);
    say(&mut mel, "r", "1:1", json!({"state": "old"}));
    actions(&mut mel);
    server.await_metric(ROOMS, 1.0);
    mel.ask("leavegame", json!({"channel": "r"}));
    server.await_metric(ROOMS, 0.0);
    mel.command("leavegame", json!({"channel": "r"}));
    mel.expect_error("not_found");
    let joined = join(&mut mel, "r", "1:1");
    assert_eq!(joined.get("state"), None, "nothing of its former life");
}

#[test]
fn an_empty_room_waits_for_a_while_with_its_state() {
    let file = "[games.chess]\nkeep_state = true\n";
    let server = Server::configured(file, &[("room.empty_ms", "60000")]);
    let [mut mel] = party(&server, "r", "chess", ["1:1"]);
    say(&mut mel, "r", "1:1", json!({"state": "kept"}));
    actions(&mut mel);
    mel.ask("leavegame", json!({"channel": "r"}));
    assert_eq!(join(&mut mel, "r", "1:1")["state"], "kept");
}

#[test]
fn a_tick_groups_actions_and_sorts_them_by_corrected_timestamp() {
    let server = Server::configured("[games.tick]\ntick_ms = 300\n", &[]);
    let [mut mel, mut pomke] = party(&server, "r", "tick", ["1:1", "1:2"]);
    // Both clocks are known by their newest stamps; the older ones lie between
    // each other's.
    let at = |user, ages: [f64; 3]| ages.map(|age| action(user, 5_000.0 - age, json!(age)));
    act(&mut mel, "r", &at("1:1", [400.0, 200.0, 0.0]));
    act(&mut pomke, "r", &at("1:2", [300.0, 100.0, 0.0]));
    let told = actions(&mut mel);
    assert_eq!(told.len(), 6, "one message for the tick: {told:?}");
    assert_eq!(actions(&mut pomke), told);
    let stamps: Vec<f64> = told
        .iter()
        .map(|action| action["timestamp"].as_f64().unwrap())
        .collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let order: Vec<&Value> = told.iter().map(|action| &action["data"]).take(4).collect();
    assert_eq!(order, [400.0, 300.0, 200.0, 100.0]);
}

#[test]
fn a_member_reads_busy_while_it_plays_and_online_afterwards() {
    let server = Server::start();
    let mut friend = server.user("1:9");
    let mut mel = server.user("1:1");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "online"}));
    join(&mut mel, "r", "1:1");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "busy"}));
    // Still in a room after leaving one of two.
    join(&mut mel, "s", "1:1");
    mel.ask("leavegame", json!({"channel": "r"}));
    friend.expect_none();
    mel.ask("leavegame", json!({"channel": "s"}));
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
}
