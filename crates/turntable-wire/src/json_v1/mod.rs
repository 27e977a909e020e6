//! v1: messages as JSON text, `{"command": NAME, "data": VALUE, "id"?}`
//! (section 2 of the protocol).
//!
//! Decoding never recurses and never builds a tree: the fields of a command are
//! read from the object, opaque data remains text. Encoding appends to a buffer,
//! usually after space reserved for a frame's header.

pub(crate) mod command;
mod decode;
mod encode;
pub(crate) mod field;
pub(crate) mod flaw;
#[cfg(test)]
pub(super) mod tests;

pub use decode::{
    DecodeError, DecodeLimits, MessageParts, check_data, decode, decode_parts, split,
};
pub(super) use decode::{check_part, request_id};
pub use encode::{
    PROFILES_HEAD, PROFILES_TAIL, USERCHANGE_HEAD, USERCHANGE_TAIL, encode, encode_client,
    presence_fragment, presence_key, profile_fragment,
};
