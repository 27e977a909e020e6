//! The end of a client: refused credentials, close codes that are final, and its own.

use std::time::Duration;

use serde_json::json;
use turntable_client::{Client, Ended, Error, ErrorCode, Event, Presence};
use turntable_testkit::Server;
use turntable_testkit::http::send;

use crate::forwarder::Forwarder;
use crate::{await_event, builder, server, user};

/// How many connections the server has had.
fn connections(server: &Server) -> f64 {
    server.metric("turntable_connections_accepted_total")
}

#[tokio::test]
async fn refused_credentials_end_the_client() {
    let server = server();
    let forum = builder(server.address).user("service:forum").token("wrong");
    let error = forum.connect().await.unwrap_err();
    assert!(matches!(error, Error::Ended(Ended::Refused(_))), "{error}");
    assert_eq!(error.code(), Some(ErrorCode::Unauthorized));
    assert_eq!(error.refusal().unwrap().reason(), Some("invalid"));
    // Nothing of it goes on: the next connection is that of another client.
    let before = connections(&server);
    user(server.address, "1:1").await;
    assert_eq!(connections(&server), before + 1.0);
}

#[tokio::test]
async fn commands_of_an_ended_client_say_why() {
    let server = server();
    let forum = builder(server.address).user("service:forum").token("wrong");
    let forum = forum.start().unwrap();
    let (first, second) = tokio::join!(
        forum.publish("chat", &1),
        forum.call::<_, ()>("forum:read", &())
    );
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert_eq!(error.code(), Some(ErrorCode::Unauthorized), "{error}");
    }
    assert!(matches!(forum.ended().await, Ended::Refused(_)));
    assert!(forum.publish("chat", &1).await.is_err());
}

#[tokio::test]
async fn function_of_credentials_is_asked_until_it_has_some() {
    let server = server();
    let asked = std::sync::atomic::AtomicU32::new(0);
    let forum = builder(server.address)
        .user("service:forum")
        .credentials_from(move || {
            let asked = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                match asked {
                    0..2 => Err("the token is not there yet".into()),
                    _ => Ok(json!({"token": "secret"})),
                }
            }
        });
    let forum = forum.connect().await.unwrap();
    assert_eq!(forum.user().unwrap().as_str(), "service:forum");
}

#[tokio::test]
async fn kicked_client_does_not_come_back() {
    let server = server();
    let mel = user(server.address, "1:1").await;
    let before = connections(&server);
    let body = r#"{"userId": "1:1", "reason": "enough"}"#;
    let json = "Content-Type: application/json\r\n";
    let kicked = send(server.management, "POST", "/rpc/user/kick", json, body);
    assert_eq!(kicked.status, 200, "{}", kicked.text());
    let Ended::Disconnected {
        code,
        name,
        refusal,
    } = mel.ended().await
    else {
        panic!("not disconnected");
    };
    assert_eq!((code, name), (4005, "kicked"));
    assert_eq!(refusal.unwrap().message, "enough");
    // It has ended: the next connection is that of another client.
    assert!(mel.publish("chat", &1).await.is_err());
    user(server.address, "1:2").await;
    assert_eq!(connections(&server), before + 1.0);
}

#[tokio::test]
async fn replaced_client_does_not_come_back() {
    let config = "[portal]\nsessions = \"newest\"\n";
    let server = Server::configured(config, &[]);
    let first = user(server.address, "1:1").await;
    let second = user(server.address, "1:1").await;
    let ended = first.ended().await;
    assert!(
        matches!(ended, Ended::Disconnected { code: 4002, .. }),
        "{ended}"
    );
    second.publish("chat", &1).await.unwrap();
}

#[tokio::test]
async fn client_without_reconnection_ends_with_its_connection() {
    let server = server();
    let forwarder = Forwarder::start(server.address);
    let mel = builder(forwarder.address).user("1:1").reconnect(None);
    let mel = mel.connect().await.unwrap();
    let mut events = mel.events();
    forwarder.cut();
    assert!(matches!(mel.ended().await, Ended::Lost(_)));
    let retry_ms = await_event(&mut events, |event| match event {
        Event::Disconnected { retry_ms, .. } => Some(*retry_ms),
        _ => None,
    });
    assert_eq!(retry_ms.await, None);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn closed_and_dropped_clients_end_their_sessions_at_once() {
    let server = server();
    let watcher = user(server.address, "1:9").await;
    let mut events = watcher.events();
    watcher.watch(&["1:1"]).await.unwrap();
    for is_closed in [true, false] {
        let mel = user(server.address, "1:1").await;
        let seen = async |events: &mut _, state: Presence| {
            await_event(events, |event| match event {
                Event::Presence(states) => states.values().any(|one| *one == state).then_some(()),
                _ => None,
            })
            .await;
        };
        seen(&mut events, Presence::Online).await;
        if is_closed {
            mel.close().await;
            assert_eq!(mel.ended().await, Ended::Closed);
            let error = mel.publish("chat", &1).await.unwrap_err();
            assert!(matches!(error, Error::Ended(Ended::Closed)), "{error}");
        } else {
            drop(mel);
        }
        // Without `bye` it would be there for `presence.grace_ms`.
        seen(&mut events, Presence::Offline).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_waits_for_a_server_that_restarts() {
    let mut first = server();
    let address = first.address;
    let mel = user(address, "1:1").await;
    let mut events = mel.events();
    first.signal("TERM");
    let code = await_event(&mut events, |event| match event {
        Event::Disconnected { disconnection, .. } => Some(disconnection.code),
        _ => None,
    });
    assert_eq!(code.await, Some(1001));
    first.wait();
    let publishing = mel.publish("chat", &"back");
    let restarted = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let listen = address.to_string();
        Server::configured(crate::CONFIG, &[("server.listen", &listen)])
    };
    let (published, second) = tokio::join!(publishing, restarted);
    assert_eq!(published.unwrap().offset, 1);
    assert_eq!(second.address, address);
}

#[tokio::test]
async fn addresses_and_ids_are_checked() {
    for url in ["", "http://127.0.0.1:1/ws", "ws://", "127.0.0.1:80"] {
        let error = Client::builder(url).start().unwrap_err();
        assert!(matches!(error, Error::InvalidUrl(_)), "{url}: {error}");
    }
    let mel = Client::builder("ws://127.0.0.1:1/ws").user("mel");
    assert!(matches!(mel.start().unwrap_err(), Error::InvalidId(_)));
}
