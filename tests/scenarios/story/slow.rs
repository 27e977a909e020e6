//! A reader that stops reading is closed at its bound, and nobody else notices.

use serde_json::{Value, json};

use crate::client::Client;
use crate::door::ws::Ws;
use crate::door::{Door, Event, Feature};
use crate::support::Server;

const MIB: u64 = 1024 * 1024;
/// Long enough that a few hundred messages fill any socket's buffers.
const PAYLOAD: usize = 60_000;
const CLOSED: &str = "turntable_connections_closed_total{name=\"too_slow\"}";

fn numbered(number: u64) -> Value {
    json!({"number": number, "filler": "x".repeat(PAYLOAD)})
}

pub async fn who_stops_reading_is_closed_and_comes_back_without_a_hole<D: Door>() {
    if !D::supports(Feature::StandingLine) {
        return;
    }
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("session.outbox_bytes_max", "200000"),
        ("session.replay_bytes_max", "16777216"),
    ]);
    let mut publisher = Client::<Ws>::user(&server, "1:1").await;
    let mut reader = Client::<D>::user(&server, "2:2").await;
    reader.join("busy").await;
    let mut slow = Client::<D>::user(&server, "2:1").await;
    slow.join("busy").await;
    slow.door.pause();
    let before = server.resident_bytes();
    let mut count = 0;
    while server.metric(CLOSED) < 1.0 {
        assert!(
            count < 1_000,
            "{} MiB and not closed",
            count * PAYLOAD as u64 / MIB
        );
        for _ in 0..10 {
            publisher.publish("busy", numbered(count)).await;
            assert_eq!(reader.heard().await["number"], count);
            count += 1;
        }
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB", grown / MIB);
    slow.door.go_on();
    // It reads on, finds what had been sent, and then why there is no more.
    let mut next = 0;
    loop {
        match slow.event().await {
            Event::Message(message) => {
                assert_eq!(message.data["data"]["number"], next, "in order, whole");
                next += 1;
            }
            Event::Closed(code) => {
                let wanted = D::supports(Feature::CloseCode).then_some(4003);
                assert_eq!(code, wanted, "behind {next} of {count}");
                break;
            }
        }
    }
    assert!((1..count).contains(&next), "{next} of {count}");
    let cut = slow.cut();
    publisher.publish("busy", numbered(count)).await;
    let mut back = Client::<D>::resume(&server, &cut).await;
    for number in next..=count {
        assert_eq!(back.heard().await["number"], number);
    }
    back.settle().await;
}
