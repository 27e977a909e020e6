//! The tunnel transport: datagrams down one stream, requests up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod accepted;
mod bad_input;
mod custom_format;
mod datagram;
mod detached;
mod format;
mod hostile;
mod load;
mod longpoll;
mod origin;
mod resume;
mod stream;
