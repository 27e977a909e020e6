//! What valid JSON may have and a message may not: nesting beyond the limit, numbers
//! beyond the range of a double, and escapes of lone surrogates.
//!
//! One scan finds all. Many parsers refuse a whole text with such a number or escape,
//! others read infinity or a string that has no UTF-8, so one client could make the
//! messages of all others unreadable.

use memchr::memchr2;

/// What a text has that no message may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is nested deeper than the limit.
    TooDeep,
    /// One of its numbers is beyond the range of a double.
    HugeNumber,
    /// One of its strings or keys has half a surrogate pair.
    LoneSurrogate,
}

impl Flaw {
    /// The sentence about a flaw that is no matter of a limit; `None` for
    /// [`Self::TooDeep`].
    pub(crate) const fn sentence(self) -> Option<&'static str> {
        match self {
            Self::TooDeep => None,
            Self::HugeNumber => Some(HUGE_NUMBER),
            Self::LoneSurrogate => Some(LONE_SURROGATE),
        }
    }
}

/// The sentence for a number beyond the range of a double.
const HUGE_NUMBER: &str =
    "a number is beyond the range of a double (1.7976931348623157e308); write it as a string";

/// The sentence for half a surrogate pair.
const LONE_SURROGATE: &str =
    "a string has a lone surrogate, which is not Unicode; send U+FFFD in its place";

/// Digits in a row that may be a number beyond that range without an exponent.
const DIGITS_HUGE: usize = 309;

/// Whether the JSON text is nested at most `depth_max` deep, and has only numbers in the
/// range of a double and strings of Unicode.
///
/// # Errors
/// The first [`Flaw`].
pub(crate) fn check(text: &str, depth_max: usize) -> Result<(), Flaw> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = behind_string(text, at + 1)?,
            b'0'..=b'9' => at = behind_number(text, at)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return Err(Flaw::TooDeep);
                }
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// The position behind the string whose first byte behind the quote is at `at`.
fn behind_string(text: &str, mut at: usize) -> Result<usize, Flaw> {
    let bytes = text.as_bytes();
    loop {
        let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) else {
            return Ok(bytes.len());
        };
        at += found + 1;
        if bytes.get(at - 1) == Some(&b'"') {
            return Ok(at);
        }
        // The escaped byte, or the `u` of the second half of a pair.
        let second = match bytes.get(at) {
            Some(b'u') => second_half(text, at)?,
            _ => None,
        };
        at = second.unwrap_or(at) + 1;
    }
}

/// The position behind the number without its sign whose first digit is at `at`.
fn behind_number(text: &str, at: usize) -> Result<usize, Flaw> {
    let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let mut has_exponent = false;
    let digits = text.as_bytes().get(at..).unwrap_or_default().iter();
    let parts = digits.take_while(is_part);
    let length = parts
        .inspect(|byte| has_exponent |= matches!(byte, b'e' | b'E'))
        .count();
    let number = text.get(at..at + length).unwrap_or_default();
    let may_be_huge = has_exponent || length >= DIGITS_HUGE;
    if may_be_huge && number.parse().is_ok_and(f64::is_infinite) {
        return Err(Flaw::HugeNumber);
    }
    Ok(at + length)
}

/// Where the `u` of the second half of the surrogate pair is that begins with the escape
/// whose `u` is at `at`; `None` if this escape is no surrogate.
fn second_half(text: &str, at: usize) -> Result<Option<usize>, Flaw> {
    let unit = |at: usize| u16::from_str_radix(text.get(at + 1..at + 5)?, 16).ok();
    let is_low = |unit| matches!(unit, Some(0xdc00..=0xdfff));
    match unit(at) {
        Some(0xd800..=0xdbff) => {
            let follows = text.get(at + 5..at + 7) == Some("\\u") && is_low(unit(at + 6));
            follows.then_some(Some(at + 6)).ok_or(Flaw::LoneSurrogate)
        }
        low if is_low(low) => Err(Flaw::LoneSurrogate),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_doubles_are_found() {
        let nines = "9".repeat(309);
        let huge = [
            "1e309",
            "-1E+309",
            "1e999",
            "0.001e999",
            "17976931348623159e292",
            nines.as_str(),
        ];
        for number in huge {
            for text in [
                number.to_owned(),
                format!("[{number}]"),
                format!(r#"{{"a\\\"":1,"b":[{number} ,2]}}"#),
            ] {
                assert_eq!(check(&text, 8), Err(Flaw::HugeNumber), "{text}");
            }
        }
    }

    #[test]
    fn all_other_numbers_pass() {
        let (long, small) = ("1".repeat(308), format!("0.{}1", "0".repeat(400)));
        let rows = [
            "1e308",
            "-1.7976931348623157e+308",
            "1e-999",
            "0e999",
            "18446744073709551616",
            "[0.1,1E2,-0]",
            r#""1e999""#,
            r#"{"1e999":"\"1e999","e":true}"#,
            long.as_str(),
            small.as_str(),
        ];
        for text in rows {
            assert_eq!(check(text, 8), Ok(()), "{text}");
        }
    }

    #[test]
    fn lone_surrogates_are_found() {
        let lone = [
            r"\ud800",
            r"\uDBFF",
            r"\udc00",
            r"\uDFFF",
            r"\ud800x\udc00",
            r"\ud800\ud800",
            r"\ud83d\ude00\ude00",
            r"\udc00\ud800",
            r"\\\ud800",
            r"\ud800\\udc00",
            r"\ud800\u0041",
        ];
        for text in lone {
            for text in [format!("\"{text}\""), format!("[1,{{\"{text}\":2}}]")] {
                assert_eq!(check(&text, 8), Err(Flaw::LoneSurrogate), "{text}");
            }
        }
    }

    #[test]
    fn all_other_strings_pass() {
        let rows = [
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""\\\\ud800\\udc00""#,
            r#""\ufffd\ufffe\uffff\u0000\ufeff\u2028\ud7ff\ue000""#,
            r#"{"\ud83d\ude00":"\u2029"}"#,
        ];
        for text in rows {
            assert_eq!(check(text, 8), Ok(()), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        }
    }

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        assert_eq!(check("[[{}]]", 3), Ok(()));
        assert_eq!(check("[[{}]]", 2), Err(Flaw::TooDeep));
        assert_eq!(check(r#"["[[[[\"[[",[],[]]"#, 2), Ok(()));
    }
}
