//! What all clients together may have of a kind, and each user: over it the one that
//! asks is refused, and what exists goes on.

use serde_json::{Value, json};

use crate::share::user_from;
use turntable_testkit::channel::{join as join_channel, publish};
use turntable_testkit::metric::{AVATARS, CHANNELS, INVITES, ROOMS, SERVICES, limit_reached};
use turntable_testkit::room::{join, join_with};
use turntable_testkit::session::Session;
use turntable_testkit::{Client, Frame, Server};

/// A join that must be refused with this code. Returns the greatest number.
fn refused(client: &mut Client, command: &str, data: Value, code: &str) -> Value {
    client.command(command, data);
    let error = client.expect_error(code);
    assert_eq!(error["data"]["command"], command);
    error["data"]["details"]["max"].clone()
}

fn room(channel: &str, user: &str) -> Value {
    json!({"channel": channel, "self": user})
}

#[test]
fn rooms_that_one_user_created_are_limited() {
    let server = Server::with(&[("room.rooms_per_user_max", "2"), ("room.empty_ms", "50")]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "a", "1:1");
    join(&mut mel, "b", "1:1");
    let max = refused(&mut mel, "joingame", room("c", "1:1"), "too_many");
    assert_eq!(max, 2);
    assert_eq!(
        server.metric(&limit_reached("room.rooms_per_user_max")),
        1.0
    );
    // A room of another user is none of its own.
    join(&mut tom, "c", "1:2");
    join(&mut mel, "c", "1:1");
    server.await_metric(ROOMS, 3.0);
    mel.request("leavegame", json!({"channel": "a"}));
    server.await_metric(ROOMS, 2.0);
    join(&mut mel, "d", "1:1");
}

