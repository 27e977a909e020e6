//! For any input, the codec between processes does not panic and respects its limit,
//! and decoded messages round-trip.

use turntable_wire::cluster_v1::{
    DecodeError, Limits, VERSION, decode_call, decode_delivery, encode_call, encode_delivery,
};

const LIMITS: Limits = Limits { bytes_max: 4_096 };

/// The encoded form may be longer, because whitespace around a number is removed.
const AGAIN: Limits = Limits {
    bytes_max: 2 * LIMITS.bytes_max,
};

pub(crate) fn check(data: &[u8]) {
    let (call, delivery) = (decode_call(data, &LIMITS), decode_delivery(data, &LIMITS));
    for error in [call.as_ref().err(), delivery.as_ref().err()] {
        let is_long = data.len() > LIMITS.bytes_max;
        assert_eq!(error == Some(&DecodeError::TooLarge), is_long);
        if !is_long {
            let has_version = data.first() == Some(&VERSION);
            assert_eq!(error == Some(&DecodeError::Version), !has_version);
        }
    }
    // Compared as text, because NaN is not equal to itself.
    if let Ok(call) = call {
        let bytes = encode_call(&call).expect("a call");
        let again = decode_call(&bytes, &AGAIN).expect("a call");
        assert_eq!(format!("{again:?}"), format!("{call:?}"));
    }
    if let Ok((to, delivery)) = delivery {
        let bytes = encode_delivery(to, &delivery).expect("a delivery");
        let again = decode_delivery(&bytes, &AGAIN).expect("a delivery");
        assert_eq!(format!("{again:?}"), format!("{:?}", (to, delivery)));
    }
}
