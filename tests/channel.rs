//! Channels over real sockets: who hears what, in which order, and how a client
//! knows that it missed nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use support::{Client, Server};

const CHANNELS: &str = r#"turntable_actors{name="channel"}"#;

fn join(client: &mut Client, path: &str) -> Value {
    client.ask("joinchannel", json!({"channel": path}))
}

fn join_below(client: &mut Client, path: &str) -> Value {
    client.ask("joinchannel", json!({"channel": path, "subpaths": true}))
}

fn leave(client: &mut Client, path: &str) {
    client.ask("leavechannel", json!({"channel": path}));
}

fn publish(client: &mut Client, path: &str, data: Value) {
    client.command("publish", json!({"channel": path, "data": data}));
}

/// What the next messages, as many as are wanted, say.
fn heard<const N: usize>(client: &mut Client) -> [Value; N] {
    std::array::from_fn(|_| client.expect("message")["data"].take())
}

#[test]
fn a_message_reaches_everybody_on_the_channel_the_publisher_too() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let joined = join(&mut mel, "chat/lobby");
    assert_eq!(joined["channel"], "chat/lobby");
    assert_eq!(
        (&joined["offset"], &joined["recovered"]),
        (&json!(0), &json!(false))
    );
    // A leading slash names the same channel.
    assert_eq!(join(&mut pomke, "/chat/lobby")["epoch"], joined["epoch"]);

    let data = json!({"text": "hi", "nothing": null});
    let say = json!({"channel": "chat/lobby", "data": data});
    mel.send(json!({"command": "publish", "data": say, "id": 7}));
    let message = pomke.expect("message");
    assert_eq!(message["channel"], "chat/lobby");
    assert_eq!(message["from"], "1:1");
    assert_eq!(message["offset"], 1);
    assert_eq!(message["data"], data);
    assert!(message["time"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(mel.expect("message"), message);
    let reply = mel.next();
    assert_eq!(reply["id"], 7);
    let place = json!({"id": message["id"], "offset": 1, "epoch": joined["epoch"]});
    assert_eq!(reply["data"], place);
}

#[test]
fn who_is_not_on_a_channel_may_publish_and_hears_nothing() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "news");
    let told = pomke.ask("publish", json!({"channel": "news", "data": "one"}));
    assert_eq!(told["offset"], 1);
    assert_eq!(heard(&mut mel), ["one"]);
    leave(&mut mel, "news");
    pomke.ask("publish", json!({"channel": "news", "data": "two"}));
    mel.expect_none();
    pomke.expect_nothing_before_an_answer();
}

#[test]
fn data_passes_byte_for_byte() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    join(&mut mel, "c");
    for data in [
        r#"{"z":1.50,"a":-0.0,"e":1E+2}"#,
        r#""\u00e9\ud83d\ude00 </script> \u2028""#,
        "12345678901234567890.123456789",
        "null",
    ] {
        mel.send_text(&format!(
            r#"{{"command":"publish","data":{{"channel":"c","data":{data}}}}}"#
        ));
        let text = mel.text();
        assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
    }
}

#[test]
fn subpaths_cover_what_is_below_and_not_what_is_beside() {
    let server = Server::start();
    let (mut all, mut one) = (server.user("1:1"), server.user("1:2"));
    let mut mel = server.user("1:3");
    join_below(&mut all, "/a");
    join(&mut one, "/a");
    for path in ["ab", "b", "a/b", "ab/c", "a/b/c", "b/a", "a"] {
        mel.ask("publish", json!({"channel": path, "data": path}));
    }
    // Each path has an order of its own; they come from different actors.
    let paths: BTreeSet<String> = heard::<3>(&mut all)
        .iter()
        .map(|data| data.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["a", "a/b", "a/b/c"].map(String::from).into());
    assert_eq!(heard(&mut one), ["a"]);
    all.expect_none();
    one.expect_nothing_before_an_answer();
}

#[test]
fn a_session_on_a_path_and_above_it_gets_each_message_once() {
    let server = Server::start();
    let mut mel = server.user("1:9");
    for (first, second) in [(true, false), (false, true)] {
        let mut both = server.user("1:1");
        for below in [first, second] {
            if below {
                join_below(&mut both, "a");
                join_below(&mut both, "a/b");
            } else {
                join(&mut both, "a/b/c");
            }
        }
        for n in 0..5 {
            mel.ask("publish", json!({"channel": "a/b/c", "data": n}));
        }
        assert_eq!(heard(&mut both), [0, 1, 2, 3, 4]);
        both.expect_none();
        // Off one of them, it is still on the others.
        leave(&mut both, "a/b/c");
        leave(&mut both, "a");
        mel.ask("publish", json!({"channel": "a/b/c", "data": "still"}));
        assert_eq!(heard(&mut both), ["still"]);
        leave(&mut both, "a/b");
        mel.ask("publish", json!({"channel": "a/b/c", "data": "gone"}));
        both.expect_none();
        both.bye();
    }
}

#[test]
fn to_join_again_with_subpaths_changes_it() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    join(&mut mel, "a");
    join_below(&mut mel, "a");
    pomke.ask("publish", json!({"channel": "a", "data": "on it"}));
    assert_eq!(heard(&mut mel), ["on it"]);
    pomke.ask("publish", json!({"channel": "a/b", "data": "below"}));
    assert_eq!(heard(&mut mel), ["below"]);
    join(&mut mel, "a");
    pomke.ask("publish", json!({"channel": "a/b", "data": "hidden"}));
    pomke.ask("publish", json!({"channel": "a", "data": "on it"}));
    assert_eq!(heard(&mut mel), ["on it"]);
    mel.expect_none();
}

