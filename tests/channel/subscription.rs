//! Subscriptions of channels: subpaths, overlaps, limits, and channels without
//! subscribers.

use std::collections::BTreeSet;

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::channel::{join, join_with_subpaths, leave, publish, published};
use turntable_testkit::metric::CHANNELS;

/// A configuration without the embedded history of every channel.
const NO_HISTORY: &str = "[channels.\"**\"]\nhistory_max = 0\n";

#[test]
fn non_subscriber_can_publish_but_receives_nothing() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "news");
    let answer = publish(&mut pomke, "news", json!("one"));
    assert_eq!(answer["offset"], 1);
    assert_eq!(published(&mut mel), ["one"]);
    leave(&mut mel, "news");
    publish(&mut pomke, "news", json!("two"));
    mel.expect_none();
    pomke.expect_nothing_pending();
}

#[test]
fn subpaths_include_descendants_but_not_siblings() {
    let server = Server::start();
    let (mut all, mut one) = (server.user("1:1"), server.user("1:2"));
    let mut mel = server.user("1:3");
    join_with_subpaths(&mut all, "/a");
    join(&mut one, "/a");
    for path in ["ab", "b", "a/b", "ab/c", "a/b/c", "b/a", "a"] {
        publish(&mut mel, path, json!(path));
    }
    // Paths have different actors, and no order among each other.
    let paths: BTreeSet<String> = published::<3>(&mut all)
        .iter()
        .map(|data| data.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["a", "a/b", "a/b/c"].map(String::from).into());
    assert_eq!(published(&mut one), ["a"]);
    all.expect_none();
    one.expect_nothing_pending();
}

#[test]
fn session_with_overlapping_subscriptions_gets_each_message_once() {
    let server = Server::start();
    let mut mel = server.user("1:9");
    for (first, second) in [(true, false), (false, true)] {
        let mut both = server.user("1:1");
        for below in [first, second] {
            if below {
                join_with_subpaths(&mut both, "a");
                join_with_subpaths(&mut both, "a/b");
            } else {
                join(&mut both, "a/b/c");
            }
        }
        for n in 0..5 {
            publish(&mut mel, "a/b/c", json!(n));
        }
        assert_eq!(published(&mut both), [0, 1, 2, 3, 4]);
        both.expect_none();
        // The other subscriptions last when one ends.
        leave(&mut both, "a/b/c");
        leave(&mut both, "a");
        publish(&mut mel, "a/b/c", json!("still"));
        assert_eq!(published(&mut both), ["still"]);
        leave(&mut both, "a/b");
        publish(&mut mel, "a/b/c", json!("gone"));
        both.expect_none();
        both.bye();
    }
}

#[test]
fn joining_again_changes_subpaths_option() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "a");
    join_with_subpaths(&mut mel, "a");
    publish(&mut pomke, "a", json!("on it"));
    assert_eq!(published(&mut mel), ["on it"]);
    publish(&mut pomke, "a/b", json!("below"));
    assert_eq!(published(&mut mel), ["below"]);
    join(&mut mel, "a");
    publish(&mut pomke, "a/b", json!("hidden"));
    publish(&mut pomke, "a", json!("on it"));
    assert_eq!(published(&mut mel), ["on it"]);
    mel.expect_none();
}

#[test]
fn channels_per_session_are_limited() {
    let server = Server::with(&[("session.channels_max", "2")]);
    let mut mel = server.user("1:1");
    join(&mut mel, "a");
    join_with_subpaths(&mut mel, "b");
    mel.command("joinchannel", json!({"channel": "c"}));
    assert_eq!(mel.expect_error("too_many")["data"]["details"]["max"], 2);
    join(&mut mel, "a");
    leave(&mut mel, "b");
    join(&mut mel, "c");
}

#[test]
fn refused_join_is_answered_once() {
    let server = Server::with(&[
        ("session.channels_max", "1"),
        ("session.answer_timeout_ms", "100"),
    ]);
    let mut mel = server.user("1:1");
    join(&mut mel, "a");
    mel.send(json!({"command": "joinchannel", "data": {"channel": "b"}, "id": 7}));
    assert_eq!(mel.expect_error("too_many")["id"], 7);
    // The time in which an owner has to answer passes.
    mel.expect_none();
}

