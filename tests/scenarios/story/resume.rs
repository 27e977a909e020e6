//! Sessions that outlive their lines: whatever breaks, every message comes once
//! and in order, or the client is told that it cannot.

use serde_json::{Value, json};

use crate::client::Client;
use crate::door::ws::Ws;
use crate::door::{Cut, Door};
use crate::support::Server;

pub async fn nothing_is_lost_or_doubled_wherever_the_line_breaks<D: Door>() {
    let server = Server::start();
    let mut publisher = Client::<Ws>::user(&server, "1:9").await;
    // At each point: how many of six were read before the break.
    for read in 0..=6 {
        let path = format!("c/{read}");
        let mut client = Client::<D>::user(&server, "1:1").await;
        client.join(&path).await;
        for n in 0..6 {
            publisher.publish(&path, json!(n)).await;
        }
        for n in 0..read {
            assert_eq!(client.heard().await, n);
        }
        let cut = client.cut();
        for n in 6..9 {
            publisher.publish(&path, json!(n)).await;
        }
        let mut client = Client::<D>::resume(&server, &cut).await;
        for n in read..9 {
            assert_eq!(client.heard().await, n, "cut behind {read}");
        }
        publisher.publish(&path, json!("live")).await;
        assert_eq!(client.heard().await, "live");
        client.settle().await;
        client.bye().await;
    }
}

pub async fn a_line_may_break_again_before_anything_was_read<D: Door>() {
    let server = Server::start();
    let mut publisher = Client::<Ws>::user(&server, "1:9").await;
    let mut client = Client::<D>::user(&server, "1:1").await;
    client.join("c").await;
    for n in 0..5 {
        publisher.publish("c", json!(n)).await;
    }
    for _ in 0..4 {
        let cut = client.cut();
        client = Client::<D>::resume(&server, &cut).await;
    }
    for n in 0..5 {
        assert_eq!(client.heard().await, n);
    }
    client.settle().await;
}

pub async fn answers_and_errors_are_messages_of_the_session_too<D: Door>() {
    let server = Server::start();
    let mut client = Client::<D>::user(&server, "1:1").await;
    client.join("c").await;
    client.ask("status", json!("busy")).await;
    let nowhere = json!({"channel": "nowhere"});
    client.refused("leavegame", nowhere, "not_found").await;
    client.settle().await;
    let mut client = Client::<D>::resume(&server, &client.cut()).await;
    client.settle().await;
    client.publish_and_hear("c", json!("last")).await;
}

impl<D: Door> Client<D> {
    /// Publishes on a channel that it is on.
    async fn publish_and_hear(&mut self, path: &str, data: Value) {
        let say = json!({"channel": path, "data": data});
        self.command("publish", say).await;
        assert_eq!(self.heard().await, data);
    }
}

pub async fn rooms_channels_and_what_is_watched_survive<D: Door>() {
    let server = Server::start();
    let mut friend = Client::<Ws>::user(&server, "1:2").await;
    let mut client = Client::<D>::user(&server, "1:1").await;
    client.join_room("r", "1:1").await;
    client.join("c").await;
    let states = client.subscribe(&["1:2"]).await;
    assert_eq!(states, json!({"1:2": "online"}));
    let old = client.take_over(&server).await;
    drop(old);
    client.act("r", "1:1", json!("still in")).await;
    assert_eq!(client.said().await, ["still in"]);
    client.publish_and_hear("c", json!("still on")).await;
    friend.ask("status", json!("busy")).await;
    assert_eq!(client.expect("userchange").await, json!({"1:2": "busy"}));
    client.settle().await;
}

pub async fn what_cannot_be_resumed_is_told_to_be_over<D: Door>() {
    let server = Server::with(&[("session.replay_bytes_max", "1000")]);
    let unknown = Cut {
        session: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        received: 0,
        last: None,
    };
    Client::<D>::expect_expired(&server, &unknown).await;
    // More than is kept was sent: a hole is told, never made.
    let mut publisher = Client::<Ws>::user(&server, "1:9").await;
    let mut client = Client::<D>::user(&server, "1:1").await;
    client.join("c").await;
    let cut = Cut {
        last: None,
        ..client.place()
    };
    for n in 0..40 {
        publisher.publish("c", json!([n, "x".repeat(100)])).await;
        assert_eq!(client.heard().await[0], n);
    }
    drop(client);
    Client::<D>::expect_expired(&server, &cut).await;
}

pub async fn a_session_expires_when_nobody_comes_back<D: Door>() {
    let Some(keys) = D::SOON_MISSED else { return };
    let server = Server::with(&[&[("session.resume_ms", "150")], keys].concat());
    let client = Client::<D>::user(&server, "1:1").await;
    let client = Client::<D>::resume(&server, &client.cut()).await;
    let cut = client.cut();
    server.await_metric("turntable_sessions", 0.0);
    Client::<D>::expect_expired(&server, &cut).await;
}
