//! Deliveries of every kind.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use turntable_core::backup::Backup;
use turntable_core::delivery::{Answer, Delivery, Meta, Replay, Topic};
use turntable_core::key::{SessionKey, ShardId};
use turntable_core::model::room::{MemberReport, RoomReport};
use turntable_core::model::service::{Direct, ServiceState};
use turntable_core::model::timestamp::Lag;
use turntable_core::packet::{ErrorBody, LookupEntry, Presence};

use super::{
    attributes, avatar_backup, channel, error, frame, generation, owner, payload, place, request,
    room_backup, service_request, text, user,
};

fn topic() -> impl Strategy<Value = Topic> {
    prop_oneof![
        channel().prop_map(Topic::Room),
        channel().prop_map(Topic::Channel),
        channel().prop_map(Topic::Below),
    ]
}

fn replay() -> impl Strategy<Value = Replay> {
    (proptest::collection::vec(frame(), 0..3), frame()).prop_map(|(messages, otherwise)| Replay {
        messages,
        otherwise,
    })
}

fn presence() -> impl Strategy<Value = Presence> + Clone {
    prop_oneof![
        Just(Presence::Offline),
        Just(Presence::Idle),
        Just(Presence::Busy),
        Just(Presence::Online),
    ]
}

fn entry() -> impl Strategy<Value = LookupEntry> {
    let last_seen = option::of(any::<u64>());
    let note = option::of(payload());
    (presence(), last_seen, any::<u32>(), note, attributes()).prop_map(
        |(state, last_seen_ms, devices, note, profile)| LookupEntry {
            state,
            last_seen_ms,
            devices,
            note,
            profile,
        },
    )
}

fn room() -> impl Strategy<Value = Answer> {
    let lag = (option::of(any::<u32>()), any::<u32>()).prop_map(|(measured_ms, credit_ms)| Lag {
        measured_ms,
        credit_ms,
    });
    let seat = (
        any::<u64>().prop_map(SessionKey::from_number),
        any::<bool>(),
    );
    let times = (any::<u64>(), option::of(any::<u64>()), any::<u64>());
    let member = (
        user(),
        option::of(text()),
        times,
        option::of(lag),
        vec(seat, 0..3),
    );
    let member = member.prop_map(|(user, team, times, lag, sessions)| MemberReport {
        user,
        team,
        since_ms: times.0,
        seat_until_ms: times.1,
        lag,
        last_ms: times.2,
        sessions,
    });
    let numbers = (
        any::<u64>(),
        any::<u64>(),
        option::of(any::<u64>()),
        any::<u64>(),
    );
    let report = (text(), payload(), vec(member, 0..3), numbers.clone());
    let report = report.prop_map(|(game, settings, members, numbers)| RoomReport {
        game,
        settings,
        members,
        state_bytes: numbers.0,
        waiting_bytes: numbers.1,
        ends_ms: numbers.2,
        time_ms: numbers.3,
    });
    (report, numbers).prop_map(|(report, numbers)| Answer::Room {
        report: Box::new(report),
        since_ms: numbers.0,
        actions: numbers.1,
        last_action_ms: numbers.2,
    })
}

fn answer() -> impl Strategy<Value = Result<Answer, Box<ErrorBody>>> {
    prop_oneof![
        Just(Ok(Answer::Done)),
        any::<u64>().prop_map(|count| Ok(Answer::Count(count))),
        attributes().prop_map(|attributes| Ok(Answer::Attributes(attributes))),
        entry().prop_map(|entry| Ok(Answer::Seen(Box::new(entry)))),
        payload().prop_map(|result| Ok(Answer::Result(result))),
        (
            any::<(bool, bool)>(),
            vec(text(), 0..3),
            any::<u64>(),
            any::<u64>()
        )
            .prop_map(|((is_enabled, is_off), functions, instances, open)| {
                let state = ServiceState {
                    is_enabled,
                    functions,
                    direct: None,
                };
                Ok(Answer::Service {
                    state,
                    is_off,
                    instances,
                    open,
                })
            }),
        (any::<u128>(), any::<u64>(), text())
            .prop_map(|(id, offset, epoch)| Ok(Answer::Published { id, offset, epoch })),
        (text(), any::<u64>(), any::<bool>(), vec(frame(), 0..3)).prop_map(
            |(epoch, offset, recovered, messages)| Ok(Answer::History {
                epoch,
                offset,
                recovered,
                messages,
            })
        ),
        vec(channel(), 0..3).prop_map(|channels| Ok(Answer::Channels(channels))),
        room().prop_map(Ok),
        (any::<u64>(), vec((any::<u64>(), frame()), 0..3))
            .prop_map(|(total, messages)| Ok(Answer::Actions { total, messages })),
        error().prop_map(Err),
    ]
}

