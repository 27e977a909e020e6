//! Lost avatars: sessions, statuses, attributes, watchers and play.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Load, Operator, await_losses, flood, server, within_a_second};
use turntable_testkit::metric::ACTORS_LOST;
use turntable_testkit::{Client, Server};

fn lookup(client: &mut Client, user: &str) -> Value {
    client.request("lookup", json!([user]))[user].clone()
}

/// Watchers of some users, on different workers.
fn watchers(server: &Server, users: &[&str], state: &Value) -> [Client; 3] {
    ["1:90", "1:91", "1:92"].map(|id| {
        let mut watcher = server.user(id);
        assert_eq!(watcher.subscribe(users), *state);
        watcher
    })
}

#[test]
fn a_replaced_avatar_has_its_sessions_words_and_watchers() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let mut mel = server.user("1:1");
    let mut phone = server.user("1:1");
    phone.request("status", json!("idle"));
    mel.request("status", json!({"state": "busy", "note": "a note"}));
    mel.request("set", json!({"name": "Mel"}));
    assert_eq!(phone.expect("attributes"), json!({"name": "Mel"}));
    let mut watchers = watchers(&server, &["1:1"], &json!({"1:1": "busy"}));
    let profile = json!({"name": "Mel"});
    for watcher in &mut watchers {
        assert_eq!(watcher.expect("profiles"), json!({"1:1": profile}));
    }

    operator.fail_avatar("1:1");
    let expected = json!({"state": "busy", "devices": 2, "note": "a note", "profile": profile});
    assert_eq!(lookup(&mut operator.0, "1:1"), expected);
    for watcher in &mut watchers {
        watcher.expect_nothing_pending();
    }
    // What each session said counts for that session.
    mel.bye();
    for watcher in &mut watchers {
        assert_eq!(watcher.expect("userchange"), json!({"1:1": "idle"}));
    }
    let mut tablet = server.connect();
    assert_eq!(tablet.identify("1:1")["attributes"], json!({"name": "Mel"}));
    for watcher in &mut watchers {
        assert_eq!(watcher.expect("userchange"), json!({"1:1": "online"}));
    }
    assert!(server.metric(ACTORS_LOST) >= 1.0);
}

#[test]
fn a_dropped_session_and_an_idle_one_stay_so() {
    let server = server(
        "",
        &[
            ("presence.grace_ms", "1500"),
            ("presence.idle_after_ms", "200"),
        ],
    );
    let mut operator = Operator::on(&server);
    let [dropped, mut idle] = ["1:1", "1:2"].map(|id| server.user(id));
    let mut watcher = server.user("1:90");
    watcher.subscribe(&["1:1", "1:2"]);
    within_a_second("both get idle", || {
        let mut is_idle = |user| lookup(&mut operator.0, user)["state"] == "idle";
        is_idle("1:1") && is_idle("1:2")
    });
    watcher.command("unsubscribe", json!(["1:1", "1:2"]));
    let mut watcher = server.user("1:91");
    let both_idle = json!({"1:1": "idle", "1:2": "idle"});
    assert_eq!(watcher.subscribe(&["1:1", "1:2"]), both_idle);
    dropped.drop_connection();
    within_a_second("the drop is noticed", || {
        lookup(&mut operator.0, "1:1")["devices"] == 0
    });
    for user in ["1:1", "1:2"] {
        operator.fail_avatar(user);
    }
    assert_eq!(lookup(&mut operator.0, "1:1")["state"], "idle");
    assert_eq!(lookup(&mut operator.0, "1:2")["state"], "idle");
    // It counts as before until its grace is over, and no longer.
    assert_eq!(watcher.expect("userchange"), json!({"1:1": "offline"}));
    idle.request("lookup", json!(["1:90"]));
    assert_eq!(watcher.expect("userchange"), json!({"1:2": "online"}));
}

#[test]
fn players_stay_busy_and_are_online_when_they_leave() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let mut mel = server.user("1:1");
    let mut pomke = server.user("1:2");
    for (client, id) in [(&mut mel, "1:1"), (&mut pomke, "1:2")] {
        client.command("joingame", json!({"channel": "r", "self": id}));
        client.expect("joined");
    }
    mel.expect("memberchange");
    within_a_second("both are busy", || {
        let mut is_busy = |user| lookup(&mut operator.0, user)["state"] == "busy";
        is_busy("1:1") && is_busy("1:2")
    });
    // In a game this is the user's own word.
    pomke.request("status", json!("online"));
    let state = json!({"1:1": "busy", "1:2": "online"});
    let mut watchers = watchers(&server, &["1:1", "1:2"], &state);
    for user in ["1:1", "1:2"] {
        operator.fail_avatar(user);
    }
    assert_eq!(lookup(&mut operator.0, "1:1")["state"], "busy");
    assert_eq!(lookup(&mut operator.0, "1:2")["state"], "online");
    for watcher in &mut watchers {
        watcher.expect_nothing_pending();
    }
    mel.request("leavegame", json!({"channel": "r"}));
    for watcher in &mut watchers {
        assert_eq!(watcher.expect("userchange"), json!({"1:1": "online"}));
    }
}

