//! Calls and deliveries as bytes, for their way between processes.
//!
//! | byte | content |
//! |---|---|
//! | 0 | the version, 1 |
//! | 1.. | the value in postcard's format: varints, lengths before texts and lists, variants by their number |
//!
//! A value is read only if it uses up all bytes. Ids, opaque data and frames pass
//! their own parsers (`turntable_core` has them), so what was read can be used
//! like what was made here. Lengths are checked against the bytes that are there
//! before anything is allocated for them, and no type contains itself, so input
//! cannot make the decoder recurse.

use serde::{Deserialize, Serialize};

use turntable_core::call::Stamped;
use turntable_core::delivery::Delivery;
use turntable_core::key::GatewayId;

/// The version of the format.
pub const VERSION: u8 = 1;

/// The bounds of what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest call or delivery, in bytes.
    pub bytes_max: usize,
}

/// Why bytes are not a call or a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They are longer than allowed.
    #[error("longer than allowed")]
    TooLarge,
    /// They have a version that is not known, or none.
    #[error("of an unknown version")]
    Version,
    /// They do not have the form of the version.
    #[error("malformed")]
    Malformed,
}

/// A value has no encoding. No call or delivery is such a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not encodable")]
pub struct EncodeError;

/// Writes a call.
///
/// # Errors
/// [`EncodeError`], which no call causes.
pub fn encode_call(call: &Stamped) -> Result<Vec<u8>, EncodeError> {
    encode(call)
}

/// Reads a call.
///
/// # Errors
/// [`DecodeError`] where the bytes are no call.
pub fn decode_call(bytes: &[u8], limits: &Limits) -> Result<Stamped, DecodeError> {
    decode(bytes, limits)
}

/// Writes a delivery and the gateway that it goes to.
///
/// # Errors
/// [`EncodeError`], which no delivery causes.
pub fn encode_delivery(to: GatewayId, delivery: &Delivery) -> Result<Vec<u8>, EncodeError> {
    encode(&(to, delivery))
}

/// Reads a delivery and the gateway that it goes to.
///
/// # Errors
/// [`DecodeError`] where the bytes are no delivery.
pub fn decode_delivery(
    bytes: &[u8],
    limits: &Limits,
) -> Result<(GatewayId, Delivery), DecodeError> {
    decode(bytes, limits)
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    postcard::to_extend(value, vec![VERSION]).map_err(|_| EncodeError)
}

fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], limits: &Limits) -> Result<T, DecodeError> {
    if bytes.len() > limits.bytes_max {
        return Err(DecodeError::TooLarge);
    }
    let Some((&VERSION, body)) = bytes.split_first() else {
        return Err(DecodeError::Version);
    };
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests;
