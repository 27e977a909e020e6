//! What is wrong is told, with the id of what was asked, and the line lives on.

use serde_json::json;

use crate::client::Client;
use crate::door::{Door, Feature, Garbage};
use crate::support::Server;

pub async fn what_is_no_message_is_told_and_the_line_lives_on<D: Door>() {
    if !D::supports(Feature::Garbage) {
        return;
    }
    let server = Server::start();
    let mut client = Client::<D>::user(&server, "1:1").await;
    for _ in 0..3 {
        client.send_garbage(Garbage::Syntax).await;
        let error = client.next().await;
        let code = error.data["code"].as_str().unwrap();
        assert!(matches!(code, "bad_json" | "bad_message"), "{error:?}");
        client.send_garbage(Garbage::Shape).await;
        client.expect_error("bad_message").await;
    }
    client.settle().await;
}

pub async fn an_error_carries_the_id_of_what_was_asked<D: Door>() {
    let server = Server::start();
    let mut client = Client::<D>::user(&server, "1:1").await;
    let error = client.refused("dance", json!({}), "unknown_command").await;
    assert!(
        error["message"].as_str().unwrap().contains("subscribe"),
        "{error}"
    );
    client
        .refused("subscribe", json!("1:1"), "bad_message")
        .await;
    let error = client
        .refused("subscribe", json!(["1:1", "one"]), "invalid_id")
        .await;
    assert_eq!(error["details"]["index"], 1);
    let nowhere = json!({"channel": "nowhere"});
    client.refused("leavegame", nowhere, "not_found").await;
    let stars = json!({"channel": "a/*", "data": 1});
    client.refused("publish", stars, "invalid_id").await;
    for id in [
        json!("a string"),
        json!(0),
        json!(-7),
        json!("x".repeat(64)),
    ] {
        client.send("status", json!("away"), Some(id.clone())).await;
        assert_eq!(client.expect_error("bad_message").await.id, Some(id));
    }
    client.settle().await;
}
