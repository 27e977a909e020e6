//! Independent readers: one per format, which return the datagrams, header and
//! footer of a complete response.

/// EventSource, as the HTML standard (section 9.2.6) has it: the events' types,
/// ids and data.
pub(super) fn sse(body: &str) -> Vec<(String, String, String)> {
    let (mut events, mut id) = (Vec::new(), String::new());
    let (mut kind, mut data) = (String::new(), String::new());
    let lines = body.replace("\r\n", "\n").replace('\r', "\n");
    for line in lines.split('\n') {
        if line.is_empty() {
            if !data.is_empty() {
                data.pop();
                let kind = if kind.is_empty() { "message" } else { &*kind };
                events.push((kind.to_owned(), id.clone(), data));
            }
            (kind, data) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => kind = value.to_owned(),
            "id" if !value.contains('\0') => id = value.to_owned(),
            "data" => data = data + value + "\n",
            "" | "retry" => {}
            // A browser ignores other fields; the server writes none.
            field => panic!("unexpected field {field:?}"),
        }
    }
    events
}

/// RFC 2046, section 5.1.1: the bodies of the parts.
pub(super) fn multipart(body: &str, boundary: &str) -> Vec<String> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line end before it.
    let body = format!("\r\n{body}");
    let mut pieces = body.split(&*delimiter);
    assert_eq!(pieces.next(), Some(""), "a preamble");
    let (mut parts, mut is_closed) = (Vec::new(), false);
    for piece in pieces {
        assert!(!is_closed, "a part after the last");
        if let Some(epilogue) = piece.strip_prefix("--") {
            assert_eq!(epilogue, "\r\n");
            is_closed = true;
            continue;
        }
        let part = piece.strip_prefix("\r\n").expect("a line end");
        let (header, content) = part.split_once("\r\n\r\n").expect("a header");
        assert_eq!(header, "Content-Type: application/json");
        parts.push(content.to_owned());
    }
    assert!(is_closed);
    parts
}

/// A length, a line end, and the bytes.
pub(super) fn length(mut body: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = body.split_once('\n') {
        let (text, rest) = rest.split_at(length.parse().expect("a length"));
        if !text.is_empty() {
            texts.push(text.to_owned());
        }
        body = rest;
    }
    assert!(body.is_empty(), "{body:?}");
    texts
}

/// The scripts of a page, with the end that a browser finds.
pub(super) fn scripts(page: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    for piece in page.split("<script>").skip(1) {
        let (script, rest) = piece.split_once("</script").expect("an end");
        assert!(rest.starts_with('>'));
        assert!(
            !script.contains('<'),
            "a script's text could begin a comment"
        );
        scripts.push(script.to_owned());
    }
    scripts
}

/// The value of a JavaScript string literal that is all of `text`: ECMA-262,
/// section 12.9.4, as of its fifth edition, where U+2028 and U+2029 end lines.
pub(super) fn js_string(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut characters = text.chars();
    let quote = characters.next().expect("a quote");
    assert!(matches!(quote, '"' | '\''));
    let mut is_closed = false;
    while let Some(character) = characters.next() {
        assert!(!is_closed, "text after the string");
        match character {
            _ if character == quote => is_closed = true,
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => panic!("a line end in a string"),
            '\\' => match characters.next().expect("an escape") {
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).expect("four digits"));
                }
                '\\' => units.push(u16::from(b'\\')),
                escape => panic!("unexpected escape {escape:?}"),
            },
            _ => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
        }
    }
    assert!(is_closed);
    String::from_utf16(&units).expect("UTF-16")
}

/// HTML text with the entities that the encoding writes.
pub(super) fn html(text: &str) -> String {
    assert!(!text.contains(['<', '>', '"', '\'']));
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// Base64 with padding, decoded bit by bit.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(*b"+/")
        .collect();
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = alphabet.iter().position(|&c| c == character);
        bits = (bits << 6 | u32::try_from(value.expect("a character")).unwrap()) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
