//! Who goes, for good or for a while.

use super::*;

#[test]
fn leaving_tells_the_others_and_frees_the_topic() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    room.must_join(3, "1:1");
    let effects = room
        .leave(session(1), &user("1:1"), request("\"q\""), NOW)
        .unwrap();
    assert_eq!(
        effects,
        [
            Effect::Detach(session(1)),
            changed(&[("1:1", Left)]),
            Effect::Detach(session(3)),
            Effect::LeftGame(user("1:1")),
            Effect::Send {
                session: session(1),
                id: request("\"q\""),
                packet: Packet::Reply(ReplyData::Done),
            },
        ]
    );
    let outcome = room.leave(session(1), &user("1:1"), None, NOW);
    assert_eq!(refused(outcome).0, ErrorCode::NotMember);
}

#[test]
fn a_dropped_member_keeps_its_seat_for_a_while() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let away = room.session_detached(session(2), &user("1:2"), NOW);
    assert_eq!(away, [changed(&[("1:2", Away)])]);
    assert_eq!(room.next_deadline(), Some(NOW + 30_000));
    let seen = room.must_join(3, "1:3");
    assert_eq!(
        joined(&seen).members,
        [
            member("1:1", None, MemberState::Joined),
            member("1:2", None, MemberState::Away),
            member("1:3", None, MemberState::Joined),
        ]
    );
    // Nothing twice.
    assert_eq!(room.session_detached(session(2), &user("1:2"), NOW + 9), []);
    assert_eq!(room.advance(NOW + 29_999), []);
    assert_eq!(
        room.advance(NOW + 30_000),
        [
            changed(&[("1:2", Left)]),
            Effect::Detach(session(2)),
            Effect::LeftGame(user("1:2")),
        ]
    );
    assert_eq!(room.session_attached(session(2), &user("1:2"), NOW), []);
}

#[test]
fn a_resumed_session_is_back() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.session_detached(session(1), &user("1:1"), NOW);
    assert_eq!(
        room.session_attached(session(1), &user("1:1"), NOW),
        [changed(&[("1:1", Back)])]
    );
    assert_eq!(room.next_deadline(), None);
    assert!(room.acts(1, "1:1", vec![action("1:1", "1")]).is_ok());
}

#[test]
fn a_resumed_session_that_was_taken_out_stays_out() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:1");
    room.session_detached(session(1), &user("1:1"), NOW);
    room.leave(session(2), &user("1:1"), None, NOW).unwrap();
    room.must_join(2, "1:1");
    // It was notified that it left, and its gateway does not count it in.
    assert_eq!(room.session_attached(session(1), &user("1:1"), NOW), []);
    assert!(room.acts(1, "1:1", vec![action("1:1", "1")]).is_err());
}

#[test]
fn a_reloaded_page_is_back_in_its_seat() {
    let mut room = room(GameSettings {
        teams: vec!["red".into(), "blue".into()],
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    room.session_detached(session(2), &user("1:2"), NOW);
    let effects = room.must_join(3, "1:2");
    assert_eq!(effects[0], changed(&[("1:2", Back)]));
    assert_eq!(effects[1], Effect::Attach(session(3)));
    assert_eq!(joined(&effects).team.as_deref(), Some("blue"));
    assert_eq!(effects.len(), 3, "{effects:?}");
    // The old session is forgotten without a word to the others.
    assert_eq!(
        room.session_ended(session(2), &user("1:2"), false, NOW),
        [Effect::Detach(session(2))]
    );
    assert_eq!(room.members().len(), 2);
}

#[test]
fn a_member_is_there_while_any_of_its_sessions_is() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:1");
    assert_eq!(room.session_detached(session(1), &user("1:1"), NOW), []);
    assert_eq!(
        room.session_ended(session(1), &user("1:1"), false, NOW),
        [Effect::Detach(session(1))]
    );
    assert_eq!(room.session_ended(session(1), &user("1:1"), false, NOW), []);
    assert_eq!(
        room.session_detached(session(2), &user("1:1"), NOW),
        [changed(&[("1:1", Away)])]
    );
}

#[test]
fn a_clean_end_of_the_last_session_leaves_at_once() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    assert_eq!(
        room.session_ended(session(2), &user("1:2"), false, NOW),
        [
            Effect::Detach(session(2)),
            changed(&[("1:2", Left)]),
            Effect::LeftGame(user("1:2"))
        ]
    );
    // One that was not resumed in time keeps the seat until that runs out.
    room.session_detached(session(1), &user("1:1"), NOW);
    assert_eq!(
        room.session_ended(session(1), &user("1:1"), false, NOW + 1),
        [Effect::Detach(session(1))]
    );
    assert_eq!(room.members().len(), 1);
}

