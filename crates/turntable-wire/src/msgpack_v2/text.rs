//! JSON strings: their end, and their escapes.

/// The number of bytes before the closing quote, and whether none of them is an
/// escape. `None` if the string has no end or contains a control character.
pub(super) fn scan(rest: &[u8]) -> Option<(usize, bool)> {
    let (mut is_plain, mut is_escaped) = (true, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            0..0x20 => return None,
            _ if is_escaped => is_escaped = false,
            b'"' => return Some((at, is_plain)),
            b'\\' => (is_plain, is_escaped) = (false, true),
            _ => {}
        }
    }
    None
}

/// The text with its escapes decoded. `None` if an escape is invalid. A lone
/// surrogate becomes U+FFFD, because Unicode text cannot contain it.
pub(super) fn unescape(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let mut chars = escape.chars();
        let character = match chars.next()? {
            plain @ ('"' | '\\' | '/') => plain,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, behind) = unicode(chars.as_str())?;
                chars = behind.chars();
                character
            }
            _ => return None,
        };
        text.push(character);
        rest = chars.as_str();
    }
    text.push_str(rest);
    Some(text)
}

/// The characters after `\u`: four digits, and a second escape if they are the
/// first half of a pair.
fn unicode(escape: &str) -> Option<(char, &str)> {
    let (high, behind) = unit(escape)?;
    let pair = || {
        let (low, behind) = unit(behind.strip_prefix("\\u")?)?;
        let character = char::decode_utf16([high, low]).next()?.ok()?;
        // The two escapes are not a surrogate pair.
        (character.len_utf16() == 2).then_some((character, behind))
    };
    match char::from_u32(high.into()) {
        Some(character) => Some((character, behind)),
        None => Some(pair().unwrap_or((char::REPLACEMENT_CHARACTER, behind))),
    }
}

/// Four hexadecimal digits.
fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = is_hex.then(|| u16::from_str_radix(digits, 16).ok())??;
    Some((unit, behind))
}
