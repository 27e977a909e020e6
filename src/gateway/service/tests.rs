#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::gateway::testing::{Noted, begin, entry, gateway};

#[test]
fn functions_of_a_session_are_bounded() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    let mut provide = |number: usize, bytes: usize| {
        let functions = vec!["a".repeat(bytes).into()];
        gateway.provide(
            session,
            vec![(format!("own{number}").into(), functions)],
            None,
        );
        let providing = entry(&mut gateway, session).providing.as_ref().unwrap();
        providing.services.len()
    };
    assert_eq!(
        provide(0, FUNCTIONS_BYTES_MAX),
        0,
        "with its own cost it is too long"
    );
    for number in 0..PROVIDED_MAX + 3 {
        assert_eq!(provide(number, 10), PROVIDED_MAX.min(number + 1));
    }
    assert_eq!(provide(0, 20), PROVIDED_MAX, "one that is known may change");
}

#[test]
fn calls_of_another_user_go_on_with_the_ids_of_the_one_before() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let session = begin(&mut gateway);
    let to = gateway.sessions.place(session);
    let caller = gateway.sessions.caller(session).unwrap();
    let request = || ServiceRequest {
        origin: Origin::Session { caller, id: None },
        user: None,
        address: None,
        function: "f".into(),
        args: None,
        timeout_ms: None,
    };
    gateway.hand_out(to, "own".into(), 1, request());
    gateway.report_providing(session, false);
    let providing = entry(&mut gateway, session).providing.as_mut().unwrap();
    providing.services.insert("own".into(), vec!["f".into()]);
    providing.forget_services();
    assert_eq!((providing.names().count(), providing.late), (0, 1));
    gateway.hand_out(to, "own".into(), 1, request());
    let providing = entry(&mut gateway, session).providing.as_ref().unwrap();
    assert!(providing.open.contains_key(&2), "{providing:?}");
}

#[test]
fn session_that_is_behind_with_reading_gets_no_more_calls() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    let to = gateway.sessions.place(session);
    let caller = gateway.sessions.caller(session).unwrap();
    let text = format!("{:?}", "x".repeat(60_000));
    let request = || ServiceRequest {
        origin: Origin::Session { caller, id: None },
        user: None,
        address: None,
        function: "f".into(),
        args: Some(Payload::from_json(text.as_str())),
        timeout_ms: None,
    };
    owners.0.lock().clear();
    for number in 0..20 {
        // Of several services: each has bounds of its own.
        let service = format!("own{}", number % 4);
        gateway.hand_out(to, service.into(), number, request());
    }
    let waiting_bytes = entry(&mut gateway, session).session.outbox.waiting_bytes();
    let max = gateway.settings.session.outbox_bytes_max;
    assert!((max / 2..max).contains(&waiting_bytes), "{waiting_bytes}");
    let providing = entry(&mut gateway, session).providing.as_ref().unwrap();
    let handed_out = providing.open.len();
    let given_back = owners.0.lock().len();
    assert_eq!(handed_out + given_back, 20);
    assert!(given_back > 0);
}
