//! WebSocket by hand: frames, right and wrong, and a client of version 1.

mod client;
mod frame;

pub use client::{Client, KEY, connect_from, handshake};
pub use frame::{Frame, Opcode};
