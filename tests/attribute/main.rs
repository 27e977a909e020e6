//! Live attributes of a user, shared by its sessions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod damage;
mod embedded;
mod fault;
mod schema;
mod set;
mod store;
