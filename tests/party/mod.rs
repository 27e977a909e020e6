//! A party: users in one room, each on a connection of its own, and what they
//! do there. Shared by the tests of rooms.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::support::{Client, Server};

/// Unix milliseconds, as the server has them too: it runs on this machine.
pub fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs_f64() * 1e3
}

/// Joins a room and returns what `joined` tells.
pub fn join(client: &mut Client, room: &str, user: &str) -> Value {
    join_with(client, json!({"channel": room, "self": user}))
}

/// Joins with everything that `joingame` takes.
pub fn join_with(client: &mut Client, data: Value) -> Value {
    client.command("joingame", data);
    client.expect("joined")
}

/// These users, each on a connection of its own, in a room of this game. None
/// has anything unread.
pub fn party<const N: usize>(
    server: &Server,
    room: &str,
    game: &str,
    users: [&str; N],
) -> [Client; N] {
    let mut party: Vec<Client> = Vec::new();
    for user in users {
        let mut client = server.user(user);
        let data = json!({"channel": room, "self": user, "game": game});
        join_with(&mut client, data);
        for member in &mut party {
            expect_change(member, user, "joined");
        }
        party.push(client);
    }
    party
        .try_into()
        .unwrap_or_else(|_| panic!("as many as users"))
}

/// The next message must tell this change of this member, and no other.
pub fn expect_change(client: &mut Client, user: &str, change: &str) {
    let told = client.expect("memberchange");
    assert_eq!(told["members"], json!({user: change}));
}

/// One action.
pub fn action(user: &str, timestamp: f64, data: Value) -> Value {
    json!({"timestamp": timestamp, "from": user, "data": data})
}

/// Sends actions in one message.
pub fn act(client: &mut Client, room: &str, actions: &[Value]) {
    client.command("game", json!({"channel": room, "actions": actions}));
}

/// Sends one action that says only this.
pub fn say(client: &mut Client, room: &str, user: &str, data: Value) {
    act(client, room, &[action(user, 10_223_232.0, data)]);
}

/// The actions of the next message.
pub fn actions(client: &mut Client) -> Vec<Value> {
    let told = client.expect("game");
    told["actions"].as_array().unwrap().clone()
}

/// What the actions of the next message say.
pub fn said(client: &mut Client) -> Vec<Value> {
    let told = actions(client);
    told.iter().map(|action| action["data"].clone()).collect()
}

/// The corrected timestamps of the next message.
pub fn stamps(client: &mut Client) -> Vec<f64> {
    let told = actions(client);
    told.iter()
        .map(|action| action["timestamp"].as_f64().unwrap())
        .collect()
}
