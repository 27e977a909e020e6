//! Calls of every kind.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use turntable_core::address::Address;
use turntable_core::backup::{AnnouncedMember, AnnouncedSession};
use turntable_core::call::{
    AvatarCall, Call, ChannelCall, Requester, RoomCall, ServiceCall, Since, Stamped,
};
use turntable_core::key::ShardId;
use turntable_core::model::channel::Past;
use turntable_core::model::member::Listener;
use turntable_core::model::pattern::Pattern;
use turntable_core::model::timestamp::{Lag, SenderClock};
use turntable_core::packet::{Action, JoinGame, OwnStatus, Position};

use super::{
    attributes, avatar_backup, caller, channel, frame, gateway, generation, number, payload,
    request, room_backup, status, text, user,
};

fn action() -> impl Strategy<Value = Action> {
    let team = option::of(text());
    (number(), user(), team, payload()).prop_map(|(timestamp_ms, from, team, data)| Action {
        timestamp_ms,
        from,
        team,
        data,
    })
}

fn join_game() -> impl Strategy<Value = JoinGame> {
    let (team, game) = (option::of(text()), option::of(text()));
    (channel(), user(), vec(user(), 0..4), team, game).prop_map(
        |(channel, member, invite, team, game)| JoinGame {
            channel,
            member,
            invite,
            team,
            game,
        },
    )
}

fn announced_session() -> impl Strategy<Value = AnnouncedSession> {
    let dropped = option::of(any::<u64>());
    (caller(), dropped, any::<bool>(), avatar_backup()).prop_map(
        |(caller, dropped_ms, is_idle, backup)| AnnouncedSession {
            caller,
            dropped_ms,
            is_idle,
            backup,
        },
    )
}

fn announced_member() -> impl Strategy<Value = AnnouncedMember> {
    let dropped = option::of(any::<u64>());
    (caller(), user(), dropped, room_backup()).prop_map(|(caller, user, dropped_ms, backup)| {
        AnnouncedMember {
            caller,
            user,
            dropped_ms,
            backup,
        }
    })
}

pub(super) fn requester() -> impl Strategy<Value = Requester> {
    (gateway(), any::<u64>()).prop_map(|(gateway, ticket)| Requester { gateway, ticket })
}

fn own_status() -> impl Strategy<Value = OwnStatus> {
    (status(), option::of(payload())).prop_map(|(state, note)| OwnStatus { state, note })
}

fn avatar_call() -> impl Strategy<Value = AvatarCall> {
    let changes = vec((text(), option::of(payload())), 0..4);
    prop_oneof![
        (
            caller(),
            vec(text(), 0..3),
            attributes(),
            option::of(own_status()),
            request()
        )
            .prop_map(|(caller, roles, attributes, status, id)| {
                AvatarCall::Attach {
                    caller,
                    is_known: roles.len() == 1,
                    roles,
                    attributes,
                    status,
                    id,
                }
            }),
        (caller(), vec(user(), 0..3), any::<bool>()).prop_map(|(caller, users, is_watching)| {
            AvatarCall::Watching {
                caller,
                users,
                is_watching,
            }
        }),
        (user(), any::<bool>())
            .prop_map(|(user, is_watching)| AvatarCall::WatchedBy { user, is_watching }),
        user().prop_map(|with| AvatarCall::Mutual { with }),
        caller().prop_map(|caller| AvatarCall::Detach { caller }),
        caller().prop_map(|caller| AvatarCall::Resume { caller }),
        caller().prop_map(|caller| AvatarCall::Remove { caller }),
        (caller(), status(), option::of(payload()), request()).prop_map(
            |(caller, status, note, id)| AvatarCall::Status {
                caller,
                status,
                note,
                id
            }
        ),
        (caller(), any::<bool>()).prop_map(|(caller, idle)| AvatarCall::Idle { caller, idle }),
        gateway().prop_map(|gateway| AvatarCall::Watch { gateway }),
        gateway().prop_map(|gateway| AvatarCall::Unwatch { gateway }),
        (gateway(), any::<u64>())
            .prop_map(|(gateway, ticket)| AvatarCall::Lookup { gateway, ticket }),
        (channel(), user(), any::<u64>()).prop_map(|(channel, from, until_ms)| {
            AvatarCall::Invite {
                channel,
                from,
                until_ms,
            }
        }),
        channel().prop_map(|channel| AvatarCall::InviteAnswered { channel }),
        (channel(), any::<bool>())
            .prop_map(|(channel, playing)| AvatarCall::Playing { channel, playing }),
        (caller(), changes, request()).prop_map(|(caller, changes, id)| AvatarCall::Set {
            caller,
            changes,
            id
        }),
        frame().prop_map(AvatarCall::Tell),
        (requester(), payload())
            .prop_map(|(requester, message)| AvatarCall::Publish { requester, message }),
        requester().prop_map(|requester| AvatarCall::Attributes { requester }),
        requester().prop_map(|requester| AvatarCall::Erase { requester }),
        (requester(), vec((text(), option::of(payload())), 0..4))
            .prop_map(|(requester, changes)| AvatarCall::Change { requester, changes }),
        (
            gateway(),
            generation(),
            any::<bool>(),
            vec(announced_session(), 0..3)
        )
            .prop_map(|(gateway, generation, is_watching, sessions)| {
                AvatarCall::Announce {
                    gateway,
                    generation,
                    is_watching,
                    sessions,
                }
            }),
    ]
}

