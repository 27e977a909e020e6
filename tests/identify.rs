//! Who is there: the greeting, the claim, and what may be said before it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{Client, Frame, Server};

#[test]
fn the_server_speaks_first_and_says_exactly_idyou() {
    let server = Server::start();
    let mut client = Client::open(server.address, "/ws");
    let frame = client.frame();
    assert_eq!(frame, Frame::text(r#"{"command":"idyou","data":{}}"#));
    client.expect_none();
}

#[test]
fn a_claim_as_a_string_is_welcomed() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(json!({"command": "idme", "data": "1:12345", "id": 7}));
    let message = client.next();
    assert_eq!(message["command"], "welcome");
    assert_eq!(message["id"], 7);
    let welcome = &message["data"];
    assert_eq!(welcome["user"], "1:12345");
    assert_eq!(welcome["resumed"], false);
    assert_eq!(welcome["session"].as_str().unwrap().len(), 22);
    assert_eq!(welcome["heartbeat_ms"], 25_000);
    assert!(welcome["time"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(welcome["limits"].is_object() && welcome["attributes"].is_object());
}

#[test]
fn a_claim_as_an_object_brings_attributes_along() {
    let server = Server::start();
    let mut client = server.connect();
    let data = json!({"user": "fb:mel", "credentials": {"any": 1}, "attributes": {"name": "Mel"}});
    client.command("idme", data);
    let welcome = client.expect("welcome");
    assert_eq!(welcome["user"], "fb:mel");
    assert_eq!(welcome["attributes"], json!({"name": "Mel"}));
}
