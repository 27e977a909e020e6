//! Who comes in, and invites.

use super::*;
use crate::limit::Limit;
use crate::rate::BucketSettings;

#[test]
fn the_first_join_makes_the_only_member() {
    let mut room = generic();
    let effects = room
        .join(
            session(1),
            &user("1:1"),
            &joining("1:1"),
            true,
            request("7"),
            NOW + 5,
        )
        .unwrap();
    let joined = RoomJoined {
        channel: channel(),
        member: user("1:1"),
        team: None,
        members: vec![member("1:1", None, MemberState::Joined)],
        state: None,
        time_ms: NOW + 5,
    };
    assert_eq!(
        effects,
        [
            Effect::Attach(session(1)),
            Effect::EnteredGame(user("1:1")),
            Effect::Send {
                session: session(1),
                id: request("7"),
                packet: Packet::RoomJoined(Box::new(joined)),
            },
        ]
    );
}

#[test]
fn others_get_a_new_member_before_it_is_on_the_topic() {
    let mut room = generic();
    room.must_join(1, "1:1");
    let effects = room.must_join(2, "1:2");
    assert_eq!(effects[0], changed(&[("1:2", Joined)]));
    assert_eq!(effects[1], Effect::Attach(session(2)));
    assert_eq!(joined(&effects).members.len(), 2);
}

#[test]
fn joining_again_is_sent_to_that_session_alone() {
    let mut room = generic();
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let effects = room.must_join(1, "1:1");
    assert!(
        matches!(&effects[..], [Effect::Send { session: s, .. }] if *s == session(1)),
        "{effects:?}"
    );
    let second_tab = room.must_join(3, "1:1");
    assert_eq!(second_tab[0], Effect::Attach(session(3)));
    assert_eq!(second_tab.len(), 2, "{second_tab:?}");
    assert_eq!(room.members().len(), 2);
}

#[test]
fn self_is_the_sessions_own_user() {
    let mut room = generic();
    let outcome = room.join(session(1), &user("1:1"), &joining("1:2"), true, None, NOW);
    assert_eq!(refused(outcome).0, ErrorCode::Forbidden);
    assert!(room.members().is_empty());
}

#[test]
fn a_game_may_allow_some_realms_only() {
    let mut room = room(GameSettings {
        realms: vec!["1".into(), "fb".into()],
        ..GameSettings::default()
    });
    let (code, message, _) = refused(room.joins(1, &joining("2:1")));
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(message.contains("1, fb"), "{message}");
    room.must_join(1, "fb:mel");
    let outcome = room.joins(1, &inviting("fb:mel", &["2:1"]));
    assert_eq!(refused(outcome).0, ErrorCode::Forbidden);
}

