//! Engine.IO protocol 4, the layer below Socket.IO.
//!
//! The query of a request ([`Request`]) opens a session or names an existing
//! one. A session carries packets: one per WebSocket frame, or several in the
//! body of an HTTP request or response (a payload). Text is borrowed from the
//! input; only base64 binary is copied.
//!
//! engineioxide-core is not used: its payload decoder reads an
//! `http_body::Body`, does not limit the number of packets, and depends on
//! futures, http and rand.

mod packet;
mod payload;
mod request;
#[cfg(test)]
mod tests;

pub use packet::{Handshake, Packet, PacketError};
pub use payload::{
    PayloadLimits, append, append_binary, append_encoded, decode_payload, encoded_binary_bytes,
    next_packet,
};
pub use request::{Action, Request, RequestError, Transport};

/// The separator between the packets of a payload.
pub const SEPARATOR: char = '\x1e';
