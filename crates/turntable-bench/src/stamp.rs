//! The stamp in a benchmark's message: its send time and its number.
//!
//! `#~`, then 16 hexadecimal digits of microseconds and 8 of the number. The width is
//! fixed, so a stamp can be written in place into an encoded frame, and found in a
//! received one without parsing JSON.

/// Length of a stamp, in bytes.
pub(super) const STAMP_BYTES: usize = 26;
/// A placeholder in a message before it is sent.
pub(super) const BLANK: &str = "#~000000000000000000000000";

/// The send time and number of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Microseconds of the client's clock at sending.
    pub(super) at_us: u64,
    /// The message's number, from 0, modulo 2^32.
    pub(super) number: u32,
}

impl Stamp {
    /// The stamp's bytes.
    pub(super) fn encode(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        let digits = u128::from(self.at_us) << 32 | u128::from(self.number);
        for (index, byte) in bytes.iter_mut().rev().enumerate() {
            *byte = match index {
                24 => b'~',
                25 => b'#',
                _ => hex_digit((digits >> (4 * index)) as u8 & 15),
            };
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"#~")?.get(..STAMP_BYTES - 2)?;
        let mut value = 0u128;
        for digit in digits {
            value = value << 4 | u128::from(hex_value(*digit)?);
        }
        Some(Self {
            at_us: (value >> 32) as u64,
            number: value as u32,
        })
    }
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' - 10 + value
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Finds stamps in received messages.
///
/// Messages of one type end alike, so the distance of the stamp from the end is stored
/// and tried first.
#[derive(Default)]
pub(super) struct Finder {
    from_end: usize,
}

impl Finder {
    /// The stamp of a message, if it has one.
    pub(super) fn one(&mut self, payload: &[u8]) -> Option<Stamp> {
        let guess = payload.len().wrapping_sub(self.from_end);
        if let Some(stamp) = payload.get(guess..).and_then(Stamp::decode) {
            return Some(stamp);
        }
        let (start, stamp) = next(payload, 0)?;
        self.from_end = payload.len() - start;
        Some(stamp)
    }
}

/// Calls `each` with every stamp of a message, in order; returns how many.
pub(super) fn each(payload: &[u8], mut each: impl FnMut(Stamp)) -> u64 {
    let (mut from, mut count) = (0, 0);
    while let Some((start, stamp)) = next(payload, from) {
        each(stamp);
        from = start + STAMP_BYTES;
        count += 1;
    }
    count
}

fn next(payload: &[u8], mut from: usize) -> Option<(usize, Stamp)> {
    loop {
        let rest = payload.get(from..)?;
        let start = from + rest.iter().position(|byte| *byte == b'#')?;
        if let Some(stamp) = payload.get(start..).and_then(Stamp::decode) {
            return Some((start, stamp));
        }
        from = start + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stamp_is_found_at_any_position(
            before in "[a-z#~0-9]{0,40}", after in "[a-z\"}]{0,40}",
            at_us: u64, number: u32,
        ) {
            let stamp = Stamp { at_us, number };
            let mut message = before.into_bytes();
            // Hexadecimal digits directly after a `#~` of the filler would be a stamp too.
            message.push(b' ');
            message.extend(stamp.encode());
            message.extend(after.bytes());
            let mut finder = Finder::default();
            prop_assert_eq!(finder.one(&message), Some(stamp));
            // The second time at the stored position.
            prop_assert_eq!(finder.one(&message), Some(stamp));
        }
    }

    #[test]
    fn every_stamp_is_found_in_order() {
        let stamps = [3, 1, 2].map(|number| Stamp { at_us: 7, number });
        let mut message = b"[#".to_vec();
        for stamp in stamps {
            message.extend(stamp.encode());
            message.extend(b", #~");
        }
        let mut found = Vec::new();
        assert_eq!(each(&message, |stamp| found.push(stamp)), 3);
        assert_eq!(found, stamps);
    }

    #[test]
    fn message_without_a_stamp_has_none() {
        assert_eq!(
            Finder::default().one(b"{\"command\":\"idyou\",\"data\":{}}"),
            None
        );
        assert_eq!(Finder::default().one(b""), None);
        assert_eq!(BLANK.len(), STAMP_BYTES);
    }
}
