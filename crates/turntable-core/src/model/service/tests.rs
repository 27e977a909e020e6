#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod pause;
mod steps;

use super::*;
use crate::address::Address;
use crate::key::{GatewayId, NodeId, SessionSlot, SlotKey as _, WorkerId};

pub(super) const NOW: u64 = 1_732_000_000_000;

pub(super) fn settings() -> ServiceSettings {
    ServiceSettings {
        idempotent: vec!["read".to_owned()],
        in_flight_max: 3,
        queue_max: 5,
        timeout_ms: 1_000,
        failures_max: 2,
        pause_ms: 300,
        behind_ms: 400,
        ..ServiceSettings::default()
    }
}

fn caller(number: u32) -> Caller {
    let gateway = GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(0),
    };
    Caller {
        key: SessionKey::from_number(u64::from(number)),
        place: Place {
            gateway,
            slot: SessionSlot::new(number, 0),
        },
    }
}

pub(super) fn request(number: u32, function: &str) -> ServiceRequest {
    ServiceRequest {
        origin: Origin::Session {
            caller: caller(1_000_000),
            id: Some(RequestId(number.to_string().into())),
        },
        user: UserId::parse(["1:1", "1:2"][number as usize % 2]).ok(),
        address: None,
        function: function.into(),
        args: None,
        timeout_ms: None,
    }
}

pub(super) fn of_address(number: u64, request: ServiceRequest) -> ServiceRequest {
    ServiceRequest {
        address: Some(Address::from_number(number)),
        ..request
    }
}

pub(super) fn instance(number: u32) -> Instance {
    Instance::Session(caller(number).key)
}

pub(super) fn provide(service: &mut Service, number: u32) -> Vec<Effect> {
    let functions = vec!["read".into(), "write".into()];
    let place = Some(caller(number).place);
    service
        .provide(instance(number), place, functions, &settings(), NOW)
        .unwrap()
}

/// The instances that were given calls, with the calls' numbers.
pub(super) fn given(effects: &[Effect]) -> Vec<(Instance, u64)> {
    let given = effects.iter().filter_map(|effect| match effect {
        Effect::HandOut { to, number, .. } => Some((*to, *number)),
        _ => None,
    });
    given.collect()
}

/// The ids that were answered, with the codes of errors.
pub(super) fn answered(effects: &[Effect]) -> Vec<(u32, Option<ErrorCode>)> {
    let answered = effects.iter().filter_map(|effect| match effect {
        Effect::Answer {
            to: Origin::Session { id, .. },
            outcome,
            ..
        } => {
            let id = id.as_ref().unwrap().0.parse().unwrap();
            Some((id, outcome.as_ref().err().map(|error| error.code)))
        }
        _ => None,
    });
    answered.collect()
}

pub(super) fn done() -> Outcome {
    Ok(Payload::from_json("1"))
}

#[test]
fn calls_go_to_the_instance_with_the_fewest() {
    let mut service = Service::default();
    assert_eq!(provide(&mut service, 1), [Effect::Changed]);
    assert_eq!(provide(&mut service, 2), []);
    let mut at = Vec::new();
    for number in 0..4 {
        let effects = service.call(request(number, "read"), &settings(), NOW);
        at.extend(given(&effects));
    }
    let of = |wanted| at.iter().filter(|(to, _)| *to == instance(wanted)).count();
    assert_eq!((of(1), of(2)), (2, 2));
}

#[test]
fn every_function_of_many_is_found() {
    let mut service = Service::default();
    let names = (0..200).map(|number| format!("f{}", number * 7 % 200).into());
    let names: Vec<Box<str>> = names.collect();
    let settings = ServiceSettings {
        in_flight_max: 1_000,
        ..settings()
    };
    let place = Some(caller(1).place);
    let provided = service.provide(instance(1), place, names.clone(), &settings, NOW);
    provided.unwrap();
    for name in names {
        let effects = service.call(request(1, &name), &settings, NOW);
        assert_eq!(given(&effects).len(), 1, "{name}");
    }
    for name in ["", "f", "f200", "g"] {
        let effects = service.call(request(1, name), &settings, NOW);
        assert_eq!(given(&effects), [], "{name}");
    }
}

#[test]
fn waiting_calls_are_bounded_and_given_out_in_order() {
    let mut service = Service::default();
    provide(&mut service, 1);
    for number in 0..8 {
        service.call(request(number, "write"), &settings(), NOW);
    }
    let refused = service.call(request(9, "write"), &settings(), NOW);
    assert_eq!(answered(&refused), [(9, Some(ErrorCode::Unavailable))]);
    let effects = service.reply(instance(1), 1, done(), &settings(), NOW);
    assert_eq!(given(&effects), [(instance(1), 4)]);
    assert_eq!(answered(&effects), [(0, None)]);
}

