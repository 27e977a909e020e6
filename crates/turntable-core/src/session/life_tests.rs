#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::id::{SessionId, UserId};
use crate::key::{SessionKey, SlotKey as _};

const NOW: u64 = 1_732_000_000_000;

/// A message of one byte.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Byte;

impl OutboxFrame for Byte {
    fn length(&self) -> usize {
        1
    }
}

fn connection(index: u32) -> ConnKey {
    ConnKey::new(index, 0)
}

fn session() -> Session<Byte> {
    Session::new(
        SessionKey::from_number(1),
        SessionId::from_bits([1; 16]),
        UserId::parse("1:1").unwrap(),
        connection(0),
        NOW,
    )
}

fn admitted() -> Session<Byte> {
    let mut session = session();
    session.step(Input::Admitted, NOW, &SessionSettings::default());
    session.hear();
    session
}

fn step(session: &mut Session<Byte>, input: Input, now_ms: u64) -> Vec<Effect> {
    session
        .step(input, now_ms, &SessionSettings::default())
        .to_vec()
}

#[test]
fn admitted_session_is_registered_before_its_welcome() {
    let mut session = session();
    let effects = step(&mut session, Input::Admitted, NOW);
    assert_eq!(
        effects,
        [
            Effect::Register,
            Effect::Carry(connection(0)),
            Effect::Welcome {
                connection: connection(0),
                resumed: false
            },
            Effect::Continue(connection(0))
        ]
    );
    let again = step(&mut session, Input::Admitted, NOW);
    assert_eq!(
        again,
        [Effect::WelcomeAgain],
        "a second idme is answered and changes nothing"
    );
    step(&mut session, Input::Lost(connection(0)), NOW);
    let again = step(&mut session, Input::Admitted, NOW);
    assert_eq!(
        again,
        [Effect::WelcomeAgain],
        "its connection was lost before the answer, which is retained"
    );
}

#[test]
fn refused_session_leaves_its_connection_to_identify_again() {
    let mut session = session();
    let effects = step(&mut session, Input::Refused, NOW);
    assert_eq!(
        effects,
        [
            Effect::Release(connection(0)),
            Effect::Forget { is_bye: false },
            Effect::RefuseIdentify(connection(0))
        ]
    );
    assert_eq!(session.life(), Life::Ended);
}

#[test]
fn lost_connection_detaches_and_expires_in_time() {
    let resume_ms = SessionSettings::default().resume_ms;
    let mut session = admitted();
    let effects = step(&mut session, Input::Lost(connection(0)), NOW);
    assert_eq!(
        effects,
        [
            Effect::Report { connected: false },
            Effect::ArmExpiry(NOW + resume_ms)
        ]
    );
    let early = step(&mut session, Input::ExpiryDue, NOW + resume_ms - 1);
    assert!(early.is_empty());
    let due = step(&mut session, Input::ExpiryDue, NOW + resume_ms);
    assert_eq!(due, [Effect::Forget { is_bye: false }]);
}

#[test]
fn only_a_session_without_a_connection_is_evicted() {
    let mut session = admitted();
    assert!(step(&mut session, Input::Evicted, NOW).is_empty());
    step(&mut session, Input::Lost(connection(0)), NOW);
    assert_eq!(
        step(&mut session, Input::Evicted, NOW),
        [Effect::Forget { is_bye: false }]
    );
}

#[test]
fn session_that_may_not_wait_ends_with_its_connection() {
    let mut session = admitted();
    let other = step(&mut session, Input::LostForGood(connection(1)), NOW);
    assert!(other.is_empty());
    let effects = step(&mut session, Input::LostForGood(connection(0)), NOW);
    // Its owners hear first that the connection is gone: the seat is retained.
    assert_eq!(
        effects,
        [
            Effect::Report { connected: false },
            Effect::Forget { is_bye: false }
        ]
    );
    assert_eq!(session.life(), Life::Ended);
}

