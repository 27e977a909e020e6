//! The crate `turntable-client` against the server: commands and services over
//! connections that are cut, refusals, and the end of a client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod command;
mod cut;
mod end;
mod forwarder;
mod identity;
mod service;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use turntable_client::{Client, ClientBuilder, Event, Events, Reconnect};
use turntable_testkit::{DEADLINE, Server};

/// A service, and rates that no test reaches.
const CONFIG: &str = r#"
[limits]
call = { per_second = 100000, burst = 100000 }
publish = { per_second = 100000, burst = 100000 }
bytes = { per_second = 100000000, burst = 100000000 }

[session]
replay_bytes_max = 16777216

[services.forum]
providers = ["service:forum"]
token = "secret"
timeout_ms = 2000
idempotent = ["read"]
in_flight_max = 1000
"#;

/// A server with the service.
pub fn server() -> Server {
    Server::configured(CONFIG, &[])
}

/// A client that comes back quickly.
pub fn builder(address: SocketAddr) -> ClientBuilder {
    Client::builder(format!("ws://{address}/ws"))
        .reconnect(Reconnect {
            min: Duration::from_millis(5),
            max: Duration::from_millis(100),
        })
        .timeout(DEADLINE)
}

/// A connected user.
pub async fn user(address: SocketAddr, id: &str) -> Client {
    builder(address).user(id).connect().await.unwrap()
}

/// A connected instance of the forum, which provides nothing yet.
pub async fn instance(address: SocketAddr) -> Client {
    let forum = builder(address).user("service:forum").token("secret");
    forum.connect().await.unwrap()
}

/// Waits for an event, and returns what `find` takes from it.
pub async fn await_event<T>(events: &mut Events, find: impl Fn(&Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = events.next().await.expect("the client has ended");
            if let Some(found) = find(&event) {
                return found;
            }
        }
    };
    tokio::time::timeout(DEADLINE, found)
        .await
        .expect("no such event")
}
