//! Sessions that outlive their connections: after any break every message comes once
//! and in order, or the session is reported as expired.

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::metric::SESSIONS;

use crate::client::Client;
use crate::transport::ws::Ws;
use crate::transport::{Position, Transport};

pub async fn break_at_any_message_loses_and_duplicates_nothing<T: Transport>() {
    let server = Server::start();
    let mut publisher = Client::<Ws>::user(&server, "1:9").await;
    // How many of six messages are read before the break.
    for read in 0..=6 {
        let path = format!("c/{read}");
        let mut client = Client::<T>::user(&server, "1:1").await;
        client.join(&path).await;
        for n in 0..6 {
            publisher.publish(&path, json!(n)).await;
        }
        for n in 0..read {
            assert_eq!(client.published().await, n);
        }
        let position = client.cut();
        for n in 6..9 {
            publisher.publish(&path, json!(n)).await;
        }
        let mut client = Client::<T>::resume(&server, &position).await;
        for n in read..9 {
            assert_eq!(client.published().await, n, "cut after {read}");
        }
        publisher.publish(&path, json!("live")).await;
        assert_eq!(client.published().await, "live");
        client.expect_nothing_pending().await;
        client.bye().await;
    }
}

pub async fn connection_may_break_again_before_reading<T: Transport>() {
    let server = Server::start();
    let mut publisher = Client::<Ws>::user(&server, "1:9").await;
    let mut client = Client::<T>::user(&server, "1:1").await;
    client.join("c").await;
    for n in 0..5 {
        publisher.publish("c", json!(n)).await;
    }
    for _ in 0..4 {
        let position = client.cut();
        client = Client::<T>::resume(&server, &position).await;
    }
    for n in 0..5 {
        assert_eq!(client.published().await, n);
    }
    client.expect_nothing_pending().await;
}

pub async fn answers_and_errors_are_counted<T: Transport>() {
    let server = Server::start();
    let mut client = Client::<T>::user(&server, "1:1").await;
    client.join("c").await;
    client.request("status", json!("busy")).await;
    let nowhere = json!({"channel": "nowhere"});
    client
        .request_refused("leavegame", nowhere, "not_found")
        .await;
    client.expect_nothing_pending().await;
    let mut client = Client::<T>::resume(&server, &client.cut()).await;
    client.expect_nothing_pending().await;
    client.publish_and_receive("c", json!("last")).await;
}

impl<T: Transport> Client<T> {
    /// Publishes on a channel that the client is on, and reads the message.
    async fn publish_and_receive(&mut self, path: &str, data: Value) {
        let publication = json!({"channel": path, "data": data});
        self.command("publish", publication).await;
        assert_eq!(self.published().await, data);
    }
}

pub async fn rooms_channels_and_subscriptions_survive<T: Transport>() {
    let server = Server::start();
    let mut friend = Client::<Ws>::user(&server, "1:2").await;
    let mut client = Client::<T>::user(&server, "1:1").await;
    client.join_room("r", "1:1").await;
    client.join("c").await;
    let states = client.subscribe(&["1:2"]).await;
    assert_eq!(states, json!({"1:2": "online"}));
    let old = client.take_over(&server).await;
    drop(old);
    client.act("r", "1:1", json!("still in")).await;
    assert_eq!(client.action_data().await, ["still in"]);
    client.publish_and_receive("c", json!("still on")).await;
    friend.request("status", json!("busy")).await;
    assert_eq!(client.expect("userchange").await, json!({"1:2": "busy"}));
    client.expect_nothing_pending().await;
}

pub async fn unresumable_session_is_reported_as_expired<T: Transport>() {
    let server = Server::with(&[("session.replay_bytes_max", "1000")]);
    let unknown = Position {
        session: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        received: 0,
        last: None,
    };
    Client::<T>::expect_expired(&server, &unknown).await;
    // More was sent than is retained: the session expires instead of having a gap.
    let mut publisher = Client::<Ws>::user(&server, "1:9").await;
    let mut client = Client::<T>::user(&server, "1:1").await;
    client.join("c").await;
    let position = Position {
        last: None,
        ..client.position()
    };
    for n in 0..40 {
        publisher.publish("c", json!([n, "x".repeat(100)])).await;
        assert_eq!(client.published().await[0], n);
    }
    drop(client);
    Client::<T>::expect_expired(&server, &position).await;
}

pub async fn session_expires_when_not_resumed<T: Transport>() {
    let Some(keys) = T::QUICK_DISCONNECT else {
        return;
    };
    let server = Server::with(&[&[("session.resume_ms", "150")], keys].concat());
    let client = Client::<T>::user(&server, "1:1").await;
    let client = Client::<T>::resume(&server, &client.cut()).await;
    let position = client.cut();
    server.await_metric(SESSIONS, 0.0);
    Client::<T>::expect_expired(&server, &position).await;
}
