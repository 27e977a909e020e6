//! Many tunnels and many datagrams: clients that never read or never identify are
//! limited, and others are not affected.

use std::collections::HashSet;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use turntable_testkit::metric::{ACCEPTED, CLOSED_NOT_IDENTIFIED, CLOSED_TOO_SLOW, CONNECTIONS};
use turntable_testkit::tunnel::{Tunnel, post};
use turntable_testkit::{DEADLINE, Server};

const TUNNELS: usize = 500;
const MIB: u64 = 1024 * 1024;

/// Requests a tunnel that is never read.
fn unread_tunnel(server: &Server, query: &str) -> TcpStream {
    let address = server.address;
    let mut socket = TcpStream::connect(address).unwrap();
    let text = format!("GET /tunnel?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(text.as_bytes()).unwrap();
    socket
}

#[test]
fn unidentified_tunnels_use_little_memory_and_are_closed() {
    let server = Server::with(&[("session.identify_timeout_ms", "3000")]);
    let mut live = Tunnel::on_channel(&server, "1:1", "c");
    let before = server.resident_bytes();
    let unidentified: Vec<TcpStream> = (0..TUNNELS)
        .map(|_| unread_tunnel(&server, "new=1&format=sse"))
        .collect();
    server.await_metric(CONNECTIONS, TUNNELS as f64 + 1.0);
    let each = server.resident_bytes().saturating_sub(before) / TUNNELS as u64;
    assert!(each < 16 * 1024, "{each} bytes for an unidentified tunnel");
    for n in 0..20 {
        live.publish("c", json!(n));
        let start = Instant::now();
        assert_eq!(live.expect_published("c"), n);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    server.await_metric(CONNECTIONS, 1.0);
    assert_eq!(server.metric(CLOSED_NOT_IDENTIFIED), TUNNELS as f64);
    live.expect_nothing_pending();
    drop(unidentified);
}

#[test]
fn stalled_readers_are_limited_and_others_receive_everything() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("session.outbox_bytes_max", "131072"),
        ("session.replay_bytes_max", "65536"),
        ("session.sessions_per_user_max", "10000"),
    ]);
    let mut live = Tunnel::on_channel(&server, "1:1", "c");
    let mut stalled = Vec::new();
    for n in 0..TUNNELS / 5 {
        // It is not read after its header.
        let tunnel = Tunnel::on_channel(&server, &format!("2:{n}"), "c");
        stalled.push(tunnel.stream.socket);
    }
    let before = server.resident_bytes();
    let filler = "x".repeat(30_000);
    // More than the buffers of any socket hold.
    for n in 0..400 {
        live.publish("c", json!({"n": n, "filler": filler}));
        assert_eq!(live.expect_published("c")["n"], n);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    let bound = stalled.len() as u64 * 400 * 1024 + 16 * MIB;
    assert!(grown < bound, "{} MiB", grown / MIB);
    server.await_metric(CLOSED_TOO_SLOW, stalled.len() as f64);
    live.expect_nothing_pending();
}

#[test]
fn ten_thousand_datagrams_have_unique_ids() {
    const DATAGRAMS: usize = 10_000;
    const BATCH: usize = 250;
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "a");
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
                "{} is used twice",
                tunnel.last
            );
        }
    }
    assert_eq!(ids.len(), DATAGRAMS);
    tunnel.expect_nothing_pending();
}

#[test]
fn stalled_reader_resumes_where_it_stopped() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("session.replay_bytes_max", "16777216"),
    ]);
    let mut publisher = server.user("1:2");
    let mut slow = Tunnel::on_channel(&server, "1:1", "c");
    let filler = "x".repeat(50_000);
    let mut published = 0;
    while server.metric(CLOSED_TOO_SLOW) < 1.0 {
        for _ in 0..10 {
            let data = json!({"n": published, "filler": filler});
            publisher.request("publish", json!({"channel": "c", "data": data}));
            published += 1;
        }
    }
    let mut next = 0;
    // It reads some datagrams, and resumes for the rest.
    for _ in 0..5 {
        assert_eq!(slow.expect_published("c")["n"], next);
        next += 1;
    }
    slow.resume_after_last();
    while next < published {
        assert_eq!(slow.expect_published("c")["n"], next);
        next += 1;
    }
    slow.expect_nothing_pending();
}

#[test]
fn endless_input_on_stream_is_cut_off() {
    let server = Server::with(&[("server.workers", "1")]);
    let mut live = Tunnel::on_channel(&server, "1:1", "c");
    let mut flood = Tunnel::user(&server, "1:2");
    flood
        .stream
        .socket
        .write_all(b"GET / HTTP/1.1\r\n")
        .unwrap();
    flood.expect_nothing_pending();
    let socket = &mut flood.stream.socket;
    let bytes = vec![b'x'; 1 << 20];
    let until = Instant::now() + DEADLINE;
    while socket.write_all(&bytes).is_ok() {
        assert!(Instant::now() < until, "it can send without end");
    }
    live.publish("c", json!("still open"));
    assert_eq!(live.expect_published("c"), "still open");
    // Its session is unaffected.
    flood.resume_after_last();
    flood.expect_nothing_pending();
}

#[test]
fn tunnel_closed_at_once_is_released() {
    let server = Server::with(&[("tunnel.keepalive_ms", "600000")]);
    for n in 0..50 {
        drop(unread_tunnel(
            &server,
            &format!("new=1&format=sse&user=2:{n}"),
        ));
    }
    server.await_metric(ACCEPTED, 50.0);
    server.await_metric(CONNECTIONS, 0.0);
}
