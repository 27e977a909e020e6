//! Pure codecs: bytes to packets and packets to bytes.
//!
//! No sockets, no clock, no actors. A decoder gets its limits as parameters,
//! answers "malformed" with a sentence for the client, and never recurses on
//! input. `turntable_core::packet` names the
//! messages; one codec per folder reads and writes them.

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
