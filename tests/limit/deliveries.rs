//! What the subscribers of channels and the members of rooms get of one address is bounded, not
//! only its bytes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::metric::limits_reached;
use turntable_testkit::room::{act, members};
use turntable_testkit::{Client, Frame, Server};

const LISTENERS: usize = 20;

const LIMIT: (&str, &str) = (
    "limits.address_deliveries",
    "{ per_second = 100, burst = 100 }",
);

/// Clients on the channel `c`, half of them by a path above it.
fn listeners(server: &Server) -> Vec<Client> {
    let listen = |number| {
        let mut client = server.user(&format!("1:{number}"));
        let join = match number % 2 {
            0 => json!({"channel": "a/c"}),
            _ => json!({"channel": "a", "subpaths": true}),
        };
        client.request("joinchannel", join);
        client
    };
    (0..LISTENERS).map(listen).collect()
}

/// The text of a publish with an id.
fn publish(id: usize) -> Value {
    json!({"command": "publish", "data": {"channel": "a/c", "data": id}, "id": id})
}

#[test]
fn publishes_to_many_subscribers_are_paid_for_by_the_address() {
    let server = Server::with(&[LIMIT]);
    let _listeners = listeners(&server);
    let mut publisher = server.user("2:1");
    // Twenty of each message: the sixth is beyond the burst.
    let mut published = 0;
    let refusal = loop {
        publisher.send(publish(published));
        let answer = publisher.next();
        if answer["command"] == "error" {
            break answer;
        }
        published += 1;
        assert!(published < 50);
    };
    assert!(published >= 5, "{published}");
    let error = &refusal["data"];
    assert_eq!(error["code"], "rate_limited", "{refusal}");
    assert_eq!(error["command"], "publish");
    let reached = limits_reached(LIMIT.0);
    assert!(server.metric(&reached) >= 1.0);
    // Others publish.
    let mut other = Client::greeted_from(server.address, [127, 0, 0, 2]);
    other.identify("3:1");
    other.request("publish", json!({"channel": "a/c", "data": 1}));
    let retry_ms = error["details"]["retry_ms"].as_u64().unwrap();
    publisher.expect_none_for(Duration::from_millis(retry_ms + 1));
    publisher.request("publish", json!({"channel": "a/c", "data": 1}));
}

#[test]
fn publishes_that_are_sent_at_once_are_paid_for_as_one_after_the_other() {
    let server = Server::with(&[LIMIT]);
    let mut listeners = listeners(&server);
    let mut publishers = ["2:1", "2:2"].map(|user| server.user(user));
    let begun = Instant::now();
    for publisher in &mut publishers {
        let texts = (0..100).map(|id| Frame::text(&publish(id).to_string()).masked());
        publisher.send_raw(&texts.collect::<Vec<_>>().concat());
    }
    let mut published = 0;
    for publisher in &mut publishers {
        for _ in 0..100 {
            match &publisher.next() {
                answer if answer["command"] == "error" => {
                    assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
                }
                _ => published += 1,
            }
        }
    }
    let refilled = begun.elapsed().as_millis() as usize / 200;
    assert!((5..=6 + refilled).contains(&published), "{published}");
    let first = listeners.first_mut().unwrap();
    for _ in 0..published {
        first.expect("message");
    }
    first.expect_nothing_pending();
}

#[test]
fn actions_to_many_members_are_paid_for_by_the_address() {
    let limit = (LIMIT.0, "{ per_second = 1, burst = 10 }");
    let server = Server::with(&[limit]);
    let [mut one, mut two] = members(&server, "r/1", "r", ["1:1", "1:2"]);
    // The join has paid for itself and the leave.
    for number in 0..4 {
        act(&mut one, "r/1", "1:1", json!(number));
        two.expect("game");
    }
    act(&mut two, "r/1", "1:2", json!(4));
    let error = two.expect_error("rate_limited")["data"].clone();
    assert_eq!(error["command"], "game", "{error}");
    assert!(server.metric(&limits_reached(LIMIT.0)) >= 1.0);
}
