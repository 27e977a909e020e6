//! JSON that the server passes on to clients and that no client sent: from the operator,
//! and from backends. It may have what messages of clients may have: one party that
//! writes `1e999` or half a surrogate pair would make the messages of others unreadable.

use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_wire::json_v1::{DecodeLimits, check_data};

/// How deep it may be nested, an object around it included: as deep as any program
/// needs, and no deeper than every encoding can take.
pub(crate) const DEPTH_MAX: usize = 128;

/// Takes one JSON value.
///
/// # Errors
/// `bad_message` or `too_large`, as for a message of a client.
pub(crate) fn read(json: &str) -> Result<Payload, ErrorBody> {
    let payload = Payload::from_json(json);
    check(&payload).map(|()| payload)
}

/// Whether clients can read a value.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn check(value: &Payload) -> Result<(), ErrorBody> {
    let limits = DecodeLimits {
        depth_max: DEPTH_MAX,
    };
    check_data(value.as_json(), &limits).map_err(ErrorBody::from)
}

/// Whether clients can read these attributes.
///
/// # Errors
/// A sentence about the first that they cannot read.
pub(crate) fn check_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a Payload)>,
) -> Result<(), String> {
    for (name, value) in attributes {
        check(value).map_err(|error| format!("its attribute {name:?}: {}", error.message))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::reason::ErrorCode;

    #[test]
    fn flawed_values_are_refused_and_named() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for (json, code) in [
            ("1e999", ErrorCode::BadMessage),
            (r#"{"a":["\ud800"]}"#, ErrorCode::BadMessage),
            (&deep(DEPTH_MAX), ErrorCode::TooLarge),
        ] {
            assert_eq!(read(json).unwrap_err().code, code, "{json}");
            let value = Payload::from_json(json);
            let sentence = check_attributes([("a", &value)]).unwrap_err();
            assert!(sentence.starts_with("its attribute \"a\": "), "{sentence}");
        }
        let fine = deep(DEPTH_MAX - 1);
        assert_eq!(read(&fine), Ok(Payload::from_json(&fine)));
    }
}
