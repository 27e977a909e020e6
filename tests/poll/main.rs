//! The poll transport: calls in batches; queued messages come with the answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod accepted;
mod batch;
mod call;
mod request;
mod session;
