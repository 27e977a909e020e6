//! A client that stops reading is closed at the limit of its outbox; others are not
//! affected.

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::metric::CLOSED_TOO_SLOW;

use crate::client::Client;
use crate::transport::ws::Ws;
use crate::transport::{Event, Feature, Transport};

const MIB: u64 = 1024 * 1024;
/// A few hundred of these fill the buffers of any socket.
const PAYLOAD: usize = 60_000;

fn numbered(number: u64) -> Value {
    json!({"number": number, "filler": "x".repeat(PAYLOAD)})
}

pub async fn stalled_reader_is_closed_and_resumes_without_gap<T: Transport>() {
    if !T::supports(Feature::PersistentConnection) {
        return;
    }
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("session.outbox_bytes_max", "200000"),
        ("session.replay_bytes_max", "16777216"),
    ]);
    let mut publisher = Client::<Ws>::user(&server, "1:1").await;
    let mut reader = Client::<T>::user(&server, "2:2").await;
    reader.join("busy").await;
    let mut slow = Client::<T>::user(&server, "2:1").await;
    slow.join("busy").await;
    slow.transport.pause_reading();
    let before = server.resident_bytes();
    let mut count = 0;
    while server.metric(CLOSED_TOO_SLOW) < 1.0 {
        assert!(
            count < 1_000,
            "{} MiB and not closed",
            count * PAYLOAD as u64 / MIB
        );
        for _ in 0..10 {
            publisher.publish("busy", numbered(count)).await;
            assert_eq!(reader.published().await["number"], count);
            count += 1;
        }
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB", grown / MIB);
    slow.transport.resume_reading();
    // It reads on: first the messages that were sent, then the close.
    let mut next = 0;
    loop {
        match slow.event().await {
            Event::Message(message) => {
                assert_eq!(message.data["data"]["number"], next, "in order, complete");
                next += 1;
            }
            Event::Closed(code) => {
                let expected = T::supports(Feature::CloseCode).then_some(4003);
                assert_eq!(code, expected, "after {next} of {count}");
                break;
            }
        }
    }
    assert!((1..count).contains(&next), "{next} of {count}");
    let position = slow.cut();
    publisher.publish("busy", numbered(count)).await;
    let mut back = Client::<T>::resume(&server, &position).await;
    for number in next..=count {
        assert_eq!(back.published().await["number"], number);
    }
    back.expect_nothing_pending().await;
}
