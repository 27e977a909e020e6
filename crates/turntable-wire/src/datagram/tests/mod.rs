//! Where each message goes, and what is taken and refused from clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod down;
mod up;
