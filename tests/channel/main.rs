//! Channels over WebSockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod history;
mod member;
mod message;
mod permission;
mod subscription;
