//! Many tunnels, and many datagrams: zombies cost little and hurt nobody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod stream;
mod support;

use std::collections::HashSet;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use stream::{Tunnel, post};
use support::Server;

const ZOMBIES: usize = 500;
const MIB: u64 = 1024 * 1024;

/// Asks for a tunnel and never reads a byte of it.
fn zombie(server: &Server, query: &str) -> TcpStream {
    let address = server.address;
    let mut socket = TcpStream::connect(address).unwrap();
    let text = format!("GET /tunnel?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(text.as_bytes()).unwrap();
    socket
}

#[test]
fn zombies_that_say_nothing_are_closed_in_time_and_cost_little() {
    let server = Server::with(&[("session.identify_timeout_ms", "3000")]);
    let mut live = Tunnel::on(&server, "1:1", "c");
    let before = server.resident_bytes();
    let zombies: Vec<TcpStream> = (0..ZOMBIES)
        .map(|_| zombie(&server, "new=1&format=sse"))
        .collect();
    server.await_metric("turntable_connections", ZOMBIES as f64 + 1.0);
    let each = server.resident_bytes().saturating_sub(before) / ZOMBIES as u64;
    assert!(each < 16 * 1024, "{each} bytes for one that says nothing");
    for n in 0..20 {
        live.publish("c", json!(n));
        let start = Instant::now();
        assert_eq!(live.expect_published("c"), n);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    server.await_metric("turntable_connections", 1.0);
    let closed = "turntable_connections_closed_total{name=\"not_identified\"}";
    assert_eq!(server.metric(closed), ZOMBIES as f64);
    live.expect_nothing_before_an_answer();
    drop(zombies);
}

#[test]
fn zombies_that_never_read_are_bounded_and_the_living_get_everything() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("session.outbox_bytes_max", "131072"),
        ("session.replay_bytes_max", "65536"),
        ("session.sessions_per_user_max", "10000"),
    ]);
    let mut live = Tunnel::on(&server, "1:1", "c");
    let mut zombies = Vec::new();
    for n in 0..ZOMBIES / 5 {
        // It reads its own header and no more.
        let zombie = Tunnel::on(&server, &format!("2:{n}"), "c");
        zombies.push(zombie.stream.socket);
    }
    let before = server.resident_bytes();
    let filler = "x".repeat(30_000);
    // More than any socket's buffers take.
    for n in 0..400 {
        live.publish("c", json!({"n": n, "filler": filler}));
        assert_eq!(live.expect_published("c")["n"], n);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    let bound = zombies.len() as u64 * 400 * 1024 + 16 * MIB;
    assert!(grown < bound, "{} MiB", grown / MIB);
    let closed = "turntable_connections_closed_total{name=\"too_slow\"}";
    server.await_metric(closed, zombies.len() as f64);
    live.expect_nothing_before_an_answer();
}

#[test]
fn ten_thousand_datagrams_have_ten_thousand_ids() {
    const DATAGRAMS: usize = 10_000;
    const BATCH: usize = 250;
    let server = Server::with(&[("limits.publish.per_second", "0")]);
    let mut tunnel = Tunnel::on(&server, "1:1", "a");
    tunnel.join("b");
    let mut ids = HashSet::new();
    for _ in 0..DATAGRAMS / BATCH {
        let batch: Vec<_> = (0..BATCH)
            .map(|n| tunnel.datagram(["/channel/a", "/channel/b"][n % 2], json!(n)))
            .collect();
        let answer = post(&server, &json!(batch));
        assert_eq!(answer.status, 200);
        for _ in 0..BATCH {
            tunnel.next();
            assert!(
                ids.insert(tunnel.last.clone()),
                "{} comes twice",
                tunnel.last
            );
        }
    }
    assert_eq!(ids.len(), DATAGRAMS);
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn one_that_stops_reading_resumes_where_it_stopped() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("session.replay_bytes_max", "16777216"),
    ]);
    let mut publisher = server.user("1:2");
    let mut slow = Tunnel::on(&server, "1:1", "c");
    let filler = "x".repeat(50_000);
    let mut published = 0;
    while server.metric("turntable_connections_closed_total{name=\"too_slow\"}") < 1.0 {
        for _ in 0..10 {
            let data = json!({"n": published, "filler": filler});
            publisher.ask("publish", json!({"channel": "c", "data": data}));
            published += 1;
        }
    }
    let mut next = 0;
    // It reads a few, and comes back for the rest.
    for _ in 0..5 {
        assert_eq!(slow.expect_published("c")["n"], next);
        next += 1;
    }
    slow.back_after();
    while next < published {
        assert_eq!(slow.expect_published("c")["n"], next);
        next += 1;
    }
    slow.expect_nothing_before_an_answer();
}

#[test]
fn one_that_sends_without_end_where_nothing_is_read_is_cut_off() {
    let server = Server::with(&[("server.workers", "1")]);
    let mut live = Tunnel::on(&server, "1:1", "c");
    let mut flood = Tunnel::of(&server, "1:2");
    flood
        .stream
        .socket
        .write_all(b"GET / HTTP/1.1\r\n")
        .unwrap();
    flood.expect_nothing_before_an_answer();
    let socket = &mut flood.stream.socket;
    let bytes = vec![b'x'; 1 << 20];
    let until = Instant::now() + support::DEADLINE;
    while socket.write_all(&bytes).is_ok() {
        assert!(Instant::now() < until, "it may send without end");
    }
    live.publish("c", json!("who lives?"));
    assert_eq!(live.expect_published("c"), "who lives?");
    // Its session is what it was.
    flood.back_after();
    flood.expect_nothing_before_an_answer();
}

#[test]
fn one_that_goes_away_at_once_is_not_kept() {
    let server = Server::with(&[("tunnel.keepalive_ms", "600000")]);
    for n in 0..50 {
        drop(zombie(&server, &format!("new=1&format=sse&user=2:{n}")));
    }
    server.await_metric("turntable_connections_accepted_total", 50.0);
    server.await_metric("turntable_connections", 0.0);
}
