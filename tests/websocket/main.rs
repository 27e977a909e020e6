//! The WebSocket transport: handshakes, frames, segments with many commands,
//! garbage, third-party clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod frame;
mod garbage;
mod handshake;
mod library;
mod pipelined;
mod strict;
