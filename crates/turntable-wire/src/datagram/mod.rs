//! Datagrams, what a tunnel carries (section 4.1 of the protocol).
//!
//! Down, `{"id": ID, "path": PATH, "data": PAYLOAD}` is derived from a
//! message's v1 JSON text, whose parts are copied and never parsed. Up,
//! `{"tunnel": T, "path": PATH, "data": VALUE}`, one or a list of them, is read
//! into what the server does with it. A datagram that is written stands on one
//! line, whatever blanks the data came with.

mod down;
#[cfg(test)]
mod tests;
mod up;

pub use down::{Datagram, Path, Receiver, is_personal, own_id};
pub use up::{Batch, BatchLimits, Interest, InterestPath, Sent, SentError, SentTo, decode};
