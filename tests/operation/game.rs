//! `game` of the management listener: which rooms there are, what is known of one, and what an
//! operator ends.

use serde_json::{Value, json};

use turntable_testkit::{Client, Server, room};

fn numbers(actions: &Value) -> Vec<u64> {
    let actions = actions["actions"].as_array().unwrap().iter();
    actions
        .map(|action| action["number"].as_u64().unwrap())
        .collect()
}

#[test]
fn rooms_come_page_by_page_with_what_is_known_of_each() {
    let server = Server::with(&[("management.list_max", "3"), ("server.workers", "2")]);
    let mut client = server.user("1:1");
    for name in ["d", "b", "a", "c"] {
        room::join(&mut client, name, "1:1");
    }
    room::act(&mut client, "b", "1:1", json!(1));
    client.expect("game");
    let all = server.rpc("game/listAll", &json!({}));
    assert_eq!(all.error(), (413, "too_large".to_owned()), "{}", all.text());
    let first = server.manage("/game/listAll/2").json();
    let ids: Vec<&Value> = [0, 1].map(|at| &first["rooms"][at]["channelId"]).into();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(first["next"], "b");
    let played = &first["rooms"][1];
    assert_eq!(
        (&played["actions"], &played["members"]),
        (&json!(1), &json!(1))
    );
    assert!(played["last_action_ms"].as_u64() >= played["since_ms"].as_u64());
    assert_eq!(first["rooms"][0].get("last_action_ms"), None);
    let rest = server.rpc("game/listAll", &json!({"after": "b"})).json();
    assert_eq!(rest["rooms"].as_array().unwrap().len(), 2);
    assert_eq!(rest.get("next"), None, "{rest}");
}

#[test]
fn room_is_shown_with_its_members_settings_and_clock() {
    let server = Server::configured(
        "[games.race]\nteams = [\"red\", \"blue\"]\nkeep_state = true\nmembers_max = 4\n",
        &[("room.seat_ms", "20000")],
    );
    let mut client = server.user("1:1");
    let join = json!({"channel": "track", "self": "1:1", "game": "race", "team": "red"});
    room::join_with(&mut client, join);
    let data = json!({"state": {"lap": 1}});
    room::act(&mut client, "track", "1:1", data);
    client.expect("game");
    let room = server
        .rpc("game/get", &json!({"channelId": "track"}))
        .json();
    assert_eq!(room["game"], "race");
    assert_eq!(room["actions"], 1);
    assert_eq!(room["state_bytes"], json!({"lap": 1}).to_string().len());
    assert_eq!(room["settings"]["members_max"], 4);
    assert_eq!(room["settings"]["seat_ms"], 20_000);
    assert_eq!(room["settings"]["teams"], json!(["red", "blue"]));
    assert!((room::unix_ms() - room["time_ms"].as_f64().unwrap()).abs() < 60_000.0);
    let member = &room["members"][0];
    assert_eq!(
        (&member["user"], &member["team"]),
        (&json!("1:1"), &json!("red"))
    );
    assert_eq!(member["state"], "joined");
    assert!(member["lag"]["credit_ms"].is_u64(), "{member}");
    assert!(member["since_ms"].as_u64() >= room["since_ms"].as_u64());
    assert!(member["last_action_ms"].as_u64() <= room["time_ms"].as_u64());
    let sessions = server
        .rpc("user/getSessions", &json!({"userId": "1:1"}))
        .json();
    let seat = json!([{"session": sessions[0]["session"], "connected": true}]);
    assert_eq!(member["sessions"], seat);
    // A member that drops is away, with its seat.
    drop(client);
    let away = loop {
        let room = server.manage("/game/get/track").json();
        if room["members"][0]["state"] == "away" {
            break room;
        }
    };
    assert_eq!(away["members"][0]["sessions"][0]["connected"], false);
    let seat_ms = away["members"][0]["seat_until_ms"].as_u64().unwrap();
    assert!(seat_ms > away["time_ms"].as_u64().unwrap());
    let listed = server.manage("/game/listAll").json();
    assert_eq!(listed["rooms"][0]["away"], 1);
}

/// The next change of the members, which is this one of `1:2`.
fn client_change(client: &mut Client, change: &str) -> Value {
    let changed = client.expect("memberchange");
    assert_eq!(changed["members"], json!({"1:2": change}));
    changed
}

