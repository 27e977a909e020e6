//! Transcodes a MessagePack value to JSON text, in one pass.
//!
//! | MessagePack | JSON |
//! |---|---|
//! | nil, boolean, integer, str | the same |
//! | float | with a fraction or an exponent, so that it stays a float |
//! | array, map with str keys | list, object |
//! | bin | `{"$bin": BASE64}` |
//! | map with the key `$num` only and a number's digits | that number |
//! | ext | `{"$ext": [TYPE, BASE64]}` |

use std::io::Write;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use super::V2Error;
use super::reader::{Reader, Token};

/// Limits of a transcoder.
#[derive(Debug, Clone, Copy)]
pub struct TranscodeLimits {
    /// The maximum nesting of lists and objects in the JSON text.
    pub depth_max: usize,
    /// The maximum length of the JSON text, in bytes.
    pub json_bytes_max: usize,
}

/// An open list or object.
struct Open {
    is_hash: bool,
    is_first: bool,
    /// Remaining elements; keys count, too.
    missing: u64,
}

/// Appends the first value in `bytes` as JSON text without whitespace, and
/// returns its length in bytes. On an error `out` is unchanged.
///
/// ```
/// use turntable_wire::msgpack_v2::{TranscodeLimits, to_json};
/// let limits = TranscodeLimits { depth_max: 32, json_bytes_max: 1024 };
/// let mut out = Vec::new();
/// let taken = to_json(b"\x92\x01\xc4\x02hi", &limits, &mut out);
/// assert_eq!((taken, &out[..]), (Ok(6), &br#"[1,{"$bin":"aGk="}]"#[..]));
/// ```
///
/// # Errors
/// [`V2Error`], all but `Trailing`.
pub fn to_json(
    bytes: &[u8],
    limits: &TranscodeLimits,
    out: &mut Vec<u8>,
) -> Result<usize, V2Error> {
    let start = out.len();
    let mut reader = Reader::new(bytes);
    match transcode(&mut reader, limits, start, out) {
        Ok(()) => Ok(bytes.len() - reader.rest().len()),
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

fn transcode(
    reader: &mut Reader<'_>,
    limits: &TranscodeLimits,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<(), V2Error> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let token = match reader.token()? {
            map @ Token::Map(1) => reader.number().unwrap_or(map),
            token => token,
        };
        if let Some(container) = open.last_mut() {
            let is_key = container.is_hash && container.missing % 2 == 0;
            if is_key && !matches!(token, Token::Text(_)) {
                return Err(V2Error::KeyNotText);
            }
            if container.is_hash && !is_key {
                out.push(b':');
            } else if !container.is_first {
                out.push(b',');
            }
            container.is_first = false;
            container.missing -= 1;
        }
        let (levels, len_min) = extent(&token);
        if open.len() + levels > limits.depth_max {
            return Err(V2Error::TooDeep);
        }
        // The text before and after the value.
        let left = limits.json_bytes_max.saturating_sub(out.len() - start);
        if len_min > left {
            return Err(V2Error::TooLarge);
        }
        match token {
            Token::List(count) => {
                out.push(b'[');
                open.push(Open {
                    is_hash: false,
                    is_first: true,
                    missing: count.into(),
                });
            }
            Token::Map(count) => {
                out.push(b'{');
                open.push(Open {
                    is_hash: true,
                    is_first: true,
                    missing: 2 * u64::from(count),
                });
            }
            scalar => write(scalar, out)?,
        }
        while let Some(Open {
            is_hash,
            missing: 0,
            ..
        }) = open.last()
        {
            out.push(if *is_hash { b'}' } else { b']' });
            open.pop();
        }
        if out.len() - start > limits.json_bytes_max {
            return Err(V2Error::TooLarge);
        }
        if open.is_empty() {
            return Ok(());
        }
    }
}

/// The depth and the minimum number of bytes of a token as JSON.
fn extent(token: &Token<'_>) -> (usize, usize) {
    match token {
        Token::List(_) | Token::Map(_) => (1, 2),
        Token::Text(text) => (0, text.len()),
        Token::Binary(bytes) => (1, bytes.len()),
        Token::Digits(digits) => (0, digits.len()),
        Token::Extension(_, bytes) => (2, bytes.len()),
        _ => (0, 1),
    }
}

/// Appends a scalar.
fn write(token: Token<'_>, out: &mut Vec<u8>) -> Result<(), V2Error> {
    // Writing to a vector cannot fail.
    match token {
        Token::Boolean(true) => out.extend_from_slice(b"true"),
        Token::Boolean(false) => out.extend_from_slice(b"false"),
        Token::Unsigned(value) => {
            let _ = serde_json::to_writer(out, &value);
        }
        Token::Signed(value) => {
            let _ = serde_json::to_writer(out, &value);
        }
        Token::Float(value) if value.is_finite() => {
            let _ = serde_json::to_writer(out, &value);
        }
        Token::Float(_) => return Err(V2Error::NotFinite),
        Token::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| V2Error::NotUtf8)?;
            let _ = serde_json::to_writer(out, text);
        }
        Token::Binary(bytes) => {
            let _ = write!(out, r#"{{"$bin":"{}"}}"#, base64(bytes));
        }
        Token::Digits(digits) => out.extend_from_slice(digits),
        Token::Extension(kind, bytes) => {
            let _ = write!(out, r#"{{"$ext":[{kind},"{}"]}}"#, base64(bytes));
        }
        // Lists and objects are not scalars.
        Token::Null | Token::List(_) | Token::Map(_) => out.extend_from_slice(b"null"),
    }
    Ok(())
}

fn base64(bytes: &[u8]) -> Base64Display<'_, 'static, base64::engine::GeneralPurpose> {
    Base64Display::new(bytes, &STANDARD)
}
