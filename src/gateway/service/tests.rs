#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use super::*;
use crate::gateway::testing::{Noted, begin, crowd, entry, gateway};
use turntable_core::call::Call;

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
    let is_returned = |call: &Call| matches!(call, Call::Service(_, ServiceCall::Returned { .. }));
    let calls = std::mem::take(&mut *owners.0.lock());
    assert!(calls.iter().all(is_returned), "{calls:?}");
    let given_back = calls.len();
    let waiting = entry(&mut gateway, session).session.outbox.waiting();
    let texts = waiting.filter_map(|frame| Some(frame.as_message()?.text().to_owned()));
    let handed_out = texts.filter(|text| text.contains("own")).count();
    assert_eq!(handed_out + given_back, 20);
    assert!(given_back > 0);
}

#[test]
fn sessions_that_offer_much_and_go_together_take_turns() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let sessions = crowd(&mut gateway, 20);
    for session in &sessions {
        let offer = (0..32).map(|name| (format!("own{name}").into(), vec!["f".into()]));
        gateway.provide(*session, offer.collect(), None);
    }
    gateway.intake.begin_turn();
    let mut gone = 0;
    while !gateway.intake.is_over() {
        gateway.report_providing(sessions[gone], false);
        gone += 1;
    }
    assert_eq!(gone, 8);
}
