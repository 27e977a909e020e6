//! For any input, the file of a state is refused, or its state is written as one that is the same;
//! so is a body with the right head.

use turntable::restart::file::{decode, encode, head_of};

pub(crate) fn check(data: &[u8]) {
    let with_head = [&head_of(data), data].concat();
    for bytes in [data, &with_head] {
        if let Ok(state) = decode(bytes) {
            let written = encode(&state).expect("a state");
            let again = decode(&written).expect("a state");
            // Compared as bytes, because NaN is not equal to itself.
            assert_eq!(encode(&again).expect("a state"), written);
        }
    }
}