#[test]
fn a_full_room_lets_its_members_back_in_only() {
    let mut room = room(GameSettings {
        members_max: Some(2),
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    let error = room.joins(3, &joining("1:3")).unwrap_err();
    assert_eq!(
        (error.code, error.command),
        (ErrorCode::RoomFull, Some("joingame".into()))
    );
    assert_eq!(error.details, [("max".into(), 2)]);
    // A seat that exists is taken.
    room.session_detached(session(1), &user("1:1"), NOW);
    assert!(room.joins(3, &joining("1:3")).is_err());
    room.must_join(4, "1:1");
    room.leave(session(2), &user("1:2"), None, NOW).unwrap();
    room.must_join(3, "1:3");
}

#[test]
fn new_members_fill_the_smallest_team() {
    let mut room = room(GameSettings {
        teams: vec!["red".into(), "blue".into()],
        team_members_max: 2,
        ..GameSettings::default()
    });
    let team = |effects: Vec<Effect>| joined(&effects).team.clone().unwrap().to_string();
    assert_eq!(team(room.must_join(1, "1:1")), "red");
    assert_eq!(team(room.must_join(2, "1:2")), "blue");
    assert_eq!(
        team(room.joins(3, &on_team("1:3", "blue")).unwrap()),
        "blue"
    );
    let (code, message, _) = refused(room.joins(4, &on_team("1:4", "blue")));
    assert_eq!(code, ErrorCode::RoomFull);
    assert!(message.contains("blue"), "{message}");
    let (code, message, _) = refused(room.joins(4, &on_team("1:4", "green")));
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(message.contains("red, blue"), "{message}");
    assert_eq!(team(room.must_join(4, "1:4")), "red");
    assert_eq!(
        refused(room.joins(5, &joining("1:5"))).0,
        ErrorCode::RoomFull
    );
    // The team is the member's as long as it stays.
    assert_eq!(team(room.joins(1, &on_team("1:1", "blue")).unwrap()), "red");
}

#[test]
fn a_game_without_teams_takes_any() {
    let mut room = generic();
    let effects = room.joins(1, &on_team("1:1", "les bleus")).unwrap();
    assert_eq!(joined(&effects).team.as_deref(), Some("les bleus"));
    let outcome = room.joins(2, &on_team("1:2", "a\nb"));
    assert_eq!(refused(outcome).0, ErrorCode::Forbidden);
    let outcome = room.joins(2, &on_team("1:2", &"x".repeat(65)));
    assert_eq!(refused(outcome).0, ErrorCode::Forbidden);
}

#[test]
fn an_invite_is_answered_by_joining_or_declining() {
    let mut room = generic();
    let effects = room
        .joins(1, &inviting("1:1", &["1:2", "1:1", "1:2", "1:3"]))
        .unwrap();
    let invite = |id: &str, from: &str| Effect::Invite {
        user: user(id),
        from: user(from),
    };
    assert_eq!(effects[3..], [invite("1:2", "1:1"), invite("1:3", "1:1")]);
    assert_eq!(
        room.decline(&user("1:3"), NOW),
        Ok(vec![replied("1:1", "1:3", false)])
    );
    let (code, _, _) = refused(room.decline(&user("1:3"), NOW));
    assert_eq!(code, ErrorCode::NotFound);
    let effects = room.must_join(2, "1:2");
    assert_eq!(effects.last(), Some(&replied("1:1", "1:2", true)));
    // Who is in is not invited; who was, may be again.
    let effects = room.joins(1, &inviting("1:1", &["1:2", "1:3"])).unwrap();
    assert_eq!(effects[1..], [invite("1:3", "1:1")]);
    let effects = room.joins(2, &inviting("1:2", &["1:3"])).unwrap();
    assert_eq!(effects[1..], [invite("1:3", "1:2")]);
    assert_eq!(
        room.decline(&user("1:3"), NOW),
        Ok(vec![
            replied("1:1", "1:3", false),
            replied("1:2", "1:3", false)
        ])
    );
}

#[test]
fn joins_pay_for_what_they_and_their_leaves_send_to_each_member() {
    let settings = RoomSettings {
        bytes: BucketSettings::new(1_000, 10_000),
        invites_max: 1,
        ..RoomSettings::default()
    };
    let mut room = room_of(GameSettings::default(), settings);
    room.must_join(1, "1:1");
    let mut sent = 0;
    let error = loop {
        match room.joins(2, &joining("1:2")) {
            Ok(_) => {
                sent += 1;
                room.leave(session(2), &user("1:2"), None, NOW).unwrap();
            }
            Err(error) => break error,
        }
    };
    // Each of the two messages has the names and its JSON.
    assert!((30..80).contains(&sent), "{sent}");
    assert_eq!(error.code, ErrorCode::RateLimited);
    assert_eq!(error.limit, Some(Limit::RoomBytes));
    assert_eq!(error.command.as_deref(), Some("joingame"));
    assert!(error.detail("retry_ms").is_some());
    assert_eq!(room.members().len(), 1);
    // A member joins again for nothing, and a refused join costs nothing.
    room.must_join(3, "1:1");
    let later_ms = NOW + 200;
    let crowd = inviting("1:2", &["1:3", "1:4"]);
    for _ in 0..3 {
        let refused = room.join(session(2), &user("1:2"), &crowd, true, None, later_ms);
        assert_eq!(refused.unwrap_err().code, ErrorCode::TooMany);
    }
    let join = joining("1:2");
    let joined = room.join(session(2), &user("1:2"), &join, true, None, later_ms);
    assert!(joined.is_ok());
    room.leave(session(2), &user("1:2"), None, later_ms)
        .unwrap();
}

#[test]
fn members_that_drop_and_return_are_charged() {
    let settings = RoomSettings {
        bytes: BucketSettings::new(1_000, 10_000),
        ..RoomSettings::default()
    };
    let mut room = room_of(GameSettings::default(), settings);
    room.must_join(1, "1:1");
    room.must_join(2, "1:2");
    for _ in 0..100 {
        let away = room.session_detached(session(2), &user("1:2"), NOW);
        assert_eq!(away, [changed(&[("1:2", Away)])]);
        let back = room.session_attached(session(2), &user("1:2"), NOW);
        assert_eq!(back, [changed(&[("1:2", Back)])]);
    }
    let error = room.joins(3, &joining("1:3")).unwrap_err();
    assert_eq!(error.code, ErrorCode::RateLimited);
}

#[test]
fn invites_are_bounded_and_run_out() {
    let settings = RoomSettings {
        invites_max: 2,
        invites_waiting_max: 3,
        ..RoomSettings::default()
    };
    let mut room = room_of(GameSettings::default(), settings);
    let outcome = room.joins(1, &inviting("1:1", &["1:2", "1:3", "1:4"]));
    assert_eq!(refused(outcome).0, ErrorCode::TooMany);
    assert!(room.members().is_empty(), "a refused join is none");
    room.joins(1, &inviting("1:1", &["1:2", "1:3"])).unwrap();
    // Renewing needs no place.
    room.joins(1, &inviting("1:1", &["1:3", "1:4"])).unwrap();
    let outcome = room.joins(1, &inviting("1:1", &["1:5"]));
    assert_eq!(refused(outcome).0, ErrorCode::TooMany);
    let later = NOW + 600_000;
    assert!(room.decline(&user("1:2"), later).is_err());
    let join = inviting("1:1", &["1:5", "1:6"]);
    assert!(
        room.join(session(1), &user("1:1"), &join, true, None, later)
            .is_ok()
    );
}

#[test]
fn length_of_joined_has_the_state_and_every_member() {
    let mut room = room(GameSettings {
        keep_state: true,
        ..GameSettings::default()
    });
    room.must_join(1, "1:1");
    let alone = room.joined_bytes();
    room.must_join(2, "1:2");
    let two = room.joined_bytes();
    assert!((alone + 10..alone + 100).contains(&two), "{alone} {two}");
    let data = format!("{{\"state\":\"{}\"}}", "x".repeat(5_000));
    room.acts(1, "1:1", vec![action("1:1", &data)]).unwrap();
    assert_eq!(room.joined_bytes(), two + 5_002);
}
