#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;

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
fn instance_that_does_not_answer_has_a_pause_and_then_a_trial() {
    let mut service = Service::default();
    provide(&mut service, 1);
    let call = |service: &mut Service, number, now_ms| {
        service.call(request(number, "write"), &settings(), now_ms)
    };
    let paused = |effects: &[Effect]| effects.contains(&Effect::Paused);
    call(&mut service, 1, NOW);
    assert!(!paused(&service.expire(&settings(), NOW + 1_000)));
    // An answer in between: the deadlines are not in a row.
    call(&mut service, 2, NOW);
    service.reply(instance(1), 2, done(), &settings(), NOW);
    for number in 3..=4 {
        call(&mut service, number, NOW);
    }
    let effects = service.expire(&settings(), NOW + 1_000);
    assert!(paused(&effects) && effects.last() == Some(&Effect::Changed));
    assert!(!service.state().is_enabled && service.state().functions.is_empty());
    let refused = call(&mut service, 5, NOW + 1_000);
    assert_eq!(answered(&refused), [(5, Some(ErrorCode::ServiceDown))]);
    let unknown = service.call(request(6, "nosuch"), &settings(), NOW);
    assert_eq!(answered(&unknown), [(6, Some(ErrorCode::NotFound))]);
    // Another instance takes the calls.
    provide(&mut service, 2);
    assert_eq!(given(&call(&mut service, 7, NOW))[0].0, instance(2));
    service.gone(instance(2), &settings(), NOW);
    assert_eq!(service.next_deadline(), Some(NOW + 1_300));
    assert_eq!(service.expire(&settings(), NOW + 1_299), []);
    let effects = service.expire(&settings(), NOW + 1_300);
    assert_eq!(effects, [Effect::Changed]);
    // One call at a time, until it is answered.
    let trial = given(&call(&mut service, 8, NOW + 1_300));
    assert_eq!(trial.len(), 1);
    assert_eq!(call(&mut service, 9, NOW + 1_300), []);
    let effects = service.expire(&settings(), NOW + 2_300);
    assert!(paused(&effects), "one is enough: {effects:?}");
    service.expire(&settings(), NOW + 2_600);
    let trial = given(&call(&mut service, 10, NOW + 2_600));
    call(&mut service, 11, NOW + 2_600);
    let effects = service.reply(instance(1), trial[0].1, done(), &settings(), NOW + 2_600);
    assert_eq!(
        (answered(&effects), given(&effects).len()),
        (vec![(10, None)], 1)
    );
    assert_eq!(given(&call(&mut service, 12, NOW + 2_600)).len(), 1);
}

#[test]
fn calls_of_before_a_pause_are_no_trial() {
    let mut service = Service::default();
    provide(&mut service, 1);
    let settings = ServiceSettings {
        in_flight_max: 4,
        timeout_ms: 1_000,
        ..settings()
    };
    let call = |service: &mut Service, number, now_ms| {
        given(&service.call(request(number, "write"), &settings, now_ms))
    };
    let paused = |effects: &[Effect]| effects.contains(&Effect::Paused);
    for (number, now_ms) in [(1, NOW), (2, NOW), (3, NOW + 700), (4, NOW + 900)] {
        assert_eq!(call(&mut service, number, now_ms).len(), 1);
    }
    assert!(paused(&service.expire(&settings, NOW + 1_000)));
    // The pause is over before the deadlines of the others are, and they keep no trial away.
    service.expire(&settings, NOW + 1_300);
    let trial = call(&mut service, 5, NOW + 1_300);
    assert_eq!(trial.len(), 1);
    assert_eq!(call(&mut service, 6, NOW + 1_300), []);
    assert!(!paused(&service.expire(&settings, NOW + 1_900)));
    let effects = service.reply(instance(1), trial[0].1, done(), &settings, NOW + 1_900);
    assert_eq!(
        (answered(&effects), given(&effects).len()),
        (vec![(5, None)], 1)
    );
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

#[derive(Debug, Clone)]
enum Step {
    Provide(u32),
    Withdraw(u32),
    Gone(u32),
    Call(bool),
    Reply(u32, u64),
    Pass(u64),
    Switch(bool),
    EndCalls(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4u32).prop_map(Step::Provide),
        1 => (0..4u32).prop_map(Step::Withdraw),
        1 => (0..4u32).prop_map(Step::Gone),
        8 => any::<bool>().prop_map(Step::Call),
        6 => (0..4u32, 0..12u64).prop_map(|(from, back)| Step::Reply(from, back)),
        1 => (0..700u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Switch),
        1 => (0..2u32).prop_map(Step::EndCalls),
    ]
}

