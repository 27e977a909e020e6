//! JSON numbers, and the MessagePack numbers that represent them without loss.
//!
//! A number without fraction and exponent that fits 64 bits is an integer. Any
//! other is a double if the double's shortest decimal is the same number;
//! otherwise its digits are stored, in a map that every decoder takes. `-0` has a
//! sign, which only a double can represent.

use rmp::encode::{write_f64, write_map_len, write_sint, write_str, write_str_len, write_uint};

use super::NUMBER_KEY;

/// The length of the number at the beginning of `text`, and whether it has
/// neither fraction nor exponent. `None` if there is no number.
pub(super) fn scan(text: &[u8]) -> Option<(usize, bool)> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let mut is_whole = true;
    at += match (text.get(at)?, digits(at)) {
        (_, 0) => return None,
        // No digit may follow a leading zero.
        (b'0', _) => 1,
        (_, count) => count,
    };
    if text.get(at) == Some(&b'.') {
        is_whole = false;
        let count = digits(at + 1);
        if count == 0 {
            return None;
        }
        at += 1 + count;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        is_whole = false;
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let count = digits(at + 1 + sign);
        if count == 0 {
            return None;
        }
        at += 1 + sign + count;
    }
    Some((at, is_whole))
}

/// Whether `text` is exactly one number that MessagePack has no form for, so that its
/// digits are stored.
pub(super) fn is_stored(text: &[u8]) -> bool {
    let (Some((len, is_whole)), Ok(number)) = (scan(text), std::str::from_utf8(text)) else {
        return false;
    };
    len == text.len() && matches!(Form::of(number, is_whole), Form::Digits)
}

/// The form of a number in MessagePack.
enum Form {
    Unsigned(u64),
    Signed(i64),
    Double(f64),
    Digits,
}

impl Form {
    /// The form of `text`, which [`scan`] has validated.
    fn of(text: &str, is_whole: bool) -> Self {
        if is_whole && text != "-0" {
            if let Ok(value) = text.parse::<u64>() {
                return Self::Unsigned(value);
            }
            if let Ok(value) = text.parse::<i64>() {
                return Self::Signed(value);
            }
        }
        match text.parse::<f64>() {
            Ok(value) if is_exact(value, text) => Self::Double(value),
            _ => Self::Digits,
        }
    }
}

/// Appends the number `text`, which [`scan`] has validated. `None` if it is too
/// long for MessagePack.
pub(super) fn write(text: &str, is_whole: bool, out: &mut Vec<u8>) -> Option<()> {
    // Writing to a vector cannot fail.
    match Form::of(text, is_whole) {
        Form::Unsigned(value) => {
            let _ = write_uint(out, value);
        }
        Form::Signed(value) => {
            let _ = write_sint(out, value);
        }
        Form::Double(value) => {
            let _ = write_f64(out, value);
        }
        Form::Digits => {
            let len = u32::try_from(text.len()).ok()?;
            let _ = write_map_len(out, 1);
            let _ = write_str(out, NUMBER_KEY);
            let _ = write_str_len(out, len);
            out.extend_from_slice(text.as_bytes());
        }
    }
    Some(())
}

/// Whether the shortest decimal of `value`, the double nearest to `text`, is the
/// same number as `text`.
fn is_exact(value: f64, text: &str) -> bool {
    /// Any decimal with this many digits is the shortest of its double.
    const DIGITS_EXACT: usize = 15;
    if !value.is_finite() {
        return false;
    }
    // The point of a fraction is not a digit; without an exponent the number is
    // far from where doubles lose precision.
    if text.len() <= DIGITS_EXACT + 1 && !text.contains(['e', 'E']) {
        return true;
    }
    // Two shortest decimals may be equally near; `to_json` writes this one.
    let Ok(shortest) = serde_json::to_string(&value) else {
        return false;
    };
    Decimal::of(text).is_some_and(|number| Some(number) == Decimal::of(&shortest))
}

/// The normal form of a number without its sign: `0.DIGITS` times a power of
/// ten, where the digits neither begin nor end with a zero.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// `None` if the exponent is too large.
    fn of(text: &str) -> Option<Self> {
        let text = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        let zeros = all().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = all().skip(zeros).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self {
                digits,
                exponent: 0,
            });
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        Some(Self {
            digits,
            exponent: exponent.parse::<i64>().ok()?.checked_add(point)?,
        })
    }
}
