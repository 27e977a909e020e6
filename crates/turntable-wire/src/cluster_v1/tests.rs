//! Whatever is sent arrives as it was, and nothing else arrives.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod value;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bytes_max: 65_536 };

proptest! {
    #[test]
    fn a_call_arrives_as_it_was(call in value::stamped()) {
        let bytes = encode_call(&call).unwrap();
        prop_assert_eq!(bytes[0], VERSION);
        prop_assert_eq!(decode_call(&bytes, &LIMITS), Ok(call));
    }

    #[test]
    fn a_delivery_arrives_as_it_was(to in value::gateway(), delivery in value::delivery()) {
        let bytes = encode_delivery(to, &delivery).unwrap();
        prop_assert_eq!(decode_delivery(&bytes, &LIMITS), Ok((to, delivery)));
    }

    #[test]
    fn a_part_is_nothing(call in value::stamped(), cut in any::<prop::sample::Index>()) {
        let bytes = encode_call(&call).unwrap();
        prop_assert!(decode_call(&bytes[..cut.index(bytes.len())], &LIMITS).is_err());
    }

    #[test]
    fn damage_is_refused_or_read_as_something_valid(
        delivery in value::delivery(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode_delivery(value::GATEWAY, &delivery).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok((to, delivery)) = decode_delivery(&bytes, &LIMITS) {
            let again = encode_delivery(to, &delivery).unwrap();
            prop_assert_eq!(decode_delivery(&again, &LIMITS), Ok((to, delivery)));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read_as_something_valid(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        if let Ok(call) = decode_call(&bytes, &LIMITS) {
            let again = encode_call(&call).unwrap();
            // A number that is none equals nothing, itself included.
            prop_assert_eq!(
                format!("{:?}", decode_call(&again, &LIMITS)),
                format!("{:?}", Ok::<_, DecodeError>(call))
            );
        }
    }
}

#[test]
fn versions_and_lengths_are_checked() {
    let bytes = encode_delivery(value::GATEWAY, &value::end()).unwrap();
    let read = |bytes: &[u8]| decode_delivery(bytes, &LIMITS).unwrap_err();
    assert_eq!(read(&[]), DecodeError::Version);
    let mut other = bytes.clone();
    other[0] = 2;
    assert_eq!(read(&other), DecodeError::Version);
    assert_eq!(
        read(&[bytes.as_slice(), &[0]].concat()),
        DecodeError::Malformed
    );
    let short = Limits {
        bytes_max: bytes.len() - 1,
    };
    assert_eq!(
        decode_delivery(&bytes, &short).unwrap_err(),
        DecodeError::TooLarge
    );
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    // A user id that claims to be 2^63 bytes long, in a call to an avatar.
    let mut bytes = vec![VERSION, 0, 0];
    bytes.extend_from_slice(&[0xff; 8]);
    bytes.push(0x7f);
    assert_eq!(
        decode_call(&bytes, &LIMITS).unwrap_err(),
        DecodeError::Malformed
    );
}

#[test]
fn ids_pass_their_parsers() {
    let call = value::to_avatar("1:1");
    let mut bytes = encode_call(&call).unwrap();
    assert!(decode_call(&bytes, &LIMITS).is_ok());
    let colon = bytes.iter().position(|byte| *byte == b':').unwrap();
    bytes[colon] = b'.';
    assert_eq!(
        decode_call(&bytes, &LIMITS).unwrap_err(),
        DecodeError::Malformed
    );
}
