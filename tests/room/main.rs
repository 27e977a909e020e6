//! Game rooms over WebSockets: members, actions, invites, seats, rules,
//! timestamps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod action;
mod invite;
mod member;
mod rule;
mod seat;
mod timestamp;
