//! v2: the same messages in MessagePack, `[number, data]` or
//! `[number, data, id]` (section 2.5 of the protocol).
//!
//! The server represents messages as v1 text, so v2 is a pair of transcoders
//! (`from_json`, `to_json`) with the array of a message around them. Neither
//! recurses, builds a tree or trusts a length: open containers are on an explicit
//! stack, whose depth is limited. A MessagePack value without a JSON equivalent
//! becomes an object with a reserved key (`$bin`, `$ext`), a number without a
//! MessagePack equivalent becomes a map with a reserved key (`$num`) and its digits,
//! which every decoder takes. So opaque data crosses both ways without loss.

mod decode;
mod encode;
mod from_json;
mod number;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod to_json;

pub use decode::{DecodeLimits, decode, decode_server};
pub use encode::{encode, encode_client};
pub use from_json::{NotJson, from_json};
pub use to_json::{TranscodeLimits, to_json};

/// The only key of a map that contains a number as its decimal digits.
pub const NUMBER_KEY: &str = "$num";

/// Why bytes cannot be represented as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each has its sentence")]
pub enum V2Error {
    #[error("it ends inside a value")]
    Truncated,
    #[error("it contains the byte 0xc1, which is reserved")]
    Reserved,
    #[error("bytes follow after its value")]
    Trailing,
    #[error("a string is not UTF-8; send other bytes as binary")]
    NotUtf8,
    #[error("a key of an object is not a string; keys must be strings")]
    KeyNotText,
    #[error("a number is not finite; NaN and infinity are not accepted")]
    NotFinite,
    #[error(
        "the message is nested too deeply; details.max is the limit, \
         and binary counts as one level, an extension as two"
    )]
    TooDeep,
    #[error("the message is too long as JSON; details.max is the limit in bytes")]
    TooLarge,
}

impl V2Error {
    /// Whether the bytes are not MessagePack at all. Otherwise they contain a value
    /// that the protocol does not support.
    #[must_use]
    pub const fn is_not_msgpack(self) -> bool {
        matches!(self, Self::Truncated | Self::Reserved | Self::Trailing)
    }
}
