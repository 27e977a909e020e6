//! Owners that are lost by a panic: replaced at once, with what the gateways know.
//!
//! A client's `call` of `fault:avatar`, `fault:room` or `fault:channel` lets that
//! owner panic at its next call; only debug builds have it, and only with
//! `TURNTABLE_TEST_FAULTS`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod avatar;
mod channel;
mod room;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::metric::{ACTORS_LOST, ACTORS_RECOVERED};
use turntable_testkit::{Client, Server};

/// No limits of rates, and faults on request.
const KEYS: &[(&str, &str)] = &[
    ("test_faults", "1"),
    ("limits.call", "{ per_second = 0, burst = 1 }"),
    ("limits.presence", "{ per_second = 0, burst = 1 }"),
    ("limits.room", "{ per_second = 0, burst = 1 }"),
    ("limits.game", "{ per_second = 0, burst = 1 }"),
    ("limits.channel", "{ per_second = 0, burst = 1 }"),
    ("limits.publish", "{ per_second = 0, burst = 1 }"),
    ("limits.time", "{ per_second = 0, burst = 1 }"),
    ("limits.users", "{ per_second = 0, burst = 1 }"),
    ("limits.bytes", "{ per_second = 0, burst = 1 }"),
    ("limits.address_publish.per_second", "0"),
];

fn server(file: &str, keys: &[(&str, &str)]) -> Server {
    let keys: Vec<(&str, &str)> = KEYS.iter().chain(keys).copied().collect();
    Server::configured(file, &keys)
}

/// A client that lets owners fail and calls nothing else.
struct Operator(Client);

impl Operator {
    fn on(server: &Server) -> Self {
        Self(server.user("9:operator"))
    }

    /// Lets an owner fail at its next call.
    fn arm(&mut self, kind: &str, id: &str) {
        self.0
            .request("call", json!({"f": format!("fault:{kind}"), "args": id}));
    }

    /// Lets an avatar fail, by a lookup that is refused.
    fn fail_avatar(&mut self, user: &str) {
        self.arm("avatar", user);
        self.0.command("lookup", json!([user]));
        let error = self.0.expect_error("unavailable");
        assert_eq!(error["data"]["command"], "lookup");
    }
}

/// Waits until so many owners were lost, and replaced by such that know again what
/// they had.
fn await_losses(server: &Server, count: f64) {
    server.await_metric(ACTORS_LOST, count);
    server.await_metric(ACTORS_RECOVERED, count);
}

/// Waits until something is so, for one second at the most: that is the promise.
fn within_a_second(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(1);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether load goes on; shared by the threads that make it.
#[derive(Clone)]
struct Load(Arc<AtomicBool>);

impl Load {
    fn begin() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn goes_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What became of a flood of commands.
struct Flood {
    client: Client,
    sent: usize,
    refused: usize,
}

/// Sends commands with ids, some at a time, until the load ends, and reads until
/// all are answered: each once, in order, with a `reply` or with `unavailable`.
fn flood(
    mut client: Client,
    load: &Load,
    command: &'static str,
    data: impl Fn(usize) -> Value + Send + 'static,
) -> JoinHandle<Flood> {
    /// Commands on their way at one time.
    const WINDOW: usize = 16;
    let load = load.clone();
    std::thread::spawn(move || {
        let (mut sent, mut answered, mut refused) = (0, 0, 0);
        loop {
            while load.goes_on() && sent < answered + WINDOW {
                client.send(json!({"command": command, "data": data(sent), "id": sent}));
                sent += 1;
            }
            if sent == answered {
                break;
            }
            let message = client.next();
            match message["command"].as_str().unwrap() {
                "reply" => assert_eq!(message["id"], answered, "{message}"),
                "error" => {
                    assert_eq!(message["data"]["code"], "unavailable", "{message}");
                    assert_eq!(message["id"], answered, "{message}");
                    refused += 1;
                }
                _ => continue,
            }
            answered += 1;
        }
        Flood {
            client,
            sent,
            refused,
        }
    })
}
