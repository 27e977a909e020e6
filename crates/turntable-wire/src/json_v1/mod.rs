//! v1: messages as JSON text, `{"command": NAME, "data": VALUE, "id"?}`
//! (section 2 of the protocol).
//!
//! Reading never recurses and never builds a tree: a hash is read into the
//! fields that its command has, opaque data is kept as the text it came as.
//! Writing appends to a buffer, usually behind the room for a frame's header.

mod command;
mod decode;
mod encode;
pub(crate) mod field;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use decode::is_within_depth;
pub use decode::{DecodeError, DecodeLimits, MessageParts, decode, decode_parts, split};
pub(super) use decode::{check_depth, request_id};
pub use encode::{USERCHANGE_HEAD, USERCHANGE_TAIL, encode, presence_fragment, presence_key};
