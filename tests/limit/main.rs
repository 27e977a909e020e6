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
mod deadline;
mod deliveries;
mod front;
mod given_back;
mod incomplete;
mod input;
mod listener;
mod load;
mod mailbox;
mod pipeline;
mod place;
mod reach;
mod repeat;
mod share;
mod slow_reader;
mod total;
mod unidentified;
mod unread;
