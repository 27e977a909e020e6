//! Texts of others in lines of the log and on a terminal: with characters that are not seen as
//! escapes.
//!
//! An id may have any character but controls and blanks. One that reorders what is around it, or
//! is not seen, would make a line look like another one.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ranges of characters that are not seen, or that reorder others: those of the categories Cc and
/// Cf, what a font may ignore, separators of lines and paragraphs, and an empty pattern of Braille.
const HIDDEN: &[(char, char)] = &[
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

fn is_hidden(character: char) -> bool {
    let mut ranges = HIDDEN.iter();
    ranges.any(|(first, last)| (*first..=*last).contains(&character))
}

/// A text of one line.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// A text of several lines: their ends and tabs stay.
pub(crate) fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && c != '\n' && c != '\t')
}

/// A JSON text, which is the same value afterwards: in it, such characters are in strings alone.
pub(crate) fn visible_json(json: &str) -> Cow<'_, str> {
    let is_escaped = |c| is_hidden(c) && !matches!(c, '\n' | '\t' | '\r');
    replaced(json, is_escaped, |character, shown| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    replaced(text, is_escaped, |character, shown| {
        let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
    })
}

fn replaced(
    text: &str,
    is_replaced: impl Fn(char) -> bool,
    replace: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.contains(&is_replaced) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_replaced(character) {
            true => replace(character, &mut shown),
            false => shown.push(character),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_an_escape() {
        for (text, shown) in [
            ("1:mel", "1:mel"),
            (
                "fb:J\u{fc}rgen \u{1f600} \u{627}\u{644}",
                "fb:J\u{fc}rgen \u{1f600} \u{627}\u{644}",
            ),
            ("1:\u{202e}abc", "1:\\u{202e}abc"),
            (
                "\u{2066}a\u{2069}\u{200b}\u{feff}",
                "\\u{2066}a\\u{2069}\\u{200b}\\u{feff}",
            ),
            (
                "a\u{9b}31m\u{1b}[0m\r\u{2028}",
                "a\\u{9b}31m\\u{1b}[0m\\u{d}\\u{2028}",
            ),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible_lines(text), shown);
        }
        assert_eq!(visible("a\nb\tc"), "a\\u{a}b\\u{9}c");
        assert_eq!(visible_lines("a\nb\tc\u{202e}"), "a\nb\tc\\u{202e}");
    }

    #[test]
    fn json_is_the_same_value() {
        let value = serde_json::json!({"1:\u{202e}a": ["\u{9b}31m", "\u{e0041}", "\n\u{1f600}"]});
        let text = serde_json::to_string_pretty(&value).unwrap_or_default();
        let shown = visible_json(&text);
        assert!(
            shown.contains("1:\\u202ea") && shown.contains("\\u009b31m"),
            "{shown}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).ok(),
            Some(value)
        );
        assert!(matches!(visible_json("{\n\t\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn all_controls_of_the_direction_are_escapes() {
        let bidi = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\
                    \u{2068}\u{2069}";
        assert!(visible(bidi).is_ascii());
        for character in ('\0'..='\u{9f}').filter(|c| c.is_control()) {
            assert!(visible(&character.to_string()).starts_with("\\u{"));
        }
    }
}