#[test]
fn answers_of_others_and_second_answers_are_discarded() {
    let mut service = Service::default();
    provide(&mut service, 1);
    provide(&mut service, 2);
    let effects = service.call(request(7, "read"), &settings(), NOW);
    let (to, number) = given(&effects)[0];
    let other = if to == instance(1) {
        instance(2)
    } else {
        instance(1)
    };
    assert_eq!(service.reply(other, number, done(), &settings(), NOW), []);
    let effects = service.reply(to, number, done(), &settings(), NOW);
    assert_eq!(answered(&effects), [(7, None)]);
    assert_eq!(service.reply(to, number, done(), &settings(), NOW), []);
    assert_eq!(service.discarded(), 2);
}

#[test]
fn lost_instance_fails_its_calls_unless_they_may_be_repeated() {
    let mut service = Service::default();
    provide(&mut service, 1);
    service.call(request(1, "read"), &settings(), NOW);
    service.call(request(2, "write"), &settings(), NOW);
    provide(&mut service, 2);
    let effects = service.gone(instance(1), &settings(), NOW);
    assert_eq!(answered(&effects), [(2, Some(ErrorCode::ServiceDown))]);
    assert_eq!(given(&effects), [(instance(2), 1)]);
    let effects = service.gone(instance(2), &settings(), NOW);
    assert_eq!(answered(&effects), [(1, Some(ErrorCode::ServiceDown))]);
    assert_eq!(effects.last(), Some(&Effect::Changed));
    assert!(!service.state().is_enabled);
    let effects = service.call(request(3, "read"), &settings(), NOW);
    assert_eq!(answered(&effects), [(3, Some(ErrorCode::ServiceDown))]);
}

#[test]
fn call_that_a_lost_instance_had_is_never_said_not_to_be_carried_out() {
    let down = |id| [(id, Some(ErrorCode::ServiceDown))];
    // A second instance that has no room, and a call of one that dies.
    let lost = |now_ms| {
        let mut service = Service::default();
        provide(&mut service, 1);
        let text = format!("{:?}", "x".repeat(1_000));
        let large = ServiceRequest {
            args: Some(Payload::from_json(text.as_str())),
            ..request(1, "read")
        };
        service.call(large, &settings(), NOW);
        provide(&mut service, 2);
        for number in 2..=6 {
            service.call(request(number, "write"), &settings(), NOW + 200);
        }
        assert_eq!(service.waiting.load(), Load::default());
        let busy = ServiceSettings {
            in_flight_max: 1,
            ..settings()
        };
        let effects = service.gone(instance(1), &busy, now_ms);
        (service, busy, effects)
    };
    let (_, _, effects) = lost(NOW + 800);
    let read = |effects: &[Effect]| {
        let mut all = answered(effects);
        all.retain(|(id, _)| *id == 1);
        all
    };
    assert_eq!(read(&effects), down(1));
    let (mut service, busy, effects) = lost(NOW + 300);
    assert_eq!(read(&effects), []);
    assert_eq!(read(&service.expire(&busy, NOW + 1_000)), down(1));
    let (mut service, busy, _) = lost(NOW + 300);
    let full = ServiceSettings {
        queue_bytes_max: 1_000,
        ..busy
    };
    let other = of_address(1, request(7, "write"));
    assert_eq!(read(&service.call(other, &full, NOW + 300)), down(1));
}

#[test]
fn withdrawn_instance_answers_what_it_has() {
    let mut service = Service::default();
    provide(&mut service, 1);
    service.call(request(1, "write"), &settings(), NOW);
    let place = Some(caller(1).place);
    let effects = service.provide(instance(1), place, Vec::new(), &settings(), NOW);
    assert_eq!(effects.unwrap(), [Effect::Changed]);
    assert!(!service.state().is_enabled);
    let effects = service.call(request(2, "write"), &settings(), NOW);
    assert_eq!(answered(&effects), [(2, Some(ErrorCode::ServiceDown))]);
    let effects = service.reply(instance(1), 1, done(), &settings(), NOW);
    assert_eq!(answered(&effects), [(1, None)]);
    assert_eq!(effects.len(), 1);
}

#[test]
fn answers_go_to_the_place_that_the_caller_has_now() {
    let mut service = Service::default();
    provide(&mut service, 1);
    // Three are in flight, and one waits.
    for number in 1..=4 {
        service.call(request(number, "read"), &settings(), NOW);
    }
    let mut moved = caller(1_000_000);
    moved.place.slot = SessionSlot::new(5, 0);
    service.moved(Caller {
        place: caller(6).place,
        ..caller(1_000_001)
    });
    let before = service.save(NOW);
    service.moved(moved);
    let to = |effect: &Effect| match effect {
        Effect::Answer {
            to: Origin::Session { caller, .. },
            ..
        } => Some(*caller),
        _ => None,
    };
    let effects = service.switch(false, &settings(), NOW);
    let places: Vec<Caller> = effects.iter().filter_map(to).collect();
    assert_eq!(places, [moved; 4]);
    // A session of another key moves none of them.
    let effects = Service::restore(before, NOW).switch(false, &settings(), NOW);
    let places: Vec<Caller> = effects.iter().filter_map(to).collect();
    assert_eq!(places, [caller(1_000_000); 4]);
}

