//! Numbered batches: a repeated one runs once and gets the same answer.

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::channel::{join, publish_numbers};
use turntable_testkit::metric::CONNECTIONS;
use turntable_testkit::poll::{
    PollClient, call, entries, post, post_without_reading, published, result,
};

#[test]
fn repeated_batch_runs_once_and_gets_same_answer() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    join(&mut friend, "c");
    let client = PollClient::user(&server, "1:1");
    for batch in 0..6_u64 {
        let args = json!({"channel": "c", "data": batch});
        let body = json!([call("$av:publish", args, "p")]).to_string();
        let query = format!("?batch={batch}");
        let target = format!("/poll{query}");
        post_without_reading(&server, &target, &client.header(), &body);
        if batch % 2 == 0 {
            // Repeats alternate between a running batch and a finished one.
            assert_eq!(friend.expect("message")["data"], batch);
        }
        let first = client.send(&query, &body);
        let second = client.send(&query, &body);
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(first.text(), second.text());
        assert_eq!(result(&entries(&first), "p")["offset"], batch + 1);
        if batch % 2 == 1 {
            assert_eq!(friend.expect("message")["data"], batch);
        }
    }
    friend.expect_nothing_pending();
}

#[test]
fn queued_messages_are_repeated_with_same_batch_only() {
    let server = Server::start();
    let client = PollClient::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    publish_numbers(&mut friend, "c", 0..3);
    let lookup = json!([call("$av:lookup", json!(["1:1"]), 1)]);
    let first = client.batch(7, &lookup);
    assert_eq!(published(&first), [0, 1, 2]);
    publish_numbers(&mut friend, "c", 3..5);
    // The content does not matter: this number was answered.
    for entries in [
        &lookup,
        &json!([]),
        &json!([call("$av:status", json!("busy"), 2)]),
    ] {
        assert_eq!(client.batch(7, entries), first);
    }
    assert_eq!(published(&client.batch(8, &json!([]))), [3, 4]);
    assert_eq!(client.batch(9, &json!([])), Vec::<Value>::new());
    let seen = client.request("$av:lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"]["state"], "online");
}

#[test]
fn numbered_answer_has_a_bound_and_the_rest_follows_in_order() {
    let server = Server::start();
    let client = PollClient::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    let padding = "x".repeat(12_000);
    for number in 0..8 {
        let data = json!([number, padding]);
        friend.request("publish", json!({"channel": "c", "data": data}));
    }
    let lookup = json!([call("$av:lookup", json!(["1:1"]), 1)]);
    let (mut seen, mut waiting) = (Vec::new(), Vec::new());
    for batch in 1..=3 {
        let body = if batch == 1 { &lookup } else { &json!([]) };
        let target = format!("?batch={batch}");
        let answer = client.send(&target, &body.to_string());
        assert!(answer.text().len() < 32_768 + 13_000);
        let again = client.send(&target, &body.to_string());
        assert_eq!(again.text(), answer.text());
        let left = answer.header("Turntable-Waiting");
        assert_eq!(again.header("Turntable-Waiting"), left);
        waiting.push(left.map(str::to_owned));
        seen.extend(entries(&answer));
    }
    // What is not numbered is not retained, and has everything that is left.
    assert_eq!(waiting, [Some("6".into()), Some("3".into()), None]);
    let numbers = published(&seen).into_iter().map(|data| data[0].clone());
    assert_eq!(numbers.collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    assert_eq!(result(&seen, 1)["1:1"]["state"], "online");
    assert_eq!(client.heartbeat(), Vec::<Value>::new());
}

#[test]
fn batch_numbers_must_increase() {
    let server = Server::start();
    let client = PollClient::user(&server, "1:1");
    client.batch(5, &json!([]));
    for batch in ["4", "0"] {
        let answer = client.send(&format!("?batch={batch}"), r#"[{"f": "$av:bye"}]"#);
        assert_eq!(answer.error().0, 409, "{batch}");
    }
    for batch in ["", "x", "-1", "1.5", "1e3", "99999999999999999999999"] {
        let answer = client.send(&format!("?batch={batch}"), r#"[{"f": "$av:bye"}]"#);
        assert_eq!(answer.error().0, 400, "{batch:?}");
    }
    // Numbers are optional, and may be skipped.
    assert_eq!(client.heartbeat(), Vec::<Value>::new());
    client.batch(18_446_744_073_709_551_615, &json!([]));
}

#[test]
fn first_request_can_be_numbered() {
    let server = Server::start();
    let body = json!([call("$av:idme", json!("1:1"), 1)]).to_string();
    let first = post(&server, "/poll?batch=1", "", &body);
    let session = first.header("Turntable-Session").unwrap();
    let header = format!("Turntable-Session: {session}\r\n");
    let again = post(&server, "/poll?batch=1", &header, &body);
    assert_eq!(first.text(), again.text());
}

#[test]
fn batch_number_is_remembered_after_client_went_offline() {
    let server = Server::with(&[("poll.gone_ms", "200"), ("presence.grace_ms", "0")]);
    let mut friend = server.user("1:2");
    join(&mut friend, "c");
    let client = PollClient::user(&server, "1:1");
    friend.subscribe(&["1:1"]);
    let args = json!({"channel": "c", "data": "once"});
    let body = json!([call("$av:publish", args, "p")]);
    let first = client.batch(3, &body);
    assert_eq!(friend.expect("message")["data"], "once");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
    server.await_metric(CONNECTIONS, 1.0);
    assert_eq!(client.batch(3, &body), first);
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    assert_eq!(client.send("?batch=2", "[]").error().0, 409);
    friend.expect("userchange");
    friend.expect_nothing_pending();
}