#[test]
fn rooms_and_channels_that_one_address_began_are_limited() {
    let server = Server::with(&[
        ("room.rooms_per_address_max", "2"),
        ("room.empty_ms", "50"),
        ("channel.channels_per_address_max", "2"),
        ("channel.empty_ms", "50"),
    ]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    let mut far = user_from(&server, 9, "1:3");
    join(&mut mel, "a", "1:1");
    join(&mut tom, "b", "1:2");
    let max = refused(&mut tom, "joingame", room("c", "1:2"), "too_many");
    assert_eq!(max, 2);
    join_channel(&mut mel, "a");
    join_channel(&mut tom, "b");
    let join_c = || json!({"channel": "c"});
    assert_eq!(refused(&mut mel, "joinchannel", join_c(), "too_many"), 2);
    // What exists is there for all, and another address has its own.
    join(&mut far, "c", "1:3");
    join_channel(&mut far, "c");
    join(&mut mel, "c", "1:1");
    join_channel(&mut mel, "c");
    for key in [
        "room.rooms_per_address_max",
        "channel.channels_per_address_max",
    ] {
        assert_eq!(server.metric(&limit_reached(key)), 1.0, "{key}");
    }
    // What has ended does not count.
    mel.request("leavegame", json!({"channel": "a"}));
    mel.request("leavechannel", json!({"channel": "a"}));
    server.await_metric(ROOMS, 2.0);
    server.await_metric(CHANNELS, 2.0);
    join(&mut tom, "d", "1:2");
    join_channel(&mut tom, "d");
}

#[test]
fn states_of_rooms_are_limited_by_address_and_in_all() {
    let server = Server::configured(
        "[games.g]\nkeep_state = true\n",
        &[
            ("room.state_total_bytes_max", "150"),
            ("room.state_bytes_per_address_max", "100"),
            ("room.empty_ms", "50"),
        ],
    );
    let mut mel = server.user("1:1");
    let mut far = Client::greeted_from(server.address, [127, 0, 0, 9]);
    far.identify("1:2");
    let join = |client: &mut Client, room: &str, user: &str| {
        let join = json!({"channel": room, "self": user, "game": "g"});
        client.request("joingame", join);
    };
    for room in ["a", "b"] {
        join(&mut mel, room, "1:1");
    }
    join(&mut far, "c", "1:2");
    let state = |room: &str, user: &str, bytes: usize| {
        let state = "x".repeat(bytes - 2);
        let action = json!({"timestamp": 0, "from": user, "data": {"state": state}});
        json!({"channel": room, "actions": [action]})
    };
    let play = |client: &mut Client, data: Value| {
        client.command("game", data);
        client.expect("game");
    };
    play(&mut mel, state("a", "1:1", 60));
    let over = state("b", "1:1", 41);
    assert_eq!(refused(&mut mel, "game", over, "too_many"), 100);
    play(&mut mel, state("b", "1:1", 40));
    let over = state("c", "1:2", 51);
    assert_eq!(refused(&mut far, "game", over, "unavailable"), 150);
    // One that is no longer than before fits, and so does one without.
    play(&mut mel, state("a", "1:1", 60));
    let action = json!({"timestamp": 0, "from": "1:2", "data": {"move": 1}});
    play(&mut far, json!({"channel": "c", "actions": [action]}));
    for key in [
        "room.state_total_bytes_max",
        "room.state_bytes_per_address_max",
    ] {
        assert_eq!(server.metric(&limit_reached(key)), 1.0, "{key}");
    }
    let of_states = |name: &str| server.metric(&format!("turntable_room_state_bytes{name}"));
    assert_eq!([of_states(""), of_states("_max")], [100.0, 150.0]);
    // The state of a room that has ended does not count.
    mel.request("leavegame", json!({"channel": "a"}));
    server.await_metric(ROOMS, 2.0);
    play(&mut far, state("c", "1:2", 51));
    play(&mut mel, state("b", "1:1", 60));
}

#[test]
fn rooms_of_the_server_are_limited() {
    let server = Server::with(&[("room.rooms_max", "1")]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "a", "1:1");
    let max = refused(&mut tom, "joingame", room("b", "1:2"), "unavailable");
    assert_eq!(max, 1);
    assert_eq!(server.metric(&limit_reached("room.rooms_max")), 1.0);
    join(&mut tom, "a", "1:2");
}

#[test]
fn what_the_server_has_no_room_for_takes_nothing_of_a_rate() {
    let rate = "{ per_second = 1, burst = 2 }";
    let server = Server::with(&[
        ("room.rooms_max", "1"),
        ("room.new_by_address", rate),
        ("channel.channels_max", "1"),
        ("channel.new_by_address", rate),
    ]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "a", "1:1");
    join_channel(&mut mel, "a");
    for number in 0..4 {
        let name = format!("b{number}");
        assert_eq!(
            refused(&mut tom, "joingame", room(&name, "1:2"), "unavailable"),
            1
        );
        let channel = json!({"channel": name});
        assert_eq!(refused(&mut tom, "joinchannel", channel, "unavailable"), 1);
    }
}

#[test]
fn what_the_clients_of_one_address_hold_is_limited() {
    let server = Server::with(&[
        ("session.subscriptions_per_address_max", "40"),
        ("room.empty_ms", "50"),
    ]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    let users: Vec<String> = (10..30).map(|number| format!("1:{number}")).collect();
    mel.command("subscribe", json!(users));
    mel.expect("userchange");
    join_channel(&mut tom, "a");
    let max = refused(&mut tom, "joinchannel", json!({"channel": "b"}), "too_many");
    assert_eq!(max, 40);
    assert_eq!(
        refused(&mut tom, "joingame", room("r", "1:2"), "too_many"),
        40
    );
    assert_eq!(refused(&mut tom, "subscribe", json!(users), "too_many"), 40);
    let reached = limit_reached("session.subscriptions_per_address_max");
    assert_eq!(server.metric(&reached), 3.0);
    // What is given up is there for others, and so is what an ended session had.
    mel.request("unsubscribe", json!(users));
    tom.request("leavechannel", json!({"channel": "a"}));
    join(&mut tom, "r", "1:2");
    assert_eq!(
        refused(&mut mel, "joinchannel", json!({"channel": "b"}), "too_many"),
        40
    );
    tom.bye();
    server.await_metric(ROOMS, 0.0);
    join_channel(&mut mel, "b");
}

#[test]
fn users_that_the_clients_of_one_address_name_have_a_rate() {
    let server = Server::with(&[("limits.address_users", "{ per_second = 1, burst = 30 }")]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    let users: Vec<String> = (10..30).map(|number| format!("1:{number}")).collect();
    mel.command("lookup", json!(users));
    mel.expect("reply");
    tom.command("lookup", json!(users));
    tom.expect_error("rate_limited");
    let reached = limit_reached("limits.address_users");
    assert_eq!(server.metric(&reached), 1.0);
    tom.request("unsubscribe", json!(["1:10"]));
}

#[test]
fn invites_of_the_clients_of_one_address_have_a_rate() {
    let server = Server::with(&[("limits.address_invites", "{ per_second = 1, burst = 3 }")]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    let with = |user: &str, invite: &[&str]| json!({"channel": user.replace(':', "/"), "self": user, "invite": invite});
    mel.request("joingame", with("1:1", &["1:8", "1:9"]));
    tom.command("joingame", with("1:2", &["1:7", "1:8"]));
    let error = tom.expect_error("rate_limited");
    let retry_ms = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&retry_ms), "{retry_ms}");
    tom.request("joingame", with("1:2", &["1:7"]));
}

#[test]
fn channels_of_the_server_are_limited() {
    let server = Server::with(&[("channel.channels_max", "1")]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    join_channel(&mut mel, "a");
    let other = json!({"channel": "b"});
    let max = refused(&mut tom, "joinchannel", other, "unavailable");
    assert_eq!(max, 1);
    // What needs no channel is answered, and what exists goes on.
    publish(&mut tom, "b", json!(1));
    join_channel(&mut tom, "a");
    publish(&mut mel, "b", json!(2));
}

#[test]
fn one_client_does_not_fill_the_channels_of_the_server() {
    // As without a configuration, where each channel retains messages.
    let server = Server::start();
    let mut mel = server.user("1:1");
    let mut burst = Vec::new();
    for number in 0..900 {
        let publish = json!({"channel": format!("new/{number}"), "data": 1});
        let command = json!({"command": "publish", "data": publish, "id": number});
        burst.extend(Frame::text(&command.to_string()).masked());
    }
    mel.send_raw(&burst);
    let (mut begun, mut refused) = (0.0, Vec::new());
    for number in 0..900 {
        let answer = mel.next();
        if answer["command"] == "reply" {
            begun += 1.0;
        } else {
            let error = &answer["data"];
            assert_eq!(error["code"], "rate_limited", "{answer}");
            assert!(error["details"]["retry_ms"].as_u64().unwrap() <= 2_000);
            refused.push(answer["id"].as_u64().unwrap_or(number));
        }
    }
    assert_eq!(server.metric(CHANNELS), begun);
    // 500 at once, and 50 in each second that this took.
    assert!((500.0..850.0).contains(&begun), "{begun} channels");
    let limited = server.metric(&limit_reached("channel.new_by_user"));
    assert_eq!(limited, refused.len() as f64);
    // What exists goes on, and others begin channels.
    publish(&mut mel, "new/0", json!(2));
    let mut tom = server.user("1:2");
    let channel = format!("new/{}", refused[0]);
    join_channel(&mut tom, &channel);
    publish(&mut mel, &channel, json!(3));
    assert_eq!(tom.expect("message")["data"], 3);
}

#[test]
fn channels_and_rooms_that_begin_have_a_rate_by_address() {
    let rate = "{ per_second = 1, burst = 3 }";
    let server = Server::with(&[
        ("channel.new_by_address", rate),
        ("room.new_by_address", rate),
    ]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    for number in 0..3 {
        let (user, id) = match number {
            1 => (&mut tom, "1:2"),
            _ => (&mut mel, "1:1"),
        };
        join_channel(user, &format!("c/{number}"));
        join(user, &format!("r/{number}"), id);
    }
    let other = [
        ("joinchannel", json!({"channel": "c/9"})),
        ("joingame", room("r/9", "1:2")),
    ];
    for (command, data) in other {
        tom.command(command, data);
        let error = tom.expect_error("rate_limited");
        assert_eq!(error["data"]["command"], command);
    }
    // What exists is joined.
    join_channel(&mut tom, "c/0");
    let names = ["channel.new_by_address", "room.new_by_address"];
    for name in names {
        assert_eq!(server.metric(&limit_reached(name)), 1.0, "{name}");
    }
}

#[test]
fn services_that_the_sessions_of_one_address_provide_are_limited() {
    let server = Server::with(&[("session.subscriptions_per_address_max", "160")]);
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    mel.request("provide", offer(&["a", "b"], &["f"]));
    let max = refused(&mut tom, "provide", offer(&["a"], &["f"]), "too_many");
    assert_eq!(max, 160);
    mel.request("provide", offer(&["a"], &[]));
    tom.request("provide", offer(&["a"], &["f"]));
}

/// The data of a `provide` of these services, with these functions each.
fn offer(names: &[&str], functions: &[&str]) -> Value {
    let services = names
        .iter()
        .map(|name| (name.to_string(), json!(functions)));
    json!({"services": services.collect::<serde_json::Map<_, _>>()})
}

/// A server that has room for two services of users, beside one of its own.
fn with_two_services() -> Server {
    let file = "[services.forum]\nproviders = [\"service:forum\"]\ntoken = \"secret\"\n";
    Server::configured(file, &[("functions.services_max", "2")])
}

#[test]
fn services_of_all_users_are_limited() {
    let server = with_two_services();
    let (mut mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    server.await_metric(SERVICES, 1.0);
    mel.request("provide", offer(&["a", "b"], &["f"]));
    server.await_metric(SERVICES, 3.0);
    let max = refused(&mut tom, "provide", offer(&["a"], &["f"]), "unavailable");
    assert_eq!(max, 2);
    // What exists may change, and makes room.
    mel.request("provide", offer(&["a"], &["f", "g"]));
    mel.request("provide", offer(&["b"], &[]));
    server.await_metric(SERVICES, 2.0);
    // Nothing is taken of an offer that has no room as a whole.
    let max = refused(
        &mut tom,
        "provide",
        offer(&["a", "b"], &["f"]),
        "unavailable",
    );
    assert_eq!(max, 2);
    let offered = tom.request("provide", offer(&["c"], &["f"]));
    assert_eq!(offered["own"], json!(["c"]));
    // Another session of the user takes no more room.
    let mut again = server.user("1:2");
    let offered = again.request("provide", offer(&["c"], &["f"]));
    assert_eq!(offered["own"], json!(["c"]));
    again.expect_nothing_pending();
}

#[test]
fn session_that_comes_back_learns_that_its_service_has_no_room_any_more() {
    let server = with_two_services();
    let mut tom = Session::begin(&server, "1:2");
    tom.request("provide", offer(&["a"], &["f"]));
    server.await_metric(SERVICES, 2.0);
    tom.cut();
    server.await_metric(SERVICES, 1.0);
    let mut mel = server.user("1:1");
    mel.request("provide", offer(&["a", "b"], &["f"]));
    server.await_metric(SERVICES, 3.0);
    tom.resume();
    let error = tom.expect("error");
    assert_eq!(
        (&error["code"], &error["command"]),
        (&json!("unavailable"), &json!("provide"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("a is not provided"), "{message}");
}

#[test]
fn users_of_the_server_are_limited() {
    let keys = [("presence.avatars_max", "2"), ("presence.grace_ms", "0")];
    let server = Server::with(&keys);
    let (mel, mut tom) = (server.user("1:1"), server.user("1:2"));
    let mut late = server.connect();
    let max = refused(&mut late, "idme", json!("1:3"), "unavailable");
    assert_eq!(max, 2);
    // Users that are there may have more sessions; absent ones need no avatar.
    server.user("1:2").bye();
    tom.subscribe(&["1:7", "1:8"]);
    mel.bye();
    server.await_metric(AVATARS, 1.0);
    late.identify("1:3");
}

#[test]
fn invites_are_limited_by_user_and_in_all() {
    let keys = [
        ("room.invites_per_user_max", "3"),
        ("room.invites_total_max", "4"),
        ("room.invite_ttl_ms", "4000"),
    ];
    let server = Server::with(&keys);
    let (mut mel, mut tom) = (server.user("1:1"), user_from(&server, 9, "1:2"));
    let invite = |room: &str, user: &str, invited: &[&str]| json!({"channel": room, "self": user, "invite": invited});
    join_with(&mut mel, invite("a", "1:1", &["2:1", "2:2"]));
    let two = invite("b", "1:1", &["2:3", "2:4"]);
    assert_eq!(refused(&mut mel, "joingame", two.clone(), "too_many"), 3);
    server.await_metric(ROOMS, 1.0);
    join_with(&mut mel, invite("b", "1:1", &["2:3"]));
    let others = invite("c", "1:2", &["2:3", "2:4"]);
    assert_eq!(refused(&mut tom, "joingame", others, "unavailable"), 4);
    join_with(&mut tom, invite("c", "1:2", &["2:3"]));
    // An invite counts for as long as it can be answered.
    server.await_metric(INVITES, 0.0);
    join_with(&mut mel, two);
}

fn inviting(room: &str, user: &str, invited: &[&str]) -> Value {
    json!({"channel": room, "self": user, "invite": invited})
}

#[test]
fn invites_that_one_user_gets_are_limited() {
    let rate = ("room.invites_to_user", "{ per_second = 1, burst = 12 }");
    let server = Server::with(&[rate]);
    let mut victim = server.user("1:9");
    for number in 0..6 {
        let (user, room) = (format!("1:{number}"), format!("r{number}"));
        let mut inviter = server.user(&user);
        let joined = join_with(&mut inviter, inviting(&room, &user, &["1:9", "1:8"]));
        assert_eq!(joined["channel"], room);
        if number < 3 {
            assert_eq!(victim.expect("invite")["channel"], room);
            inviter.expect_nothing_pending();
            continue;
        }
        // The join passes, and the error is about the invite alone.
        let error = inviter.expect_error("rate_limited");
        assert_eq!(error.get("id"), None);
        let (command, message) = (&error["data"]["command"], &error["data"]["message"]);
        assert_eq!(command, "joingame");
        assert!(
            message.as_str().unwrap().contains("1:8, 1:9")
                || message.as_str().unwrap().contains("1:9, 1:8")
        );
        assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() <= 1_000);
    }
    victim.expect_none();
    let reached = server.metric(&limit_reached("room.invites_to_user"));
    assert_eq!(reached, 3.0);
}

#[test]
fn one_address_does_not_keep_others_from_inviting_a_user() {
    // Less than what the stalkers send, in as many rooms as a session may be in.
    let rate = ("room.invites_to_user", "{ per_second = 4, burst = 24 }");
    let server = Server::with(&[rate]);
    let mut victim = server.user("1:9");
    let mut stalkers = [server.user("2:1"), server.user("2:2")];
    let mut sent = 0;
    for number in 0..16 {
        for (stalker, user) in stalkers.iter_mut().zip(["2:1", "2:2"]) {
            let room = format!("{user}/{number}");
            stalker.command("joingame", inviting(&room, user, &["1:9"]));
            sent += 1;
        }
    }
    // What they send is before what the friend does, on whichever worker.
    for stalker in &mut stalkers {
        for _ in 0..sent / 2 {
            stalker.await_command("joined");
        }
    }
    let mut friend = Client::greeted_from(server.address, [127, 0, 0, 2]);
    friend.identify("1:2");
    join_with(&mut friend, inviting("friends", "1:2", &["1:9"]));
    friend.expect_nothing_pending();
    let mut got = 0;
    while victim.expect("invite")["channel"] != "friends" {
        got += 1;
    }
    assert!(got < sent / 2, "{got} of {sent}");
}
