//! Identification: `idyou`, the claim (`idme`), and commands before it.

use serde_json::{Value, json};

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::{Feature, Transport};

pub async fn claim_is_welcomed<T: Transport>() {
    let server = Server::start();
    let mut client = Client::<T>::open(&server).await;
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
    // The same claim again changes nothing; another one is forbidden.
    let again = client.identify("fb:Zoë").await;
    assert_eq!(again["session"], welcome["session"]);
    client
        .request_refused("idme", json!("1:2"), "forbidden")
        .await;
    client.bye().await;
}

pub async fn invalid_claim_is_refused_and_valid_one_accepted_afterwards<T: Transport>() {
    let server = Server::with(&[("portal.realms", "[\"1\"]")]);
    let mut client = Client::<T>::open(&server).await;
    for wrong in ["", "12345", "1:", ":1", "1:a b"] {
        client
            .request_refused("idme", json!(wrong), "invalid_id")
            .await;
    }
    for wrong in [
        json!(12345),
        json!({"user": 1}),
        json!({"user": "1:1", "status": "away"}),
    ] {
        client.request_refused("idme", wrong, "bad_message").await;
    }
    // A realm that is not accepted, and a claim of nobody.
    for wrong in [json!("2:1"), json!({})] {
        client.request_refused("idme", wrong, "unauthorized").await;
    }
    client.identify("1:1").await;
    client.expect_nothing_pending().await;
}

pub async fn other_commands_require_identification<T: Transport>() {
    let server = Server::start();
    let mut client = Client::<T>::open(&server).await;
    let commands: [(&str, Value); 6] = [
        ("subscribe", json!(["1:1"])),
        ("status", json!("busy")),
        ("joingame", json!({"channel": "r", "self": "1:1"})),
        ("joinchannel", json!({"channel": "c"})),
        ("publish", json!({"channel": "c", "data": 1})),
        ("lookup", json!(["1:1"])),
    ];
    for (command, data) in commands {
        client
            .request_refused(command, data, "not_identified")
            .await;
    }
    // `time` needs no identification.
    client.expect_nothing_pending().await;
    client.identify("1:1").await;
    client.request("lookup", json!([])).await;
}

pub async fn unidentified_connection_is_closed_after_timeout<T: Transport>() {
    if !T::supports(Feature::IdentifyTimeout) {
        return;
    }
    let server = Server::with(&[("session.identify_timeout_ms", "300")]);
    let mut user = Client::<T>::user(&server, "1:1").await;
    let mut unidentified = Client::<T>::open(&server).await;
    let before = unidentified.expect_close(4001).await;
    assert!(before.is_empty(), "{before:?}");
    user.expect_nothing_pending().await;
}
