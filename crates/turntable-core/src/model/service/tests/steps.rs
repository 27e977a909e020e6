//! Whatever happens to a service: every call is answered exactly once, and a restored
//! service behaves as the saved one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Provide(u32),
    Withdraw(u32),
    Gone(u32),
    Call(bool),
    Reply(u32, u64),
    Returned(u32, u64),
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
        2 => (0..4u32, 0..12u64).prop_map(|(from, back)| Step::Returned(from, back)),
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
        Step::Returned(from, back) => {
            let number = service.last.saturating_sub(back);
            service.returned(instance(from), number, &settings, *now_ms)
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

/// The effects with the ages of calls in place of their begins.
fn aged(mut effects: Vec<Effect>, now_ms: u64) -> Vec<Effect> {
    for effect in &mut effects {
        if let Effect::Answer {
            began_ms: Some(began_ms),
            ..
        } = effect
        {
            *began_ms = now_ms - *began_ms;
        }
    }
    effects
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
            prop_assert_eq!(aged(one, now_ms), aged(other, later));
        }
    }
}
