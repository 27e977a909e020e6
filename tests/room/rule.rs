//! What a room checks before it distributes actions: ids, teams, and the game's
//! rules for `data` (D25, D26 of docs/promises.md). One invalid action refuses its
//! whole message.

use serde_json::{Value, json};

use turntable_testkit::room::{act, action, action_data, join_with, members, send_actions};
use turntable_testkit::{Client, Server};

/// A game with this entry, and two members; the second one sends nothing.
fn game(entry: &str) -> (Server, Client, Client) {
    let server = Server::configured(&format!("[games.g]\n{entry}"), &[]);
    let [mel, pomke] = members(&server, "r", "g", ["1:1", "1:2"]);
    (server, mel, pomke)
}

/// A message whose second action is `bad` must be refused with this code and
/// index, and none of its actions delivered; then `good` alone passes.
fn refuses(mel: &mut Client, pomke: &mut Client, bad: Value, good: Value, code: &str) {
    let fine = action("1:1", 1.0, good.clone());
    send_actions(mel, "r", &[fine.clone(), bad.clone(), fine.clone()]);
    let error = mel.expect_error(code);
    assert_eq!(error["data"]["details"]["index"], 1, "{bad}: {error}");
    assert_eq!(error["data"]["command"], "game");
    send_actions(mel, "r", &[fine]);
    // Actions of the refused message would precede this one in the room's order.
    assert_eq!(action_data(mel), std::slice::from_ref(&good), "{bad}");
    assert_eq!(action_data(pomke), [good], "{bad}");
}

/// The same for one action's data.
fn refuses_data(mel: &mut Client, pomke: &mut Client, bad: &Value, good: Value) {
    let bad = action("1:1", 1.0, bad.clone());
    refuses(mel, pomke, bad, good, "invalid_action");
}

