//! Masking (RFC 6455 section 5.3): each byte is XORed with a byte of a key of
//! four. A payload that arrives in pieces is unmasked piece by piece, with the
//! key rotated to the position of the last piece's end.

/// XORs `data` with `key`, in place; the same call masks and unmasks.
pub(super) fn apply(key: [u8; 4], data: &mut [u8]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Eight bytes at a time, which the compiler vectorises.
    let (words, tail) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key for the byte at offset `bytes`.
pub(super) fn turned(mut key: [u8; 4], bytes: usize) -> [u8; 4] {
    key.rotate_left(bytes % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masking_in_pieces_equals_masking_the_whole(
            key: [u8; 4],
            data in proptest::collection::vec(any::<u8>(), 0..100),
            cut in 0..100usize,
        ) {
            let expected: Vec<u8> =
                data.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let mut pieces = data.clone();
            let (first, second) = pieces.split_at_mut(cut.min(data.len()));
            apply(key, first);
            apply(turned(key, first.len()), second);
            prop_assert_eq!(pieces, expected);
        }
    }
}
