//! Results of games that report them: what the backend gets, and how much of it.

use super::*;
use crate::limit::Limit;
use crate::rate::BucketSettings;
use crate::reason::ErrorCode;

const RESULT: &str = r#"{"result":1}"#;

fn reporting(game: GameSettings, settings: RoomSettings) -> Room {
    let game = GameSettings {
        report_result: true,
        ..game
    };
    let mut room = room_of(game, settings);
    for (slot, id) in [(1, "1:1"), (2, "1:2"), (3, "1:3")] {
        room.must_join(slot, id);
    }
    room
}

fn at_a_rate(per_second: u32, burst: u32) -> Room {
    let settings = RoomSettings {
        results: BucketSettings::new(per_second, burst),
        ..RoomSettings::default()
    };
    reporting(GameSettings::default(), settings)
}

/// The results among `effects`, which have at most one report.
fn claims(effects: &[Effect]) -> Vec<&Claim> {
    let mut found = None;
    for effect in effects {
        if let Effect::Report(report) = effect {
            assert!(found.replace(report).is_none(), "one for all");
        }
    }
    let claims = found.map(|report| &report.claims);
    claims.into_iter().flatten().collect()
}

impl Room {
    /// The results that the backend gets of a message with these data.
    fn reported(&mut self, slot: u32, data: &[&str]) -> Vec<String> {
        let id = format!("1:{slot}");
        let actions = data.iter().map(|data| action(&id, data)).collect();
        let effects = self.acts(slot, &id, actions).unwrap();
        let claims = claims(&effects).into_iter();
        claims
            .map(|claim| claim.result.as_json().to_owned())
            .collect()
    }

    /// Sends as many results in one message, at `now_ms`.
    fn claims(&mut self, slot: u32, count: usize, now_ms: u64) -> Result<(), Option<u64>> {
        let id = format!("1:{slot}");
        let actions = vec![action(&id, RESULT); count];
        let clock = SenderClock::trusted(None);
        match self.act(session(slot), &user(&id), actions, &clock, now_ms) {
            Ok(effects) => {
                assert_eq!(claims(&effects).len(), count);
                Ok(())
            }
            Err(error) => {
                assert_eq!(error.code, ErrorCode::RateLimited);
                assert_eq!(error.limit, Some(Limit::RoomResults));
                assert_eq!(error.detail("index"), Some(0));
                Err(error.detail("retry_ms"))
            }
        }
    }
}

#[test]
fn report_has_reporter_and_timestamp_and_the_members_are_in_the_room() {
    let game = GameSettings {
        teams: vec!["red".into()],
        ..GameSettings::default()
    };
    let mut room = reporting(game, RoomSettings::default());
    room.session_detached(session(2), &user("1:2"), NOW);
    let won = r#"{"move":3,"result":{"winner": "1:1", "score": 1.50}}"#;
    let actions = vec![action("1:1", "1"), action("1:1", won)];
    let clock = SenderClock::trusted(Some((NOW - 500) as f64));
    let acted = room.act(session(1), &user("1:1"), actions, &clock, NOW);
    let effects = acted.unwrap();
    let sent = vec![
        at(action("1:1", "1"), NOW - 499),
        at(action("1:1", won), NOW - 499),
    ];
    let report = ResultReport {
        by: user("1:1"),
        claims: vec![Claim {
            result: Payload::from_json(r#"{"winner": "1:1", "score": 1.50}"#),
            timestamp_ms: NOW - 499,
        }],
    };
    assert_eq!(effects, [played(sent), Effect::Report(report)]);
    let members = [
        member("1:1", Some("red"), MemberState::Joined),
        member("1:2", Some("red"), MemberState::Away),
        member("1:3", Some("red"), MemberState::Joined),
    ];
    assert_eq!(room.members().snapshot(), members);
}

#[test]
fn result_is_a_member_of_an_object_that_is_not_null() {
    let mut room = reporting(GameSettings::default(), RoomSettings::default());
    for none in [
        "1",
        "null",
        "[{\"result\":1}]",
        "[1]",
        "\"result\"",
        "{\"result\":null}",
        "{\"a\":{\"result\":1}}",
        "{}",
    ] {
        assert_eq!(room.reported(1, &[none]), [""; 0], "{none}");
    }
    for (data, result) in [
        (" {\"a\":[1], \"result\": false}", "false"),
        ("{\"result\":0}", "0"),
        ("{\"\\u0072esult\":\"\"}", "\"\""),
    ] {
        assert_eq!(room.reported(1, &[data]), [result], "{data}");
    }
    let two = ["{\"result\":[1]}", "{}", "{\"result\":{}}"];
    assert_eq!(room.reported(2, &two), ["[1]", "{}"]);
    for twice in [
        "{\"result\":1,\"result\":2}",
        "{\"result\":{\"a\":1,\"\\u0061\":2}}",
    ] {
        let error = room.acts(1, "1:1", vec![action("1:1", twice)]).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadMessage);
    }
}

