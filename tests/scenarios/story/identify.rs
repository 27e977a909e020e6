//! Who is there: the greeting, the claim, and what may be said before it.

use serde_json::{Value, json};

use crate::client::Client;
use crate::door::{Door, Feature};
use crate::support::Server;

pub async fn a_claim_is_welcomed<D: Door>() {
    let server = Server::start();
    let mut client = Client::<D>::open(&server).await;
    let data = json!({"user": "fb:Zoë", "attributes": {"name": "Zoë"}});
    client.send("idme", data, Some(json!("me"))).await;
    let message = client.next().await;
    assert_eq!(message.command, "welcome");
    assert_eq!(message.id, Some(json!("me")));
    let welcome = message.data;
    assert_eq!(welcome["user"], "fb:Zoë");
    assert_eq!(welcome["resumed"], false);
    assert_eq!(welcome["session"].as_str().unwrap().len(), 22);
    assert_eq!(welcome["heartbeat_ms"], 25_000);
    assert!(welcome["time"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(welcome["attributes"], json!({"name": "Zoë"}));
    assert!(welcome["limits"].is_object(), "{welcome}");
    // The same claim again changes nothing, another is forbidden.
    let again = client.identify("fb:Zoë").await;
    assert_eq!(again["session"], welcome["session"]);
    client.refused("idme", json!("1:2"), "forbidden").await;
    client.bye().await;
}

pub async fn a_wrong_claim_is_refused_and_a_right_one_taken_afterwards<D: Door>() {
    let server = Server::with(&[("portal.realms", "[\"1\"]")]);
    let mut client = Client::<D>::open(&server).await;
    for wrong in ["", "12345", "1:", ":1", "1:a b"] {
        client.refused("idme", json!(wrong), "invalid_id").await;
    }
    for wrong in [json!(12345), json!({}), json!({"user": 1})] {
        client.refused("idme", wrong, "bad_message").await;
    }
    client.refused("idme", json!("2:1"), "unauthorized").await;
    client.identify("1:1").await;
    client.settle().await;
}

pub async fn other_commands_wait_for_the_claim<D: Door>() {
    let server = Server::start();
    let mut client = Client::<D>::open(&server).await;
    let commands: [(&str, Value); 6] = [
        ("subscribe", json!(["1:1"])),
        ("status", json!("busy")),
        ("joingame", json!({"channel": "r", "self": "1:1"})),
        ("joinchannel", json!({"channel": "c"})),
        ("publish", json!({"channel": "c", "data": 1})),
        ("lookup", json!(["1:1"])),
    ];
    for (command, data) in commands {
        client.refused(command, data, "not_identified").await;
    }
    // The time is told to anybody.
    client.settle().await;
    client.identify("1:1").await;
    client.ask("lookup", json!([])).await;
}

pub async fn who_does_not_say_who_it_is_is_closed_in_time<D: Door>() {
    if !D::supports(Feature::ClaimInTime) {
        return;
    }
    let server = Server::with(&[("session.identify_timeout_ms", "300")]);
    let mut user = Client::<D>::user(&server, "1:1").await;
    let mut nobody = Client::<D>::open(&server).await;
    let before = nobody.closes(4001).await;
    assert!(before.is_empty(), "{before:?}");
    user.settle().await;
}