#[test]
fn deadline_answers_and_tells_the_instance() {
    let mut service = Service::default();
    provide(&mut service, 1);
    service.call(request(1, "write"), &settings(), NOW);
    assert_eq!(service.next_deadline(), Some(NOW + 1_000));
    assert_eq!(service.expire(&settings(), NOW + 999), []);
    let effects = service.expire(&settings(), NOW + 1_000);
    assert_eq!(answered(&effects), [(1, Some(ErrorCode::Timeout))]);
    assert!(matches!(effects[0], Effect::Cancel { number: 1, .. }));
    assert_eq!(service.next_deadline(), None);
    assert_eq!(service.reply(instance(1), 1, done(), &settings(), NOW), []);
    assert_eq!(service.discarded(), 1);
}

#[test]
fn call_that_asks_for_a_deadline_has_it() {
    let mut service = Service::default();
    provide(&mut service, 1);
    for (number, timeout_ms) in [(1, 3_000), (2, 500)] {
        let asked = ServiceRequest {
            timeout_ms: Some(timeout_ms),
            ..request(number, "read")
        };
        service.call(asked, &settings(), NOW);
    }
    let timeout = |number| [(number, Some(ErrorCode::Timeout))];
    assert_eq!(
        answered(&service.expire(&settings(), NOW + 500)),
        timeout(2)
    );
    assert_eq!(service.next_deadline(), Some(NOW + 3_000));
    assert_eq!(
        answered(&service.expire(&settings(), NOW + 3_000)),
        timeout(1)
    );
}

#[test]
fn unknown_function_is_refused_with_those_that_exist() {
    let mut service = Service::default();
    provide(&mut service, 1);
    let effects = service.call(request(1, "__proto__"), &settings(), NOW);
    let [
        Effect::Answer {
            outcome: Err(error),
            ..
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.message.contains("read, write"), "{}", error.message);
}

#[test]
fn switched_off_service_answers_at_once_and_comes_back() {
    let mut service = Service::default();
    provide(&mut service, 1);
    service.call(request(1, "read"), &settings(), NOW);
    let effects = service.switch(false, &settings(), NOW);
    assert_eq!(answered(&effects), [(1, Some(ErrorCode::ServiceDown))]);
    assert_eq!(effects.last(), Some(&Effect::Changed));
    let effects = service.call(request(2, "read"), &settings(), NOW);
    assert_eq!(answered(&effects), [(2, Some(ErrorCode::ServiceDown))]);
    assert_eq!(service.switch(true, &settings(), NOW), [Effect::Changed]);
    let effects = service.call(request(3, "read"), &settings(), NOW);
    assert_eq!(given(&effects).len(), 1);
}

#[test]
fn only_calls_of_one_user_at_one_gateway_end_where_it_is_disabled_for_the_user() {
    let mut service = Service::default();
    provide(&mut service, 1);
    for number in 0..6 {
        service.call(request(number, "write"), &settings(), NOW);
    }
    let user = request(1, "write").user.unwrap();
    let here = caller(0).place.gateway;
    let elsewhere = GatewayId {
        worker: WorkerId(1),
        ..here
    };
    assert_eq!(service.end_calls(elsewhere, &user, &settings(), NOW), []);
    // 0 to 2 are given out, the others wait.
    let effects = service.end_calls(here, &user, &settings(), NOW);
    let down = |number| (number, Some(ErrorCode::ServiceDown));
    assert_eq!(answered(&effects), [down(1), down(3), down(5)]);
    assert!(matches!(effects[0], Effect::Cancel { number: 2, .. }));
    assert_eq!(given(&effects), [(instance(1), 5)]);
    assert_eq!(service.open(), 3);
}

#[test]
fn calls_of_a_replacement_have_numbers_that_the_service_before_had_not() {
    let mut lost = Service::after(1_000);
    provide(&mut lost, 1);
    let before = given(&lost.call(request(1, "read"), &settings(), NOW));
    let mut replacement = Service::after(2_000);
    provide(&mut replacement, 1);
    let after = given(&replacement.call(request(2, "read"), &settings(), NOW));
    assert_eq!((before[0].1, after[0].1), (1_001, 2_001));
    // A late answer to the call of the one before fits none.
    let late = replacement.reply(instance(1), before[0].1, done(), &settings(), NOW);
    assert_eq!((late, replacement.discarded()), (Vec::new(), 1));
}