fn sender_clock() -> impl Strategy<Value = SenderClock> {
    let lag = (option::of(any::<u32>()), any::<u32>()).prop_map(|(measured_ms, credit_ms)| Lag {
        measured_ms,
        credit_ms,
    });
    (option::of(number()), lag, any::<u64>()).prop_map(|(offset_ms, lag, received_ms)| {
        SenderClock {
            offset_ms,
            lag,
            received_ms,
        }
    })
}

pub(super) fn address() -> impl Strategy<Value = Option<Address>> {
    option::of(any::<u64>().prop_map(Address::from_number))
}

fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let pattern = prop::sample::select(&["**", "a", "a/*", "*/b/**"][..]);
    vec(
        pattern.prop_filter_map("a pattern", |text| Pattern::parse(text).ok()),
        0..3,
    )
}

fn room_call() -> impl Strategy<Value = RoomCall> {
    let actions = vec(action(), 0..4);
    prop_oneof![
        (
            caller(),
            user(),
            join_game(),
            request(),
            any::<bool>(),
            option::of(patterns()),
            address(),
        )
            .prop_map(|(caller, user, join, id, is_connected, games, address)| {
                RoomCall::Join {
                    caller,
                    address,
                    user,
                    join,
                    id,
                    is_connected,
                    games,
                }
            }),
        (caller(), user(), request()).prop_map(|(caller, user, id)| RoomCall::Leave {
            caller,
            user,
            id
        }),
        (
            caller(),
            user(),
            actions,
            sender_clock(),
            address(),
            request()
        )
            .prop_map(
                |(caller, user, actions, clock, address, id)| RoomCall::Act {
                    caller,
                    user,
                    actions,
                    clock,
                    address,
                    id
                }
            ),
        (caller(), user(), request()).prop_map(|(caller, user, id)| RoomCall::Decline {
            caller,
            user,
            id
        }),
        (caller(), user()).prop_map(|(caller, user)| RoomCall::Detach { caller, user }),
        (caller(), user()).prop_map(|(caller, user)| RoomCall::Resume { caller, user }),
        (caller(), user(), any::<bool>()).prop_map(|(caller, user, is_bye)| RoomCall::Remove {
            caller,
            user,
            is_bye
        }),
        user().prop_map(|user| RoomCall::Confirm { user }),
        requester().prop_map(|requester| RoomCall::Inspect { requester }),
        (requester(), option::of(text()))
            .prop_map(|(requester, reason)| RoomCall::End { requester, reason }),
        (requester(), user(), option::of(text())).prop_map(|(requester, user, reason)| {
            RoomCall::Kick {
                requester,
                user,
                reason,
            }
        }),
        (requester(), option::of(any::<u64>()))
            .prop_map(|(requester, behind)| RoomCall::Recent { requester, behind }),
        (gateway(), generation(), vec(announced_member(), 0..3)).prop_map(
            |(gateway, generation, members)| RoomCall::Announce {
                gateway,
                generation,
                members
            }
        ),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    (text(), any::<u64>()).prop_map(|(epoch, offset)| Position { epoch, offset })
}

fn past() -> impl Strategy<Value = Past> {
    (option::of(position()), any::<u32>()).prop_map(|(since, history)| Past { since, history })
}

fn listener() -> impl Strategy<Value = Listener> {
    (user(), option::of(any::<u64>()), any::<bool>()).prop_map(|(user, dropped_ms, is_hidden)| {
        Listener {
            user,
            dropped_ms,
            is_hidden,
        }
    })
}

fn channel_call() -> impl Strategy<Value = ChannelCall> {
    let listeners = vec((caller(), listener()), 0..3).prop_map(|all| {
        let all = all.into_iter();
        all.map(|(caller, listener)| (caller.key, listener))
            .collect()
    });
    prop_oneof![
        (
            caller(),
            address(),
            listener(),
            any::<bool>(),
            past(),
            request()
        )
            .prop_map(|(caller, address, listener, subpaths, past, id)| {
                ChannelCall::Join {
                    caller,
                    address,
                    listener,
                    subpaths,
                    past,
                    id,
                }
            }),
        (caller(), any::<bool>(), any::<bool>()).prop_map(|(caller, subpaths, stays)| {
            ChannelCall::Leave {
                caller,
                subpaths,
                stays,
            }
        }),
        caller().prop_map(|caller| ChannelCall::Detach { caller }),
        caller().prop_map(|caller| ChannelCall::Resume { caller }),
        (caller(), any::<bool>())
            .prop_map(|(caller, is_hidden)| ChannelCall::Hide { caller, is_hidden }),
        (caller(), address(), user(), payload(), request()).prop_map(
            |(caller, address, user, data, id)| ChannelCall::Publish {
                caller,
                address,
                user,
                data,
                id,
            }
        ),
        gateway().prop_map(|gateway| ChannelCall::Unsubscribed { gateway }),
        (gateway(), generation(), any::<bool>(), listeners).prop_map(
            |(gateway, generation, is_subscribed, listeners)| ChannelCall::Announce {
                gateway,
                generation,
                is_subscribed,
                listeners
            }
        ),
        Just(ChannelCall::Forget),
        (requester(), payload())
            .prop_map(|(requester, message)| ChannelCall::Tell { requester, message }),
        (requester(), option::of((option::of(text()), any::<u64>()))).prop_map(
            |(requester, since)| {
                let since = since.map(|(epoch, offset)| Since { epoch, offset });
                ChannelCall::Recall { requester, since }
            }
        ),
        requester().prop_map(|requester| ChannelCall::Clear { requester }),
        (requester(), any::<u32>())
            .prop_map(|(requester, depth)| ChannelCall::Past { requester, depth }),
    ]
}

fn service_call() -> impl Strategy<Value = ServiceCall> {
    let names = || vec(text(), 0..3);
    prop_oneof![
        gateway().prop_map(|gateway| ServiceCall::Watch { gateway }),
        (caller(), names(), address()).prop_map(|(caller, functions, address)| {
            ServiceCall::Provide {
                caller,
                functions,
                address,
            }
        }),
        caller().prop_map(|caller| ServiceCall::Gone { caller }),
        super::service_request().prop_map(ServiceCall::Call),
        (super::instance(), any::<u64>(), super::outcome()).prop_map(|(from, number, outcome)| {
            ServiceCall::Reply {
                from,
                number,
                outcome,
            }
        }),
        (super::instance(), any::<u64>())
            .prop_map(|(from, number)| ServiceCall::Returned { from, number }),
        any::<bool>().prop_map(|is_on| ServiceCall::Switch { is_on }),
        (gateway(), user()).prop_map(|(gateway, user)| ServiceCall::EndCalls { gateway, user }),
        Just(ServiceCall::Look),
        requester().prop_map(|requester| ServiceCall::Inspect { requester }),
        (gateway(), generation(), vec((caller(), names()), 0..3)).prop_map(
            |(gateway, generation, providers)| ServiceCall::Announce {
                gateway,
                generation,
                providers
            }
        ),
        caller().prop_map(|caller| ServiceCall::Moved { caller }),
    ]
}

/// Only debug builds have faults.
#[cfg(debug_assertions)]
fn fault() -> impl Strategy<Value = Call> {
    super::owner().prop_map(Call::Fail)
}

#[cfg(not(debug_assertions))]
fn fault() -> impl Strategy<Value = Call> {
    channel().prop_map(|channel| Call::RoomLost { channel })
}

pub(in super::super) fn stamped() -> impl Strategy<Value = Stamped> {
    let call = prop_oneof![
        4 => (user(), avatar_call()).prop_map(|(user, call)| Call::Avatar(user, call)),
        3 => (channel(), room_call()).prop_map(|(channel, call)| Call::Room(channel, call)),
        2 => (channel(), channel_call()).prop_map(|(channel, call)| Call::Channel(channel, call)),
        1 => (channel(), gateway(), any::<bool>()).prop_map(|(channel, gateway, wanted)| {
            Call::Below { channel, gateway, wanted }
        }),
        1 => channel().prop_map(|channel| Call::RoomLost { channel }),
        2 => (text(), service_call()).prop_map(|(name, call)| Call::Service(name, call)),
        1 => Just(Call::ForgetHistories),
        1 => (any::<u32>(), requester(), option::of(text()), any::<u32>()).prop_map(
            |(shard, requester, after, max)| Call::Rooms {
                shard: ShardId(shard),
                requester,
                after,
                max,
            }
        ),
        1 => (any::<u32>(), requester()).prop_map(|(shard, requester)| Call::Channels {
            shard: ShardId(shard),
            requester,
        }),
        1 => (any::<u32>(), channel(), requester(), any::<u32>()).prop_map(
            |(shard, channel, requester, depth)| Call::PastBelow {
                shard: ShardId(shard),
                channel,
                requester,
                depth,
            }
        ),
        1 => fault(),
    ];
    (generation(), call).prop_map(|(generation, call)| Stamped { generation, call })
}
