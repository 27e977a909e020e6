//! What a command paid for others is given back where it is refused: nobody gets anything then.

use serde_json::{Value, json};

use turntable_testkit::metric::limits_reached;
use turntable_testkit::{Client, Frame, Server};

const DELIVERIES: &str = "limits.address_deliveries";
const LIMIT: (&str, &str) = (DELIVERIES, "{ per_second = 1, burst = 100 }");
const LISTENERS: usize = 20;

/// Clients on these channels, of another address.
fn listeners(server: &Server, channels: &[&str]) -> Vec<Client> {
    let listen = |number| {
        let mut client = Client::greeted_from(server.address, [127, 0, 0, 9]);
        client.identify(&format!("1:{number}"));
        for channel in channels {
            client.request("joinchannel", json!({"channel": channel}));
        }
        client
    };
    (0..LISTENERS).map(listen).collect()
}

/// Sends a command until it has been refused so often with this code.
fn refused(client: &mut Client, times: usize, code: &str, (name, data): (&str, &Value)) {
    for id in 0..times {
        client.send(json!({"command": name, "data": data, "id": id}));
        let error = client.expect_error(code);
        assert_eq!(error["data"]["command"], name, "{error}");
    }
}

#[test]
fn publishes_that_the_channel_refuses_take_no_deliveries() {
    let rate = ("channel.bytes", "{ per_second = 1, burst = 1000 }");
    let server = Server::with(&[LIMIT, rate]);
    let _listeners = listeners(&server, &["full", "other"]);
    let mut mel = server.user("2:1");
    let long = json!({"channel": "full", "data": "x".repeat(900)});
    mel.request("publish", long.clone());
    refused(&mut mel, 20, "rate_limited", ("publish", &long));
    // The first one took 20 of 100.
    for number in 0..4 {
        mel.request("publish", json!({"channel": "other", "data": number}));
    }
    assert_eq!(server.metric(&limits_reached(DELIVERIES)), 0.0);
    let next = json!({"channel": "other", "data": 5});
    refused(&mut mel, 1, "rate_limited", ("publish", &next));
    assert_eq!(server.metric(&limits_reached(DELIVERIES)), 1.0);
}

#[test]
fn commands_of_one_id_get_nothing_back() {
    // The second one is refused while the channel has not answered the publication.
    let join = json!({"command": "joinchannel", "data": {"channel": "news"}, "id": 1});
    let game = json!({"channel": "r/1", "actions": [{"action": "move", "timestamp": 0}]});
    let game = json!({"command": "game", "data": game, "id": 1});
    for refused in [join, game] {
        one_id_gets_nothing_back(&refused);
    }
}

fn one_id_gets_nothing_back(refused: &Value) {
    let file = "[channels.\"news/**\"]\njoin = [\"staff:*\"]\n";
    let server = Server::configured(file, &[LIMIT]);
    let _listeners = listeners(&server, &["chat"]);
    let mut mel = server.user("2:1");
    let publish = json!({"command": "publish", "data": {"channel": "chat", "data": 1}, "id": 1});
    let both = [&publish, refused].map(|command| Frame::text(&command.to_string()).masked());
    let mut published = 0;
    for _ in 0..6 {
        mel.send_raw(&both.concat());
        let answers = [mel.next(), mel.next()];
        let answers = answers.iter();
        published += answers
            .filter(|answer| answer["command"] == "reply")
            .count();
    }
    assert_eq!(published, 5);
    assert!(server.metric(&limits_reached(DELIVERIES)) >= 1.0);
}

#[test]
fn publishes_without_the_permission_take_no_deliveries() {
    let file = "[channels.\"news/**\"]\npublish = [\"staff:*\"]\n";
    let server = Server::configured(file, &[LIMIT]);
    let _listeners = listeners(&server, &["news", "chat"]);
    let mut mel = server.user("2:1");
    // Without an id, too.
    for _ in 0..20 {
        mel.command("publish", json!({"channel": "news", "data": 1}));
        mel.expect_error("forbidden");
    }
    for number in 0..5 {
        mel.request("publish", json!({"channel": "chat", "data": number}));
    }
}

#[test]
fn joins_that_are_refused_take_no_invites() {
    let invites = ("limits.address_invites", "{ per_second = 1, burst = 6 }");
    let server = Server::with(&[invites, ("session.rooms_max", "1")]);
    let mut mel = server.user("2:1");
    let join = |room: &str, invited: usize| {
        let invite: Vec<String> = (0..invited).map(|number| format!("1:{number}")).collect();
        json!({"channel": room, "self": "2:1", "invite": invite})
    };
    mel.request("joingame", join("r/1", 2));
    refused(&mut mel, 20, "too_many", ("joingame", &join("r/2", 4)));
    mel.request("leavegame", json!({"channel": "r/1"}));
    mel.request("joingame", join("r/2", 4));
}

#[test]
fn joins_that_the_room_refuses_take_no_invites_and_no_deliveries() {
    let limits = [
        (DELIVERIES, "{ per_second = 1, burst = 10 }"),
        ("limits.address_invites", "{ per_second = 1, burst = 6 }"),
        ("room.members_max", "1"),
    ];
    let server = Server::with(&limits);
    let mut tom = Client::greeted_from(server.address, [127, 0, 0, 9]);
    tom.identify("1:9");
    tom.request("joingame", json!({"channel": "r/1", "self": "1:9"}));
    let mut mel = server.user("2:1");
    let join = |room: &str| {
        let invite: Vec<String> = (0..6).map(|number| format!("1:{number}")).collect();
        json!({"channel": room, "self": "2:1", "invite": invite})
    };
    // Each would take 2 of 10.
    refused(&mut mel, 20, "room_full", ("joingame", &join("r/1")));
    mel.request("joingame", join("r/2"));
    assert_eq!(server.metric(&limits_reached(DELIVERIES)), 0.0);
}
