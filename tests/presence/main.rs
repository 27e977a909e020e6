//! Presence over WebSockets: what watchers receive, and how status is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod hidden;
mod profile;
mod status;
mod subscription;
mod watch;
