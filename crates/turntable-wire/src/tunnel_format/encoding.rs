//! Escapes JSON and paths for the place where a format inserts them.

use serde::{Deserialize, Serialize};

/// The encoding of the inserted `%d`, `%D` and `%p`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// None: JSON, which contains no line ends.
    #[default]
    None,
    /// For a JavaScript string, in single or double quotes, including inside a
    /// `<script>`.
    JsString,
    /// For the text or a quoted attribute of an HTML page.
    Html,
    /// Base64 with padding, RFC 4648 section 4.
    Base64,
}

impl Encoding {
    /// Appends `text`, encoded.
    ///
    /// ```
    /// use turntable_wire::tunnel_format::Encoding;
    /// let mut out = Vec::new();
    /// Encoding::JsString.write(r#"["</script>"]"#, &mut out);
    /// assert_eq!(out, br"[\u0022\u003c/script\u003e\u0022]");
    /// ```
    pub fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(text.as_bytes()),
            Self::JsString => escape(text, out, |character, out| {
                match character {
                    '\\' => out.extend_from_slice(br"\\"),
                    '"' | '\'' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                        unicode(character, out);
                    }
                    _ if character.is_control() => unicode(character, out),
                    _ => return false,
                }
                true
            }),
            Self::Html => escape(text, out, |character, out| {
                let entity: &[u8] = match character {
                    '&' => b"&amp;",
                    '<' => b"&lt;",
                    '>' => b"&gt;",
                    '"' => b"&quot;",
                    '\'' => b"&#39;",
                    _ => return false,
                };
                out.extend_from_slice(entity);
                true
            }),
            Self::Base64 => base64(text.as_bytes(), out),
        }
    }
}

/// Appends JSON as a JavaScript literal. JSON strings may contain two characters
/// that JavaScript before ES2019 treats as line ends.
pub(super) fn write_literal(json: &str, out: &mut Vec<u8>) {
    escape(json, out, |character, out| {
        let is_line_end = matches!(character, '\u{2028}' | '\u{2029}');
        if is_line_end {
            unicode(character, out);
        }
        is_line_end
    });
}

/// Copies `text`, except for the characters that `write` replaces.
fn escape(text: &str, out: &mut Vec<u8>, write: impl Fn(char, &mut Vec<u8>) -> bool) {
    out.reserve(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        if !write(character, out) {
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
    }
}

/// `\uXXXX`; all characters that need it are in the basic plane.
fn unicode(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const CHARACTERS: usize = 4;
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, index| {
            (bits << 8) | u32::from(group.get(index).copied().unwrap_or(0))
        });
        for index in 0..CHARACTERS {
            let value = (bits >> (18 - 6 * index)) & 0x3f;
            let character = match BASE64.get(value as usize) {
                Some(&character) if index <= group.len() => character,
                _ => b'=',
            };
            out.push(character);
        }
    }
}
