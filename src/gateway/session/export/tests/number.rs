//! The numbers of watched users are those of a gateway: a value has users.

use super::*;
use crate::gateway::subscription::listed::Listed;
use turntable_core::key::SlotKey;

fn number_place(gateway: &Gateway, of: &str) -> Option<u32> {
    let watches = &gateway.subscriptions.watches;
    watches.number(&user(of)).map(SlotKey::index)
}

#[test]
fn number_of_an_unwatched_user_is_not_taken_for_another_ones() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let slot = begin(&mut gateway);
    gateway.subscribe(slot, vec![user("1:2")], None);
    gateway.presence(&user("1:2"), Presence::Busy);
    gateway.write_snapshots();
    // The snapshot still waits when its user's number becomes another user's.
    gateway.take_part(slot, Listed::unsubscribe(vec![user("1:2")], None));
    gateway.subscribe(slot, vec![user("1:3")], None);
    written(entry(&mut gateway, slot), 1);
    lose(&mut gateway, slot);
    let empty = r#"{"command":"userchange","data":{}}"#;
    assert_eq!(resumed(&mut gateway, slot, 0), [empty]);
}

#[test]
fn written_userchange_does_not_name_the_next_user_of_a_number() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let (slot, other) = (begin(&mut gateway), begin(&mut gateway));
    for session in [slot, other] {
        gateway.subscribe(session, vec![user("1:2")], None);
    }
    gateway.presence(&user("1:2"), Presence::Busy);
    gateway.write_snapshots();
    written(entry(&mut gateway, slot), 1);
    let before = number_place(&gateway, "1:2");
    // The number is free when the last session of the gateway gives it up.
    gateway.take_part(slot, Listed::unsubscribe(vec![user("1:2")], None));
    gateway.take_part(other, Listed::unsubscribe(vec![user("1:2")], None));
    gateway.subscribe(slot, vec![user("1:3")], None);
    assert_eq!(number_place(&gateway, "1:3"), before);
    gateway.presence(&user("1:3"), Presence::Online);
    gateway.write_snapshots();
    lose(&mut gateway, slot);
    let repeated = [
        r#"{"command":"userchange","data":{}}"#,
        r#"{"command":"userchange","data":{"1:3":"online"}}"#,
    ];
    assert_eq!(resumed(&mut gateway, slot, 0), repeated);
}

#[test]
fn imported_userchange_does_not_name_the_next_user_of_a_number() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = lived(&mut from);
    lose(&mut from, slot);
    let arrived = through_json(&from.export_session(slot).unwrap());
    let arrived = into.import_session(arrived).unwrap();
    let before = number_place(&into, "1:2");
    into.take_part(arrived, Listed::unsubscribe(vec![user("1:2")], None));
    into.subscribe(arrived, vec![user("1:9")], None);
    assert_eq!(number_place(&into, "1:9"), before);
    let texts = resumed(&mut into, arrived, 0);
    assert_eq!(texts.len(), 5);
    for text in texts {
        assert!(!text.contains("1:2") && !text.contains("1:9"), "{text}");
    }
}
