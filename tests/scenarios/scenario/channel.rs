//! Channels: who receives messages, in which order.

use serde_json::json;

use turntable_testkit::Server;

use crate::client::Client;
use crate::transport::{Feature, Transport};

pub async fn message_reaches_all_subscribers_including_publisher<T: Transport>() {
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    let joined = mel.join("chat/lobby").await;
    assert_eq!(joined["channel"], "chat/lobby");
    assert_eq!(
        (&joined["offset"], &joined["recovered"]),
        (&json!(0), &json!(false))
    );
    pomke.join("/chat/lobby").await;
    // Text that could end a script, an event, a line or a part.
    let text = "</script>\n\ndata: x\r\n--turntable\r\n]);\u{2028}\"\\ \u{1f600}\u{1e}";
    let data = json!({"text": text, "nothing": null, "numbers": [1, -2, 0.5, 1e300]});
    let publication = json!({"channel": "chat/lobby", "data": data});
    let id = mel.start_request("publish", publication).await;
    let message = pomke.expect("message").await;
    assert_eq!(message["channel"], "chat/lobby");
    assert_eq!(message["data"], data);
    if T::supports(Feature::Envelope) {
        assert_eq!(message["from"], "1:1");
        assert_eq!(message["offset"], 1);
        assert!(message["time"].as_u64().unwrap() > 1_700_000_000_000);
    }
    assert_eq!(mel.expect("message").await, message);
    let reply = mel.next().await;
    assert_eq!(reply.id, Some(id), "{reply:?}");
    let place = json!({"id": message["id"], "offset": 1, "epoch": joined["epoch"]});
    assert_eq!(reply.data, place);
    mel.expect_nothing_pending().await;
    pomke.expect_nothing_pending().await;
}

pub async fn messages_have_one_order_without_gaps<T: Transport>() {
    const EACH: usize = 15;
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    mel.join("c").await;
    pomke.join("c").await;
    for n in 0..EACH {
        let data = |who: &str| json!({"channel": "c", "data": [who, n]});
        mel.command("publish", data("mel")).await;
        pomke.command("publish", data("pomke")).await;
    }
    let mut seen = Vec::new();
    for _ in 0..2 * EACH {
        seen.push(mel.expect("message").await);
    }
    for message in &seen {
        assert_eq!(&pomke.expect("message").await, message);
    }
    let ids: Vec<&str> = seen.iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids.len(), 2 * EACH);
    assert!(ids.is_sorted(), "ids follow the order: {ids:?}");
    for who in ["mel", "pomke"] {
        let own = seen.iter().filter(|message| message["data"][0] == who);
        let own: Vec<_> = own.map(|message| &message["data"][1]).collect();
        assert_eq!(
            own,
            (0..EACH)
                .map(|n| json!(n))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
    }
}

pub async fn subpaths_include_descendants<T: Transport>() {
    let server = Server::start();
    let mut all = Client::<T>::user(&server, "1:1").await;
    let mut one = Client::<T>::user(&server, "1:2").await;
    let mut mel = Client::<T>::user(&server, "1:3").await;
    let below = json!({"channel": "/a", "subpaths": true});
    all.request("joinchannel", below).await;
    one.join("a").await;
    for path in ["ab", "b/a", "a/b", "a/b/c", "a"] {
        mel.publish(path, json!(path)).await;
    }
    assert_eq!(one.published().await, "a");
    // Each path has an order of its own.
    let mut received = Vec::new();
    for _ in 0..3 {
        let message = all.expect("message").await;
        assert_eq!(message["channel"], message["data"]);
        received.push(message["data"].as_str().unwrap().to_owned());
    }
    received.sort();
    assert_eq!(received, ["a", "a/b", "a/b/c"]);
    all.expect_nothing_pending().await;
    one.expect_nothing_pending().await;
    mel.expect_nothing_pending().await;
}

pub async fn session_that_left_receives_nothing_more<T: Transport>() {
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    mel.join("news").await;
    mel.join("end").await;
    pomke.publish("news", json!("one")).await;
    assert_eq!(mel.published().await, "one");
    mel.request("leavechannel", json!({"channel": "news"}))
        .await;
    pomke.publish("news", json!("hidden")).await;
    pomke.publish("end", json!("end")).await;
    assert_eq!(mel.published().await, "end");
    mel.expect_nothing_pending().await;
}

pub async fn missed_messages_follow_joined<T: Transport>() {
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    let epoch = mel.join("c").await["epoch"].clone();
    pomke.publish("c", json!(1)).await;
    assert_eq!(mel.published().await, 1);
    mel.request("leavechannel", json!({"channel": "c"})).await;
    for n in 2..5 {
        pomke.publish("c", json!(n)).await;
    }
    let since = |offset: u64| {
        let since = json!({"epoch": epoch, "offset": offset});
        json!({"channel": "c", "since": since})
    };
    let joined = mel.request("joinchannel", since(1)).await;
    assert_eq!(joined["recovered"], true);
    pomke.publish("c", json!({"n": 5})).await;
    for n in 2..5 {
        assert_eq!(mel.published().await, n);
    }
    assert_eq!(mel.published().await, json!({"n": 5}));
    // A position that the channel never had proves nothing.
    let joined = mel.request("joinchannel", since(9)).await;
    assert_eq!(joined["recovered"], false);
    mel.expect_nothing_pending().await;
}

pub async fn last_messages_follow_joined<T: Transport>() {
    let server = Server::start();
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    for n in 1..5 {
        mel.publish("c", json!([n, null, "\u{2028}</script>"]))
            .await;
    }
    let history = json!({"channel": "c", "history": 2});
    let joined = pomke.request("joinchannel", history).await;
    assert_eq!(joined["offset"], 4);
    for n in 3..5 {
        let message = pomke.expect("message").await;
        assert_eq!(message["data"], json!([n, null, "\u{2028}</script>"]));
        if T::supports(Feature::Envelope) {
            assert_eq!(
                (&message["offset"], &message["from"]),
                (&json!(n), &json!("1:1"))
            );
        }
    }
    pomke.expect_nothing_pending().await;
}

pub async fn members_are_listed_and_change<T: Transport>() {
    let file = "[channels.\"c/**\"]\nmembers = true\n";
    let server = Server::configured(file, &[("presence.grace_ms", "60000")]);
    let mut mel = Client::<T>::user(&server, "1:1").await;
    let mut pomke = Client::<T>::user(&server, "1:2").await;
    let joined = mel.join("c").await;
    let epoch = joined["epoch"].clone();
    assert_eq!(joined["members"], json!({"1:1": {"state": "joined"}}));
    let joined = pomke.join("c").await;
    let both = json!({"1:1": {"state": "joined"}, "1:2": {"state": "joined"}});
    assert_eq!(joined["members"], both);
    let change = |members| json!({"channel": "c", "epoch": epoch, "members": members});
    let joined = change(json!({"1:2": "joined"}));
    assert_eq!(mel.expect("memberchange").await, joined);
    // A resume is not seen.
    let position = pomke.cut();
    let mut pomke = Client::<T>::resume(&server, &position).await;
    mel.command("publish", json!({"channel": "c", "data": 1}))
        .await;
    assert_eq!(mel.published().await, 1);
    assert_eq!(pomke.published().await, 1);
    pomke.request("leavechannel", json!({"channel": "c"})).await;
    let left = change(json!({"1:2": "left"}));
    assert_eq!(mel.expect("memberchange").await, left);
    mel.expect_nothing_pending().await;
}
