//! Errors: the connection stays open, and the error has the id of the request.

use serde_json::json;

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::{Feature, Invalid, Transport};

pub async fn invalid_message_is_an_error_and_connection_stays_open<T: Transport>() {
    if !T::supports(Feature::InvalidMessages) {
        return;
    }
    let server = Server::start();
    let mut client = Client::<T>::user(&server, "1:1").await;
    for _ in 0..3 {
        client.send_invalid(Invalid::Syntax).await;
        let error = client.next().await;
        let code = error.data["code"].as_str().unwrap();
        assert!(matches!(code, "bad_json" | "bad_message"), "{error:?}");
        client.send_invalid(Invalid::Shape).await;
        client.expect_error("bad_message").await;
    }
    client.expect_nothing_pending().await;
}

pub async fn error_has_id_of_request<T: Transport>() {
    let server = Server::start();
    let mut client = Client::<T>::user(&server, "1:1").await;
    let error = client
        .request_refused("dance", json!({}), "unknown_command")
        .await;
    assert!(
        error["message"].as_str().unwrap().contains("subscribe"),
        "{error}"
    );
    client
        .request_refused("subscribe", json!("1:1"), "bad_message")
        .await;
    let error = client
        .request_refused("subscribe", json!(["1:1", "one"]), "invalid_id")
        .await;
    assert_eq!(error["details"]["index"], 1);
    let nowhere = json!({"channel": "nowhere"});
    client
        .request_refused("leavegame", nowhere, "not_found")
        .await;
    let stars = json!({"channel": "a/*", "data": 1});
    client.request_refused("publish", stars, "invalid_id").await;
    for id in [
        json!("a string"),
        json!(0),
        json!(-7),
        json!("x".repeat(64)),
    ] {
        client.send("status", json!("away"), Some(id.clone())).await;
        assert_eq!(client.expect_error("bad_message").await.id, Some(id));
    }
    client.expect_nothing_pending().await;
}
