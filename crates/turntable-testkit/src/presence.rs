//! What watchers see of users.

use serde_json::{Value, json};

use crate::{Client, Server};

/// The next message must report this state of this user, and nothing else.
pub fn expect_state(client: &mut Client, user: &str, state: &str) {
    assert_eq!(client.expect("userchange"), json!({ user: state }));
}

/// What a stranger finds by `lookup` of this user.
pub fn lookup(server: &Server, user: &str) -> Value {
    server.user("9:9").request("lookup", json!([user]))[user].clone()
}
