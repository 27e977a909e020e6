//! What clients get again is paid for with the bytes of their address.

use std::time::Duration;

use serde_json::json;

use turntable_testkit::metric::limits_reached;
use turntable_testkit::poll::{PollClient, published};
use turntable_testkit::session::{Session, resume};
use turntable_testkit::{Client, Server};

/// Repeats of a message of 20 kB, of which the address can pay for few.
const FEW: (&str, &str) = (
    "limits.address_bytes",
    "{ per_second = 20000, burst = 60000 }",
);
/// More than the address can pay for.
const MANY: usize = 20;

#[test]
fn session_whose_messages_are_repeated_again_and_again_waits_for_the_next_resume() {
    let server = Server::with(&[FEW]);
    let mut session = Session::begin(&server, "1:1");
    session.request("joinchannel", json!({"channel": "c"}));
    let data = "x".repeat(20_000);
    let publish = json!({"channel": "c", "data": data});
    session.client.command("publish", publish);
    assert_eq!(session.published(), data);
    session.cut();
    let mut repeats = 0;
    let (mut late, refusal) = loop {
        let (client, answer) = resume(&server, &session.secret, 0);
        if answer["command"] == "error" {
            break (client, answer);
        }
        repeats += 1;
        assert!(repeats < MANY);
    };
    assert!(repeats >= 2, "{repeats}");
    let error = &refusal["data"];
    assert_eq!(
        (&error["code"], &error["command"]),
        (&json!("rate_limited"), &json!("resume"))
    );
    assert!(server.metric(&limits_reached(FEW.0)) >= 1.0);
    // The session waits, and new clients come in.
    let _other = server.user("1:2");
    let retry_ms = error["details"]["retry_ms"].as_u64().unwrap();
    late.expect_none_for(Duration::from_millis(retry_ms));
    late.command("resume", json!({"session": session.secret, "received": 0}));
    assert_eq!(late.expect("welcome")["resumed"], true);
}

#[test]
fn repeated_messages_are_paid_for_by_the_address_that_resumes() {
    let server = Server::with(&[FEW]);
    let connect = |host| Client::greeted_from(server.address, [127, 0, 0, host]);
    // A session that has a share of its address.
    let mut client = connect(2);
    let secret = client.identify("1:1")["session"].clone();
    client.request("joinchannel", json!({"channel": "c"}));
    client.command(
        "publish",
        json!({"channel": "c", "data": "x".repeat(20_000)}),
    );
    client.expect("message");
    let claim = json!({"session": secret, "received": 0});
    let mut resumed = Vec::new();
    let refusal = loop {
        let mut elsewhere = connect(3);
        elsewhere.command("resume", claim.clone());
        let answer = elsewhere.next();
        if answer["command"] == "error" {
            break answer;
        }
        resumed.push(elsewhere);
        assert!(resumed.len() < MANY);
    };
    assert_eq!(refusal["data"]["code"], "rate_limited");
    // The address where it began has paid for what it sent, and can resume it.
    let mut back = connect(2);
    back.command("resume", claim);
    assert_eq!(back.expect("welcome")["resumed"], true);
}

#[test]
fn answer_of_a_poll_that_is_repeated_again_and_again_is_too_many_requests() {
    let server = Server::with(&[FEW]);
    let poll = PollClient::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    let data = "x".repeat(20_000);
    friend.request("publish", json!({"channel": "c", "data": data}));
    assert_eq!(published(&poll.batch(1, &json!([]))), [json!(data)]);
    let mut repeats = 0;
    let refusal = loop {
        let answer = poll.send("?batch=1", "[]");
        if answer.status != 200 {
            break answer;
        }
        repeats += 1;
        assert!(repeats < MANY);
    };
    assert!(repeats >= 1, "{repeats}");
    assert_eq!(refusal.error(), (429, "rate_limited".to_owned()));
}
