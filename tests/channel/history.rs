//! Past messages: of a client that comes back, and of one that is new.

use std::time::Instant;

use serde_json::{Value, json};

use turntable_testkit::channel::{join, leave, publish, publish_numbers, published};
use turntable_testkit::metric::CHANNELS;
use turntable_testkit::{Client, DEADLINE, Server};

const HISTORY_BYTES: &str = "turntable_history_bytes";
const TOTAL: &str = "channel.history_total_bytes_max";

fn configured(entry: &str, keys: &[(&str, &str)]) -> Server {
    Server::configured(&format!("[channels.\"**\"]\n{entry}\n"), keys)
}

/// Joins behind a position, and returns whether everything is there.
fn join_since(client: &mut Client, epoch: &Value, offset: u64) -> bool {
    let since = json!({"epoch": epoch, "offset": offset});
    let joined = client.request("joinchannel", json!({"channel": "c", "since": since}));
    joined["recovered"].as_bool().unwrap()
}

fn join_with_history(client: &mut Client, history: u64) -> Value {
    client.request("joinchannel", json!({"channel": "c", "history": history}))
}

#[test]
fn missed_messages_follow_joined_in_order() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = join(&mut mel, "c")["epoch"].clone();
    publish(&mut pomke, "c", json!("seen"));
    let seen = mel.expect("message");
    leave(&mut mel, "c");
    publish_numbers(&mut pomke, "c", 2..5);
    assert!(join_since(&mut mel, &epoch, 1));
    publish(&mut pomke, "c", json!(5));
    for offset in 2..=5 {
        let message = mel.expect("message");
        assert_eq!(message["offset"], offset);
        assert_eq!(message["data"], offset);
        assert_eq!(message["from"], "1:2");
        assert!(message["id"].as_str() > seen["id"].as_str());
    }
    // Another client with the position gets them, too; the first message has the epoch.
    let mut late = server.user("1:3");
    assert!(join_since(&mut late, &epoch, 0));
    let first = late.expect("message");
    assert_eq!((&first["epoch"], &first["data"]), (&epoch, &json!("seen")));
    assert_eq!(published(&mut late), [2, 3, 4, 5]);
    late.expect_nothing_pending();
    mel.expect_nothing_pending();
}

#[test]
fn a_hole_is_reported_and_nothing_is_sent() {
    let server = configured("history_max = 2", &[]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = publish(&mut pomke, "c", json!(1))["epoch"].clone();
    publish_numbers(&mut pomke, "c", 2..5);
    assert!(!join_since(&mut mel, &epoch, 1));
    mel.expect_nothing_pending();
    assert!(!join_since(&mut mel, &epoch, 5));
    assert!(!join_since(&mut mel, &json!("another"), 4));
    mel.expect_nothing_pending();
    assert!(join_since(&mut mel, &epoch, 2));
    assert_eq!(published(&mut mel), [3, 4]);
    // With a history it has at least the last ones.
    let since = json!({"epoch": epoch, "offset": 1});
    let data = json!({"channel": "c", "since": since, "history": 1});
    assert_eq!(mel.request("joinchannel", data)["recovered"], false);
    assert_eq!(published(&mut mel), [4]);
    mel.expect_nothing_pending();
}

#[test]
fn a_new_client_gets_the_last_messages_that_it_requests() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    // Nobody listens, and they are retained all the same.
    publish_numbers(&mut pomke, "c", 1..6);
    let joined = join_with_history(&mut mel, 2);
    assert_eq!(
        (&joined["offset"], &joined["recovered"]),
        (&json!(5), &json!(false))
    );
    assert_eq!(published(&mut mel), [4, 5]);
    join_with_history(&mut mel, 100);
    assert_eq!(published(&mut mel), [1, 2, 3, 4, 5]);
    assert_eq!(join_with_history(&mut mel, 0)["offset"], 5);
    join(&mut mel, "c");
    mel.expect_nothing_pending();
}

