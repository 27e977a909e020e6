#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use super::*;
use crate::clock;
use crate::gateway::testing::{Noted as Owners, begin_as, crowd, entry, gateway, path};
use crate::gateway::turn::Timer;
use turntable_core::delivery::{Delivery, Meta};
use turntable_core::id::MessageId;

fn frame(number: u64) -> SharedFrame {
    let id = MessageId::from(u128::from(number));
    SharedFrame::new(b"\x81\x02{}".as_slice().into(), id)
}

/// A session joins `a` with its subpaths, and is on the topic.
fn join(gateway: &mut Gateway, session: SessionSlot) {
    let past = PastBelow {
        history: 1,
        ..PastBelow::default()
    };
    gateway.gather(session, &path("a"), past);
    let topic = Topic::Below(path("a"));
    gateway.entered(session, topic.clone());
    let joined = Joined {
        frame: frame(0),
        replay: None,
        id: None,
    };
    assert!(gateway.gather_joined(session, &topic, joined).is_none());
}

/// The tickets of the sweeps that directories were sent since the last look.
fn asked(owners: &Owners) -> Vec<u64> {
    let calls = std::mem::take(&mut *owners.0.lock());
    let ticket = |call| match call {
        Call::PastBelow { requester, .. } => Some(requester.ticket),
        _ => None,
    };
    calls.into_iter().filter_map(ticket).collect()
}

fn answer(gateway: &mut Gateway, ticket: u64, channels: u32) {
    gateway.gather_listed(ticket, channels);
    for number in 0..channels {
        let found = Found {
            channel: path(&format!("a/{number}")),
            epoch: "e".into(),
            offset: 1,
            has_value: false,
            messages: vec![frame(1)],
        };
        gateway.gather_past(ticket, found);
    }
}

fn messages(gateway: &mut Gateway, session: SessionSlot) -> u64 {
    entry(gateway, session).session.outbox.numbered()
}

#[test]
fn sessions_that_join_at_once_ask_the_channels_below_together() {
    let owners = Arc::new(Owners::default());
    let mut gateway = gateway(0, &owners);
    let mut settings = (*gateway.settings).clone();
    settings.below_max = 500;
    gateway.settings = Arc::new(settings);
    let sessions = crowd(&mut gateway, 1_000);
    for session in &sessions {
        join(&mut gateway, *session);
    }
    let mut sweeps = 0;
    loop {
        let tickets = asked(&owners);
        if tickets.is_empty() {
            break;
        }
        sweeps += tickets.len();
        for ticket in tickets {
            answer(&mut gateway, ticket, 500);
        }
    }
    // The channels are read for the first session, and for all others together.
    assert_eq!(sweeps, 2);
    for session in sessions {
        assert_eq!(messages(&mut gateway, session), 1 + 500);
        assert!(!entry(&mut gateway, session).is_gathering);
    }
    let gathers = &gateway.subscriptions.gathers;
    assert!(gathers.sweeps.is_empty() && gathers.by_path.is_empty());
    assert!(gathers.by_session.is_empty());
}

#[test]
fn session_pays_for_the_paths_that_are_looked_at() {
    let owners = Arc::new(Owners::default());
    let mut gateway = gateway(0, &owners);
    let session = begin_as(&mut gateway, 1);
    let mut settings = (*gateway.settings).clone();
    settings.limits.bytes.per_second = 1;
    settings.limits.bytes.burst = 10_000;
    gateway.settings = Arc::new(settings);
    join(&mut gateway, session);
    let ticket = asked(&owners)[0];
    gateway.gather_listed(ticket, 500);
    for number in 0..500 {
        // Nothing is retained.
        let found = Found {
            channel: path(&format!("a/{number}")),
            epoch: "e".into(),
            offset: 0,
            has_value: false,
            messages: Vec::new(),
        };
        gateway.gather_past(ticket, found);
    }
    assert_eq!(messages(&mut gateway, session), 1);
    let limits = gateway.settings.limits.clone();
    let entry = entry(&mut gateway, session);
    let taken = entry.session.take_bytes(1_000, clock::now_ms(), &limits);
    assert!(taken.is_err(), "500 paths cost more than the burst");
}

