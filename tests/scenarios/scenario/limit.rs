//! Limits: too much input affects its sender only.

use serde_json::json;

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::{Event, Feature, Transport};

pub async fn oversize_message_is_refused<T: Transport>() {
    let server = Server::with(&[("server.max_message_bytes", "4096")]);
    let mut other = Client::<T>::user(&server, "1:2").await;
    other.join("c").await;
    let mut client = Client::<T>::user(&server, "1:1").await;
    // A message within the limit passes.
    client.publish("c", json!("x".repeat(3_500))).await;
    assert_eq!(other.published().await.as_str().unwrap().len(), 3_500);
    let long = json!({"channel": "c", "data": "x".repeat(5_000)});
    client.command("publish", long).await;
    match client.event().await {
        Event::Message(message) => {
            assert_eq!(message.data["code"], "too_large", "{message:?}");
            client.expect_nothing_pending().await;
        }
        Event::Closed(code) => {
            let expected = T::supports(Feature::CloseCode).then_some(1009);
            assert_eq!(code, expected);
        }
    }
    other.expect_nothing_pending().await;
}

pub async fn rate_limited_command_succeeds_after_retry_delay<T: Transport>() {
    let server = Server::with(&[
        ("limits.presence.burst", "1"),
        ("limits.presence.per_second", "2"),
    ]);
    let mut client = Client::<T>::user(&server, "1:1").await;
    // More requests than the rate allows, even on a busy machine.
    let mut retry = None;
    for _ in 0..40 {
        let id = client.start_request("lookup", json!([])).await;
        let answer = client.next().await;
        assert_eq!(answer.id, Some(id), "{answer:?}");
        if answer.command == "error" {
            assert_eq!(answer.data["code"], "rate_limited", "{answer:?}");
            retry = answer.data["details"]["retry_ms"].as_u64();
            break;
        }
    }
    let retry = retry.expect("a refusal with `retry_ms`");
    // Other classes of commands have limits of their own.
    client.expect_nothing_pending().await;
    // Measures time: the server said when the command may be sent again.
    tokio::time::sleep(std::time::Duration::from_millis(retry)).await;
    client.request("lookup", json!([])).await;
}

pub async fn too_many_errors_close_connection<T: Transport>() {
    if !T::supports(Feature::PersistentConnection) {
        return;
    }
    let server = Server::with(&[
        ("session.error_burst", "5"),
        ("session.errors_per_second", "1"),
    ]);
    let mut other = Client::<T>::user(&server, "1:2").await;
    let mut client = Client::<T>::user(&server, "1:1").await;
    for _ in 0..40 {
        client
            .command("leavegame", json!({"channel": "nowhere"}))
            .await;
    }
    let before = client.expect_close(4006).await;
    let errors = before.iter().filter(|one| one.data["code"] == "not_found");
    let errors = errors.count();
    let least = match T::REPORTS_IN_ORDER {
        true => 5,
        false => 0,
    };
    assert!((least..40).contains(&errors), "{errors} errors");
    other.expect_nothing_pending().await;
}

pub async fn flood_closes_connection<T: Transport>() {
    if !T::supports(Feature::PersistentConnection) {
        return;
    }
    let server = Server::with(&[
        ("limits.presence.burst", "2"),
        ("limits.presence.per_second", "1"),
        ("limits.flood.burst", "10"),
        ("limits.flood.per_second", "1"),
    ]);
    let mut other = Client::<T>::user(&server, "1:2").await;
    let mut client = Client::<T>::user(&server, "1:1").await;
    for _ in 0..60 {
        client.command("lookup", json!([])).await;
    }
    client.expect_close(4007).await;
    other.expect_nothing_pending().await;
}
