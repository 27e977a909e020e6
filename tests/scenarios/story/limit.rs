//! Too much costs its sender, and nobody else.

use serde_json::json;

use crate::client::Client;
use crate::door::{Door, Event, Feature};
use crate::support::Server;

pub async fn what_is_too_long_is_refused<D: Door>() {
    let server = Server::with(&[("server.max_message_bytes", "4096")]);
    let mut other = Client::<D>::user(&server, "1:2").await;
    other.join("c").await;
    let mut client = Client::<D>::user(&server, "1:1").await;
    // As much as fits passes.
    client.publish("c", json!("x".repeat(3_500))).await;
    assert_eq!(other.heard().await.as_str().unwrap().len(), 3_500);
    let long = json!({"channel": "c", "data": "x".repeat(5_000)});
    client.command("publish", long).await;
    match client.event().await {
        Event::Message(message) => {
            assert_eq!(message.data["code"], "too_large", "{message:?}");
            client.settle().await;
        }
        Event::Closed(code) => {
            let wanted = D::supports(Feature::CloseCode).then_some(1009);
            assert_eq!(code, wanted);
        }
    }
    other.settle().await;
}

pub async fn what_is_too_often_is_refused_until_it_is_waited_for<D: Door>() {
    let server = Server::with(&[
        ("limits.presence.burst", "1"),
        ("limits.presence.per_second", "2"),
    ]);
    let mut client = Client::<D>::user(&server, "1:1").await;
    // More than can pass in the time that it takes, even on a busy machine.
    let mut retry = None;
    for _ in 0..40 {
        let id = client.question("lookup", json!([])).await;
        let answer = client.next().await;
        assert_eq!(answer.id, Some(id), "{answer:?}");
        if answer.command == "error" {
            assert_eq!(answer.data["code"], "rate_limited", "{answer:?}");
            retry = answer.data["details"]["retry_ms"].as_u64();
            break;
        }
    }
    let retry = retry.expect("a refusal that tells when to come again");
    // Other classes of commands have their own.
    client.settle().await;
    tokio::time::sleep(std::time::Duration::from_millis(retry)).await;
    client.ask("lookup", json!([])).await;
}

pub async fn too_many_errors_end_the_line<D: Door>() {
    if !D::supports(Feature::StandingLine) {
        return;
    }
    let server = Server::with(&[
        ("session.error_burst", "5"),
        ("session.errors_per_second", "1"),
    ]);
    let mut other = Client::<D>::user(&server, "1:2").await;
    let mut client = Client::<D>::user(&server, "1:1").await;
    for _ in 0..40 {
        client
            .command("leavegame", json!({"channel": "nowhere"}))
            .await;
    }
    let before = client.closes(4006).await;
    let told = before.iter().filter(|one| one.data["code"] == "not_found");
    let told = told.count();
    assert!((5..40).contains(&told), "{told} errors");
    other.settle().await;
}

pub async fn a_flood_ends_the_line<D: Door>() {
    if !D::supports(Feature::StandingLine) {
        return;
    }
    let server = Server::with(&[
        ("limits.presence.burst", "2"),
        ("limits.presence.per_second", "1"),
        ("limits.flood.burst", "10"),
        ("limits.flood.per_second", "1"),
    ]);
    let mut other = Client::<D>::user(&server, "1:2").await;
    let mut client = Client::<D>::user(&server, "1:1").await;
    for _ in 0..60 {
        client.command("lookup", json!([])).await;
    }
    client.closes(4007).await;
    other.settle().await;
}
