//! An instance that does not answer in time has a pause, and then a trial.

use super::*;

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
