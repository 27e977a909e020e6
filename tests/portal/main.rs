//! The portal from outside: checkers, refusals and ends, over several transports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod backend;
mod ban;
mod blocked;
mod cookie;
mod embedded;
mod ending;
mod entry;
mod fallback;
mod forgery;
mod guest;
mod http;
mod jwks;
mod jwt;
mod management;
mod new_password;
mod opaque;
mod password;
mod permission;
mod refusal;
mod renewal;
mod restart;
