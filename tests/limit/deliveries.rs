//! What the subscribers of channels get of one address is bounded, not only its bytes.

use std::time::Duration;

use serde_json::json;

use turntable_testkit::metric::limits_reached;
use turntable_testkit::{Client, Server};

const LISTENERS: usize = 20;

#[test]
fn publishes_to_many_subscribers_are_paid_for_by_the_address() {
    let deliveries = "{ per_second = 100, burst = 100 }";
    let server = Server::with(&[
        ("server.workers", "1"),
        ("limits.address_deliveries", deliveries),
    ]);
    let _listeners: Vec<Client> = (0..LISTENERS)
        .map(|number| {
            let mut client = server.user(&format!("1:{number}"));
            client.request("joinchannel", json!({"channel": "c"}));
            client
        })
        .collect();
    let mut publisher = server.user("2:1");
    let publish = json!({"channel": "c", "data": 1});
    // Twenty of each message: the sixth is beyond the burst, and the next one is refused.
    let mut published = 0;
    let refusal = loop {
        publisher.send(json!({"command": "publish", "data": publish, "id": published}));
        let answer = publisher.next();
        if answer["command"] == "error" {
            break answer;
        }
        published += 1;
        assert!(published < 50);
    };
    assert!(published >= 6, "{published}");
    let error = &refusal["data"];
    assert_eq!(error["code"], "rate_limited", "{refusal}");
    assert_eq!(error["command"], "publish");
    let reached = limits_reached("limits.address_deliveries");
    assert!(server.metric(&reached) >= 1.0);
    // Others publish.
    let mut other = Client::greeted_from(server.address, [127, 0, 0, 2]);
    other.identify("3:1");
    other.request("publish", publish.clone());
    let retry_ms = error["details"]["retry_ms"].as_u64().unwrap();
    publisher.expect_none_for(Duration::from_millis(retry_ms + 1));
    publisher.request("publish", publish);
}
