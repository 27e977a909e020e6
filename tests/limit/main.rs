//! Bad input, too much input and no input: each affects its sender only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod begin;
mod below;
mod bytes;
mod control;
mod front;
mod input;
mod load;
mod mailbox;
mod slow_reader;
mod total;
