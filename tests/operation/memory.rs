//! A server that uses more memory than it may: what waits for a resume goes first,
//! then new clients are refused, and clients that are connected are served on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable::app::Running;
use turntable::config::Config;
use turntable_testkit::http::get;
use turntable_testkit::metric::{CLOSED_TOO_SLOW, CONNECTIONS, SESSIONS};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, DEADLINE, request};

const PRESSURE: &str = "turntable_memory_pressure";
const EVICTED: &str = "turntable_sessions_evicted_total";

fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 2;
    // Looks at the memory take seconds.
    config.session.identify_timeout_ms = 60_000;
    config
}

/// Does something that blocks while the server runs on.
async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

fn metric(management: SocketAddr, name: &str) -> f64 {
    let page = get(management, "/metrics");
    let line = page.text().lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        value.parse().ok()
    });
    line.unwrap_or(0.0)
}

fn await_metric(management: SocketAddr, name: &str, value: f64) {
    let until = Instant::now() + DEADLINE;
    while metric(management, name) != value {
        assert!(Instant::now() < until, "{name} does not become {value}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[actix_rt::test]
async fn server_over_its_memory_evicts_and_then_refuses_until_it_has_room() {
    let running = Running::start(config()).unwrap();
    let (address, management) = (running.server, running.management);
    let (mut attached, mut late) = beside(move || {
        let mut attached = Client::greeted(address);
        attached.identify("1:1");
        let mut dropped = Client::greeted(address);
        dropped.identify("1:2");
        let late = Client::greeted(address);
        dropped.drop_connection();
        await_metric(management, CONNECTIONS, 2.0);
        assert_eq!(metric(management, SESSIONS), 2.0);
        (attached, late)
    })
    .await;

    let mut small = config();
    small.server.memory_bytes_max = 1;
    running.apply(small).unwrap();
    let (mut attached, mut late) = beside(move || {
        // The session would wait for a minute.
        await_metric(management, SESSIONS, 1.0);
        await_metric(management, EVICTED, 1.0);
        await_metric(management, PRESSURE, 2.0);
        for answer in [
            get(address, "/tunnel?new=1&format=sse"),
            get(address, "/socket.io/?EIO=4&transport=polling"),
            request(address, &handshake("/ws", "")),
        ] {
            assert_eq!(answer.error(), (503, "unavailable".to_owned()));
            assert!(answer.header("Retry-After").is_some(), "{answer:?}");
        }
        let ready = get(management, "/health/ready");
        assert_eq!(ready.status, 503);
        assert_eq!(ready.json(), json!({"status": "overloaded"}));
        // A connection that was there begins no session, and a session goes on.
        late.command("idme", json!("1:3"));
        late.expect_error("unavailable");
        attached.expect_nothing_pending();
        (attached, late)
    })
    .await;

    running.apply(config()).unwrap();
    beside(move || {
        await_metric(management, PRESSURE, 0.0);
        late.identify("1:3");
        attached.expect_nothing_pending();
        Client::greeted(address).identify("1:4");
    })
    .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn server_over_its_memory_drops_histories_and_what_sessions_retain() {
    const HISTORY: &str = "turntable_history_bytes";
    let running = Running::start(config()).unwrap();
    let (address, management) = (running.server, running.management);
    let (mut client, session) = beside(move || {
        let mut client = Client::greeted(address);
        let session = client.identify("1:1")["session"].clone();
        client.request("joinchannel", json!({"channel": "c"}));
        for number in 0..3 {
            client.command("publish", json!({"channel": "c", "data": number}));
            client.expect("message");
        }
        assert!(metric(management, HISTORY) > 0.0);
        (client, session)
    })
    .await;
    let mut small = config();
    small.server.memory_bytes_max = 1;
    running.apply(small).unwrap();
    beside(move || await_metric(management, HISTORY, 0.0)).await;
    running.apply(config()).unwrap();
    beside(move || {
        await_metric(management, PRESSURE, 0.0);
        // The session goes on, but what it had sent cannot be repeated.
        client.expect_nothing_pending();
        let mut other = Client::greeted(address);
        other.identify("1:2");
        let join = json!({"channel": "c", "history": 10});
        assert_eq!(other.request("joinchannel", join)["offset"], 3);
        other.expect_nothing_pending();
        client.drop_connection();
        let mut late = Client::greeted(address);
        late.command("resume", json!({"session": session, "received": 1}));
        late.expect_error("session_expired");
    })
    .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn server_over_its_memory_forgets_absent_users_and_no_others() {
    const STORED: &str = "turntable_store_memory_bytes";
    let running = Running::start(config()).unwrap();
    let (address, management) = (running.server, running.management);
    let mut present = beside(move || {
        let mut present = Client::greeted(address);
        present.identify("1:1");
        present.request("set", json!({"name": "Mel"}));
        let mut absent = Client::greeted(address);
        absent.identify("1:2");
        absent.request("set", json!({"name": "Pomke"}));
        absent.bye();
        let until = Instant::now() + DEADLINE;
        while metric(management, STORED) == 0.0 {
            assert!(Instant::now() < until, "nothing is stored");
            std::thread::sleep(Duration::from_millis(20));
        }
        present
    })
    .await;
    let mut small = config();
    small.server.memory_bytes_max = 1;
    running.apply(small).unwrap();
    beside(move || await_metric(management, STORED, 0.0)).await;
    running.apply(config()).unwrap();
    beside(move || {
        await_metric(management, PRESSURE, 0.0);
        present.expect_nothing_pending();
        let attributes = |user| Client::greeted(address).identify(user)["attributes"].clone();
        assert_eq!(attributes("1:1"), json!({"name": "Mel"}));
        assert_eq!(attributes("1:2"), json!({}));
    })
    .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
async fn memory_of_a_peak_is_given_back_without_pressure() {
    const RESIDENT: &str = "turntable_resident_bytes";
    let running = Running::start(config()).unwrap();
    let management = running.management;
    beside(move || {
        let await_resident = |is: fn(f64) -> bool| {
            // Looks come once a second, and every tenth may give memory back.
            let until = Instant::now() + Duration::from_secs(30);
            while !is(metric(management, RESIDENT)) {
                assert!(Instant::now() < until, "{}", metric(management, RESIDENT));
                std::thread::sleep(Duration::from_millis(100));
            }
        };
        let mut pieces: Vec<Vec<u8>> = (0..300_000).map(|n| vec![n as u8; 1_000]).collect();
        // The allocator cannot give back what lies before it on its own.
        let last = pieces.pop();
        await_resident(|bytes| bytes > 300e6);
        drop(pieces);
        await_resident(|bytes| bytes < 150e6);
        assert_eq!(metric(management, PRESSURE), 0.0);
        drop(last);
    })
    .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn server_over_its_memory_ends_sessions_whose_readers_are_behind() {
    let mut roomy = config();
    roomy.session.outbox_bytes_max = 64 << 20;
    roomy.channel.bytes.per_second = 0;
    roomy.limits.publish.per_second = 0;
    roomy.limits.bytes.per_second = 0;
    roomy.limits.address_publish.per_second = 0;
    let running = Running::start(roomy.clone()).unwrap();
    let (address, management) = (running.server, running.management);
    let (mut publisher, behind) = beside(move || {
        let mut publisher = Client::greeted(address);
        publisher.identify("1:1");
        let mut behind = Client::greeted(address);
        behind.identify("1:2");
        behind.request("joinchannel", json!({"channel": "busy"}));
        // More than the buffers of its socket.
        let text = "x".repeat(60_000);
        for _ in 0..300 {
            publisher.request("publish", json!({"channel": "busy", "data": text}));
        }
        assert_eq!(metric(management, SESSIONS), 2.0);
        (publisher, behind)
    })
    .await;
    let mut small = roomy.clone();
    small.server.memory_bytes_max = 1;
    running.apply(small).unwrap();
    let mut publisher = beside(move || {
        await_metric(management, SESSIONS, 1.0);
        await_metric(management, CLOSED_TOO_SLOW, 1.0);
        // Its connection is not waited for.
        await_metric(management, CONNECTIONS, 1.0);
        publisher.expect_nothing_pending();
        publisher
    })
    .await;
    running.apply(roomy).unwrap();
    beside(move || {
        await_metric(management, PRESSURE, 0.0);
        publisher.expect_nothing_pending();
        drop(behind);
    })
    .await;
    running.stop(Duration::ZERO).await;
}
