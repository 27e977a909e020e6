//! Channels over WebSockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod below;
mod history;
mod member;
mod message;
mod operator;
mod permission;
mod retained;
mod subscription;
