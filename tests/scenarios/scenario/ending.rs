//! Ends of a connection: `bye`, shutdown of the server, a newer connection.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::metric::SESSIONS;

use crate::client::Client;
use crate::transport::{Event, Feature, Transport};

pub async fn bye_ends_connection_and_session<T: Transport>() {
    let server = Server::start();
    let client = Client::<T>::user(&server, "1:1").await;
    let position = client.position();
    client.bye().await;
    Client::<T>::expect_expired(&server, &position).await;
    server.await_metric(SESSIONS, 0.0);
}

pub async fn stopping_server_asks_clients_to_reconnect<T: Transport>() {
    let mut server = Server::with(&[("server.shutdown_ms", "3000")]);
    let mut user = Client::<T>::user(&server, "1:1").await;
    let mut unidentified = Client::<T>::open(&server).await;
    server.signal("TERM");
    match user.event().await {
        // A request that arrived after `goaway` was sent.
        Event::Message(message) if message.data["code"] == "unavailable" => {
            assert!(!T::supports(Feature::PersistentConnection), "{message:?}");
        }
        Event::Message(message) => {
            assert_eq!(message.command, "goaway", "{message:?}");
            assert!(message.data["reason"].is_string(), "{message:?}");
            assert!(message.data["reconnect_ms"].as_u64().unwrap() > 0);
            let after = user.expect_close(1001).await;
            // As are requests behind it, until the server is gone.
            let are_refused = after.iter().all(|m| m.data["code"] == "unavailable");
            let is_possible = after.is_empty() || !T::supports(Feature::PersistentConnection);
            assert!(are_refused && is_possible, "{after:?}");
        }
        // A client without a connection at that moment finds no server.
        Event::Closed(code) => {
            assert!(
                !T::supports(Feature::PersistentConnection),
                "{code:?} without goaway"
            );
        }
    }
    unidentified.expect_close(1001).await;
    drop((user, unidentified));
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

pub async fn newer_connection_replaces_older<T: Transport>() {
    let server = Server::start();
    for round in 0..4 {
        let mut client = Client::<T>::user(&server, "1:1").await;
        // Alternates between the same worker and the other one.
        let _other = match round % 2 {
            1 => Some(Client::<T>::open(&server).await),
            _ => None,
        };
        client.join("c").await;
        let mut old = client.take_over(&server).await;
        if T::supports(Feature::PersistentConnection) {
            let code = T::supports(Feature::CloseCode).then_some(4002);
            match old.next().await {
                Event::Closed(closed) => assert_eq!(closed, code),
                Event::Message(message) => panic!("{message:?} on the old connection"),
            }
        }
        drop(old);
        client.expect_nothing_pending().await;
        client
            .command("publish", json!({"channel": "c", "data": round}))
            .await;
        assert_eq!(client.published().await, round);
        client.bye().await;
    }
}
