//! What a room checks before it passes actions on: ids, teams, and what the
//! game asks of `data` (D25, D26 of docs/promises.md). One bad action refuses
//! its whole message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod party;
mod support;

use serde_json::{Value, json};

use party::{act, action, join_with, party, said, say};
use support::{Client, Server};

/// Two members of a game of this entry; the second one only watches.
fn table(entry: &str) -> (Server, Client, Client) {
    let server = Server::configured(&format!("[games.g]\n{entry}"), &[]);
    let [mel, pomke] = party(&server, "r", "g", ["1:1", "1:2"]);
    (server, mel, pomke)
}

/// A message whose second action is `bad` is refused with this code and index,
/// and neither action is seen; then `good` alone passes.
fn refuses(mel: &mut Client, pomke: &mut Client, bad: Value, good: Value, code: &str) {
    let fine = action("1:1", 1.0, good.clone());
    act(mel, "r", &[fine.clone(), bad.clone(), fine.clone()]);
    let error = mel.expect_error(code);
    assert_eq!(error["data"]["details"]["index"], 1, "{bad}: {error}");
    assert_eq!(error["data"]["command"], "game");
    act(mel, "r", &[fine]);
    // In the room's one order, whatever was seen of the other comes first.
    assert_eq!(said(mel), std::slice::from_ref(&good), "{bad}");
    assert_eq!(said(pomke), [good], "{bad}");
}

/// The same for one action's data.
fn refuses_data(mel: &mut Client, pomke: &mut Client, bad: &Value, good: Value) {
    let bad = action("1:1", 1.0, bad.clone());
    refuses(mel, pomke, bad, good, "invalid_action");
}

#[test]
fn from_has_to_be_the_senders_own_id() {
    let (_server, mut mel, mut pomke) = table("");
    for (from, code) in [
        ("1:2", "forbidden"),
        ("1:11", "forbidden"),
        ("2:1", "forbidden"),
        ("nobody", "invalid_id"),
    ] {
        let bad = action(from, 1.0, json!("forged"));
        refuses(&mut mel, &mut pomke, bad, json!("own"), code);
    }
}

#[test]
fn an_action_without_its_fields_is_refused() {
    let (_server, mut mel, mut pomke) = table("");
    for bad in [
        json!({"from": "1:1", "data": 1}),
        json!({"timestamp": 1, "data": 1}),
        json!({"timestamp": 1, "from": "1:1"}),
        json!({"timestamp": "1", "from": "1:1", "data": 1}),
        json!({"timestamp": 1, "from": "1:1", "data": 1, "team": 7}),
        json!({"timestamp": null, "from": "1:1", "data": 1}),
        json!("strike"),
    ] {
        refuses(&mut mel, &mut pomke, bad, json!(1), "invalid_action");
    }
}

#[test]
fn team_has_to_be_the_one_that_the_member_has() {
    let entry = "teams = [\"red\", \"blue\"]\n";
    let server = Server::configured(&format!("[games.g]\n{entry}"), &[]);
    let [mut mel, mut pomke] = party(&server, "r", "g", ["1:1", "1:2"]);
    let of = |team: &str| {
        let mut action = action("1:1", 1.0, json!("go"));
        action["team"] = json!(team);
        action
    };
    refuses(&mut mel, &mut pomke, of("blue"), json!("go"), "forbidden");
    refuses(&mut mel, &mut pomke, of("green"), json!("go"), "forbidden");
    act(&mut mel, "r", &[of("red")]);
    assert_eq!(pomke.expect("game")["actions"][0]["team"], "red");
}

#[test]
fn a_member_without_a_team_cannot_claim_one() {
    let (_server, mut mel, mut pomke) = table("");
    let mut bad = action("1:1", 1.0, json!("go"));
    bad["team"] = json!("red");
    refuses(&mut mel, &mut pomke, bad, json!("go"), "forbidden");
}

#[test]
fn user_ids_within_data_name_members_where_the_game_says_so() {
    let (_server, mut mel, mut pomke) = table("member_ids = true\n");
    let good = json!({"strike": ["1:2", {"by": "1:1"}], "note": "no id"});
    for bad in [
        json!("1:23456"),
        json!({"strike": "2:1"}),
        json!({"1:3": "as a key"}),
        json!([[[["fb:deep"]]]]),
    ] {
        refuses_data(&mut mel, &mut pomke, &bad, good.clone());
    }
}