#[test]
fn next_sweep_begins_when_the_sessions_of_the_first_are_gone() {
    let owners = Arc::new(Owners::default());
    let mut gateway = gateway(0, &owners);
    let (one, other) = (begin_as(&mut gateway, 1), begin_as(&mut gateway, 2));
    join(&mut gateway, one);
    join(&mut gateway, other);
    let first = asked(&owners);
    assert_eq!(first.len(), 1);
    gateway.end_gather(one, &path("a"));
    assert_eq!(messages(&mut gateway, one), 1, "it gets its joined");
    let second = asked(&owners);
    assert_eq!(second.len(), 1);
    // Late answers to the first change nothing.
    answer(&mut gateway, first[0], 3);
    assert_eq!(messages(&mut gateway, other), 0);
    answer(&mut gateway, second[0], 3);
    assert_eq!(messages(&mut gateway, other), 4);
    join(&mut gateway, one);
    gateway.forget_gathers(one);
    assert!(gateway.subscriptions.gathers.sweeps.is_empty());
}

#[test]
fn sweep_whose_answers_are_late_sends_what_came() {
    let owners = Arc::new(Owners::default());
    let mut gateway = gateway(0, &owners);
    let session = begin_as(&mut gateway, 1);
    join(&mut gateway, session);
    let ticket = asked(&owners)[0];
    gateway.gather_listed(ticket, 2);
    let found = Found {
        channel: path("a/0"),
        epoch: "e".into(),
        offset: 1,
        has_value: false,
        messages: vec![frame(1)],
    };
    gateway.gather_past(ticket, found);
    assert_eq!(messages(&mut gateway, session), 0);
    assert!(gateway.pending.is_awaited(Ticket::new(ticket)));
    gateway.answer_is_late(Ticket::new(ticket));
    assert_eq!(messages(&mut gateway, session), 2);
    assert!(!gateway.pending.is_awaited(Ticket::new(ticket)));
    assert!(gateway.subscriptions.gathers.sweeps.is_empty());
}

/// Publishes so many bytes below `a`.
fn publish(gateway: &mut Gateway, bytes: usize, offset: u64) {
    let mut frame = vec![0x81, 0x7f];
    frame.extend((bytes as u64).to_be_bytes());
    frame.extend(std::iter::repeat_n(b' ', bytes));
    let frame = SharedFrame::new(frame.as_slice().into(), MessageId::from(9));
    let meta = Meta {
        offset: Some(offset),
        ..Meta::default()
    };
    gateway.deliver(Delivery::Publish {
        topic: Topic::Channel(path("a/0")),
        frame,
        meta,
    });
}

#[test]
fn joins_that_wait_get_their_past_however_much_is_published() {
    let owners = Arc::new(Owners::default());
    let mut gateway = gateway(0, &owners);
    let (one, other) = (begin_as(&mut gateway, 1), begin_as(&mut gateway, 2));
    join(&mut gateway, one);
    join(&mut gateway, other);
    let first = asked(&owners);
    assert_eq!(first.len(), 1);
    // More than waits for a sweep: the first goes without its past.
    publish(&mut gateway, 300_000, 2);
    gateway.run();
    assert_eq!(messages(&mut gateway, one), 1 + 1);
    assert_eq!(messages(&mut gateway, other), 0);
    let second = asked(&owners);
    assert_eq!(second.len(), 1);
    answer(&mut gateway, second[0], 3);
    // Its past, and what was published meanwhile.
    assert_eq!(messages(&mut gateway, other), 1 + 3 + 1);
}

#[test]
fn joins_that_waited_have_all_of_the_time_for_the_answers() {
    let owners = Arc::new(Owners::default());
    let mut gateway = gateway(0, &owners);
    let (one, other) = (begin_as(&mut gateway, 1), begin_as(&mut gateway, 2));
    join(&mut gateway, one);
    join(&mut gateway, other);
    let first = asked(&owners)[0];
    let second = gateway.subscriptions.gathers.at(&path("a"), Stage::Waiting);
    let timeout_ms = gateway.settings.session.answer_timeout_ms;
    let is_due = |gateway: &mut Gateway, timeouts: u64, ticket: u64| {
        let ticket = Ticket::new(ticket);
        let mut due = Vec::new();
        // A wheel turns in steps.
        let end_ms = clock::now_ms() + timeouts * timeout_ms + timeout_ms / 10;
        gateway.wheel.turn(end_ms, &mut due);
        let alone = |timer: &Timer| matches!(timer, Timer::Answer(of) if *of == ticket);
        gateway.pending.late(end_ms).contains(&ticket) || due.iter().any(alone)
    };
    assert!(is_due(&mut gateway, 1, first));
    gateway.answer_is_late(Ticket::new(first));
    assert_eq!(asked(&owners), [second.unwrap()]);
    assert!(is_due(&mut gateway, 2, second.unwrap()));
}
