//! WebSocket by hand: frames, right and wrong, and a client of version 1.

mod client;
mod frame;

pub use client::{Client, KEY, handshake};
pub use frame::{Frame, Opcode};
