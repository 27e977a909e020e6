//! A join with subpaths: the past of the paths below.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use turntable_testkit::channel::{join, leave, publish, publish_numbers, published};
use turntable_testkit::{Client, Server};

fn join_below(client: &mut Client, wanted: Value) -> Value {
    let mut data = json!({"channel": "a", "subpaths": true});
    data.as_object_mut()
        .unwrap()
        .extend(wanted.as_object().unwrap().clone());
    client.request("joinchannel", data)
}

/// The channels and data of the next messages.
fn messages(client: &mut Client, count: usize) -> Vec<(String, Value)> {
    let mut next = || {
        let mut message = client.expect("message");
        let channel = message["channel"].as_str().unwrap().to_owned();
        (channel, message["data"].take())
    };
    (0..count).map(|_| next()).collect()
}

fn pair(channel: &str, data: u64) -> (String, Value) {
    (channel.to_owned(), json!(data))
}

#[test]
fn history_of_each_path_follows_that_of_the_path_itself() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    for channel in ["a", "a/c", "a/b", "a/b/1", "ab", "a0"] {
        publish_numbers(&mut pomke, channel, 1..4);
    }
    let joined = join_below(&mut mel, json!({"history": 2}));
    assert_eq!(
        (&joined["offset"], &joined["recovered"]),
        (&json!(3), &json!(false))
    );
    let expected: Vec<_> = ["a", "a/b", "a/b/1", "a/c"]
        .iter()
        .flat_map(|channel| [pair(channel, 2), pair(channel, 3)])
        .collect();
    assert_eq!(messages(&mut mel, 8), expected);
    publish(&mut pomke, "a/b", json!(4));
    assert_eq!(messages(&mut mel, 1), [pair("a/b", 4)]);
    mel.expect_nothing_pending();
    // Without a request there is no past.
    leave(&mut mel, "a");
    join_below(&mut mel, json!({}));
    mel.expect_nothing_pending();
    // A path that it named comes from that path alone.
    leave(&mut mel, "a");
    join(&mut mel, "a/b");
    join_below(&mut mel, json!({"history": 1}));
    let expected = [pair("a", 3), pair("a/b/1", 3), pair("a/c", 3)];
    assert_eq!(messages(&mut mel, 3), expected);
    mel.expect_nothing_pending();
}

#[test]
fn positions_of_paths_get_what_was_missed() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    let b = publish(&mut pomke, "a/b", json!(1))["epoch"].clone();
    let c = publish(&mut pomke, "a/c", json!(1))["epoch"].clone();
    publish_numbers(&mut pomke, "a/b", 2..5);
    publish_numbers(&mut pomke, "a/d", 1..4);
    let below = json!({
        "a/b": {"epoch": b, "offset": 2},
        "a/c": {"epoch": c, "offset": 1},
        "a/d": {"epoch": "other", "offset": 1},
        "z": {"epoch": "e", "offset": 1},
    });
    join_below(&mut mel, json!({"below": below, "history": 1}));
    // What cannot be proved is as for those without a position.
    let expected = [pair("a/b", 3), pair("a/b", 4), pair("a/d", 3)];
    assert_eq!(messages(&mut mel, 3), expected);
    mel.expect_nothing_pending();
    for wrong in [
        json!({"below": 7}),
        json!({"below": {"a b": {"epoch": "e", "offset": 1}}}),
    ] {
        let mut data = json!({"channel": "a", "subpaths": true});
        data.as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        mel.send(json!({"command": "joinchannel", "data": data}));
        let code = mel.expect("error")["code"].take();
        assert!(code == "bad_message" || code == "invalid_id", "{code}");
    }
}