#[test]
fn targets_are_other_members_of_the_room() {
    let (_server, mut mel, mut pomke) = table("targets = [\"strike_one\"]\n");
    let good = json!({"strike_one": "1:2"});
    for bad in [
        json!({"strike_one": "1:1234"}),
        json!({"strike_one": "1:1"}),
        json!({"strike_one": 5}),
        json!({"strike_one": null}),
    ] {
        refuses_data(&mut mel, &mut pomke, &bad, good.clone());
    }
    say(&mut mel, "r", "1:1", json!({"other": "1:1234"}));
    assert_eq!(said(&mut pomke), [json!({"other": "1:1234"})]);
}

#[test]
fn data_has_the_members_that_the_game_requires() {
    let (_server, mut mel, mut pomke) = table("require = [\"x\", \"y\"]\n");
    let good = json!({"x": 1, "y": null, "z": 3});
    for bad in [json!({"x": 1}), json!([1, 2]), json!("x y"), json!({})] {
        refuses_data(&mut mel, &mut pomke, &bad, good.clone());
    }
}

#[test]
fn data_fulfils_the_schema_file_of_the_game() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("move.json");
    let schema = json!({
        "type": "object",
        "required": ["move"],
        "properties": {"move": {"type": "string", "pattern": "^[a-h][1-8]$"}},
        "additionalProperties": false
    });
    std::fs::write(&file, schema.to_string()).unwrap();
    let (_server, mut mel, mut pomke) = table(&format!("schema = {:?}\n", file.to_str().unwrap()));
    let good = json!({"move": "e4"});
    for bad in [
        json!({"move": "e9"}),
        json!({"move": 4}),
        json!({}),
        json!({"move": "e4", "cheat": true}),
        json!(null),
    ] {
        refuses_data(&mut mel, &mut pomke, &bad, good.clone());
    }
}

#[test]
fn the_data_of_an_action_is_no_longer_than_the_game_allows() {
    let (_server, mut mel, mut pomke) = table("action_bytes_max = 20\n");
    let bad = action("1:1", 1.0, json!("x".repeat(19)));
    let good = json!("x".repeat(18));
    refuses(&mut mel, &mut pomke, bad, good, "too_large");
}

#[test]
fn a_member_acts_no_faster_than_the_game_allows() {
    let (_server, mut mel, mut pomke) = table("actions_per_second = 5\n");
    let burst = |count: usize| vec![action("1:1", 1.0, json!("go")); count];
    act(&mut mel, "r", &burst(6));
    let error = mel.expect_error("rate_limited");
    assert_eq!(error["data"]["details"]["index"], 5);
    // What was refused did not count.
    act(&mut mel, "r", &burst(5));
    assert_eq!(said(&mut mel).len(), 5);
    act(&mut mel, "r", &burst(5));
    mel.expect_error("rate_limited");
    assert_eq!(said(&mut pomke).len(), 5);
    say(&mut pomke, "r", "1:2", json!("has its own rate"));
    assert_eq!(said(&mut pomke), ["has its own rate"]);
}

#[test]
fn one_message_has_a_bounded_number_of_actions() {
    let server = Server::with(&[("room.actions_max", "3")]);
    let [mut mel, mut pomke] = party(&server, "r", "", ["1:1", "1:2"]);
    act(&mut mel, "r", &vec![action("1:1", 1.0, json!("many")); 4]);
    let error = mel.expect_error("too_many");
    assert_eq!(error["data"]["details"]["max"], 3);
    act(&mut mel, "r", &[]);
    mel.expect_error("bad_message");
    say(&mut mel, "r", "1:1", json!("few"));
    assert_eq!(said(&mut pomke), ["few"]);
}

#[test]
fn only_users_of_the_games_realms_play_and_are_invited() {
    let server = Server::configured("[games.g]\nrealms = [\"1\", \"fb\"]\n", &[]);
    let ask = |user: &str| json!({"channel": "r", "self": user, "game": "g"});
    let mut stranger = server.user("x:1");
    stranger.command("joingame", ask("x:1"));
    stranger.expect_error("forbidden");
    let mut mel = server.user("1:1");
    let mut invites = ask("1:1");
    invites["invite"] = json!(["fb:2", "x:1"]);
    mel.command("joingame", invites);
    mel.expect_error("forbidden");
    stranger.expect_nothing_before_an_answer();
    join_with(&mut mel, ask("1:1"));
    let mut tom = server.user("fb:2");
    join_with(&mut tom, ask("fb:2"));
}
