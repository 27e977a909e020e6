//! Reloads while many sessions talk: nothing is lost, and nobody is closed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::reload::call;
use turntable_testkit::{Client, Server};

/// Threads that drive the clients.
const DRIVERS: usize = 4;

/// How long all sessions may take to begin.
const BEGIN: Duration = Duration::from_secs(300);

/// Saves a configuration that differs from the one before in limits, a game, a service and a
/// namespace.
fn save(path: &Path, number: usize) {
    let text = format!(
        "[presence]\nwatch_max = {}\n[limits.publish]\nper_second = {}\nburst = 100000\n\
         [games.g{}]\ntick_ms = 50\n[services.s{}]\nproviders = [\"service:x\"]\n\
         [channels.\"talk/**\"]\nhistory_max = {}\n",
        1_000 + number,
        10_000 + number,
        number % 3,
        number % 2,
        10 + number % 5,
    );
    fs::write(path, text).unwrap();
}

/// Awaits the answer to a command. States of services, which change, come in between.
fn request(client: &mut Client, command: &str, data: Value) {
    client.send(json!({"command": command, "data": data, "id": "request"}));
    loop {
        let message = client.next();
        if message["id"] == "request" {
            assert_ne!(message["command"], "error", "{message}");
            return;
        }
    }
}

/// Pairs of clients talk on channels of their own while the configuration is reloaded.
/// Returns how many messages each driver has sent.
fn talk_and_reload(sessions: usize, reloads: usize) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    save(&file, 0);
    let server = Server::of_file(
        &file,
        &[
            ("management.watch_file", "false"),
            ("session.unidentified_per_address_max", "10000"),
            ("limits.session.burst", "100000"),
            ("limits.address_publish.burst", "100000000"),
            ("limits.address_publish.per_second", "100000000"),
            ("limits.address_bytes.burst", "1000000000"),
            ("limits.address_bytes.per_second", "1000000000"),
            ("channel.new_by_address.burst", "100000"),
        ],
    );
    let address = server.address;
    let is_over = Arc::new(AtomicBool::new(false));
    let drivers = (0..DRIVERS).map(|driver| {
        let is_over = is_over.clone();
        thread::spawn(move || {
            let pairs = sessions / DRIVERS / 2;
            let mut clients: Vec<(Client, Client, String)> = (0..pairs)
                .map(|pair| {
                    let channel = format!("talk/{driver}/{pair}");
                    let client = |side: usize| {
                        let mut client = Client::greeted(address);
                        client.command("idme", json!(format!("1:{driver}-{pair}-{side}")));
                        client.await_command("welcome");
                        client
                    };
                    let (one, mut other) = (client(0), client(1));
                    request(&mut other, "joinchannel", json!({"channel": channel}));
                    (one, other, channel)
                })
                .collect();
            let mut round = 0;
            // At least one round follows the last reload.
            loop {
                let is_last = is_over.load(Ordering::Acquire);
                for (one, _, channel) in &mut clients {
                    one.command("publish", json!({"channel": channel, "data": round}));
                }
                for (_, other, channel) in &mut clients {
                    let message = other.await_command("message");
                    assert_eq!(message["data"], round, "{channel}: {message}");
                    assert_eq!(message["offset"], round + 1, "{channel}: {message}");
                }
                round += 1;
                if is_last {
                    break;
                }
            }
            for (one, other, _) in &mut clients {
                for client in [one, other] {
                    request(client, "lookup", json!([]));
                }
            }
            round * pairs
        })
    });
    let drivers: Vec<_> = drivers.collect();
    // Thousands take longer than what a test otherwise waits for.
    let until = Instant::now() + BEGIN;
    while server.metric("turntable_sessions") < sessions as f64 {
        assert!(Instant::now() < until, "the sessions do not begin");
        thread::sleep(Duration::from_millis(100));
    }
    let mut longest = Duration::ZERO;
    for number in 1..=reloads {
        save(&file, number);
        let began = Instant::now();
        let applied = call(&server, "reload", &json!({}));
        longest = longest.max(began.elapsed());
        assert_eq!(applied["version"], number + 1, "{applied}");
    }
    is_over.store(true, Ordering::Release);
    let sent = drivers.into_iter().map(|driver| driver.join().unwrap());
    let sent = sent.collect();
    let closed: f64 = ["too_slow", "rate_limited", "internal"]
        .iter()
        .map(|name| {
            server.metric(&format!(
                "turntable_connections_closed_total{{name=\"{name}\"}}"
            ))
        })
        .sum();
    assert_eq!(closed, 0.0);
    println!("{sessions} sessions, {reloads} reloads, the longest {longest:?}, sent {sent:?}");
    sent
}

#[test]
fn nothing_is_lost_while_the_configuration_is_reloaded() {
    let sent = talk_and_reload(200, 20);
    assert!(sent.iter().all(|count| *count > 0), "{sent:?}");
}

/// The same at full size; `cargo nextest run --run-ignored only`.
#[test]
#[ignore = "takes half a minute of both cores"]
fn nothing_is_lost_among_5000_sessions_and_50_reloads() {
    talk_and_reload(5_000, 50);
}