#[test]
fn from_must_be_sender_id() {
    let (_server, mut mel, mut pomke) = game("");
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
fn action_with_missing_fields_is_refused() {
    let (_server, mut mel, mut pomke) = game("");
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
fn team_must_be_own_team() {
    let entry = "teams = [\"red\", \"blue\"]\n";
    let server = Server::configured(&format!("[games.g]\n{entry}"), &[]);
    let [mut mel, mut pomke] = members(&server, "r", "g", ["1:1", "1:2"]);
    let of = |team: &str| {
        let mut action = action("1:1", 1.0, json!("go"));
        action["team"] = json!(team);
        action
    };
    refuses(&mut mel, &mut pomke, of("blue"), json!("go"), "forbidden");
    refuses(&mut mel, &mut pomke, of("green"), json!("go"), "forbidden");
    send_actions(&mut mel, "r", &[of("red")]);
    assert_eq!(pomke.expect("game")["actions"][0]["team"], "red");
}

#[test]
fn member_without_team_cannot_claim_one() {
    let (_server, mut mel, mut pomke) = game("");
    let mut bad = action("1:1", 1.0, json!("go"));
    bad["team"] = json!("red");
    refuses(&mut mel, &mut pomke, bad, json!("go"), "forbidden");
}

#[test]
fn user_ids_in_data_must_be_members_if_configured() {
    let (_server, mut mel, mut pomke) = game("member_ids = true\n");
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
fn targets_must_be_other_members() {
    let (_server, mut mel, mut pomke) = game("targets = [\"strike_one\"]\n");
    let good = json!({"strike_one": "1:2"});
    for bad in [
        json!({"strike_one": "1:1234"}),
        json!({"strike_one": "1:1"}),
        json!({"strike_one": 5}),
        json!({"strike_one": null}),
    ] {
        refuses_data(&mut mel, &mut pomke, &bad, good.clone());
    }
    act(&mut mel, "r", "1:1", json!({"other": "1:1234"}));
    assert_eq!(action_data(&mut pomke), [json!({"other": "1:1234"})]);
}

#[test]
fn data_must_have_required_fields() {
    let (_server, mut mel, mut pomke) = game("require = [\"x\", \"y\"]\n");
    let good = json!({"x": 1, "y": null, "z": 3});
    for bad in [json!({"x": 1}), json!([1, 2]), json!("x y"), json!({})] {
        refuses_data(&mut mel, &mut pomke, &bad, good.clone());
    }
}

#[test]
fn data_must_match_schema_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("move.json");
    let schema = json!({
        "type": "object",
        "required": ["move"],
        "properties": {"move": {"type": "string", "pattern": "^[a-h][1-8]$"}},
        "additionalProperties": false
    });
    std::fs::write(&file, schema.to_string()).unwrap();
    let (_server, mut mel, mut pomke) = game(&format!("schema = {:?}\n", file.to_str().unwrap()));
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
fn action_data_size_is_limited_by_game() {
    let (_server, mut mel, mut pomke) = game("action_bytes_max = 20\n");
    let bad = action("1:1", 1.0, json!("x".repeat(19)));
    let good = json!("x".repeat(18));
    refuses(&mut mel, &mut pomke, bad, good, "too_large");
}

#[test]
fn data_that_is_looked_into_has_no_key_twice() {
    let server = Server::configured("[games.g]\nkeep_state = true\n", &[]);
    let [mut mel, mut pomke] = members(&server, "r", "g", ["1:1", "1:2"]);
    let twice = r#"{"x":1,"state":1,"st\u0061te":2}"#;
    let game = |data: &str| {
        format!(
            r#"{{"command":"game","data":{{"channel":"r","actions":[{{"timestamp":1,"from":"1:1","data":{data}}}]}}}}"#
        )
    };
    mel.send_text(&game(twice));
    let error = mel.expect_error("bad_message");
    assert_eq!(error["data"]["details"]["index"], 0);
    mel.send_text(&game(r#"{"state":3}"#));
    assert_eq!(action_data(&mut pomke), [json!({"state": 3})]);
}

#[test]
fn action_rate_is_limited_by_game() {
    let (_server, mut mel, mut pomke) = game("actions_per_second = 5\n");
    let burst = |count: usize| vec![action("1:1", 1.0, json!("go")); count];
    // More than ever pass.
    send_actions(&mut mel, "r", &burst(6));
    let error = mel.expect_error("too_many");
    assert_eq!(error["data"]["details"]["max"], 5);
    // Refused actions do not count.
    send_actions(&mut mel, "r", &burst(5));
    assert_eq!(action_data(&mut mel).len(), 5);
    send_actions(&mut mel, "r", &burst(5));
    let error = mel.expect_error("rate_limited");
    let retry_ms = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&retry_ms), "{error}");
    assert_eq!(action_data(&mut pomke).len(), 5);
    act(&mut pomke, "r", "1:2", json!("has its own rate"));
    assert_eq!(action_data(&mut pomke), ["has its own rate"]);
}

#[test]
fn actions_per_message_are_limited() {
    let server = Server::with(&[("room.actions_max", "3")]);
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    send_actions(&mut mel, "r", &vec![action("1:1", 1.0, json!("many")); 4]);
    let error = mel.expect_error("too_many");
    assert_eq!(error["data"]["details"]["max"], 3);
    send_actions(&mut mel, "r", &[]);
    mel.expect_error("bad_message");
    act(&mut mel, "r", "1:1", json!("few"));
    assert_eq!(action_data(&mut pomke), ["few"]);
}

#[test]
fn only_users_of_game_realms_play_and_are_invited() {
    let server = Server::configured("[games.g]\nrealms = [\"1\", \"fb\"]\n", &[]);
    let data = |user: &str| json!({"channel": "r", "self": user, "game": "g"});
    let mut stranger = server.user("x:1");
    stranger.command("joingame", data("x:1"));
    stranger.expect_error("forbidden");
    let mut mel = server.user("1:1");
    let mut invites = data("1:1");
    invites["invite"] = json!(["fb:2", "x:1"]);
    mel.command("joingame", invites);
    mel.expect_error("forbidden");
    stranger.expect_nothing_pending();
    join_with(&mut mel, data("1:1"));
    let mut tom = server.user("fb:2");
    join_with(&mut tom, data("fb:2"));
}