#[test]
fn lost_connection_ends_the_session_without_a_resume_time() {
    let settings = SessionSettings {
        resume_ms: 0,
        ..SessionSettings::default()
    };
    let mut session = admitted();
    let effects = session.step(Input::Lost(connection(0)), NOW, &settings);
    assert_eq!(
        effects.to_vec(),
        [
            Effect::Report { connected: false },
            Effect::Release(connection(0)),
            Effect::Forget { is_bye: false }
        ]
    );
}

#[test]
fn newer_connection_takes_the_session_over() {
    let mut session = admitted();
    let input = Input::Resume {
        connection: connection(1),
        received: Some(0),
        attempt: None,
    };
    assert_eq!(
        step(&mut session, input, NOW),
        [
            Effect::Release(connection(0)),
            Effect::Close {
                connection: connection(0),
                reason: CloseReason::Replaced
            },
            Effect::Rewind(0),
            Effect::Carry(connection(1)),
            Effect::Welcome {
                connection: connection(1),
                resumed: true
            },
            Effect::Continue(connection(1))
        ],
        "friends and rooms do not see it"
    );
    assert!(
        step(&mut session, Input::Lost(connection(0)), NOW).is_empty(),
        "the replaced connection has no session"
    );
}

#[test]
fn resume_with_missing_messages_ends_the_session() {
    for received in [None, Some(1)] {
        let mut session = admitted();
        step(&mut session, Input::Lost(connection(0)), NOW);
        let input = Input::Resume {
            connection: connection(1),
            received,
            attempt: None,
        };
        assert_eq!(
            step(&mut session, input, NOW),
            [
                Effect::Forget { is_bye: false },
                Effect::RefuseResume(connection(1))
            ]
        );
    }
}

#[test]
fn resume_that_comes_late_is_refused_and_the_session_goes_on() {
    let mut session = admitted();
    for _ in 0..3 {
        session.outbox.push(Byte);
    }
    session.outbox.written(3, 100);
    session.outbox.acknowledge(2);
    let mut resume = |received| {
        let input = Input::Resume {
            connection: connection(1),
            received: Some(received),
            attempt: None,
        };
        step(&mut session, input, NOW)
    };
    assert_eq!(resume(1), [Effect::RefuseResume(connection(1))]);
    assert!(!resume(2).contains(&Effect::RefuseResume(connection(1))));
}

#[test]
fn resume_of_an_earlier_attempt_changes_nothing() {
    let mut session = admitted();
    let resume = |attempt| Input::Resume {
        connection: connection(1 + attempt),
        // The client may have acknowledged more meanwhile.
        received: if attempt == 1 { None } else { Some(0) },
        attempt: Some(attempt),
    };
    assert!(!session.is_late(Some(0)), "it was never resumed");
    step(&mut session, resume(2), NOW);
    assert!(session.is_late(Some(1)) && !session.is_late(Some(2)) && !session.is_late(None));
    let before = session.life();
    let refused = [Effect::RefuseResume(connection(2))];
    assert_eq!(step(&mut session, resume(1), NOW), refused);
    assert_eq!(session.life(), before, "the later attempt has it");
    step(&mut session, Input::Lost(connection(3)), NOW);
    assert_eq!(
        step(&mut session, resume(1), NOW),
        refused,
        "nor while it waits"
    );
    step(&mut session, resume(2), NOW);
    assert_eq!(session.life(), before, "the same attempt may come again");
}

#[test]
fn overflow_closes_a_connection_and_ends_a_detached_session() {
    let mut session = admitted();
    assert_eq!(
        step(&mut session, Input::Overflowed(Some(connection(0))), NOW),
        [Effect::Close {
            connection: connection(0),
            reason: CloseReason::TooSlow
        }]
    );
    step(&mut session, Input::Lost(connection(0)), NOW);
    assert!(
        step(&mut session, Input::Overflowed(Some(connection(0))), NOW).is_empty(),
        "one report of the lost connection more does not end the session"
    );
    assert_eq!(
        step(&mut session, Input::Overflowed(None), NOW),
        [Effect::Forget { is_bye: false }]
    );
}