#[test]
fn a_session_without_a_connection_acts_in_its_seat() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    room.session_detached(session(2), &user("1:2"), NOW);
    assert!(room.acts(2, "1:2", vec![action("1:2", "1")]).is_ok());
    assert_eq!(
        room.members().get("1:2").map(Member::state),
        Some(MemberState::Away)
    );
    // The seat runs out whatever its session does.
    room.advance(NOW + 30_000);
    let outcome = room.acts(2, "1:2", vec![action("1:2", "2")]);
    assert_eq!(refused(outcome).0, ErrorCode::NotMember);
}

#[test]
fn joining_again_without_a_connection_brings_nobody_back() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    room.session_detached(session(2), &user("1:2"), NOW);
    let again = room.joins_detached(2, "1:2", NOW + 10_000).unwrap();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(joined(&again).members[1].state, MemberState::Away);
    // It does not prolong the seat.
    assert_eq!(room.next_deadline(), Some(NOW + 30_000));
    assert_eq!(
        room.session_attached(session(2), &user("1:2"), NOW),
        [changed(&[("1:2", Back)])]
    );
    assert_eq!(room.next_deadline(), None);
}

#[test]
fn new_member_without_a_connection_is_away_from_the_start() {
    let mut room = generic();
    room.must_join(1, "1:1");
    let effects = room.joins_detached(2, "1:2", NOW).unwrap();
    assert_eq!(
        effects[..3],
        [
            changed(&[("1:2", Joined)]),
            changed(&[("1:2", Away)]),
            Effect::Attach(session(2)),
        ]
    );
    assert_eq!(joined(&effects).members[1].state, MemberState::Away);
    assert_eq!(effects[3], Effect::EnteredGame(user("1:2")));
    assert_eq!(room.next_deadline(), Some(NOW + 30_000));
    assert_eq!(
        room.advance(NOW + 30_000),
        [
            changed(&[("1:2", Left)]),
            Effect::Detach(session(2)),
            Effect::LeftGame(user("1:2")),
        ]
    );
}

#[test]
fn a_second_session_without_a_connection_changes_nothing_for_the_others() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let effects = room.joins_detached(3, "1:2", NOW).unwrap();
    assert_eq!(effects[0], Effect::Attach(session(3)));
    assert_eq!(effects.len(), 2, "{effects:?}");
    // It does not stand in for the one that is connected.
    assert_eq!(
        room.session_detached(session(2), &user("1:2"), NOW),
        [changed(&[("1:2", Away)])]
    );
}

#[test]
fn without_seat_time_joining_needs_a_connection() {
    let mut room = room(GameSettings {
        seat_ms: Some(0),
        ..GameSettings::default()
    });
    let outcome = room.joins_detached(1, "1:1", NOW);
    assert_eq!(refused(outcome).0, ErrorCode::Unavailable);
    assert!(room.members().is_empty());
    room.must_join(1, "1:1");
    assert!(room.joins_detached(2, "1:1", NOW).is_ok());
}

#[test]
fn bye_without_a_connection_leaves_at_once() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    room.session_detached(session(2), &user("1:2"), NOW);
    assert_eq!(
        room.session_ended(session(2), &user("1:2"), true, NOW + 1),
        [
            Effect::Detach(session(2)),
            changed(&[("1:2", Left)]),
            Effect::LeftGame(user("1:2")),
        ]
    );
    // Another session of the member is connected, so the member stays.
    room.must_join(3, "1:1");
    room.session_detached(session(3), &user("1:1"), NOW + 1);
    assert_eq!(
        room.session_ended(session(3), &user("1:1"), true, NOW + 2),
        [Effect::Detach(session(3))]
    );
}

