//! Namespaces: who may join and publish, and how much is published.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::channel::{join, publish, published};

#[test]
fn users_join_and_publish_where_the_namespace_lets_them() {
    let server = Server::configured(
        "[channels.\"news/**\"]\npublish = [\"staff:*\"]\n\
         [channels.\"news/drafts/**\"]\njoin = [\"staff:*\", \"1:9\"]\npublish = \"nobody\"\n",
        &[],
    );
    let (mut mel, mut editor) = (server.user("1:1"), server.user("staff:1"));
    let mut guest = server.user("1:9");
    join(&mut mel, "news/today");
    mel.send(json!({"command": "publish", "data": {"channel": "news/today", "data": 1}, "id": 7}));
    let error = mel.expect_error("forbidden");
    assert_eq!(
        (&error["id"], &error["data"]["command"]),
        (&json!(7), &json!("publish"))
    );
    publish(&mut editor, "news/today", json!("read"));
    assert_eq!(published(&mut mel), ["read"]);
    // The more specific entry holds alone.
    editor.command("publish", json!({"channel": "news/drafts/1", "data": 1}));
    editor.expect_error("forbidden");
    join(&mut guest, "news/drafts/1");
    for (channel, subpaths) in [
        ("news/drafts", false),
        ("news", true),
        ("news/drafts/1", true),
    ] {
        mel.command(
            "joinchannel",
            json!({"channel": channel, "subpaths": subpaths}),
        );
        let error = mel.expect_error("forbidden");
        assert_eq!(error["data"]["command"], "joinchannel", "{channel}");
    }
    editor.request("joinchannel", json!({"channel": "news", "subpaths": true}));
    mel.expect_nothing_pending();
}

#[test]
fn refused_join_and_publish_are_answered_once() {
    let file = "[channels.\"**\"]\njoin = \"nobody\"\npublish = \"nobody\"\n";
    let server = Server::configured(file, &[("session.answer_timeout_ms", "100")]);
    let mut mel = server.user("1:1");
    for command in ["joinchannel", "publish"] {
        let data = json!({"channel": "c", "data": 1});
        mel.send(json!({"command": command, "data": data, "id": 7}));
        assert_eq!(mel.expect_error("forbidden")["id"], 7);
    }
    // The time in which an owner has to answer passes.
    mel.expect_none();
}

#[test]
fn publications_on_one_channel_are_limited_over_all_senders() {
    let file = "[channels.\"slow/*\"]\npublish_rate = { per_second = 1, burst = 2 }\n";
    let server = Server::configured(file, &[]);
    let (mut mel, mut pomke) = (server.user("1:1"), server.user("1:2"));
    // What nobody gets is not limited.
    for n in 0..5 {
        publish(&mut mel, "slow/1", json!(n));
    }
    let mut listener = server.user("1:3");
    join(&mut listener, "slow/1");
    publish(&mut mel, "slow/1", json!(1));
    publish(&mut pomke, "slow/1", json!(2));
    mel.command("publish", json!({"channel": "slow/1", "data": 3}));
    let error = mel.expect_error("rate_limited");
    let retry_ms = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&retry_ms), "{retry_ms}");
    publish(&mut mel, "slow/2", json!(1));
}
