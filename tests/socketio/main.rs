//! The Engine.IO transport and the Socket.IO namespaces on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod accepted;
mod conformance;
mod engineio;
mod library;
mod pause;
mod resume;
mod socket;
mod upgrade;
