//! What members do.

use super::*;
use crate::limit::Limit;
use crate::model::rule::RoomView;
use crate::model::timestamp::{Corrector, Lag};
use crate::rate::BucketSettings;

#[test]
fn an_action_goes_to_all_with_the_servers_time() {
    let mut room = generic();
    room.must_join(1, "1:1");
    let effects = room
        .act(
            session(1),
            &user("1:1"),
            vec![Action {
                timestamp_ms: 500.0,
                ..action("1:1", "{\"x\": 1.50}")
            }],
            &SenderClock::trusted(Some((NOW - 600) as f64)),
            NOW,
        )
        .unwrap();
    assert_eq!(
        effects,
        [played(vec![at(action("1:1", "{\"x\": 1.50}"), NOW - 100)])]
    );
}

#[test]
fn a_message_is_refused_as_a_whole() {
    let mut room = room(GameSettings {
        require: vec!["move".into()],
        keep_state: true,
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let good = || action("1:1", "{\"move\":1,\"state\":1}");
    let others = action("1:2", "{\"move\":1}");
    let outcome = room.acts(1, "1:1", vec![good(), others]);
    let (code, _, index) = refused(outcome);
    assert_eq!((code, index), (ErrorCode::Forbidden, Some(1)));
    let outcome = room.acts(1, "1:1", vec![good(), good(), action("1:1", "{}")]);
    let (code, message, index) = refused(outcome);
    assert_eq!((code, index), (ErrorCode::InvalidAction, Some(2)));
    assert!(message.contains("move"), "{message}");
    assert_eq!(room.state(), None);
    // Refused stamps leave no trace either.
    let before = room.members().get("1:1").unwrap().corrector;
    assert_eq!(before, Corrector::default());
}

#[test]
fn a_team_is_not_claimed() {
    let mut room = generic();
    room.joins(1, &on_team("1:1", "red")).unwrap();
    room.must_join(2, "1:2");
    let claim = |id: &str, team: &str| Action {
        team: Some(team.into()),
        ..action(id, "1")
    };
    let (code, message, index) = refused(room.acts(1, "1:1", vec![claim("1:1", "blue")]));
    assert_eq!((code, index), (ErrorCode::Forbidden, Some(0)));
    assert!(message.contains("red"), "{message}");
    assert!(room.acts(2, "1:2", vec![claim("1:2", "red")]).is_err());
    assert!(room.acts(1, "1:1", vec![claim("1:1", "red")]).is_ok());
    assert!(room.acts(1, "1:1", vec![action("1:1", "1")]).is_ok());
}

#[test]
fn only_a_session_that_joined_acts() {
    let mut room = generic();
    let outcome = room.acts(1, "1:1", vec![action("1:1", "1")]);
    assert_eq!(refused(outcome).0, ErrorCode::NotMember);
    room.must_join(1, "1:1");
    let outcome = room.acts(2, "1:1", vec![action("1:1", "1")]);
    assert_eq!(refused(outcome).0, ErrorCode::NotMember);
    room.leave(session(1), &user("1:1"), None, NOW).unwrap();
    let outcome = room.acts(1, "1:1", vec![action("1:1", "1")]);
    assert_eq!(refused(outcome).0, ErrorCode::NotMember);
}

#[test]
fn a_message_has_bounded_actions() {
    let mut room = generic();
    room.must_join(1, "1:1");
    let error = room
        .acts(1, "1:1", vec![action("1:1", "1"); 65])
        .unwrap_err();
    assert_eq!(
        (error.code, error.details),
        (ErrorCode::TooMany, vec![("max".into(), 64)])
    );
    assert!(room.acts(1, "1:1", vec![action("1:1", "1"); 64]).is_ok());
    assert_eq!(room.acts(1, "1:1", Vec::new()), Ok(Vec::new()));
}

#[test]
fn a_tick_sends_one_message_sorted_by_corrected_stamps() {
    let mut room = room(GameSettings {
        tick_ms: 20,
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let idle = room.next_deadline();
    let late = vec![
        at(action("1:1", "\"c\""), 90),
        at(action("1:1", "\"d\""), 90),
    ];
    let early = vec![
        at(action("1:2", "\"a\""), 10),
        at(action("1:2", "\"e\""), 95),
    ];
    let clock = SenderClock::trusted(Some((NOW - 100) as f64));
    let mut act = |slot, id, actions, now_ms| {
        let effects = room.act(session(slot), &user(id), actions, &clock, now_ms);
        assert_eq!(effects, Ok(Vec::new()));
    };
    act(1, "1:1", late, NOW);
    act(2, "1:2", early, NOW + 10);
    assert_eq!(room.next_deadline(), Some(NOW + 20));
    assert_eq!(room.advance(NOW + 19), []);
    assert_eq!(
        room.advance(NOW + 20),
        [played(vec![
            at(action("1:2", "\"a\""), NOW - 90),
            at(action("1:1", "\"c\""), NOW - 10),
            at(action("1:1", "\"d\""), NOW - 10),
            at(action("1:2", "\"e\""), NOW - 5),
        ])]
    );
    assert_eq!(room.next_deadline(), idle);
}

#[test]
fn a_tick_comes_early_when_its_bytes_are_reached() {
    let mut room = room_of(
        GameSettings {
            tick_ms: 1_000,
            ..GameSettings::default()
        },
        RoomSettings {
            tick_bytes_max: 1_024,
            ..RoomSettings::default()
        },
    );
    room.must_join(1, "1:1");
    let data = format!("\"{}\"", "x".repeat(600));
    assert_eq!(
        room.acts(1, "1:1", vec![action("1:1", &data)]),
        Ok(Vec::new())
    );
    let effects = room.acts(1, "1:1", vec![action("1:1", &data)]).unwrap();
    assert_eq!(effects, [played(vec![at(action("1:1", &data), NOW); 2])]);
    assert_eq!(room.next_deadline(), None);
}

#[test]
fn what_waits_for_a_tick_is_sent_before_members_change() {
    let ticking = || {
        let mut room = room(GameSettings {
            tick_ms: 1_000,
            keep_state: true,
            ..GameSettings::default()
        });
        room.must_join(1, "1:1");
        room.must_join(2, "1:2");
        let data = "{\"state\":{\"n\":1.0}}";
        room.acts(1, "1:1", vec![action("1:1", data)]).unwrap();
        (room, played(vec![at(action("1:1", data), NOW)]))
    };
    let (mut room, waiting) = ticking();
    let effects = room.leave(session(1), &user("1:1"), None, NOW).unwrap();
    assert_eq!(effects[0], waiting);
    let (mut room, waiting) = ticking();
    assert_eq!(
        room.session_detached(session(1), &user("1:1"), NOW)[0],
        waiting
    );
    let (mut room, waiting) = ticking();
    let effects = room.must_join(3, "1:3");
    assert_eq!(effects[0], waiting);
    let state = joined(&effects).state.as_ref().unwrap();
    assert_eq!(state.as_json(), "{\"n\":1.0}");
}

#[test]
fn late_joiners_get_the_last_state() {
    let mut room = room(GameSettings {
        keep_state: true,
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    let mut set = |data: &str| {
        room.acts(1, "1:1", vec![action("1:1", data)]).unwrap();
        room.state().map(|state| state.as_json().to_owned())
    };
    assert_eq!(set("{\"move\":1}"), None);
    assert_eq!(set("{\"state\": [1, 2.50]}").as_deref(), Some("[1, 2.50]"));
    assert_eq!(set("[\"state\"]").as_deref(), Some("[1, 2.50]"));
    assert_eq!(set("{\"a\":{\"state\":0}}").as_deref(), Some("[1, 2.50]"));
    for twice in [
        "{\"state\":1,\"state\":2}",
        "{\"state\":{\"a\":1,\"\\u0061\":2}}",
    ] {
        let error = room.acts(1, "1:1", vec![action("1:1", twice)]).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadMessage);
    }
    let effects = room.must_join(2, "1:2");
    assert_eq!(
        joined(&effects).state,
        Some(Payload::from_json("[1, 2.50]"))
    );
    let clear = vec![
        action("1:1", "{\"state\":1}"),
        action("1:1", "{\"state\":null}"),
    ];
    room.acts(1, "1:1", clear).unwrap();
    assert_eq!(room.state(), None);
}

#[test]
fn a_generic_game_keeps_no_state() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.acts(1, "1:1", vec![action("1:1", "{\"state\":1}")])
        .unwrap();
    assert_eq!(room.state(), None);
}

#[test]
fn stamps_do_not_run_backwards_over_a_second_join() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.acts(1, "1:1", vec![action("1:1", "1")]).unwrap();
    room.leave(session(1), &user("1:1"), None, NOW).unwrap();
    room.must_join(1, "1:1");
    let old = vec![at(action("1:1", "1"), 0)];
    let effects = room
        .act(
            session(1),
            &user("1:1"),
            old,
            &SenderClock::trusted(Some((NOW - 900) as f64)),
            NOW + 1,
        )
        .unwrap();
    assert_eq!(effects, [played(vec![at(action("1:1", "1"), NOW)])]);
}

#[test]
fn rules_see_the_room_as_it_is() {
    let mut room = room(GameSettings {
        targets: vec!["strike_one".into()],
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    let strike = || vec![action("1:1", "{\"strike_one\":\"1:2\"}")];
    let (code, _, index) = refused(room.acts(1, "1:1", strike()));
    assert_eq!((code, index), (ErrorCode::InvalidAction, Some(0)));
    room.must_join(2, "1:2");
    assert!(room.acts(1, "1:1", strike()).is_ok());
    room.leave(session(2), &user("1:2"), None, NOW).unwrap();
    assert!(room.acts(1, "1:1", strike()).is_err());
}

#[test]
fn bytes_over_the_rate_are_refused_and_nobody_gets_them() {
    let settings = RoomSettings {
        bytes: BucketSettings::new(1_000, 10_000),
        ..RoomSettings::default()
    };
    let mut room = room_of(GameSettings::default(), settings);
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let large = || vec![action("1:1", &"1".repeat(6_000))];
    assert_eq!(room.acts(1, "1:1", large()).unwrap().len(), 1);
    let error = room.acts(1, "1:1", large()).unwrap_err();
    assert_eq!(error.code, ErrorCode::RateLimited);
    assert_eq!(error.limit, Some(Limit::RoomBytes));
    assert!(error.detail("retry_ms").is_some());
    // The bytes are the room's, of all senders; small actions still pass.
    let others = vec![action("1:2", &"1".repeat(6_000))];
    assert!(room.acts(2, "1:2", others).is_err());
    assert!(room.acts(2, "1:2", vec![action("1:2", "1")]).is_ok());
    let later_ms = NOW + 4_000;
    let clock = SenderClock::trusted(None);
    let acted = room.act(session(1), &user("1:1"), large(), &clock, later_ms);
    assert!(acted.is_ok());
}

#[test]
fn measured_lag_limits_timestamps_and_is_seen() {
    let mut room = generic();
    room.must_join(1, "1:1");
    assert_eq!(RoomView::new(room.members()).lag("1:1"), None);
    let lag = Lag {
        measured_ms: Some(40),
        credit_ms: 50,
    };
    // Received 30 ms ago; the claimed age is half a second.
    let clock = SenderClock {
        offset_ms: Some(NOW as f64),
        lag,
        received_ms: NOW - 30,
    };
    let claimed = vec![Action {
        timestamp_ms: -500.0,
        ..action("1:1", "1")
    }];
    let effects = room
        .act(session(1), &user("1:1"), claimed, &clock, NOW)
        .unwrap();
    assert_eq!(effects, [played(vec![at(action("1:1", "1"), NOW - 80)])]);
    assert_eq!(RoomView::new(room.members()).lag("1:1"), Some(lag));
    assert_eq!(room.members().get("1:1").and_then(Member::lag), Some(lag));
}