pub(in super::super) fn delivery() -> impl Strategy<Value = Delivery> {
    let meta = (option::of(any::<u64>()), any::<bool>())
        .prop_map(|(offset, is_exact)| Meta { offset, is_exact });
    let direct = option::of((text(), text()).prop_map(|(url, protocol)| {
        let direct = Direct { url, protocol };
        Box::new(direct)
    }));
    let backup = prop_oneof![
        avatar_backup().prop_map(Backup::Avatar),
        (channel(), room_backup()).prop_map(|(room, backup)| Backup::Room(room, backup)),
    ];
    prop_oneof![
        (topic(), frame(), meta).prop_map(|(topic, frame, meta)| Delivery::Publish {
            topic,
            frame,
            meta
        }),
        (place(), frame(), request()).prop_map(|(to, frame, id)| Delivery::Send { to, frame, id }),
        (place(), error(), request(), option::of(topic())).prop_map(|(to, error, id, joining)| {
            Delivery::Refuse {
                to,
                error,
                id,
                joining,
            }
        }),
        (place(), topic()).prop_map(|(to, topic)| Delivery::Enter { to, topic }),
        (place(), topic()).prop_map(|(to, topic)| Delivery::Exit { to, topic }),
        (place(), topic(), frame(), request(), option::of(replay())).prop_map(
            |(to, topic, frame, id, replay)| Delivery::Joined {
                to,
                topic,
                frame,
                id,
                replay,
            }
        ),
        (user(), presence()).prop_map(|(user, presence)| Delivery::Presence { user, presence }),
        (user(), attributes(), any::<bool>()).prop_map(|(user, profile, is_whole)| {
            let change = |(name, value)| (name, is_whole.then_some(value));
            Delivery::Profile {
                user,
                changes: profile.into_iter().map(change).collect(),
                is_whole,
            }
        }),
        (place(), user(), attributes(), vec(text(), 0..3), request()).prop_map(
            |(to, user, attributes, services, id)| Delivery::Attached {
                to,
                user,
                attributes,
                services,
                id
            }
        ),
        (place(), user(), any::<bool>()).prop_map(|(to, user, is_seen)| Delivery::Seeing {
            to,
            user,
            is_seen
        }),
        (place(), error(), request()).prop_map(|(to, error, id)| Delivery::NotAttached {
            to,
            error,
            id
        }),
        (place(), any::<bool>()).prop_map(|(to, is_replaced)| Delivery::End { to, is_replaced }),
        (any::<u64>(), user(), entry()).prop_map(|(ticket, user, entry)| Delivery::Found {
            ticket,
            user,
            entry
        }),
        channel().prop_map(|channel| Delivery::Below { channel }),
        (any::<u64>(), any::<u32>()).prop_map(|(ticket, count)| Delivery::Listed { ticket, count }),
        (
            (any::<u64>(), any::<bool>(), any::<u64>()),
            channel(),
            text(),
            vec(frame(), 0..3)
        )
            .prop_map(|((ticket, has_value, offset), channel, epoch, messages)| {
                Delivery::Past {
                    ticket,
                    channel,
                    epoch,
                    has_value,
                    offset,
                    messages,
                }
            }),
        (place(), any::<u32>()).prop_map(|(to, bytes)| Delivery::Charge { to, bytes }),
        any::<u64>().prop_map(|ticket| Delivery::LookupFailed { ticket }),
        (place(), backup).prop_map(|(to, backup)| Delivery::Backup { to, backup }),
        (text(), any::<bool>(), vec(text(), 0..3), direct).prop_map(
            |(name, is_enabled, functions, direct)| {
                let state = ServiceState {
                    is_enabled,
                    functions,
                    direct,
                };
                Delivery::Service { name, state }
            }
        ),
        (place(), text(), any::<u64>(), service_request()).prop_map(
            |(to, service, number, request)| Delivery::HandOut {
                to,
                service,
                number,
                request: Box::new(request)
            }
        ),
        (place(), text(), any::<u64>()).prop_map(|(to, service, number)| Delivery::Cancel {
            to,
            service,
            number
        }),
        (place(), frame(), request()).prop_map(|(to, frame, id)| match id {
            Some(id) => Delivery::Answer { to, frame, id },
            None => Delivery::Send { to, frame, id },
        }),
        (any::<u64>(), answer()).prop_map(|(ticket, answer)| Delivery::Answered { ticket, answer }),
        (any::<u32>(), generation(), option::of(owner())).prop_map(|(shard, generation, owner)| {
            Delivery::OwnerLost {
                shard: ShardId(shard),
                generation,
                owner,
            }
        }),
    ]
}
