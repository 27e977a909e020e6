#![allow(clippy::unwrap_used)]

mod hostile;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::key::{ConnKey, SlotKey as _};
use crate::reason::CloseReason;
use crate::session::life::Input;
use world::{Event, NOW, Note, Watches, World, any_event, limits, path, user};

/// What a resume leads to at a gateway whose session never had a connection
/// there: nothing is closed, and owners learn of the new place.
fn as_from_elsewhere(effects: &str, is_refused: bool) -> String {
    let required = effects.split("; ").filter(|effect| {
        let is_of_connection = effect.starts_with("Release") || effect.starts_with("Close");
        !is_of_connection
    });
    let mut required: Vec<&str> = required.collect();
    if !is_refused {
        // Nothing comes behind `Continue`.
        required.insert(required.len() - 1, "Report { connected: true }");
    }
    required.join("; ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A session that goes on elsewhere cannot be distinguished from one that stayed.
    #[test]
    fn resume_after_import_equals_resume_on_the_original(
        before in vec(any_event(), 0..80),
        shift_ms in prop_oneof![Just(0), 0u64..10_000_000_000],
        as_json in any::<bool>(),
        (position, starts_with_resume) in (0u64..30, any::<bool>()),
        after in vec(any_event(), 0..60),
    ) {
        let mut original = World::after(&before);
        let was_attached = original.session.connection().is_some();
        let (mut imported, effects) = original.imported(shift_ms, as_json).unwrap();
        prop_assert!(effects.starts_with(&[Effect::Register]));
        prop_assert_eq!(imported.view(), original.view());
        if was_attached || starts_with_resume {
            // Somewhere before, among and behind what is retained.
            // A request that comes late changes nothing, here or there.
            let outbox = &original.session.outbox;
            let received = outbox.numbered().checked_sub(position);
            let received = received.map(|n| n.max(outbox.acknowledged().unwrap_or(0)));
            let mut expected = original.resume(received);
            if was_attached {
                let is_refused = original.session.life() == Life::Ended;
                expected = as_from_elsewhere(&expected, is_refused);
            }
            prop_assert_eq!(imported.resume(received), expected);
        }
        for event in &after {
            prop_assert_eq!(imported.happens(event), original.happens(event), "{:?}", event);
            prop_assert_eq!(imported.view(), original.view(), "{:?}", event);
        }
        for event in [Event::Lost, Event::Passes(20_000), Event::Expiry, Event::Passes(20_001),
            Event::Expiry]
        {
            prop_assert_eq!(imported.happens(&event), original.happens(&event));
        }
        prop_assert_eq!(imported.session.life(), Life::Ended);
        prop_assert_eq!(original.session.life(), Life::Ended);
    }
}

#[test]
fn session_that_is_not_admitted_or_over_is_no_value() {
    let mut world = World::new();
    let export = |session: &Session<Note>| session.export(NOW, &Watches { first: 0 });
    assert!(export(&world.session).is_some());
    let attaching = Session::new(
        SessionKey::from_number(7),
        SessionId::from_bits([7; 16]),
        user(1),
        ConnKey::new(0, 0),
        NOW,
    );
    assert!(export(&attaching).is_none());
    world.step(Input::End(CloseReason::Kicked));
    assert!(export(&world.session).is_none());
}

#[test]
fn detached_session_expires_when_it_would_have() {
    let mut world = World::new();
    world.happens(&Event::Lost);
    world.happens(&Event::Passes(10_000));
    let (_, effects) = world.imported(5, false).unwrap();
    let at_ms = world.now_ms + 5 + 30_000;
    assert_eq!(effects.last(), Some(&Effect::ArmExpiry(at_ms)));
    // A connection that carried it is lost at that moment.
    let (_, effects) = World::new().imported(5, false).unwrap();
    assert_eq!(effects.last(), Some(&Effect::ArmExpiry(NOW + 5 + 40_000)));
}

#[test]
fn session_beyond_a_limit_is_refused() {
    let world = World::new();
    let export = world.session.export(NOW, &world.watches);
    let export = export.unwrap();
    let import = |change: &dyn Fn(&mut SessionExport)| {
        let mut export = export.clone();
        change(&mut export);
        let mut watches = Watches { first: 0 };
        Session::import(export, NOW, &world.settings, &limits(), &mut watches).err()
    };
    let room = |number| RoomMembership {
        room: path(number),
        joins: 0,
    };
    assert_eq!(import(&|_| {}), None);
    assert_eq!(
        import(&|export| export.rooms = (0..4).map(room).collect()),
        Some(ImportError::TooMany("rooms"))
    );
    assert_eq!(
        import(&|export| export.rooms = vec![room(1), room(1)]),
        Some(ImportError::Duplicate("rooms"))
    );
    assert_eq!(
        import(&|export| export.watching = (0..101).map(user).collect()),
        Some(ImportError::TooMany("watched users"))
    );
    assert_eq!(
        import(&|export| export.outbox.written = 1),
        Some(ImportError::Number)
    );
    assert_eq!(
        import(&|export| export.accepted = u64::MAX),
        Some(ImportError::Number)
    );
    assert_eq!(
        import(&|export| export.outbox.messages = vec!["unreadable".into()]),
        Some(ImportError::Message)
    );
    assert_eq!(
        import(&|export| export.outbox.messages = vec!["w".repeat(2 << 20).into()]),
        Some(ImportError::TooLarge)
    );
    let token = |bytes| {
        move |export: &mut SessionExport| {
            export.standing = Some(StandingExport {
                expires_in_ms: None,
                token: Some("t".repeat(bytes).into()),
            });
        }
    };
    assert_eq!(import(&token(TOKEN_BYTES_MAX)), None);
    let refused = import(&token(TOKEN_BYTES_MAX + 1));
    assert_eq!(refused, Some(ImportError::TooLarge));
}
