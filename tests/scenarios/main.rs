//! One suite for all transports: each function of `scenario` is written once, over
//! the trait of `transport`, and runs over every transport as a test of its own.
//!
//! A line in `transports!` adds a transport, a line in `scenarios!` a scenario.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub
)]

mod client;
mod scenario;
mod transport;

use std::future::Future;

use scenario::{migration, mixed};
use transport::poll::Poll;
use transport::{Transport as _, bridge, format, msgpack, socketio, tunnel, ws};

/// The libraries with their default transports.
type Npm = bridge::Bridge<bridge::NpmUpgrade>;
type Python = bridge::Bridge<bridge::PythonUpgrade>;

/// Runs a scenario to its end.
fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(scenario);
}

/// Whether the client of a transport is available on this machine.
type IsAvailable = fn() -> bool;

/// Those whose clients are available on this machine.
fn available<T: Copy>(all: &[(IsAvailable, T)]) -> Vec<T> {
    let available = all.iter().filter(|(is_available, _)| is_available());
    available.map(|(_, one)| *one).collect()
}

/// Tests of scenarios over the transport that the surrounding module defines.
macro_rules! scenarios {
    ($($group:ident { $($scenario:ident,)* })*) => {
        $(mod $group {
            $(#[test]
            fn $scenario() {
                if super::is_available() {
                    crate::run(crate::scenario::$group::$scenario::<super::Transport>());
                }
            })*
        })*
    };
}

/// A module of tests for each transport, and lists of all transports for the
/// scenarios that need more than one.
macro_rules! transports {
    ($($name:ident: $transport:ty,)*) => {
        fn hops() -> Vec<migration::Hop> {
            let all: &[(IsAvailable, migration::Hop)] = &[$((<$transport>::is_available, migration::hop::<$transport>)),*];
            available(all)
        }

        fn members() -> Vec<mixed::Participant> {
            let all: &[(IsAvailable, mixed::Participant)] = &[$((<$transport>::is_available, mixed::member::<$transport>)),*];
            available(all)
        }

        fn subscribers() -> Vec<mixed::Participant> {
            let all: &[(IsAvailable, mixed::Participant)] = &[$((<$transport>::is_available, mixed::subscriber::<$transport>)),*];
            available(all)
        }

        $(mod $name {
            use super::*;

            type Transport = $transport;

            fn is_available() -> bool {
                Transport::is_available()
            }

            scenarios! {
                identify {
                    claim_is_welcomed,
                    invalid_claim_is_refused_and_valid_one_accepted_afterwards,
                    other_commands_require_identification,
                    unidentified_connection_is_closed_after_timeout,
                }
                presence {
                    watcher_gets_state_and_then_changes,
                    former_watcher_is_not_notified,
                    dropped_friend_goes_offline_after_grace,
                    return_within_grace_is_not_reported,
                    status_of_an_identification_is_seen_from_the_first_moment,
                    watcher_gets_public_attributes,
                    commands_behind_one_of_many_users_are_carried_out_behind_it,
                    users_see_each_other_while_both_watch,
                }
                permission {
                    channels_and_games_are_those_of_the_roles,
                    attributes_are_those_of_the_roles,
                    services_are_those_of_the_roles,
                    avatar_begins_with_what_the_configuration_gives,
                }
                service {
                    service_of_one_user_is_disabled_and_comes_back,
                    token_for_a_direct_connection_is_issued,
                }
                room {
                    joins_and_leaves_are_reported_to_members,
                    all_members_including_sender_see_one_order,
                    refused_actions_are_not_delivered,
                    invite_reaches_invited_user,
                }
                channel {
                    message_reaches_all_subscribers_including_publisher,
                    messages_have_one_order_without_gaps,
                    subpaths_include_descendants,
                    session_that_left_receives_nothing_more,
                    missed_messages_follow_joined,
                    last_messages_follow_joined,
                    members_are_listed_and_change,
                }
                resume {
                    break_at_any_message_loses_and_duplicates_nothing,
                    connection_may_break_again_before_reading,
                    answers_and_errors_are_counted,
                    rooms_channels_and_subscriptions_survive,
                    unresumable_session_is_reported_as_expired,
                    session_expires_when_not_resumed,
                }
                error {
                    invalid_message_is_an_error_and_connection_stays_open,
                    error_has_id_of_request,
                }
                slow {
                    stalled_reader_is_closed_and_resumes_without_gap,
                }
                limit {
                    oversize_message_is_refused,
                    rate_limited_command_succeeds_after_retry_delay,
                    too_many_errors_close_connection,
                    flood_closes_connection,
                }
                ending {
                    bye_ends_connection_and_session,
                    stopping_server_asks_clients_to_reconnect,
                    newer_connection_replaces_older,
                }
            }

            #[test]
            fn session_breaks_at_random_and_loses_nothing() {
                if is_available() {
                    run(migration::session_moves_at_random_and_loses_nothing(&[migration::hop::<Transport>]));
                }
            }

            #[test]
            fn session_moves_to_every_transport_and_back() {
                if is_available() {
                    run(migration::session_moves_to_every_transport_and_back::<Transport>(&hops()));
                }
            }
        })*
    };
}

#[test]
fn session_moves_at_random_through_all_transports() {
    run(migration::session_moves_at_random_and_loses_nothing(&hops()));
}

#[test]
fn members_of_all_transports_see_one_order() {
    run(mixed::members_of_all_transports_see_one_order(&members()));
}

#[test]
fn npm_and_pypi_clients_share_a_room_with_other_transports() {
    if Npm::is_available() && Python::is_available() {
        run(mixed::members_of_all_transports_see_one_order(&[
            mixed::member::<ws::Ws>,
            mixed::member::<Npm>,
            mixed::member::<msgpack::WsMsgpack>,
            mixed::member::<Python>,
            mixed::member::<tunnel::Tunnel<format::Sse>>,
            mixed::member::<Poll>,
        ]));
    }
}

#[test]
fn subscribers_of_all_transports_see_one_order() {
    run(mixed::subscribers_of_all_transports_see_one_order(
        &subscribers(),
    ));
}

transports! {
    ws_v1: ws::Ws,
    ws_v2: msgpack::WsMsgpack,
    sse: tunnel::Tunnel<format::Sse>,
    ndjson: tunnel::Tunnel<format::Ndjson>,
    iframe: tunnel::Tunnel<format::Iframe>,
    multipart: tunnel::Tunnel<format::Multipart>,
    length: tunnel::Tunnel<format::Length>,
    longpoll: tunnel::Tunnel<format::Longpoll>,
    jsonp: tunnel::Tunnel<format::Jsonp>,
    poll: Poll,
    socketio_websocket: socketio::SocketIo<socketio::WebSocketOnly>,
    socketio_upgrade: socketio::SocketIo<socketio::Upgraded>,
    socketio_polling: socketio::SocketIo<socketio::PollingOnly>,
    npm_polling: bridge::Bridge<bridge::NpmPolling>,
    npm_websocket: bridge::Bridge<bridge::NpmWebsocket>,
    npm_upgrade: bridge::Bridge<bridge::NpmUpgrade>,
    python_polling: bridge::Bridge<bridge::PythonPolling>,
    python_websocket: bridge::Bridge<bridge::PythonWebsocket>,
    python_upgrade: bridge::Bridge<bridge::PythonUpgrade>,
}
