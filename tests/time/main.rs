//! Timestamps over a path with a delay and jitter: what an honest client and a liar
//! get (docs/time.md).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod forwarder;
mod path;