fn take(service: &mut Service, step: &Step, calls: &mut u32, now_ms: &mut u64) -> Vec<Effect> {
    let settings = settings();
    match *step {
        Step::Provide(number) => provide(service, number),
        Step::Withdraw(number) => {
            let place = Some(caller(number).place);
            let withdrawn =
                service.provide(instance(number), place, Vec::new(), &settings, *now_ms);
            withdrawn.unwrap()
        }
        Step::Gone(number) => service.gone(instance(number), &settings, *now_ms),
        Step::Call(reads) => {
            *calls += 1;
            let function = if reads { "read" } else { "write" };
            let request = of_address(u64::from(*calls % 3), request(*calls, function));
            service.call(request, &settings, *now_ms)
        }
        Step::Reply(from, back) => {
            let number = service.last.saturating_sub(back);
            service.reply(instance(from), number, done(), &settings, *now_ms)
        }
        Step::Pass(ms) => {
            *now_ms += ms;
            service.expire(&settings, *now_ms)
        }
        Step::Switch(is_on) => service.switch(is_on, &settings, *now_ms),
        Step::EndCalls(number) => {
            let of = request(number, "read");
            service.end_calls(
                caller(0).place.gateway,
                &of.user.unwrap(),
                &settings,
                *now_ms,
            )
        }
    }
}

proptest! {
    #[test]
    fn every_call_is_answered_exactly_once(steps in prop::collection::vec(step(), 1..200)) {
        let mut service = Service::default();
        let (mut calls, mut now_ms) = (0, NOW);
        let mut answers: BTreeMap<u32, u32> = BTreeMap::new();
        let mut note = |effects: &[Effect]| {
            for (id, _) in answered(effects) {
                *answers.entry(id).or_default() += 1;
            }
        };
        for step in &steps {
            note(&take(&mut service, step, &mut calls, &mut now_ms));
            let in_flight: usize = service.providers.values().map(|p| p.in_flight.calls).sum();
            prop_assert_eq!(in_flight + service.waiting.load().calls, service.open());
            for provider in service.providers.values() {
                let of_addresses = provider.by_address.values().map(|has| has.bytes);
                prop_assert_eq!(of_addresses.sum::<usize>(), provider.in_flight.bytes);
            }
            prop_assert_eq!(service.deadlines.len(), service.open());
            prop_assert!(service.providers.values().all(|p| p.in_flight.calls <= 3));
            let waiting = service.open.values().filter(|open| open.at.is_none());
            let bytes: usize = waiting.map(|open| open.request.bytes()).sum();
            prop_assert_eq!(bytes, service.waiting.load().bytes);
            let saved = service.waiting.save().concat().concat();
            prop_assert_eq!(saved.len(), service.waiting.load().calls);
            // Also where nothing made it look whether the state changed.
            prop_assert_eq!(&service.reported, &service.state());
        }
        note(&service.expire(&settings(), now_ms + 10_000));
        prop_assert_eq!(service.open(), 0);
        prop_assert_eq!(service.waiting.load(), Load::default());
        prop_assert_eq!(answers.len(), calls as usize);
        prop_assert!(answers.values().all(|count| *count == 1));
    }

    #[test]
    fn restored_service_behaves_alike(
        before in prop::collection::vec(step(), 0..60),
        after in prop::collection::vec(step(), 1..60),
        shift_ms in 0..1_000_000_000u64,
    ) {
        let mut saved = Service::default();
        let (mut calls, mut now_ms) = (0, NOW);
        for step in &before {
            take(&mut saved, step, &mut calls, &mut now_ms);
        }
        // What is overdue is due at once in both.
        saved.expire(&settings(), now_ms);
        let text = serde_json::to_string(&saved.save(now_ms)).unwrap();
        let mut later = now_ms + shift_ms;
        let mut restored = Service::restore(serde_json::from_str(&text).unwrap(), later);
        prop_assert_eq!(restored.save(later), saved.save(now_ms));
        let mut calls_of_restored = calls;
        for step in &after {
            let one = take(&mut saved, step, &mut calls, &mut now_ms);
            let other = take(&mut restored, step, &mut calls_of_restored, &mut later);
            prop_assert_eq!(one, other);
        }
    }
}
