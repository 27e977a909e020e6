//! The server and your backend: webhooks, the factory of avatars, and who may watch whom.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod embedded;
mod factory;
mod receiver;
mod result;
mod watch;
mod webhook;