#[test]
fn input_behind_a_resume_is_taken_last() {
    let mut session = admitted();
    step(&mut session, Input::Lost(connection(0)), NOW);
    let input = Input::Resume {
        connection: connection(1),
        received: Some(0),
        attempt: None,
    };
    assert_eq!(
        step(&mut session, input, NOW).split_off(3),
        [
            Effect::Report { connected: true },
            Effect::Continue(connection(1))
        ],
        "else a loss behind it would be reported first"
    );
}

#[test]
fn bye_ends_a_session_without_a_connection() {
    let mut session = admitted();
    step(&mut session, Input::Lost(connection(0)), NOW);
    let effects = step(&mut session, Input::Bye, NOW);
    assert_eq!(effects, [Effect::Forget { is_bye: true }]);
}

#[test]
fn expiry_is_as_it_was_configured_at_the_loss() {
    let mut session = admitted();
    step(&mut session, Input::Lost(connection(0)), NOW);
    let longer = SessionSettings {
        resume_ms: 2 * SessionSettings::default().resume_ms,
        ..SessionSettings::default()
    };
    let due_ms = NOW + SessionSettings::default().resume_ms;
    assert_eq!(
        session.step(Input::ExpiryDue, due_ms, &longer).to_vec(),
        [Effect::Forget { is_bye: false }],
        "its only timer is that of the loss"
    );
}

#[test]
fn draining_session_retains_its_connection_until_that_is_closed() {
    let mut session = admitted();
    assert_eq!(
        step(&mut session, Input::Drain, NOW),
        [Effect::GoAway(connection(0))]
    );
    assert_eq!(session.life(), Life::Attached(connection(0)));
}

fn any_input() -> impl Strategy<Value = Input> {
    let connection = || (0u32..4).prop_map(connection);
    prop_oneof![
        3 => Just(Input::Admitted),
        1 => Just(Input::Refused),
        4 => connection().prop_map(Input::Lost),
        1 => connection().prop_map(Input::LostForGood),
        6 => (
            connection(),
            prop_oneof![4 => Just(Some(0)), 1 => Just(Some(9)), 1 => Just(None)],
            proptest::option::of(0u32..4),
        )
            .prop_map(|(connection, received, attempt)| Input::Resume {
                connection,
                received,
                attempt,
            }),
        1 => Just(Input::Bye),
        1 => prop_oneof![Just(None), connection().prop_map(Some)].prop_map(Input::Overflowed),
        2 => Just(Input::ExpiryDue),
        1 => Just(Input::Evicted),
        1 => Just(Input::End(CloseReason::Kicked)),
        1 => Just(Input::Drain),
    ]
}