#[test]
fn commands_are_answered_once_and_in_order_while_avatars_are_lost() {
    let server = server("", &[("session.sessions_per_user_max", "8")]);
    let mut operator = Operator::on(&server);
    let mut watcher = server.user("1:90");
    assert_eq!(watcher.subscribe(&["1:1"]), json!({"1:1": "offline"}));
    let sessions = [0, 1, 2, 3].map(|_| server.user("1:1"));
    assert_eq!(watcher.expect("userchange"), json!({"1:1": "online"}));
    let load = Load::begin();
    let mut number = 0;
    let floods = sessions.map(|session| {
        number += 1;
        let name = format!("k{number}");
        flood(session, &load, "set", move |n| json!({ name.as_str(): n }))
    });
    for count in [1.0, 2.0, 3.0] {
        operator.arm("avatar", "1:1");
        await_losses(&server, count);
    }
    load.end();
    let floods = floods.map(|flood| flood.join().unwrap());
    let refused: usize = floods.iter().map(|flood| flood.refused).sum();
    assert!(refused <= 3, "{refused}");
    // The attributes are those that were set last, in spite of the losses.
    let attributes = server.connect().identify("1:1")["attributes"].clone();
    for (flood, name) in floods.iter().zip(["k1", "k2", "k3", "k4"]) {
        assert_eq!(attributes[name], flood.sent - 1, "{attributes}");
    }
}

#[test]
fn identifications_are_answered_while_the_avatar_is_lost() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let mut watcher = server.user("1:90");
    assert_eq!(watcher.subscribe(&["1:1"]), json!({"1:1": "offline"}));
    for _ in 0..3 {
        let mut client = server.connect();
        operator.arm("avatar", "1:1");
        client.send(json!({"command": "idme", "data": "1:1", "id": 1}));
        let refusal = client.expect_error("unavailable");
        assert_eq!(refusal["id"], 1);
        client.identify("1:1");
        assert_eq!(watcher.expect("userchange"), json!({"1:1": "online"}));
        client.bye();
        assert_eq!(watcher.expect("userchange"), json!({"1:1": "offline"}));
    }
}

/// Loses an avatar so often that its replacement waits for a second.
fn lose_often(server: &Server, operator: &mut Operator, user: &str) {
    for count in 1..=4 {
        operator.arm("avatar", user);
        // An announcement may be the next call; then the lookup is answered later.
        operator
            .0
            .send(json!({"command": "lookup", "data": [user], "id": "lost"}));
        server.await_metric(ACTORS_LOST, f64::from(count));
        if count < 4 {
            while operator.0.next()["id"] != "lost" {}
        }
    }
}

#[test]
fn client_whose_avatar_is_replaced_late_is_not_closed_as_unidentified() {
    let server = server("", &[("session.identify_timeout_ms", "300")]);
    let mut operator = Operator::on(&server);
    let _tablet = server.user("1:1");
    lose_often(&server, &mut operator, "1:1");
    let mut mel = server.connect();
    let begun = Instant::now();
    mel.identify("1:1");
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(400), "{waited:?}");
    mel.request("lookup", json!(["1:1"]));
}

#[test]
fn client_whose_identification_is_given_up_claims_again() {
    let keys = [
        ("session.identify_timeout_ms", "300"),
        ("session.answer_timeout_ms", "450"),
    ];
    let server = server("", &keys);
    let mut operator = Operator::on(&server);
    let _tablet = server.user("1:1");
    lose_often(&server, &mut operator, "1:1");
    let [mut mel, mut silent] = [server.connect(), server.connect()];
    for client in [&mut mel, &mut silent] {
        client.send(json!({"command": "idme", "data": "1:1", "id": 1}));
    }
    for client in [&mut mel, &mut silent] {
        assert_eq!(client.expect_error("unavailable")["id"], 1);
    }
    // Another claim is as good, and a client without one is closed as any other.
    mel.send(json!({"command": "idme", "data": "1:2", "id": 2}));
    assert_eq!(mel.expect("welcome")["user"], "1:2");
    silent.expect_close(4001);
}

#[test]
fn an_avatar_that_is_lost_again_and_again_comes_back() {
    let server = server("", &[]);
    let mut operator = Operator::on(&server);
    let _mel = server.user("1:1");
    let mut watchers = watchers(&server, &["1:1"], &json!({"1:1": "online"}));
    for _ in 0..6 {
        operator.arm("avatar", "1:1");
        operator.0.command("lookup", json!(["1:1"]));
        // An announcement may be the next call; then the lookup waits.
        let answer = operator.0.next();
        let code = &answer["data"]["code"];
        assert!(
            answer["command"] == "reply" || code == "unavailable",
            "{answer}"
        );
    }
    assert_eq!(lookup(&mut operator.0, "1:1")["devices"], 1);
    for watcher in &mut watchers {
        watcher.expect_nothing_pending();
    }
}
