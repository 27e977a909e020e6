//! More commands than a worker handles at once: clients are slowed down, and nothing
//! is lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use turntable_testkit::channel::join;
use turntable_testkit::engineio::Polling;
use turntable_testkit::metric::{READING_PAUSED, REQUESTS_PAUSED};
use turntable_testkit::poll::{PollClient, call, post};
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, DEADLINE, Frame, Server};

/// Messages of one client; all together are read at once.
const MESSAGES: usize = 600;

/// What a client sends to publish so many messages on a channel.
fn flood(channel: &str, messages: usize) -> Vec<u8> {
    let publish = json!({"command": "publish", "data": {"channel": channel, "data": 1}});
    Frame::text(&publish.to_string()).masked().repeat(messages)
}

#[test]
fn flood_pauses_reading_and_loses_nothing() {
    let server = Server::with(&[
        ("server.workers", "1"),
        ("server.mailbox_max", "100"),
        ("limits.publish", "{ per_second = 0, burst = 1 }"),
    ]);
    let mut clients: Vec<Client> = (0..4).map(|n| server.user(&format!("1:{n}"))).collect();
    let flood = flood("c", MESSAGES);
    for client in &mut clients {
        client.send_raw(&flood);
    }
    for client in &mut clients {
        client.expect_nothing_pending();
    }
    let taken = server.metric("turntable_commands_total{name=\"publish\"}");
    assert_eq!(taken, (4 * MESSAGES) as f64);
    assert!(server.metric(READING_PAUSED) >= 1.0);
    // It has caught up, and everyone is read again.
    server.await_metric("turntable_waiting_calls{worker=\"0\"}", 0.0);
    let mut late = server.user("1:9");
    late.expect_nothing_pending();
}

#[test]
fn workers_that_are_behind_do_not_wait_for_each_other() {
    const CLIENTS: usize = 4;
    const EACH: usize = 300;
    let server = Server::with(&[
        ("server.mailbox_max", "100"),
        ("limits.publish", "{ per_second = 0, burst = 1 }"),
    ]);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|n| server.user(&format!("1:{n}")))
        .collect();
    let channels = [0, 1, 2, 3].map(|n| format!("c{n}"));
    for client in &mut clients {
        for channel in &channels {
            join(client, channel);
        }
    }
    // Every worker reads, owns channels and delivers to all.
    for (client, channel) in clients.iter_mut().zip(&channels) {
        client.send_raw(&flood(channel, EACH));
    }
    for client in &mut clients {
        for _ in 0..CLIENTS * EACH {
            client.expect("message");
        }
        client.expect_nothing_pending();
    }
    assert!(server.metric(READING_PAUSED) >= 1.0);
}

/// The most messages that were seen to wait while `load` runs.
fn most_waiting(server: &Server, load: impl FnOnce() + Send) -> f64 {
    std::thread::scope(|scope| {
        let load = scope.spawn(load);
        let mut most: f64 = 0.0;
        while !load.is_finished() {
            most = most.max(server.metric("turntable_waiting_calls{worker=\"0\"}"));
        }
        load.join().unwrap();
        most
    })
}

#[test]
fn requests_wait_while_a_worker_is_behind_and_lose_nothing() {
    const CLIENTS: usize = 30;
    const BATCH: usize = 256;
    let server = Server::with(&[
        ("server.workers", "1"),
        ("server.mailbox_max", "100"),
        ("limits.publish", "{ per_second = 0, burst = 1 }"),
        ("limits.address_publish.per_second", "0"),
    ]);
    let polls: Vec<PollClient<'_>> = (0..CLIENTS)
        .map(|number| PollClient::user(&server, &format!("1:{number}")))
        .collect();
    let publish = call("$av:publish", json!({"channel": "c", "data": 1}), 1);
    let batch = json!(vec![publish; BATCH]);
    let most = most_waiting(&server, || {
        std::thread::scope(|scope| {
            for poll in &polls {
                scope.spawn(|| assert_eq!(poll.poll(&batch).len(), BATCH));
            }
        });
    });
    let published = "turntable_commands_total{name=\"publish\"}";
    server.await_metric(published, (CLIENTS * BATCH) as f64);
    assert!(server.metric(REQUESTS_PAUSED) >= 1.0);
    // What one request brought, and what waited when it was handed over.
    assert!(most <= (BATCH + 100) as f64, "{most} messages waited");
}

