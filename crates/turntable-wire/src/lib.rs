//! Pure codecs: bytes to packets and packets to bytes.
//!
//! No sockets, no clock, no actors. A decoder takes its limits as parameters,
//! returns errors with a message for the client, and never recurses on input.
//! `turntable_core::packet` defines the messages; one codec per folder decodes and
//! encodes them.

pub mod cluster_v1;
pub mod datagram;
pub mod engineio;
pub mod frame;
pub mod json_v1;
pub mod msgpack_v2;
pub mod remote_call;
pub mod socketio;
pub mod tunnel_format;
pub mod websocket;