proptest! {
    /// For any order of events, the effects alone keep a simulated world consistent
    /// with the session.
    #[test]
    fn effects_keep_the_world_consistent(
        inputs in proptest::collection::vec((any_input(), 0u64..40_000), 1..60),
    ) {
        let settings = SessionSettings::default();
        let mut session = session();
        let mut now_ms = NOW;
        // The results of applying the effects.
        let mut carrier = Some(connection(0));
        let (mut is_registered, mut is_forgotten) = (false, false);
        let mut reported = true;
        let mut expiry_ms = None;
        // When its client had its `welcome`, and whether it surely has it.
        let (mut welcome_ms, mut is_heard) = (NOW, false);
        for (input, passes_ms) in inputs {
            now_ms += passes_ms;
            let was_over = session.life() == Life::Ended;
            for effect in session.step(input, now_ms, &settings) {
                if was_over {
                    prop_assert!(matches!(effect, Effect::RefuseResume(_)));
                }
                match effect {
                    Effect::Register => {
                        prop_assert!(!is_registered, "registered once");
                        is_registered = true;
                        welcome_ms = now_ms;
                    }
                    Effect::Carry(connection) => carrier = Some(connection),
                    Effect::Release(connection) => {
                        prop_assert_eq!(carrier, Some(connection));
                        carrier = None;
                    }
                    Effect::Welcome { connection, .. } | Effect::GoAway(connection) => {
                        prop_assert_eq!(carrier, Some(connection));
                        prop_assert!(is_registered);
                        is_heard |= matches!(effect, Effect::GoAway(_));
                    }
                    Effect::WelcomeAgain => {
                        prop_assert!(is_registered);
                        prop_assert!(!is_forgotten);
                    }
                    Effect::Report { connected } => {
                        prop_assert_ne!(connected, reported, "owners receive changes only");
                        reported = connected;
                        if !connected {
                            carrier = carrier.filter(|_| settings.resume_ms == 0);
                        }
                    }
                    Effect::ArmExpiry(at_ms) => expiry_ms = Some(at_ms),
                    Effect::Rewind(_) => {
                        prop_assert!(is_registered);
                        is_heard = true;
                    }
                    Effect::Forget { is_bye } => {
                        prop_assert!(!is_bye || matches!(input, Input::Bye));
                        prop_assert!(!is_forgotten, "forgotten once");
                        is_forgotten = true;
                        carrier = None;
                    }
                    Effect::Continue(connection) => {
                        prop_assert_eq!(carrier, Some(connection));
                        prop_assert!(reported);
                    }
                    Effect::Close { .. }
                    | Effect::RefuseIdentify(_)
                    | Effect::RefuseResume(_) => {}
                }
            }
            prop_assert_eq!(carrier, session.connection());
            prop_assert_eq!(is_forgotten, session.life() == Life::Ended);
            if let Life::Detached { since_ms, resume_ms } = session.life() {
                prop_assert!(!reported);
                prop_assert_eq!(expiry_ms, Some(since_ms + u64::from(resume_ms)));
                let waits_ms = match is_heard || since_ms - welcome_ms >= WELCOME_MS {
                    true => settings.resume_ms,
                    false => settings.unheard_ms,
                };
                prop_assert_eq!(u64::from(resume_ms), waits_ms);
            } else if !is_forgotten {
                prop_assert!(reported);
            }
        }
    }
}

#[test]
fn session_whose_welcome_was_probably_lost_waits_a_short_time() {
    let settings = SessionSettings::default();
    let (short, long) = (settings.unheard_ms, settings.resume_ms);
    // The time of the loss, whether its client has sent something, and how long it waits.
    for (lost_ms, is_heard, waits_ms) in [
        (NOW + 30, false, short),
        (NOW + 30, true, long),
        (NOW + WELCOME_MS, false, long),
    ] {
        let mut session = session();
        step(&mut session, Input::Admitted, NOW);
        if is_heard {
            session.hear();
        }
        let effects = step(&mut session, Input::Lost(connection(0)), lost_ms);
        assert!(
            effects.contains(&Effect::ArmExpiry(lost_ms + waits_ms)),
            "{effects:?}"
        );
    }
    // The time begins when its avatar has admitted it.
    let mut late = session();
    step(&mut late, Input::Admitted, NOW + WELCOME_MS);
    let lost_ms = NOW + 2 * WELCOME_MS - 1;
    let effects = step(&mut late, Input::Lost(connection(0)), lost_ms);
    assert!(effects.contains(&Effect::ArmExpiry(lost_ms + short)));
    // A client that comes back has it.
    let mut session = session();
    step(&mut session, Input::Admitted, NOW);
    step(&mut session, Input::Lost(connection(0)), NOW + 30);
    let resume = Input::Resume {
        connection: connection(1),
        received: Some(0),
        attempt: None,
    };
    step(&mut session, resume, NOW + 60);
    let effects = step(&mut session, Input::Lost(connection(1)), NOW + 90);
    assert!(
        effects.contains(&Effect::ArmExpiry(NOW + 90 + long)),
        "{effects:?}"
    );
}
