//! Clients of the management listener in other languages, as `turntable client` writes them,
//! and `turntable call`, against a server that runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod command;
mod docs;
mod failure;
mod generated;
mod language;
mod listener;
mod seed;
mod table;
