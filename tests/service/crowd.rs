//! Many and large calls of one caller: they harm neither an instance nor other callers.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::metric::limit_reached;

use crate::{call, next, provider, user};

/// A service whose callers have no limits of their own.
fn crowded(service: &str, limits: &str) -> Server {
    let file = format!(
        "[limits]\n\
         call = {{ per_second = 100000, burst = 100000 }}\n\
         bytes = {{ per_second = 100000000, burst = 100000000 }}\n\
         {limits}\n\
         [services.forum]\n\
         providers = [\"service:forum\"]\n\
         token = \"secret\"\n\
         timeout_ms = 20000\n\
         {service}"
    );
    Server::configured(&file, &[])
}

const WITHOUT_LIMIT: &str = "address_publish = { per_second = 0, burst = 1000000 }";

#[test]
fn instance_is_not_closed_for_calls_that_are_larger_than_its_outbox() {
    let server = crowded("queue_bytes_max = 100000000", WITHOUT_LIMIT);
    let mut forum = provider(&server, "forum", &["post"]);
    let mut mel = user(&server, "1:1", "forum");
    // Many times the outbox, and more than the buffers of its socket.
    const CALLS: u64 = 400;
    let text = "x".repeat(60_000);
    for id in 1..=CALLS {
        call(&mut mel, "forum:post", json!(text), id);
    }
    // All of them are there before the instance reads the first.
    call(&mut mel, "forum:unknown", json!(0), CALLS + 1);
    assert_eq!(next(&mut mel)["data"]["code"], "not_found");
    for _ in 0..CALLS {
        let called = next(&mut forum);
        forum.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
        assert_eq!(next(&mut mel)["command"], "reply");
    }
}

#[test]
fn call_of_another_user_does_not_wait_behind_those_of_a_flood() {
    let server = crowded("in_flight_max = 4\nqueue_max = 40", WITHOUT_LIMIT);
    let mut forum = provider(&server, "forum", &["post"]);
    let mut many = user(&server, "1:1", "forum");
    let mut few = user(&server, "1:2", "forum");
    for id in 1..=100 {
        call(&mut many, "forum:post", json!(id), id);
    }
    // The queue is full: the newest of them are refused.
    assert_eq!(next(&mut many)["data"]["code"], "unavailable");
    call(&mut few, "forum:post", json!(0), 1);
    for before in 0.. {
        assert!(before < 6, "{before} calls before it");
        let called = next(&mut forum);
        forum.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
        if called["data"]["user"] == "1:2" {
            break;
        }
    }
    assert_eq!(next(&mut few)["command"], "reply");
    let refused = server.metric(&limit_reached("services.NAME.queue_max"));
    assert!(refused > 50.0, "{refused}");
}

#[test]
fn bytes_of_calls_are_charged_to_the_address() {
    let limit = "address_publish = { per_second = 1024, burst = 65536 }";
    let server = crowded("", limit);
    let mut forum = provider(&server, "forum", &["post"]);
    let mut mel = user(&server, "1:1", "forum");
    let text = "x".repeat(60_000);
    call(&mut mel, "forum:post", json!(text), 1);
    let called = next(&mut forum);
    forum.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
    assert_eq!(next(&mut mel)["command"], "reply");
    call(&mut mel, "forum:post", json!(text), 2);
    let error = next(&mut mel);
    assert_eq!(error["data"]["code"], "rate_limited");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 1_000);
    let limit = limit_reached("limits.address_publish");
    assert_eq!(server.metric(&limit), 1.0);
}
