//! Engine.IO protocol 4: what lies below Socket.IO.
//!
//! A session is opened and found again by the query of a request
//! ([`Request`]), and carries packets: each in a WebSocket frame of its own, or
//! several in the body of an HTTP request or response (a payload). Text is
//! borrowed from what came in; only binary that came as base64 is copied.
//!
//! Not taken from engineioxide-core: its payload decoder reads an
//! `http_body::Body`, bounds no count of packets, and brings futures, http and
//! rand for what are a few lines here.

mod packet;
mod payload;
mod request;
#[cfg(test)]
mod tests;

pub use packet::{Handshake, Packet, PacketError};
pub use payload::{
    PayloadLimits, append, append_binary, append_encoded, decode_payload, encoded_binary_bytes,
};
pub use request::{Action, Request, RequestError, Transport};

/// What stands between the packets of a payload.
pub const SEPARATOR: char = '\x1e';
