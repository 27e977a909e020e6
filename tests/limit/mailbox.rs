//! More commands than a worker handles at once: clients are slowed down, and nothing
//! is lost.

use serde_json::json;

use turntable_testkit::channel::join;
use turntable_testkit::metric::READING_PAUSED;
use turntable_testkit::{Client, Frame, Server};

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