#[test]
fn game_reports_no_result_unless_it_is_configured() {
    let mut room = generic();
    room.must_join(1, "1:1");
    let twice = "{\"result\":1,\"result\":2}";
    assert_eq!(room.reported(1, &[RESULT, twice]), [""; 0]);
}

#[test]
fn schema_checks_an_action_with_a_result() {
    let settings = GameSettings {
        report_result: true,
        ..GameSettings::default()
    };
    let schema = serde_json::json!({
        "properties": {"result": {"type": "object", "required": ["winner"]}}
    });
    let game = Game::new("chess", settings, Some(&schema)).unwrap();
    let mut room = Room::new(channel(), Arc::new(game), Arc::default(), NOW);
    room.must_join(1, "1:1");
    let won = "{\"result\":{\"winner\":null}}";
    assert_eq!(room.reported(1, &[won]), ["{\"winner\":null}"]);
    let (code, _, index) = refused(room.acts(1, "1:1", vec![action("1:1", RESULT)]));
    assert_eq!((code, index), (ErrorCode::InvalidAction, Some(0)));
}

#[test]
fn result_is_reported_at_once_where_actions_wait_for_a_tick() {
    let game = GameSettings {
        tick_ms: 1_000,
        ..GameSettings::default()
    };
    let mut room = reporting(game, RoomSettings::default());
    assert_eq!(room.reported(1, &[RESULT]), ["1"]);
    let sent = room.advance(NOW + 1_000);
    assert_eq!((sent.len(), claims(&sent).len()), (1, 0));
}

#[test]
fn long_result_is_refused() {
    let settings = RoomSettings {
        result_bytes_max: 10,
        ..RoomSettings::default()
    };
    let mut room = reporting(GameSettings::default(), settings);
    let long = "a".repeat(100);
    let fits = format!("{{\"long\":\"{long}\",\"result\":\"12345678\"}}");
    assert_eq!(room.reported(1, &[&fits]), ["\"12345678\""]);
    let actions = vec![
        action("1:1", RESULT),
        action("1:1", "{\"result\":\"123456789\"}"),
    ];
    let error = room.acts(1, "1:1", actions).unwrap_err();
    assert_eq!(error.code, ErrorCode::TooLarge);
    assert_eq!(error.limit, Some(Limit::ResultBytes));
    assert_eq!(
        (error.detail("index"), error.detail("max")),
        (Some(1), Some(10))
    );
}

#[test]
fn results_over_the_rate_are_refused_and_nobody_gets_them() {
    let mut room = at_a_rate(2, 3);
    assert_eq!(room.claims(1, 2, NOW), Ok(()));
    assert_eq!(room.claims(1, 2, NOW), Err(Some(500)));
    assert_eq!(room.claims(1, 1, NOW), Ok(()));
    assert_eq!(room.claims(1, 1, NOW), Err(Some(500)));
    // Other actions pass.
    assert_eq!(room.reported(1, &["{\"result\":null}"]), [""; 0]);
    assert_eq!(room.claims(1, 1, NOW + 500), Ok(()));
    assert_eq!(room.claims(1, 1, NOW + 500), Err(Some(500)));
}

#[test]
fn member_cannot_keep_others_from_reporting() {
    // A spent rate is full again after 2 s.
    let mut room = at_a_rate(1, 2);
    assert_eq!(room.claims(1, 2, NOW), Ok(()));
    assert_eq!(room.claims(2, 2, NOW), Err(Some(2_000)));
    assert_eq!(room.claims(2, 1, NOW), Ok(()));
    assert_eq!(room.claims(2, 1, NOW), Err(Some(2_000)));
    assert_eq!(room.claims(3, 1, NOW), Ok(()));
    // Those who report too often pay for the others.
    assert_eq!(room.claims(1, 1, NOW + 1_999), Err(Some(1_001)));
    // Leaving and coming back gains nothing.
    room.leave(session(2), &user("1:2"), None, NOW).unwrap();
    room.must_join(2, "1:2");
    assert_eq!(room.claims(2, 1, NOW + 1_999), Err(Some(1_001)));
    assert_eq!(room.claims(2, 1, NOW + 2_000), Ok(()));
}

#[test]
fn result_of_a_message_that_is_refused_costs_nothing() {
    let settings = RoomSettings {
        results: BucketSettings::new(1, 2),
        bytes: BucketSettings::new(1_000, 10_000),
        ..RoomSettings::default()
    };
    let mut room = reporting(GameSettings::default(), settings);
    let large = "1".repeat(9_000);
    room.acts(1, "1:1", vec![action("1:1", &large)]).unwrap();
    let results = || vec![action("1:1", RESULT), action("1:1", RESULT)];
    let mut too_much = results();
    too_much.push(action("1:1", &large));
    let error = room.acts(1, "1:1", too_much).unwrap_err();
    assert_eq!(error.limit, Some(Limit::RoomBytes));
    let effects = room.acts(1, "1:1", results()).unwrap();
    assert_eq!(claims(&effects).len(), 2);
}

#[test]
fn rate_of_zero_is_no_limit() {
    let mut room = at_a_rate(0, 1);
    for _ in 0..100 {
        assert_eq!(room.claims(1, 9, NOW), Ok(()));
    }
}
