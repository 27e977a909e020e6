//! Bytes inside JSON: Socket.IO's placeholders, and the object `{"$bin": BASE64}`
//! that represents bytes inside the server.
//!
//! Both are found by one scan over valid JSON text. The scan passes each object
//! to a function, which may replace it. The scan stores only its position, so the
//! nesting depth costs no memory.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::packet::PacketError;

/// The maximum number of attachments of a packet that the server sends:
/// socket.io-parser from version 4.2.6 refuses more, and closes the connection.
pub const ATTACHMENTS_SENT_MAX: usize = 10;

/// The key with its quotes.
const BIN: &str = r#""$bin""#;

/// Copies `text` to `out`, except for the objects that `find` recognises. `find`
/// gets the text from each `{` on, and returns a value and the length of the
/// object; `write` writes the replacement.
fn rewrite<T>(
    text: &str,
    out: &mut String,
    find: impl Fn(&str) -> Result<Option<(T, usize)>, PacketError>,
    mut write: impl FnMut(T, &mut String) -> Result<(), PacketError>,
) -> Result<(), PacketError> {
    // Brackets, quotes and backslashes are never part of a multi-byte character.
    let slice = |from, to| text.get(from..to).unwrap_or_default();
    let bytes = text.as_bytes();
    let (mut at, mut copied, mut in_string) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'{' if !in_string => {
                if let Some((found, read)) = find(slice(at, text.len()))? {
                    out.push_str(slice(copied, at));
                    write(found, out)?;
                    at += read;
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(slice(copied, text.len()));
    Ok(())
}

/// A position in valid JSON text.
struct Cursor<'a> {
    rest: &'a str,
    read: usize,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, token: &str) -> Option<()> {
        let rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let behind = rest.strip_prefix(token)?;
        self.read += self.rest.len() - behind.len();
        self.rest = behind;
        Some(())
    }

    /// The content of a string, with its escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let mut is_escaped = false;
        let end = self.rest.bytes().position(|byte| match byte {
            _ if is_escaped => {
                is_escaped = false;
                false
            }
            b'\\' => {
                is_escaped = true;
                false
            }
            byte => byte == b'"',
        })?;
        let inside = self.rest.get(..end)?;
        self.rest = self.rest.get(end + 1..)?;
        self.read += end + 1;
        Some(inside)
    }

    /// A non-negative integer.
    fn whole(&mut self) -> Option<usize> {
        self.skip("")?;
        let blanks = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let digits = blanks.bytes().take_while(u8::is_ascii_digit).count();
        let number = blanks.get(..digits)?.parse().ok();
        self.read += self.rest.len() - blanks.len() + digits;
        self.rest = blanks.get(digits..)?;
        number
    }
}

/// The content of a string, without escapes. `None` if it is not Unicode.
fn unescaped(inside: &str) -> Option<Cow<'_, str>> {
    match inside.contains('\\') {
        true => serde_json::from_str(&format!("\"{inside}\""))
            .ok()
            .map(Cow::Owned),
        false => Some(Cow::Borrowed(inside)),
    }
}

/// Whether the text may contain bytes, in any spelling; a fast check, because most
/// has none. It may return false positives.
#[must_use]
pub fn has_binary(json: &str) -> bool {
    may_contain(json, BIN)
}

/// The bytes and the length of the object at the beginning of `text`, if it is
/// exactly `{"$bin": BASE64}`.
fn bin(text: &str) -> Option<(Vec<u8>, usize)> {
    let mut cursor = Cursor {
        rest: text,
        read: 0,
    };
    cursor.skip("{")?;
    let key = cursor.string()?;
    // Nearly every other key is distinguished by its first character.
    if !key.starts_with(['$', '\\']) || unescaped(key)? != "$bin" {
        return None;
    }
    cursor.skip(":")?;
    let base64 = cursor.string()?;
    cursor.skip("}")?;
    // Some encoders escape slashes.
    let base64 = unescaped(base64)?;
    Some((STANDARD.decode(&*base64).ok()?, cursor.read))
}

/// Whether `json` may contain a placeholder in any spelling. It may return
/// false positives.
fn has_placeholder(json: &str) -> bool {
    may_contain(json, "_placeholder")
}