#[test]
fn subpaths_prove_nothing_and_the_path_itself_comes_first() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = publish(&mut pomke, "c", json!("own"))["epoch"].clone();
    publish(&mut pomke, "c/below", json!("below"));
    let since = json!({"epoch": epoch, "offset": 1});
    let data = json!({"channel": "c", "subpaths": true, "since": since, "history": 5});
    let joined = mel.request("joinchannel", data);
    assert_eq!(
        (&joined["offset"], &joined["recovered"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(published(&mut mel), ["own", "below"]);
    mel.expect_nothing_pending();
}

#[test]
fn the_last_value_is_sent_to_those_who_join() {
    let server = configured("last_value_ms = 60000", &[("channel.empty_ms", "0")]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "c");
    mel.expect_nothing_pending();
    leave(&mut mel, "c");
    publish_numbers(&mut pomke, "c", 1..4);
    join(&mut mel, "c");
    assert_eq!(published(&mut mel), [3]);
    mel.expect_nothing_pending();
}

#[test]
fn a_history_keeps_its_channel_and_ends_with_its_age() {
    let entry = "history_max = 10\nhistory_ms = 1000";
    let server = configured(entry, &[("channel.empty_ms", "0")]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = publish(&mut pomke, "c", json!(1))["epoch"].clone();
    assert_eq!(server.metric(CHANNELS), 1.0);
    assert!(server.metric(HISTORY_BYTES) > 100.0);
    assert!(join_since(&mut mel, &epoch, 0));
    assert_eq!(published(&mut mel), [1]);
    leave(&mut mel, "c");
    server.await_metric(CHANNELS, 0.0);
    assert_eq!(server.metric(HISTORY_BYTES), 0.0);
    assert!(!join_since(&mut mel, &epoch, 1));
}

/// Waits until all histories have at most so many bytes: a channel of another worker gives its
/// room when it gets the message that requests it.
fn await_bytes(server: &Server, max: f64) {
    let until = Instant::now() + DEADLINE;
    while server.metric(HISTORY_BYTES) > max {
        assert!(Instant::now() < until, "more than {max} bytes stay");
    }
}

#[test]
fn histories_are_bounded_in_bytes_each_and_together() {
    let entry = "history_max = 100\nhistory_bytes_max = 2000";
    let server = configured(entry, &[(TOTAL, "5000")]);
    let mut pomke = server.user("1:2");
    for n in 0..40 {
        publish(&mut pomke, &format!("d/{}", n % 8), json!("x".repeat(300)));
        await_bytes(&server, 5_000.0);
    }
    assert!(server.metric(HISTORY_BYTES) > 2_000.0);
    let mut mel = server.user("1:1");
    mel.request("joinchannel", json!({"channel": "d/0", "history": 100}));
    // At most 2,000 bytes of messages with 300 each, and their envelopes.
    let mut count = 0;
    mel.send(json!({"command": "time", "data": {"t0": 1}}));
    while mel.next()["command"] == "message" {
        count += 1;
    }
    assert!(count <= 4, "{count}");
}

#[test]
fn silent_channels_give_room_to_those_that_are_published_on() {
    let server = configured("history_max = 100", &[(TOTAL, "40000")]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    // Less than the even share of all.
    publish_numbers(&mut mel, "c", 1..5);
    // Nobody publishes on them again.
    for n in 0..60 {
        publish(&mut pomke, &format!("d/{n}"), json!("x".repeat(2_000)));
        await_bytes(&server, 40_000.0);
    }
    publish_numbers(&mut mel, "c", 5..9);
    join_with_history(&mut mel, 100);
    assert_eq!(
        published::<8>(&mut mel),
        std::array::from_fn(|n| json!(n + 1))
    );
    assert!(server.metric(HISTORY_BYTES) > 20_000.0);
}

#[test]
fn a_reader_without_room_gets_an_error_that_it_missed_messages() {
    let entry = "history_max = 1000\nhistory_bytes_max = 1000000";
    let keys = [
        ("session.outbox_bytes_max", "70000"),
        ("limits.bytes", "{ per_second = 0, burst = 1 }"),
        ("limits.address_publish.per_second", "0"),
    ];
    let server = configured(entry, &keys);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = publish(&mut pomke, "c", json!(0))["epoch"].clone();
    for _ in 0..4 {
        publish(&mut pomke, "c", json!("x".repeat(20_000)));
    }
    assert!(!join_since(&mut mel, &epoch, 1));
    mel.expect_nothing_pending();
    assert!(join_since(&mut mel, &epoch, 3));
    assert_eq!(published::<2>(&mut mel).len(), 2);
}

#[test]
fn past_messages_are_paid_by_the_session_that_gets_them() {
    let keys = [("limits.bytes", "{ per_second = 10000, burst = 20000 }")];
    let server = configured("history_max = 10", &keys);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    for _ in 0..2 {
        publish(&mut pomke, "c", json!("x".repeat(9_000)));
    }
    join_with_history(&mut mel, 2);
    assert_eq!(published::<2>(&mut mel).len(), 2);
    mel.command(
        "publish",
        json!({"channel": "d", "data": "x".repeat(10_000)}),
    );
    mel.expect_error("rate_limited");
}