#[test]
fn datagrams_and_packets_wait_while_a_worker_is_behind() {
    let server = Server::with(&[
        ("server.workers", "1"),
        ("server.mailbox_max", "100"),
        ("limits.publish", "{ per_second = 0, burst = 1 }"),
        ("limits.address_publish.per_second", "0"),
    ]);
    let tunnels: Vec<Tunnel<'_>> = (0..8)
        .map(|number| Tunnel::user(&server, &format!("1:{number}")))
        .collect();
    let sessions: Vec<Polling> = (0..8)
        .map(|number| {
            let session = Polling::open(server.address, "/socket.io/");
            session.push(&[&format!("40{{\"user\":\"2:{number}\"}}")]);
            session
        })
        .collect();
    let packet = json!(["publish", {"channel": "c", "data": 1}]);
    let packet = format!("42{packet}");
    std::thread::scope(|scope| {
        for tunnel in &tunnels {
            let datagram = tunnel.datagram("/channel/c", json!(1));
            let body = json!(vec![datagram; 200]).to_string();
            let server = &server;
            scope.spawn(move || {
                let answer = post(server, "/tunnel/send", "", &body);
                assert_eq!(answer.status, 200, "{}", answer.text());
            });
        }
        for session in &sessions {
            scope.spawn(|| session.push(&[&*packet; 200]));
        }
    });
    let published = "turntable_commands_total{name=\"publish\"}";
    server.await_metric(published, 3_200.0);
    assert!(server.metric(REQUESTS_PAUSED) >= 1.0);
}

#[test]
fn request_that_waits_too_long_for_a_worker_gets_503_and_is_not_carried_out() {
    const CLIENTS: usize = 60;
    const BATCH: usize = 256;
    let server = Server::with(&[
        ("server.workers", "1"),
        ("server.mailbox_max", "100"),
        ("session.answer_timeout_ms", "100"),
        ("limits.publish", "{ per_second = 0, burst = 1 }"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let sessions: Vec<String> = (0..CLIENTS)
        .map(|number| {
            let idme = json!([call("$av:idme", json!(format!("1:{number}")), 1)]);
            let begun = post(&server, "/poll", "", &idme.to_string());
            begun.header("Turntable-Session").unwrap().to_owned()
        })
        .collect();
    let publish = call("$av:publish", json!({"channel": "c", "data": 1}), 1);
    let batch = json!(vec![publish; BATCH]).to_string();
    // Each takes a while, and the last waits for all others.
    let (is_refused, carried_out) = (AtomicBool::new(false), AtomicUsize::new(0));
    let until = Instant::now() + DEADLINE;
    std::thread::scope(|scope| {
        for session in &sessions {
            let (is_refused, carried_out) = (&is_refused, &carried_out);
            let (server, batch) = (&server, &batch);
            scope.spawn(move || {
                let headers = format!("Turntable-Session: {session}\r\n");
                while !is_refused.load(Ordering::Relaxed) && Instant::now() < until {
                    let answer = post(server, "/poll", &headers, batch);
                    if answer.status == 200 {
                        carried_out.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    assert_eq!(answer.error(), (503, "unavailable".to_owned()));
                    assert!(answer.header("Retry-After").is_some());
                    is_refused.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(is_refused.into_inner(), "no request was refused");
    let refused = server.metric("turntable_handshakes_refused_total{name=\"mailbox_max\"}");
    assert!(refused >= 1.0, "{refused}");
    let published = "turntable_commands_total{name=\"publish\"}";
    let expected = carried_out.into_inner() * BATCH;
    server.await_metric(published, expected as f64);
}
