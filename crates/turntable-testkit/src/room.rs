//! Users in one room, each on a connection of its own, and what they do there.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{Client, Server};

/// Unix milliseconds. The server reads the same clock: it runs on this machine.
pub fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs_f64() * 1e3
}

/// Joins a room and returns the data of `joined`.
pub fn join(client: &mut Client, room: &str, user: &str) -> Value {
    join_with(client, json!({"channel": room, "self": user}))
}

/// Joins with this data of `joingame` and returns the data of `joined`.
pub fn join_with(client: &mut Client, data: Value) -> Value {
    client.command("joingame", data);
    client.expect("joined")
}

/// These users as members of a room of this game, each on a connection of its
/// own. No client has unread messages.
pub fn members<const N: usize>(
    server: &Server,
    room: &str,
    game: &str,
    users: [&str; N],
) -> [Client; N] {
    let mut members: Vec<Client> = Vec::new();
    for user in users {
        let mut client = server.user(user);
        let data = json!({"channel": room, "self": user, "game": game});
        join_with(&mut client, data);
        for member in &mut members {
            expect_change(member, user, "joined");
        }
        members.push(client);
    }
    members.try_into().unwrap()
}

/// The next message must report this change of this member, and no other.
pub fn expect_change(client: &mut Client, user: &str, change: &str) {
    let changed = client.expect("memberchange");
    assert_eq!(changed["members"], json!({user: change}));
}

/// One action.
pub fn action(user: &str, timestamp: f64, data: Value) -> Value {
    json!({"timestamp": timestamp, "from": user, "data": data})
}

/// Sends actions in one message.
pub fn send_actions(client: &mut Client, room: &str, actions: &[Value]) {
    client.command("game", json!({"channel": room, "actions": actions}));
}

/// Sends one action with this data.
pub fn act(client: &mut Client, room: &str, user: &str, data: Value) {
    send_actions(client, room, &[action(user, 10_223_232.0, data)]);
}

/// The actions of the next message.
pub fn actions(client: &mut Client) -> Vec<Value> {
    let game = client.expect("game");
    game["actions"].as_array().unwrap().clone()
}

/// The data of the actions of the next message.
pub fn action_data(client: &mut Client) -> Vec<Value> {
    let actions = actions(client);
    actions
        .iter()
        .map(|action| action["data"].clone())
        .collect()
}

/// The corrected timestamps of the actions of the next message.
pub fn timestamps(client: &mut Client) -> Vec<f64> {
    let actions = actions(client);
    actions
        .iter()
        .map(|action| action["timestamp"].as_f64().unwrap())
        .collect()
}
