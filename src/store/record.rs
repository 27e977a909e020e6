//! A user's record in a file: `{"attributes": {...}}` as JSON. Other fields are for
//! later versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use turntable_core::backup::Attributes;
use turntable_core::payload::Payload;

#[derive(Serialize)]
struct Written<'a> {
    attributes: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
struct Read {
    attributes: BTreeMap<Box<str>, Box<RawValue>>,
}

/// The record of these attributes.
pub(super) fn write(attributes: &Attributes) -> Vec<u8> {
    let entries = attributes.iter().filter_map(|(name, value)| {
        let value: &RawValue = serde_json::from_str(value.as_json()).ok()?;
        Some((&**name, value))
    });
    let record = Written {
        attributes: entries.collect(),
    };
    // Maps of strings and of valid JSON can be written.
    serde_json::to_vec(&record).unwrap_or_default()
}

/// The attributes of a record; `None` where it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Attributes> {
    let record: Read = serde_json::from_slice(bytes).ok()?;
    let entries = record.attributes.into_iter();
    Some(
        entries
            .map(|(name, value)| (name, Payload::from(value)))
            .collect(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_as_it_was_written() {
        let entry = |name: &str, json| (Box::from(name), Payload::from_json(json));
        let attributes: Attributes = [entry("a\"", "1.50"), entry("b", "[null]")].into();
        let bytes = write(&attributes);
        assert_eq!(bytes, br#"{"attributes":{"a\"":1.50,"b":[null]}}"#);
        assert_eq!(read(&bytes), Some(attributes));
        assert_eq!(read(br#"{"attributes":{},"later":1}"#), Some([].into()));
        assert_eq!(read(b"{}"), None);
    }
}
