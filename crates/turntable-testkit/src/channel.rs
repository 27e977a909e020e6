//! What clients do on channels.

use std::ops::Range;

use serde_json::{Value, json};

use crate::Client;

/// Joins a channel and returns the data of `joined`.
pub fn join(client: &mut Client, path: &str) -> Value {
    client.request("joinchannel", json!({"channel": path}))
}

/// Joins a channel and all below it.
pub fn join_with_subpaths(client: &mut Client, path: &str) -> Value {
    client.request("joinchannel", json!({"channel": path, "subpaths": true}))
}

/// Leaves a channel.
pub fn leave(client: &mut Client, path: &str) {
    client.request("leavechannel", json!({"channel": path}));
}

/// Publishes on a channel that the client is not on, and returns the answer.
pub fn publish(client: &mut Client, path: &str, data: Value) -> Value {
    client.request("publish", json!({"channel": path, "data": data}))
}

/// Publishes these numbers, one message each.
pub fn publish_numbers(client: &mut Client, path: &str, numbers: Range<u64>) {
    for number in numbers {
        publish(client, path, json!(number));
    }
}

/// The data of the next messages, as many as are wanted.
pub fn published<const N: usize>(client: &mut Client) -> [Value; N] {
    std::array::from_fn(|_| client.expect("message")["data"].take())
}
