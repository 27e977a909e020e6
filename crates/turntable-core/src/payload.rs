//! Opaque data between clients.
//!
//! It is stored as the received JSON text and sent unchanged, so numbers keep their
//! digits and the server does not parse it.

use std::fmt;
use std::sync::Arc;

/// A valid JSON value, as text. A clone increments a reference count.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Takes `text`, which the caller has checked to be one JSON value (a decoder's
    /// `RawValue`, an encoder's output).
    #[must_use]
    pub fn from_json(text: &str) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Box<serde_json::value::RawValue>> for Payload {
    fn from(raw: Box<serde_json::value::RawValue>) -> Self {
        Self::from_json(raw.get())
    }
}

impl From<serde_json::Value> for Payload {
    fn from(value: serde_json::Value) -> Self {
        Self::from_json(&value.to_string())
    }
}
