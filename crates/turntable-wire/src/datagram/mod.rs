//! Datagrams, the unit of transfer of a tunnel (section 4.1 of the protocol).
//!
//! Down, `{"id": ID, "path": PATH, "data": PAYLOAD}` is derived from a
//! message's v1 JSON text. Its parts are copied and never parsed. Up,
//! `{"tunnel": T, "path": PATH, "data": VALUE}`, one or a list of them, is
//! decoded to typed values. A written datagram is always one line, even if
//! its data contained line ends.

mod down;
#[cfg(test)]
mod tests;
mod up;

pub use down::{Datagram, Path, Receiver, is_personal, own_id};
pub use up::{Batch, BatchLimits, Interest, InterestPath, Sent, SentError, SentTo, decode};
