//! A user's record in a file: `{"attributes": {...}, "profile": {...}?}` as JSON. Other
//! fields are for later versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Record;
use turntable_core::backup::Attributes;
use turntable_core::payload::Payload;

#[derive(Serialize)]
struct Written<'a> {
    attributes: BTreeMap<&'a str, &'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<BTreeMap<&'a str, &'a RawValue>>,
}

#[derive(Deserialize)]
struct Read {
    attributes: BTreeMap<Box<str>, Box<RawValue>>,
    #[serde(default)]
    profile: Option<BTreeMap<Box<str>, Box<RawValue>>>,
}

/// The bytes of a record.
pub(super) fn write(record: &Record) -> Vec<u8> {
    let written = Written {
        attributes: entries(&record.attributes),
        profile: record.profile.as_ref().map(entries),
    };
    // Maps of strings and of valid JSON can be written.
    serde_json::to_vec(&written).unwrap_or_default()
}

fn entries(attributes: &Attributes) -> BTreeMap<&str, &RawValue> {
    let entries = attributes.iter().filter_map(|(name, value)| {
        let value: &RawValue = serde_json::from_str(value.as_json()).ok()?;
        Some((&**name, value))
    });
    entries.collect()
}

/// The record of these bytes; `None` where they are none.
pub(super) fn read(bytes: &[u8]) -> Option<Record> {
    let read: Read = serde_json::from_slice(bytes).ok()?;
    let attributes = |entries: BTreeMap<Box<str>, Box<RawValue>>| {
        let entries = entries.into_iter();
        let entries = entries.map(|(name, value)| (name, Payload::from(value)));
        entries.collect()
    };
    Some(Record {
        attributes: attributes(read.attributes),
        profile: read.profile.map(attributes),
        is_known: false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_as_it_was_written() {
        let entry = |name: &str, json| (Box::from(name), Payload::from_json(json));
        let attributes: Attributes = [entry("a\"", "1.50"), entry("b", "[null]")].into();
        let mut record = Record::from(attributes);
        let bytes = write(&record);
        assert_eq!(bytes, br#"{"attributes":{"a\"":1.50,"b":[null]}}"#);
        assert_eq!(read(&bytes), Some(record.clone()));
        record.profile = Some([entry("b", "1")].into());
        let bytes = write(&record);
        assert!(bytes.ends_with(br#","profile":{"b":1}}"#));
        assert_eq!(read(&bytes), Some(record));
        let empty = Some(Record::default());
        assert_eq!(read(br#"{"attributes":{},"later":1}"#), empty);
        assert_eq!(read(b"{}"), None);
    }
}
