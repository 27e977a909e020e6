//! Actions in rooms: who receives them, in which order (D22, D23 of
//! docs/promises.md).

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::room::{act, action, action_data, actions, join, members, send_actions};

#[test]
fn action_reaches_all_members_including_sender() {
    let server = Server::start();
    let [mut mel, mut pomke, mut tom] = members(&server, "r", "", ["1:1", "1:2", "fb:tom"]);
    let data = json!({"strike_one": "1:2", "force": 1.50, "nothing": null});
    act(&mut mel, "r", "1:1", data.clone());
    for member in [&mut mel, &mut pomke, &mut tom] {
        let actions = actions(member);
        assert_eq!(actions.len(), 1);
        assert_eq!(actions[0]["from"], "1:1");
        assert_eq!(actions[0]["data"], data);
    }
}

#[test]
fn action_data_passes_byte_for_byte() {
    let server = Server::start();
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let data = r#"{"b":1.50,"a":1e2,"b":"\u00e9","long":12345678901234567890123}"#;
    mel.send_text(&format!(
        r#"{{"command":"game","data":{{"channel":"r","actions":[{{"timestamp":1,"from":"1:1","data":{data}}}]}}}}"#
    ));
    let text = pomke.text();
    assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
}

#[test]
fn concurrent_actions_of_eight_members_have_one_order() {
    const ACTIONS: usize = 40;
    let server = Server::start();
    let users = ["1:1", "1:2", "1:3", "1:4", "1:5", "1:6", "1:7", "1:8"];
    let members = members(&server, "r", "", users);
    let players: Vec<_> = members
        .into_iter()
        .zip(users)
        .map(|(mut member, user)| {
            std::thread::spawn(move || {
                for n in 0..ACTIONS {
                    act(&mut member, "r", user, json!([user, n]));
                }
                let mut seen = Vec::new();
                while seen.len() < users.len() * ACTIONS {
                    seen.extend(action_data(&mut member));
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
fn non_member_cannot_act() {
    let server = Server::start();
    let [mut mel] = members(&server, "r", "", ["1:1"]);
    let mut outsider = server.user("1:2");
    act(&mut outsider, "r", "1:2", json!("hidden"));
    outsider.expect_error("not_member");
    outsider.command("leavegame", json!({"channel": "r"}));
    outsider.expect_error("not_member");
    act(&mut outsider, "nowhere", "1:2", json!("hidden"));
    outsider.expect_error("not_found");
    act(&mut mel, "r", "1:1", json!("seen"));
    assert_eq!(action_data(&mut mel), ["seen"]);
}

#[test]
fn each_session_of_member_must_join() {
    let server = Server::start();
    let [mut mel, mut pomke] = members(&server, "r", "", ["1:1", "1:2"]);
    let mut tablet = server.user("1:1");
    act(&mut tablet, "r", "1:1", json!("hidden"));
    tablet.expect_error("not_member");
    join(&mut tablet, "r", "1:1");
    act(&mut tablet, "r", "1:1", json!("seen"));
    for session in [&mut mel, &mut pomke, &mut tablet] {
        assert_eq!(action_data(session), ["seen"]);
    }
}

#[test]
fn tick_groups_actions_sorted_by_corrected_timestamp() {
    let game = "[games.tick]\ntick_ms = 300\n";
    let server = Server::configured(game, &[("time.allowance_ms", "1000")]);
    let [mut mel, mut pomke] = members(&server, "r", "tick", ["1:1", "1:2"]);
    // The newest timestamp tells each clock; the older timestamps of the two
    // members alternate.
    let at = |user, ages: [f64; 3]| ages.map(|age| action(user, 5_000.0 - age, json!(age)));
    send_actions(&mut mel, "r", &at("1:1", [400.0, 200.0, 0.0]));
    send_actions(&mut pomke, "r", &at("1:2", [300.0, 100.0, 0.0]));
    let tick = actions(&mut mel);
    assert_eq!(tick.len(), 6, "one message for the tick: {tick:?}");
    assert_eq!(actions(&mut pomke), tick);
    let stamps: Vec<f64> = tick
        .iter()
        .map(|action| action["timestamp"].as_f64().unwrap())
        .collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let order: Vec<&Value> = tick.iter().map(|action| &action["data"]).take(4).collect();
    assert_eq!(order, [400.0, 300.0, 200.0, 100.0]);
}