/// Whether `json` may contain `key`, which is ASCII, in any spelling. It may return
/// false positives.
fn may_contain(json: &str, key: &str) -> bool {
    if json.contains(key) || !json.contains("\\u00") {
        return json.contains(key);
    }
    let mut plain = String::with_capacity(json.len());
    let mut pieces = json.split("\\u00");
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (hex, rest) = piece.split_at_checked(2).unwrap_or(("", piece));
        if let Ok(byte) = u8::from_str_radix(hex, 16) {
            plain.push(char::from(byte));
        }
        plain.push_str(rest);
    }
    plain.contains(key)
}

/// Extracts the bytes from `json`: the text with placeholders, and the
/// attachments in order. `None` if there are none, or more than
/// [`ATTACHMENTS_SENT_MAX`]. Escapes in the key or in the base64 make no
/// difference. An object that only resembles `{"$bin": BASE64}`
/// (another key, base64 that is not canonical) remains data.
///
/// Data that contains a placeholder of its own remains JSON as well: in a packet
/// with attachments a client would replace it, or close its connection.
///
/// ```
/// use turntable_wire::socketio::extract;
/// let (text, attachments) = extract(r#"["baz",{"$bin":"AQIDBA=="}]"#).unwrap();
/// assert_eq!(text, r#"["baz",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(attachments, [[1, 2, 3, 4]]);
/// assert!(extract(r#"["baz"]"#).is_none());
/// ```
#[must_use]
pub fn extract(json: &str) -> Option<(String, Vec<Vec<u8>>)> {
    if !has_binary(json) || has_placeholder(json) {
        return None;
    }
    let (mut out, mut attachments) = (String::with_capacity(json.len()), Vec::new());
    let write = |bytes, out: &mut String| {
        let number = attachments.len();
        out.push_str(&format!(r#"{{"_placeholder":true,"num":{number}}}"#));
        attachments.push(bytes);
        Ok(())
    };
    rewrite(json, &mut out, |text| Ok(bin(text)), write).ok()?;
    (1..=ATTACHMENTS_SENT_MAX)
        .contains(&attachments.len())
        .then_some((out, attachments))
}

/// The number and length of the placeholder at the beginning of `text`. Its two
/// keys may be in either order.
fn placeholder(text: &str) -> Result<Option<(usize, usize)>, PacketError> {
    let mut cursor = Cursor {
        rest: text,
        read: 0,
    };
    let (mut is_placeholder, mut number) = (false, None);
    let mut field = |cursor: &mut Cursor<'_>| {
        let key = unescaped(cursor.string()?)?;
        cursor.skip(":")?;
        match &*key {
            "_placeholder" => {
                cursor.skip("true")?;
                is_placeholder = true;
            }
            "num" => number = Some(cursor.whole()?),
            _ => return None,
        }
        Some(())
    };
    let whole = (|| {
        cursor.skip("{")?;
        field(&mut cursor)?;
        cursor.skip(",")?;
        field(&mut cursor)?;
        cursor.skip("}")
    })();
    match (whole, is_placeholder, number) {
        (Some(()), true, Some(number)) => Ok(Some((number, cursor.read))),
        // It claims to be a placeholder, but has no number or additional keys.
        (_, true, _) => Err(PacketError::Placeholder),
        _ => Ok(None),
    }
}

/// Replaces the placeholders by the attachments (as base64). Each is used once,
/// so the output is not longer than the input.
pub(super) fn insert(json: &str, attachments: Vec<String>) -> Result<String, PacketError> {
    let inserted: usize = attachments.iter().map(String::len).sum();
    let mut out = String::with_capacity(json.len() + inserted);
    let mut attachments: Vec<Option<String>> = attachments.into_iter().map(Some).collect();
    let write = |number, out: &mut String| {
        let base64: String = attachments
            .get_mut(number)
            .and_then(Option::take)
            .ok_or(PacketError::Placeholder)?;
        out.push_str(r#"{"$bin":""#);
        out.push_str(&base64);
        out.push_str(r#""}"#);
        Ok(())
    };
    rewrite(json, &mut out, placeholder, write)?;
    match attachments.iter().all(Option::is_none) {
        true => Ok(out),
        false => Err(PacketError::Placeholder),
    }
}
