//! The portal from outside: checkers, refusals and ends, over several transports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod ban;
mod embedded;
mod ending;
mod entry;
mod guest;
mod jwt;
mod management;
mod refusal;
mod renewal;
