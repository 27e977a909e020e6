#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::gateway::testing::{Noted, begin_by_answers, come_back, end_answer, gateway};
use turntable_core::key::SlotKey as _;

#[test]
fn few_clients_go_at_once_and_many_within_the_limit() {
    assert_eq!(spread_ms(0, 0, 2_500), 0);
    assert_eq!(spread_ms(1_000, 0, 2_500), 0);
    assert_eq!(spread_ms(4_000, 0, 2_500), 1_000);
    assert_eq!(spread_ms(400_000, 0, 2_500), 2_500);
    assert_eq!(spread_ms(3, 400, 2_500), 400, "as configured");
    assert_eq!(spread_ms(3, 9_000, 2_500), 2_500);
}

fn draining(clients: u32, until: Instant) -> Draining {
    Draining {
        waiting: (0..clients)
            .map(|number| Waiting::Connection(ConnKey::new(number, 0)))
            .collect(),
        sessions: FxHashSet::default(),
        next: until.checked_sub(Duration::from_secs(60)).unwrap_or(until),
        until,
        is_ending: true,
        away: FxHashSet::default(),
    }
}

#[test]
fn clients_go_in_equal_parts_and_none_is_left() {
    let start = Instant::now();
    let after = |ticks: u64| start + Duration::from_millis(ticks * TICK_MS);
    let mut draining = draining(100, after(4));
    let sizes = (0..6).map(|tick| draining.take(after(tick)).len());
    assert_eq!(sizes.collect::<Vec<_>>(), [20, 20, 20, 20, 20, 0]);
}

#[test]
fn few_clients_are_spread_over_the_whole_time() {
    let start = Instant::now();
    let after = |seconds: u64| start + Duration::from_secs(seconds);
    let mut draining = draining(4, after(60));
    let sizes = (0..7).map(|tens| draining.take(after(10 * tens)).len());
    assert_eq!(sizes.collect::<Vec<_>>(), [1, 0, 1, 0, 1, 0, 1]);
}

fn drain(is_ending: bool) -> Drain {
    Drain {
        spread_ms: 60_000,
        is_ending,
        is_saving: false,
    }
}

fn is_away(gateway: &Gateway, session: SessionSlot) -> bool {
    gateway.drain.as_ref().unwrap().away.contains(&session)
}

#[test]
fn client_with_a_connection_for_each_answer_goes_in_its_turn() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let sessions = [1, 2, 3].map(|number| begin_by_answers(&mut gateway, number));
    let away = |gateway: &Gateway| sessions.map(|session| is_away(gateway, session));
    let start = Instant::now();
    gateway.begin_drain(drain(false));
    assert_eq!(away(&gateway), [true, false, false]);
    for _ in 0..4 {
        for session in &sessions[1..] {
            end_answer(&mut gateway, *session);
            come_back(&mut gateway, *session);
        }
    }
    assert_eq!(away(&gateway), [true, false, false]);
    let waiting = |gateway: &Gateway| gateway.drain.as_ref().unwrap().waiting.len();
    assert_eq!(waiting(&gateway), 2, "each once");
    gateway.drain_on(start + Duration::from_secs(29));
    assert_eq!(away(&gateway), [true, false, false]);
    gateway.drain_on(start + Duration::from_secs(31));
    assert_eq!(away(&gateway), [true, true, false]);
}

#[test]
fn client_without_an_answer_at_its_turn_goes_when_it_comes_back() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let session = begin_by_answers(&mut gateway, 1);
    end_answer(&mut gateway, session);
    gateway.begin_drain(drain(false));
    assert!(!is_away(&gateway, session));
    come_back(&mut gateway, session);
    assert!(
        is_away(&gateway, session),
        "long before the end of the drain"
    );
}

#[test]
fn client_that_identified_meanwhile_goes_when_it_comes_back() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let [_, session] = [1, 2].map(|number| begin_by_answers(&mut gateway, number));
    let connection = gateway.sessions.get(session).unwrap().session.connection();
    let start = Instant::now();
    gateway.begin_drain(drain(false));
    // As it was before it identified.
    let draining = gateway.drain.as_mut().unwrap();
    draining.waiting = [Waiting::Connection(connection.unwrap())].into();
    draining.sessions.clear();
    end_answer(&mut gateway, session);
    gateway.drain_on(start + Duration::from_secs(61));
    assert!(
        !is_away(&gateway, session),
        "it has no answer to read it in"
    );
    come_back(&mut gateway, session);
    assert!(is_away(&gateway, session));
}

#[test]
fn drain_of_a_server_that_ends_is_not_undone() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    gateway.begin_drain(drain(false));
    gateway.end_drain();
    assert!(!gateway.is_draining());
    gateway.begin_drain(drain(true));
    gateway.end_drain();
    gateway.begin_drain(drain(false));
    let draining = gateway.drain.as_ref().unwrap();
    assert!(draining.is_ending);
}

#[test]
fn late_tick_sends_all_away() {
    let start = Instant::now();
    let mut draining = draining(3, start);
    let late = start + Duration::from_millis(500);
    assert_eq!(draining.take(late).len(), 3);
}

#[test]
fn client_that_comes_back_behind_the_last_turn_goes_at_once() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let [_, session] = [1, 2].map(|number| begin_by_answers(&mut gateway, number));
    end_answer(&mut gateway, session);
    gateway.begin_drain(drain(true));
    gateway.drain_rest();
    assert!(!is_away(&gateway, session));
    come_back(&mut gateway, session);
    assert!(is_away(&gateway, session), "long before its turn");
}
