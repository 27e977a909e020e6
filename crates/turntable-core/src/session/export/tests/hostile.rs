//! Values that no gateway wrote.

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Event, NOW, Watches, World, any_event, limits, path, user};
use crate::id::SessionId;
use crate::key::SessionKey;
use crate::rate::BucketExport;
use crate::session::Session;
use crate::session::clock::export::{ClockExport, PathExport, WindowExport};
use crate::session::export::{ImportLimits, LifeExport, NUMBER_MAX, OutboxExport, SessionExport};
use crate::session::flood::FloodExport;
use crate::session::membership::{ChannelMembership, RoomMembership};
use crate::session::outbox::OutboxFrame;
use crate::session::standing::StandingExport;

proptest! {
    /// Whatever a value says, the session of it is within the limits, and no step
    /// of it panics.
    #[test]
    fn hostile_values_make_no_session_beyond_the_limits(
        export in any_export(),
        now_ms in prop_oneof![Just(0), Just(NOW), Just(u64::MAX - 100_000)],
        after in vec(any_event(), 0..30),
    ) {
        let limits = ImportLimits { waiting_bytes_max: 100, ..limits() };
        let mut world = World::new();
        world.now_ms = now_ms;
        let imported = Session::import(
            export, now_ms, &world.settings, &limits, &mut world.watches,
        );
        let Ok((session, _)) = imported else { return Ok(()); };
        world.session = session;
        prop_assert!(world.session.outbox.waiting_bytes() <= limits.waiting_bytes_max);
        let retained = world.session.outbox.retained();
        let bytes: usize = retained.map(OutboxFrame::length).sum();
        prop_assert!(bytes <= limits.retained_bytes_max);
        prop_assert!(world.session.rooms().count() <= limits.rooms_max);
        prop_assert!(world.session.channels().len() <= limits.channels_max);
        prop_assert!(world.session.watching.len() <= limits.watching_max);
        for event in &after {
            if !matches!(event, Event::Passes(ms) if now_ms.checked_add(*ms).is_none()) {
                world.happens(event);
            }
        }
    }

    /// Bytes of another form are refused or are such a value.
    #[test]
    fn changed_bytes_are_refused_or_within_the_limits(
        before in vec(any_event(), 0..40),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let world = World::after(&before);
        let export = world.session.export(world.now_ms, &world.watches);
        let mut bytes = postcard::to_allocvec(&export.unwrap()).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        if let Ok(export) = postcard::from_bytes(&bytes) {
            let mut watches = Watches { first: 0 };
            let _ = Session::import(export, world.now_ms, &world.settings, &limits(), &mut watches);
        }
    }
}

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..9, Just(NUMBER_MAX), Just(u64::MAX), any::<u64>()]
}

fn any_bucket() -> impl Strategy<Value = BucketExport> {
    let spent = prop_oneof![any::<f32>(), Just(f32::NAN), Just(f32::INFINITY)];
    (spent, any::<u32>()).prop_map(|(spent, used_ms_ago)| BucketExport { spent, used_ms_ago })
}

fn any_clock() -> impl Strategy<Value = ClockExport> {
    let ms = || {
        proptest::option::of(prop_oneof![
            any::<f64>(),
            Just(f64::NAN),
            Just(f64::MIN),
            0.0..9e4
        ])
    };
    let path = proptest::option::of(any_path());
    let all = (ms(), ms(), ms(), ms(), ms(), ms(), any::<bool>(), path);
    all.prop_map(|(a, b, c, d, e, f, exchanged, path)| ClockExport {
        one_way: WindowExport {
            current: a,
            previous: b,
            age_ms: c,
        },
        one_way_previous_age_ms: d,
        round_trip: WindowExport {
            current: e.map(|ms| ms as f32),
            previous: f.map(|ms| ms as f32),
            age_ms: c,
        },
        exchanged,
        path,
    })
}

fn any_path() -> impl Strategy<Value = PathExport> {
    let suspect = prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::MAX)];
    (
        vec(any::<(u16, u16)>(), 0..40),
        any::<u32>(),
        any::<Option<u32>>(),
        any::<bool>(),
        proptest::option::of((any::<u32>(), suspect)),
        any::<Option<(u16, u16)>>(),
        any::<(u16, u16, u32)>(),
    )
        .prop_map(
            |(round_trips, newest_age_ms, acted_age_ms, is_old, suspect, bound, floor)| {
                PathExport {
                    round_trips,
                    newest_age_ms,
                    acted_age_ms,
                    is_old,
                    suspect,
                    bound,
                    floor,
                }
            },
        )
}

fn any_export() -> impl Strategy<Value = SessionExport> {
    let life = proptest::option::of(any_number()).prop_map(|left| match left {
        Some(expires_in_ms) => LifeExport::Detached { expires_in_ms },
        None => LifeExport::Attached,
    });
    let text = prop_oneof![9 => "[sw][a-z]{0,30}", 1 => Just("unreadable".to_owned())];
    let outbox = (any_number(), any::<bool>(), vec(text, 0..12), 0u64..14).prop_map(
        |(forgotten, has_overflowed, texts, written)| OutboxExport {
            forgotten,
            has_overflowed,
            messages: texts.into_iter().map(String::into_boxed_str).collect(),
            written,
            written_before: written / 2,
        },
    );
    let rooms = vec((0u8..9, prop_oneof![Just(u32::MAX), 0u32..3]), 0..5);
    let channels = vec((0u8..9, any::<bool>()), 0..5);
    let counts = (any_number(), any_number(), 0u32..150, any::<bool>());
    let token = proptest::option::of(Just("t".repeat(70_000).into_boxed_str()));
    let standing =
        (proptest::option::of(any::<i64>()), token).prop_map(|(expires_in_ms, token)| {
            StandingExport {
                expires_in_ms,
                token,
            }
        });
    let standing = proptest::option::weighted(0.3, standing);
    let budgets = (any_bucket(), any_bucket(), any_bucket());
    let rates = (vec(any_bucket(), 0..10), budgets);
    let clock = proptest::option::of(any_clock());
    (
        life, outbox, rooms, channels, counts, rates, clock, standing,
    )
        .prop_map(
            |(life, outbox, rooms, channels, counts, rates, clock, standing)| SessionExport {
                key: SessionKey::from_number(7),
                id: SessionId::from_bits([7; 16]),
                user: user(1),
                roles: vec!["staff".into(); counts.2 as usize],
                functions: Vec::new(),
                standing,
                is_provisional: counts.3,
                life,
                outbox,
                accepted: counts.0,
                attempt: counts.2,
                watching: (0..counts.2).map(user).collect(),
                rooms: rooms
                    .into_iter()
                    .map(|(room, joins)| RoomMembership {
                        room: path(room),
                        joins,
                    })
                    .collect(),
                channels: channels
                    .into_iter()
                    .map(|(channel, subpaths)| ChannelMembership {
                        channel: path(channel),
                        subpaths,
                    })
                    .collect(),
                clock,
                buckets: rates.0,
                bytes: rates.1.0,
                flood: FloodExport {
                    budget: rates.1.1,
                    retry_in_ms: rates.1.1.used_ms_ago,
                },
                errors: rates.1.2,
                silent_ms: counts.1,
                is_idle: counts.3,
            },
        )
}
