//! Destinations of messages, and accepted and refused input of clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod down;
mod up;
