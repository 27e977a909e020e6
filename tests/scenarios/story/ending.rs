//! Ends: a goodbye, and a server that stops.

use serde_json::json;

use crate::client::Client;
use crate::door::{Door, Event, Feature};
use crate::support::Server;

pub async fn a_goodbye_ends_line_and_session<D: Door>() {
    let server = Server::start();
    let client = Client::<D>::user(&server, "1:1").await;
    let cut = client.place();
    client.bye().await;
    Client::<D>::expect_expired(&server, &cut).await;
    server.await_metric("turntable_sessions", 0.0);
}

pub async fn a_stopping_server_sends_everybody_away<D: Door>() {
    let mut server = Server::with(&[("server.shutdown_ms", "3000")]);
    let mut user = Client::<D>::user(&server, "1:1").await;
    let mut nobody = Client::<D>::open(&server).await;
    server.signal("TERM");
    match user.event().await {
        // A request that came too late for the news.
        Event::Message(message) if message.data["code"] == "unavailable" => {
            assert!(!D::supports(Feature::StandingLine), "{message:?}");
        }
        Event::Message(message) => {
            assert_eq!(message.command, "goaway", "{message:?}");
            assert!(message.data["reason"].is_string(), "{message:?}");
            assert!(message.data["reconnect_ms"].as_u64().unwrap() > 0);
            let after = user.closes(1001).await;
            assert!(after.is_empty(), "{after:?}");
        }
        // Whoever was not connected at that moment finds nobody.
        Event::Closed(code) => {
            assert!(
                !D::supports(Feature::StandingLine),
                "{code:?} without goaway"
            );
        }
    }
    nobody.closes(1001).await;
    drop((user, nobody));
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

pub async fn a_newer_line_takes_the_place_of_an_older<D: Door>() {
    let server = Server::start();
    for round in 0..4 {
        let mut client = Client::<D>::user(&server, "1:1").await;
        // Now on the same worker, now on the other.
        let _spare = match round % 2 {
            1 => Some(Client::<D>::open(&server).await),
            _ => None,
        };
        client.join("c").await;
        let mut old = client.take_over(&server).await;
        if D::supports(Feature::StandingLine) {
            let code = D::supports(Feature::CloseCode).then_some(4002);
            match old.next().await {
                Event::Closed(told) => assert_eq!(told, code),
                Event::Message(message) => panic!("{message:?} on the old line"),
            }
        }
        drop(old);
        client.settle().await;
        client
            .command("publish", json!({"channel": "c", "data": round}))
            .await;
        assert_eq!(client.heard().await, round);
        client.bye().await;
    }
}
