//! v2: the same messages in MessagePack, `[number, data]` or
//! `[number, data, id]` (section 2.5 of the protocol).
//!
//! The text of v1 is the one form inside, so v2 is a pair of transcoders
//! (`from_json`, `to_json`) with the array of a message around them. Neither
//! recurses, builds a tree or trusts a length: containers that are open stand
//! on a stack of their own, whose height the decoder's limits bound. What JSON
//! has no value for comes as a hash with a reserved key (`$bin`, `$ext`), what
//! MessagePack has no number for as an extension with its digits, so that
//! opaque data crosses both ways without loss.

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

/// The extension type that holds a number as its decimal digits.
pub const DECIMAL_TYPE: i8 = 1;

/// Why bytes have no form as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each has its sentence")]
pub enum V2Error {
    #[error("it ends inside a value")]
    Truncated,
    #[error("it has the byte 0xc1, which begins no value")]
    Reserved,
    #[error("bytes follow behind its value")]
    Trailing,
    #[error("a string is not UTF-8; bytes of any kind go as binary")]
    NotUtf8,
    #[error("a key of a hash is not a string; keys have to be strings")]
    KeyNotText,
    #[error("a number is not finite; NaN and infinity are not accepted")]
    NotFinite,
    #[error(
        "the message is nested deeper than allowed; details.max says how deep it may be, \
         where binary counts as one level and an extension as two"
    )]
    TooDeep,
    #[error(
        "the message is longer as JSON than allowed; details.max says how many bytes that may be"
    )]
    TooLarge,
}

impl V2Error {
    /// Whether the bytes are not MessagePack at all; else they are, and say
    /// what the protocol has no place for.
    #[must_use]
    pub const fn is_not_msgpack(self) -> bool {
        matches!(self, Self::Truncated | Self::Reserved | Self::Trailing)
    }
}