#[test]
fn without_seat_time_a_drop_is_leaving() {
    let mut room = room(GameSettings {
        seat_ms: Some(0),
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    assert_eq!(
        room.session_detached(session(2), &user("1:2"), NOW),
        [
            changed(&[("1:2", Left)]),
            Effect::Detach(session(2)),
            Effect::LeftGame(user("1:2")),
        ]
    );
}

#[test]
fn seats_that_run_out_together_are_sent_together() {
    let mut room = generic();
    for (slot, id) in [(1, "1:1"), (2, "1:2"), (3, "1:3")] {
        room.must_join(slot, id);
    }
    room.session_detached(session(1), &user("1:1"), NOW);
    room.session_detached(session(2), &user("1:2"), NOW);
    let effects = room.advance(NOW + 30_000);
    assert_eq!(effects[0], changed(&[("1:1", Left), ("1:2", Left)]));
}

#[test]
fn an_empty_room_ends_unless_somebody_joins() {
    let mut room = generic();
    assert_eq!(room.next_deadline(), Some(NOW + 10_000), "never joined");
    room.must_join(1, "1:1");
    assert_eq!(room.next_deadline(), None);
    room.leave(session(1), &user("1:1"), None, NOW + 1).unwrap();
    assert_eq!(room.next_deadline(), Some(NOW + 10_001));
    room.must_join(1, "1:1");
    assert_eq!(room.advance(NOW + 20_000), []);
    room.leave(session(1), &user("1:1"), None, NOW + 20_000)
        .unwrap();
    assert_eq!(
        room.advance(NOW + 30_000),
        [Effect::Ended(EndReason::Empty)]
    );
    assert!(room.is_ended());
    assert_eq!(room.next_deadline(), None);
    assert_eq!(room.advance(NOW + 90_000), []);
    let outcome = room.joins(1, &joining("1:1"));
    assert_eq!(refused(outcome).0, ErrorCode::Unavailable);
}

#[test]
fn an_operator_sends_a_user_away_or_ends_the_room() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    assert_eq!(
        room.kick(&user("1:2"), None, NOW).unwrap(),
        [
            changed_because(&[("1:2", Left)], Some("kicked")),
            Effect::Detach(session(2)),
            Effect::LeftGame(user("1:2")),
        ]
    );
    assert!(room.kick(&user("1:2"), None, NOW).is_err());
    assert_eq!(
        room.end(Some("maintenance"), NOW),
        [
            changed_because(&[("1:1", Left)], Some("maintenance")),
            Effect::Detach(session(1)),
            Effect::LeftGame(user("1:1")),
            Effect::Ended(EndReason::Closed),
        ]
    );
    assert!(room.is_ended());
    assert_eq!(room.end(None, NOW), []);
}

#[test]
fn a_replacement_has_the_members_that_are_announced() {
    let mut room = generic();
    let team = || Some("red".into());
    let entered = |id: &str| vec![Effect::EnteredGame(user(id))];
    let announced = room.announced(session(0), &user("1:1"), team(), None, NOW);
    assert_eq!(announced, entered("1:1"));
    let away = room.announced(session(1), &user("1:2"), None, Some(10_000), NOW);
    assert_eq!(away, entered("1:2"));
    // A second session, and the same once more.
    for slot in [2, 0] {
        let again = room.announced(session(slot), &user("1:1"), team(), Some(5), NOW);
        assert_eq!(again, []);
    }
    let members = room.members();
    assert_eq!(members.get("1:1").map(Member::team), Some(Some("red")));
    assert_eq!(
        members.get("1:1").map(Member::state),
        Some(MemberState::Joined)
    );
    assert_eq!(
        members.get("1:2").map(Member::state),
        Some(MemberState::Away)
    );
    // What is left of the seat's time is left.
    assert_eq!(room.next_deadline(), Some(NOW + 20_000));
    // Stamps do not run backwards: the lost room may have given any before now.
    let stamped = Action {
        timestamp_ms: -500.0,
        ..action("1:1", "1")
    };
    let clock = SenderClock::trusted(Some((NOW + 100) as f64));
    let effects = room
        .act(session(0), &user("1:1"), vec![stamped], &clock, NOW + 100)
        .unwrap();
    assert_eq!(effects, [played(vec![at(action("1:1", "1"), NOW)])]);
}
