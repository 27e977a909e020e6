//! One suite, many doors: each story of `story` is told once, over the trait of
//! `door`, and run through every door below as a test of its own.
//!
//! A door is switched on by its line in `doors!`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub
)]

mod client;
#[allow(dead_code)]
mod door;
mod story;
#[path = "../support/mod.rs"]
mod support;

use std::future::Future;

#[allow(unused_imports)]
use door::poll::Poll;
#[allow(unused_imports)]
use door::{Door as _, bridge, format, msgpack, socketio, tunnel, ws};
use story::{journey, mixed};

/// As the libraries connect where nobody tells them how.
type Npm = bridge::Bridge<bridge::NpmUpgrade>;
type Python = bridge::Bridge<bridge::PythonUpgrade>;

/// Runs a story to its end.
fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(story);
}

/// Whether the client of a door can be had.
type IsThere = fn() -> bool;

/// Those whose clients can be had on this machine.
fn present<T: Copy>(all: &[(IsThere, T)]) -> Vec<T> {
    let there = all.iter().filter(|(is_there, _)| is_there());
    there.map(|(_, one)| *one).collect()
}

/// Tests of stories through the door that the module around them names.
macro_rules! stories {
    ($($group:ident { $($story:ident,)* })*) => {
        $(mod $group {
            $(#[test]
            fn $story() {
                if super::is_there() {
                    crate::run(crate::story::$group::$story::<super::Door>());
                }
            })*
        })*
    };
}

/// A module of tests for each door, and those of all doors together.
macro_rules! doors {
    ($($name:ident: $door:ty,)*) => {
        // By all doors whose clients can be had.
        fn legs() -> Vec<journey::Leg> {
            let all: &[(IsThere, journey::Leg)] = &[$((<$door>::is_there, journey::leg::<$door>)),*];
            present(all)
        }

        fn players() -> Vec<mixed::Player> {
            let all: &[(IsThere, mixed::Player)] = &[$((<$door>::is_there, mixed::player::<$door>)),*];
            present(all)
        }

        fn speakers() -> Vec<mixed::Player> {
            let all: &[(IsThere, mixed::Player)] = &[$((<$door>::is_there, mixed::speaker::<$door>)),*];
            present(all)
        }

        $(mod $name {
            use super::*;

            type Door = $door;

            fn is_there() -> bool {
                Door::is_there()
            }

            stories! {
                identify {
                    a_claim_is_welcomed,
                    a_wrong_claim_is_refused_and_a_right_one_taken_afterwards,
                    other_commands_wait_for_the_claim,
                    who_does_not_say_who_it_is_is_closed_in_time,
                }
                presence {
                    who_watches_is_told_the_state_and_then_the_changes,
                    who_watches_no_more_is_told_nothing,
                    a_dropped_friend_is_offline_when_the_grace_is_over,
                    a_return_within_the_grace_is_never_seen,
                }
                room {
                    members_hear_who_comes_and_goes,
                    all_members_see_one_order_the_sender_too,
                    what_is_refused_is_seen_by_nobody,
                    an_invite_reaches_who_is_invited,
                }
                channel {
                    a_message_reaches_everybody_the_publisher_too,
                    messages_come_in_one_order_without_holes,
                    subpaths_cover_what_is_below,
                    who_left_hears_no_more,
                }
                resume {
                    nothing_is_lost_or_doubled_wherever_the_line_breaks,
                    a_line_may_break_again_before_anything_was_read,
                    answers_and_errors_are_messages_of_the_session_too,
                    rooms_channels_and_what_is_watched_survive,
                    what_cannot_be_resumed_is_told_to_be_over,
                    a_session_expires_when_nobody_comes_back,
                }
                error {
                    what_is_no_message_is_told_and_the_line_lives_on,
                    an_error_carries_the_id_of_what_was_asked,
                }
                slow {
                    who_stops_reading_is_closed_and_comes_back_without_a_hole,
                }
                limit {
                    what_is_too_long_is_refused,
                    what_is_too_often_is_refused_until_it_is_waited_for,
                    too_many_errors_end_the_line,
                    a_flood_ends_the_line,
                }
                ending {
                    a_goodbye_ends_line_and_session,
                    a_stopping_server_sends_everybody_away,
                    a_newer_line_takes_the_place_of_an_older,
                }
            }

            #[test]
            fn a_session_breaks_anywhere_and_loses_nothing() {
                if is_there() {
                    run(journey::a_session_wanders_and_loses_nothing(&[journey::leg::<Door>]));
                }
            }

            #[test]
            fn a_session_goes_from_here_to_every_door_and_back() {
                if is_there() {
                    run(journey::a_session_goes_from_here_to_every_door_and_back::<Door>(&legs()));
                }
            }
        })*
    };
}

#[test]
fn a_session_wanders_through_all_doors() {
    run(journey::a_session_wanders_and_loses_nothing(&legs()));
}

#[test]
fn members_of_all_doors_see_one_order() {
    run(mixed::members_of_all_doors_see_one_order(&players()));
}

#[test]
fn clients_of_npm_and_pypi_sit_beside_the_others() {
    if Npm::is_there() && Python::is_there() {
        run(mixed::members_of_all_doors_see_one_order(&[
            mixed::player::<ws::Ws>,
            mixed::player::<Npm>,
            mixed::player::<msgpack::WsMsgpack>,
            mixed::player::<Python>,
            mixed::player::<tunnel::Tunnel<format::Sse>>,
            mixed::player::<Poll>,
        ]));
    }
}

#[test]
fn listeners_of_all_doors_hear_one_order() {
    run(mixed::listeners_of_all_doors_hear_one_order(&speakers()));
}

doors! {
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
    socketio_websocket: socketio::SocketIo<socketio::BySocket>,
    socketio_upgrade: socketio::SocketIo<socketio::ByUpgrade>,
    socketio_polling: socketio::SocketIo<socketio::ByPolling>,
    npm_polling: bridge::Bridge<bridge::NpmPolling>,
    npm_websocket: bridge::Bridge<bridge::NpmWebsocket>,
    npm_upgrade: bridge::Bridge<bridge::NpmUpgrade>,
    python_polling: bridge::Bridge<bridge::PythonPolling>,
    python_websocket: bridge::Bridge<bridge::PythonWebsocket>,
    python_upgrade: bridge::Bridge<bridge::PythonUpgrade>,
}
