//! A session over WebSockets: identification, resume, expiry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod accepted;
mod attempt;
mod expiry;
mod identify;
mod resume;