#[test]
fn new_life_of_a_channel_is_announced_above_it() {
    let server = Server::configured(NO_HISTORY, &[("channel.empty_ms", "400")]);
    let mut above = server.user("1:1");
    let mut mel = server.user("1:2");
    let joined = join_with_subpaths(&mut above, "a");
    server.await_metric(CHANNELS, 1.0);
    let mut epochs = Vec::new();
    for life in 0..2 {
        for offset in 1..=2 {
            let answer = publish(&mut mel, "a/b", json!(life));
            let message = above.expect("message");
            assert_eq!(message["channel"], "a/b");
            assert_eq!(message["offset"], offset);
            let epoch = match offset {
                1 => answer["epoch"].clone(),
                _ => json!(null),
            };
            assert_eq!(message["epoch"], epoch, "life {life}, offset {offset}");
            epochs.push(answer["epoch"].clone());
        }
        // The client above does not keep the channel.
        server.await_metric(CHANNELS, 1.0);
    }
    assert_eq!(epochs[0], epochs[1]);
    assert_ne!(epochs[0], epochs[2]);
    // The path that was joined has the epoch of its `joined`.
    publish(&mut mel, "a", json!("own"));
    assert_eq!(above.expect("message")["epoch"], joined["epoch"]);
}

#[test]
fn empty_channel_is_dropped_and_restarts_with_new_epoch() {
    let server = Server::configured(NO_HISTORY, &[("channel.empty_ms", "100")]);
    let mut mel = server.user("1:1");
    let epoch = join(&mut mel, "c")["epoch"].clone();
    mel.command("publish", json!({"channel": "c", "data": 1}));
    mel.expect("message");
    server.await_metric(CHANNELS, 1.0);
    leave(&mut mel, "c");
    server.await_metric(CHANNELS, 0.0);
    let since = json!({"epoch": epoch, "offset": 1});
    let joined = mel.request("joinchannel", json!({"channel": "c", "since": since}));
    assert_eq!(joined["recovered"], false);
    assert_eq!(joined["offset"], 0);
    assert_ne!(joined["epoch"], epoch);
}

#[test]
fn publishing_without_listeners_makes_no_channels() {
    let keys = [("limits.publish", "{ per_second = 0, burst = 1 }")];
    let server = Server::configured(NO_HISTORY, &keys);
    let mut mel = server.user("1:1");
    let mut epochs = Vec::new();
    for n in 0..500 {
        let answer = publish(&mut mel, &format!("d/{}", n / 2), json!(1));
        assert_eq!(answer["offset"], 1, "{answer}");
        epochs.push(answer["epoch"].as_str().unwrap().to_owned());
    }
    epochs.sort();
    epochs.dedup();
    assert_eq!(epochs.len(), 500, "each message has a life of its own");
    assert_eq!(server.metric(CHANNELS), 0.0);
    // A client that stopped at such a message has to assume that it missed some.
    let since = json!({"epoch": epochs[0], "offset": 1});
    let joined = mel.request("joinchannel", json!({"channel": "d/0", "since": since}));
    assert_eq!(
        (&joined["recovered"], &joined["offset"]),
        (&json!(false), &json!(0))
    );
    assert!(!epochs.contains(&joined["epoch"].as_str().unwrap().to_owned()));
    server.await_metric(CHANNELS, 1.0);
    // A listener on a path above is one, too.
    let mut above = server.user("1:2");
    join_with_subpaths(&mut above, "d");
    let epoch = publish(&mut mel, "d/7", json!("heard"))["epoch"].clone();
    assert_eq!(published(&mut above), ["heard"]);
    let answer = publish(&mut mel, "d/7", json!("again"));
    assert_eq!((&answer["offset"], &answer["epoch"]), (&json!(2), &epoch));
}
