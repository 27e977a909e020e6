//! One caller with many or large calls neither delays the others nor harms an instance.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::tests::{NOW, answered, done, given, instance, of_address, provide, request, settings};
use super::*;
use crate::address::Address;

const MANY: u64 = 1;
const FEW: u64 = 2;

fn call(service: &mut Service, address: u64, number: u32, now_ms: u64) -> Vec<Effect> {
    let request = of_address(address, request(number, "write"));
    service.call(request, &settings(), now_ms)
}

#[test]
fn bytes_that_an_instance_has_at_one_time_are_bounded() {
    let mut service = Service::default();
    provide(&mut service, 1);
    let settings = ServiceSettings {
        in_flight_bytes_max: 100_000,
        ..settings()
    };
    let text = format!("{:?}", "x".repeat(60_000));
    let large = |number| ServiceRequest {
        args: Some(Payload::from_json(text.as_str())),
        ..request(number, "write")
    };
    let mut handed_out = Vec::new();
    for number in 0..4 {
        let effects = service.call(large(number), &settings, NOW);
        handed_out.extend(given(&effects));
    }
    assert_eq!(handed_out, [(instance(1), 1), (instance(1), 2)]);
    let effects = service.reply(instance(1), 1, done(), &settings, NOW);
    assert_eq!(given(&effects), [(instance(1), 3)]);
    assert_eq!(service.providers[&instance(1)].in_flight.calls, 2);
}

#[test]
fn one_address_leaves_a_quarter_of_an_instance_to_others() {
    let mut service = Service::default();
    provide(&mut service, 1);
    let settings = ServiceSettings {
        in_flight_max: 8,
        queue_max: 100,
        ..settings()
    };
    let call = |service: &mut Service, address, number| {
        let request = of_address(address, request(number, "write"));
        given(&service.call(request, &settings, NOW)).len()
    };
    let taken: usize = (0..20).map(|number| call(&mut service, MANY, number)).sum();
    assert_eq!(taken, 6);
    let taken: usize = (20..24).map(|number| call(&mut service, FEW, number)).sum();
    assert_eq!(taken, 2);
    // The next place is that of the address that waits for its turn.
    let effects = service.reply(instance(1), 21, done(), &settings, NOW);
    assert_eq!(given(&effects), [(instance(1), 23)]);
}

#[test]
fn caller_with_few_calls_has_a_place_in_a_full_queue_and_its_turn() {
    let mut service = Service::default();
    provide(&mut service, 1);
    for number in 0..8 {
        call(&mut service, MANY, number, NOW);
    }
    let unavailable = |number| (number, Some(ErrorCode::Unavailable));
    assert_eq!(
        answered(&call(&mut service, MANY, 8, NOW)),
        [unavailable(8)]
    );
    let effects = call(&mut service, FEW, 100, NOW);
    assert_eq!(answered(&effects), [unavailable(7)]);
    let mut order = Vec::new();
    for number in 1..=3 {
        let effects = service.reply(instance(1), number, done(), &settings(), NOW);
        order.extend(given(&effects).into_iter().map(|(_, number)| number));
    }
    // The calls of the first address have the numbers 4 to 8.
    assert_eq!(order, [4, 9, 5]);
}

#[test]
fn no_call_is_dropped_for_one_that_has_no_room_all_the_same() {
    let mut service = Service::default();
    provide(&mut service, 1);
    let settings = ServiceSettings {
        in_flight_max: 1,
        queue_max: 100,
        queue_bytes_max: 10_000,
        ..settings()
    };
    let call = |service: &mut Service, address, number, bytes| {
        let text = format!("{:?}", "x".repeat(bytes));
        let large = ServiceRequest {
            args: Some(Payload::from_json(text.as_str())),
            ..request(number, "write")
        };
        answered(&service.call(of_address(address, large), &settings, NOW))
    };
    // The first is given out.
    for number in 0..9 {
        assert_eq!(call(&mut service, MANY, number, 1_000), []);
    }
    let unavailable = |number| (number, Some(ErrorCode::Unavailable));
    assert_eq!(call(&mut service, FEW, 20, 8_000), [unavailable(20)]);
    assert_eq!(service.waiting.load().calls, 8);
    // One for which dropping is enough has room.
    let dropped = call(&mut service, FEW, 21, 3_000);
    assert!(dropped.len() > 1 && dropped.iter().all(|(number, _)| *number < 20));
    assert_eq!(
        service.open[&service.last].request.address,
        Some(Address::from_number(FEW))
    );
}

#[test]
fn call_that_waited_is_no_failure_of_its_instance() {
    let mut service = Service::default();
    provide(&mut service, 1);
    for number in 0..6 {
        call(&mut service, MANY, number, NOW);
    }
    // The instance answers, but late: those behind have less than half of their time.
    for number in 1..=3 {
        service.reply(instance(1), number, done(), &settings(), NOW + 700);
    }
    let effects = service.expire(&settings(), NOW + 1_000);
    assert_eq!(answered(&effects).len(), 3);
    assert!(!effects.contains(&Effect::Paused), "{effects:?}");
    assert!(service.state().is_enabled);
    // One that had its time is one.
    for number in 10..12 {
        call(&mut service, MANY, number, NOW + 1_000);
    }
    let effects = service.expire(&settings(), NOW + 2_000);
    assert!(effects.contains(&Effect::Paused), "{effects:?}");
}

#[test]
fn call_that_waited_too_long_is_not_handed_out() {
    let mut service = Service::default();
    provide(&mut service, 1);
    for number in 0..5 {
        call(&mut service, MANY, number, NOW);
    }
    let effects = service.reply(instance(1), 1, done(), &settings(), NOW + 800);
    let unavailable = |number| (number, Some(ErrorCode::Unavailable));
    assert_eq!(given(&effects), []);
    assert_eq!(
        answered(&effects),
        [(0, None), unavailable(3), unavailable(4)]
    );
    // And one that no instance was given at its deadline.
    let mut service = Service::default();
    provide(&mut service, 1);
    for number in 0..4 {
        call(&mut service, MANY, number, NOW);
    }
    let effects = service.expire(&settings(), NOW + 1_000);
    let timeout = |number| (number, Some(ErrorCode::Timeout));
    assert_eq!(
        answered(&effects),
        [timeout(0), timeout(1), timeout(2), unavailable(3)]
    );
}