#[test]
fn publishers_on_all_workers_make_one_order_without_holes() {
    const EACH: u64 = 60;
    let server = Server::start();
    let listeners: Vec<Client> = (0..4)
        .map(|n| {
            let mut listener = server.user(&format!("l:{n}"));
            join(&mut listener, "c");
            listener
        })
        .collect();
    let publishers: Vec<_> = (0..4)
        .map(|n| {
            let mut publisher = server.user(&format!("p:{n}"));
            std::thread::spawn(move || {
                for k in 0..EACH {
                    publish(&mut publisher, "c", json!([n, k]));
                }
                publisher.expect_nothing_before_an_answer();
            })
        })
        .collect();
    let mut seen = Vec::new();
    for mut listener in listeners {
        let messages: Vec<Value> = (0..4 * EACH).map(|_| listener.expect("message")).collect();
        seen.push(messages);
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    for other in &seen[1..] {
        assert_eq!(other, &seen[0]);
    }
    let offsets: Vec<u64> = seen[0]
        .iter()
        .map(|m| m["offset"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets, (1..=4 * EACH).collect::<Vec<_>>());
    let ids: Vec<&str> = seen[0].iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "ids follow the order");
    for n in 0..4 {
        let own = seen[0].iter().filter(|m| m["data"][0] == n);
        let own: Vec<u64> = own.map(|m| m["data"][1].as_u64().unwrap()).collect();
        assert_eq!(own, (0..EACH).collect::<Vec<_>>(), "publisher {n}");
    }
}

#[test]
fn the_first_message_behind_joined_is_the_next_one() {
    const MESSAGES: u64 = 400;
    let server = Server::with(&[("limits.channel.per_second", "0")]);
    let mut publisher = server.user("1:9");
    let mut late = server.user("1:1");
    let publishing = std::thread::spawn(move || {
        for n in 1..=MESSAGES {
            publisher.ask("publish", json!({"channel": "c", "data": n}));
        }
    });
    loop {
        late.command("joinchannel", json!({"channel": "c"}));
        // What came before the channel took it off is passed over.
        let joined = late.await_command("joined");
        let offset = joined["offset"].as_u64().unwrap();
        if offset == MESSAGES {
            break;
        }
        assert_eq!(late.expect("message")["offset"], offset + 1);
        late.send(json!({"command": "leavechannel", "data": {"channel": "c"}, "id": "left"}));
        while late.next()["id"] != "left" {}
    }
    publishing.join().unwrap();
}

#[test]
fn since_proves_that_nothing_was_missed_or_says_so() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let epoch = join(&mut mel, "c")["epoch"].clone();
    pomke.ask("publish", json!({"channel": "c", "data": 1}));
    assert_eq!(mel.expect("message")["offset"], 1);
    leave(&mut mel, "c");

    let again = |offset: u64, epoch: &Value| {
        let since = json!({"epoch": epoch, "offset": offset});
        json!({"channel": "c", "since": since})
    };
    let joined = mel.ask("joinchannel", again(1, &epoch));
    assert_eq!(joined["recovered"], true);
    assert_eq!(joined["offset"], 1);
    leave(&mut mel, "c");

    pomke.ask("publish", json!({"channel": "c", "data": 2}));
    let joined = mel.ask("joinchannel", again(1, &epoch));
    assert_eq!(joined["recovered"], false);
    assert_eq!(joined["offset"], 2);
    // The same number in another life, a number that never was, no number.
    for ask in [again(2, &json!("another")), again(3, &epoch)] {
        assert_eq!(mel.ask("joinchannel", ask)["recovered"], false);
    }
    assert_eq!(join(&mut mel, "c")["recovered"], false);
    mel.expect_nothing_before_an_answer();
}

#[test]
fn a_channel_that_nobody_is_on_is_forgotten_and_begins_anew() {
    let server = Server::with(&[("channel.empty_ms", "100")]);
    let mut mel = server.user("1:1");
    let epoch = join(&mut mel, "c")["epoch"].clone();
    mel.command("publish", json!({"channel": "c", "data": 1}));
    mel.expect("message");
    server.await_metric(CHANNELS, 1.0);
    leave(&mut mel, "c");
    server.await_metric(CHANNELS, 0.0);
    let since = json!({"epoch": epoch, "offset": 1});
    let joined = mel.ask("joinchannel", json!({"channel": "c", "since": since}));
    assert_eq!(joined["recovered"], false);
    assert_eq!(joined["offset"], 0);
    assert_ne!(joined["epoch"], epoch);
    // Published on by somebody who never was on it, it is forgotten too.
    mel.ask("publish", json!({"channel": "d", "data": 1}));
    server.await_metric(CHANNELS, 1.0);
}

#[test]
fn the_channels_of_a_session_are_bounded() {
    let server = Server::with(&[("session.channels_max", "2")]);
    let mut mel = server.user("1:1");
    join(&mut mel, "a");
    join_below(&mut mel, "b");
    mel.command("joinchannel", json!({"channel": "c"}));
    assert_eq!(mel.expect_error("too_many")["data"]["details"]["max"], 2);
    join(&mut mel, "a");
    leave(&mut mel, "b");
    join(&mut mel, "c");
}