#[test]
fn last_values_of_all_paths_follow_and_their_number_is_bounded() {
    let file = "[channels.\"a/*\"]\nlast_value_ms = 60000\n";
    let server = Server::configured(file, &[("server.workers", "1"), ("channel.below_max", "3")]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    for n in 0..5 {
        publish_numbers(&mut pomke, &format!("a/{n}"), 1..4);
    }
    join_below(&mut mel, json!({}));
    let expected = [pair("a/0", 3), pair("a/1", 3), pair("a/2", 3)];
    assert_eq!(messages(&mut mel, 3), expected);
    mel.expect_nothing_pending();
}

#[test]
fn each_path_has_one_order_while_others_publish() {
    let server = Server::with(&[
        ("limits.publish", "{ per_second = 0, burst = 1 }"),
        ("limits.bytes", "{ per_second = 0, burst = 1 }"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes", "{ per_second = 0, burst = 1 }"),
    ]);
    let goes_on = Arc::new(AtomicBool::new(true));
    let publishers: Vec<_> = ["a/b", "a/c/d", "a"]
        .into_iter()
        .enumerate()
        .map(|(index, channel)| {
            let mut client = server.user(&format!("2:{index}"));
            let goes_on = goes_on.clone();
            std::thread::spawn(move || {
                let mut n = 0;
                while goes_on.load(Ordering::Relaxed) {
                    n += 1;
                    publish(&mut client, channel, json!(n));
                }
                publish(&mut client, channel, json!("last"));
            })
        })
        .collect();
    let mut clients = Vec::new();
    for n in 0..20 {
        let mut client = server.user(&format!("1:{n}"));
        let data = json!({"channel": "a", "subpaths": true, "history": 5});
        client.command("joinchannel", data);
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.expect("joined")["channel"], "a");
    }
    goes_on.store(false, Ordering::Relaxed);
    for publisher in publishers {
        publisher.join().unwrap();
    }
    for mut client in clients {
        let mut expected: HashMap<String, u64> = HashMap::new();
        let mut left = 3;
        while left > 0 {
            let message = client.expect("message");
            let channel = message["channel"].as_str().unwrap().to_owned();
            let offset = message["offset"].as_u64().unwrap();
            let before = expected.insert(channel, offset + 1);
            assert_eq!(before.unwrap_or(offset), offset, "{message}");
            left -= u64::from(message["data"] == "last");
        }
        assert_eq!(expected.len(), 3);
        client.expect_nothing_pending();
    }
}

#[test]
fn session_that_leaves_gets_its_joined_and_nothing_more() {
    let server = Server::start();
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    publish_numbers(&mut pomke, "a/b", 1..4);
    for _ in 0..10 {
        let join = json!({"channel": "a", "subpaths": true, "history": 5});
        mel.send(json!({"command": "joinchannel", "data": join, "id": 1}));
        mel.send(json!({"command": "leavechannel", "data": {"channel": "a"}, "id": 2}));
        let mut left = vec![1, 2];
        while !left.is_empty() {
            let message = mel.next();
            if let Some(id) = message["id"].as_u64() {
                left.retain(|known| *known != id);
            }
        }
    }
    mel.request("time", json!({"t0": 1}));
    publish(&mut pomke, "a/b", json!(4));
    mel.expect_nothing_pending();
    join(&mut mel, "c");
    publish(&mut pomke, "c", json!("c"));
    assert_eq!(published(&mut mel), ["c"]);
}

#[test]
fn sessions_that_join_at_once_get_the_past_of_many_paths_over_several_turns() {
    const SESSIONS: usize = 250;
    const PATHS: usize = 100;
    let unlimited = "{ per_second = 0, burst = 1 }";
    let server = Server::with(&[
        ("server.workers", "1"),
        ("limits.publish", unlimited),
        ("limits.bytes", unlimited),
    ]);
    let mut pomke = server.user("1:2");
    for n in 0..PATHS {
        publish(&mut pomke, &format!("a/{n:03}"), json!("past"));
    }
    let users = (0..SESSIONS).map(|n| server.user(&format!("2:{n}")));
    let mut clients: Vec<Client> = users.collect();
    // All joins are there when the server goes on.
    server.freeze();
    for client in &mut clients {
        let join = json!({"channel": "a", "subpaths": true, "history": 1});
        client.command("joinchannel", join);
    }
    for client in &clients {
        server.await_arrival(client);
    }
    server.thaw();
    for client in &mut clients {
        assert_eq!(client.expect("joined")["channel"], "a");
    }
    publish(&mut pomke, "a/000", json!("live"));
    for client in &mut clients {
        for (n, (channel, data)) in messages(client, PATHS).into_iter().enumerate() {
            assert_eq!((channel, data), (format!("a/{n:03}"), json!("past")));
        }
        let live = ("a/000".to_owned(), json!("live"));
        assert_eq!(messages(client, 1), [live]);
    }
}