#[test]
fn member_is_kicked_and_may_join_again() {
    let server = Server::with(&[("server.workers", "2")]);
    let [mut one, mut two] = room::members(&server, "table", "any", ["1:1", "1:2"]);
    let kick = json!({"channelId": "table", "userId": "1:2"});
    assert_eq!(server.rpc("game/kick", &kick).json(), true);
    for client in [&mut one, &mut two] {
        let left = client.expect("memberchange");
        let expected = json!({"channel": "table", "members": {"1:2": "left"}, "reason": "kicked"});
        assert_eq!(left, expected);
    }
    let again = server.rpc("game/kick", &kick);
    assert_eq!(
        again.error(),
        (404, "not_found".to_owned()),
        "{}",
        again.text()
    );
    room::act(&mut two, "table", "1:2", json!(1));
    two.expect_error("not_member");
    room::join(&mut two, "table", "1:2");
    let joined = client_change(&mut one, "joined");
    assert_eq!(joined.get("reason"), None, "{joined}");
    let rude = json!({"channelId": "table", "userId": "1:2", "reason": "rude"});
    assert_eq!(server.rpc("game/kick", &rude).json(), true);
    assert_eq!(client_change(&mut one, "left")["reason"], "rude");
    let long = json!({"channelId": "table", "userId": "1:1", "reason": "r".repeat(2_000)});
    assert_eq!(server.rpc("game/kick", &long).error().1, "bad_message");
    let log = server.await_log("game/kick channelId=table");
    assert!(log.contains("userId=1:2"), "{log}");
}

#[test]
fn room_ends_for_all_members_and_the_next_begins_anew() {
    let server = Server::with(&[("server.workers", "2")]);
    let [mut one, mut two] = room::members(&server, "table", "any", ["1:1", "1:2"]);
    room::act(&mut one, "table", "1:1", json!(1));
    for client in [&mut one, &mut two] {
        client.expect("game");
    }
    let end = json!({"channelId": "table", "reason": "maintenance"});
    assert_eq!(server.rpc("game/end", &end).json(), true);
    for client in [&mut one, &mut two] {
        let left = client.expect("memberchange");
        assert_eq!(left["members"], json!({"1:1": "left", "1:2": "left"}));
        assert_eq!(left["reason"], "maintenance");
    }
    let gone = server.rpc("game/get", &json!({"channelId": "table"}));
    assert_eq!(
        gone.error(),
        (404, "not_found".to_owned()),
        "{}",
        gone.text()
    );
    let log = server.await_log("game/end channelId=table");
    assert!(log.contains("reason=\"maintenance\""), "{log}");
    room::join(&mut one, "table", "1:1");
    let room = server.manage("/game/get/table").json();
    assert_eq!(room["actions"], 0, "{room}");
}

#[test]
fn last_actions_come_with_their_numbers_and_all_digits() {
    let server = Server::with(&[("room.recent_bytes_max", "700")]);
    let mut client = server.user("1:1");
    room::join(&mut client, "table", "1:1");
    for number in 1..=3 {
        room::act(&mut client, "table", "1:1", json!({"n": number}));
        client.expect("game");
    }
    let all = server
        .rpc("game/getActions", &json!({"channelId": "table"}))
        .json();
    assert_eq!((&all["total"], &all["complete"]), (&json!(3), &json!(true)));
    assert_eq!(numbers(&all), [1, 2, 3]);
    assert_eq!(all["actions"][2]["action"]["data"], json!({"n": 3}));
    assert_eq!(all["actions"][2]["action"]["from"], "1:1");
    let behind = server.manage("/game/getActions/table/2").json();
    assert_eq!(
        (numbers(&behind), &behind["complete"]),
        (vec![3], &json!(true))
    );
    let digits = "12345678901234567890.50";
    let action = format!(r#"{{"timestamp": 1, "from": "1:1", "data": {digits}}}"#);
    client.send_text(&format!(
        r#"{{"command": "game", "data": {{"channel": "table", "actions": [{action}]}}}}"#
    ));
    client.expect("game");
    let last = server.manage("/game/getActions/table/3");
    assert!(last.text().contains(digits), "{}", last.text());
    // Of many the last ones are retained.
    for number in 0..20 {
        room::act(&mut client, "table", "1:1", json!(number));
        client.expect("game");
    }
    let some = server.manage("/game/getActions/table").json();
    assert_eq!(
        (&some["total"], &some["complete"]),
        (&json!(24), &json!(false))
    );
    let numbers = numbers(&some);
    assert!((2..=7).contains(&numbers.len()), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&24));
}

#[test]
fn nothing_is_found_of_a_room_that_does_not_exist() {
    let server = Server::with(&[("server.workers", "2")]);
    for (method, more) in [
        ("game/get", json!({})),
        ("game/getActions", json!({})),
        ("game/end", json!({})),
        ("game/kick", json!({"userId": "1:1"})),
    ] {
        let mut arguments = more;
        arguments["channelId"] = json!("nowhere");
        let answer = server.rpc(method, &arguments);
        assert_eq!(answer.error(), (404, "not_found".to_owned()), "{method}");
        arguments["channelId"] = json!("a b");
        let answer = server.rpc(method, &arguments);
        assert_eq!(answer.error(), (400, "invalid_id".to_owned()), "{method}");
    }
    let wrong = server.rpc("game/getActions", &json!({"channelId": "a", "since": "x"}));
    assert_eq!(wrong.error(), (400, "bad_message".to_owned()));
    assert_eq!(server.manage("/game/listAll").json(), json!({"rooms": []}));
}
