//! Serialises validated texts.
//!
//! Deserialised text is not trusted: it passes the same parser as client input, so
//! an existing value is valid regardless of its source.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::id::{ChannelId, IdError, SessionId, UserId};
use crate::packet::RequestId;
use crate::payload::Payload;

/// The maximum length of a request id as JSON text, in bytes: 64 bytes of a
/// string, each written as an escape of six.
const REQUEST_ID_BYTES_MAX: usize = 400;

/// A value that is parsed from text.
trait Text: Sized {
    fn parse(text: &str) -> Result<Self, IdError>;
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: Text> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a valid text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(E::custom)
    }
}

/// Serialises a type as its text and deserialises it with its parser.
macro_rules! text {
    ($name:ident, $as_text:expr, $parse:expr) => {
        impl Text for $name {
            fn parse(text: &str) -> Result<Self, IdError> {
                $parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(($as_text)(self).as_ref())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor(PhantomData))
            }
        }
    };
}

text!(UserId, UserId::as_str, Self::parse);
text!(ChannelId, ChannelId::as_str, Self::parse);
text!(SessionId, SessionId::secret, Self::parse);
text!(Payload, Payload::as_json, payload);
text!(RequestId, |id: &'_ Self| id.0.clone(), request_id);

fn payload(text: &str) -> Result<Payload, IdError> {
    let is_value = serde_json::from_str::<&RawValue>(text)
        // Surrounding whitespace is not part of a value.
        .is_ok_and(|value| value.get().len() == text.len());
    if is_value {
        Ok(Payload::from_json(text))
    } else {
        Err(IdError("opaque data is one JSON value"))
    }
}

fn request_id(text: &str) -> Result<RequestId, IdError> {
    let is_scalar = |text: &str| {
        let first = text.as_bytes().first();
        first.is_some_and(|first| *first == b'"' || *first == b'-' || first.is_ascii_digit())
    };
    if text.len() <= REQUEST_ID_BYTES_MAX && is_scalar(text) && payload(text).is_ok() {
        Ok(RequestId(text.into()))
    } else {
        Err(IdError(
            "the id of a request is a string or a number in JSON",
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Option<T> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn ids_are_deserialised_by_their_parsers() {
        assert_eq!(read(r#""1:1""#), UserId::parse("1:1").ok());
        assert_eq!(read::<UserId>(r#""1""#), None);
        assert_eq!(read(r#""a/b""#), ChannelId::parse("a/b").ok());
        assert_eq!(read::<ChannelId>(r#""a//b""#), None);
        let session = SessionId::from_bits([9; 16]);
        let text = serde_json::to_string(&session).unwrap();
        assert_eq!(read(&text), Some(session));
        assert_eq!(read::<SessionId>(r#""short""#), None);
    }

    #[test]
    fn opaque_data_is_one_json_value() {
        for good in ["null", "1e999", r#"{"a":[1, 2]}"#, r#""\u00e9""#] {
            assert_eq!(payload(good).unwrap().as_json(), good);
        }
        let deep = "[".repeat(100_000);
        for wrong in ["", " 1", "1 ", "1,2", "{", "1}", &deep] {
            assert!(payload(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_id_is_a_string_or_a_number() {
        for good in ["7", "-1.5e3", r#""x""#] {
            assert_eq!(&*request_id(good).unwrap().0, good);
        }
        let long = format!("\"{}\"", "x".repeat(REQUEST_ID_BYTES_MAX));
        for wrong in ["", "null", "[1]", "{}", "7 ", "\"", &long] {
            assert!(request_id(wrong).is_err(), "{wrong}");
        }
    }
}
