//! The formats of a tunnel's stream, each parsed as its typical client does.
//!
//! A format removes complete pieces from the front of the bytes that arrived; an
//! incomplete piece stays until more bytes arrive.

use serde_json::Value;

use super::http::find;

/// A part of a stream.
#[derive(Debug)]
pub enum Piece {
    /// The header: the tunnel's id.
    Open(String),
    Datagram(Value),
    Keepalive,
    /// The footer.
    Close,
}

/// A format.
pub trait Format {
    const NAME: &'static str;
    const CONTENT_TYPE: &'static str;
    /// Further parameters of the query.
    const QUERY: &'static str = "";
    /// Whether a stream ends after one batch, so that the client sends another
    /// request.
    const ONCE: bool = false;
    /// Whether the client can send by a query only, as a page that loads scripts.
    const SENDS_BY_QUERY: bool = false;
    /// Whether it resumes with `Last-Event-ID`, as an EventSource does.
    const LAST_EVENT_ID: bool = false;

    fn take(bytes: &mut Vec<u8>) -> Option<Piece>;
}

/// A whole object: header, footer or datagram.
fn piece(text: &[u8]) -> Piece {
    let value: Value = serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(text)));
    if value.is_null() {
        return Piece::Keepalive;
    }
    if value["close"].is_u64() {
        return Piece::Close;
    }
    match (value.get("path"), value["tunnel"].as_str()) {
        (None, Some(tunnel)) => Piece::Open(tunnel.to_owned()),
        (Some(_), None) => Piece::Datagram(value),
        _ => panic!("neither a header nor a datagram: {value}"),
    }
}

/// Removes everything up to and including `end`, and returns it without `end`.
fn take_until(bytes: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    let at = find(bytes, end)?;
    let text = bytes[..at].to_vec();
    bytes.drain(..at + end.len());
    Some(text)
}

/// `text/event-stream`, parsed by the algorithm of the HTML standard.
pub struct Sse;

impl Format for Sse {
    const NAME: &'static str = "sse";
    const CONTENT_TYPE: &'static str = "text/event-stream";
    const LAST_EVENT_ID: bool = true;

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        let block = String::from_utf8(take_until(bytes, b"\n\n")?).unwrap();
        let (mut event, mut id, mut data) = ("message", None, Vec::new());
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event = value,
                "id" => id = Some(value),
                "data" => data.push(value),
                "" | "retry" => {}
                other => panic!("{other} is no field of an event: {block}"),
            }
        }
        if data.is_empty() {
            return Some(Piece::Keepalive);
        }
        Some(match (event, piece_or_close(&data.join("\n"))) {
            ("open", Piece::Open(tunnel)) => Piece::Open(tunnel),
            ("close", _) => Piece::Close,
            ("message", Piece::Datagram(datagram)) => {
                assert_eq!(
                    id,
                    datagram["id"].as_str(),
                    "the event's id is the datagram's"
                );
                Piece::Datagram(datagram)
            }
            (event, piece) => panic!("{piece:?} in an event {event}"),
        })
    }
}

/// The data of an event; that of `close` may be an empty object.
fn piece_or_close(text: &str) -> Piece {
    if text == "{}" {
        return Piece::Close;
    }
    piece(text.as_bytes())
}

/// One line each.
pub struct Ndjson;

impl Format for Ndjson {
    const NAME: &'static str = "ndjson";
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        let line = take_until(bytes, b"\n")?;
        if line.is_empty() {
            return Some(Piece::Keepalive);
        }
        Some(piece(&line))
    }
}

/// An endless page, whose scripts call functions of the parent page.
pub struct Iframe;

impl Format for Iframe {
    const NAME: &'static str = "iframe";
    const CONTENT_TYPE: &'static str = "text/html";
    const SENDS_BY_QUERY: bool = true;

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        // A script runs when it is complete.
        let end = b"</script>";
        let at = find(bytes, end)?;
        let script = String::from_utf8(bytes[..at].to_vec()).unwrap();
        bytes.drain(..at + end.len());
        let Some((_, call)) = script.split_once("parent.turntable.") else {
            return Some(Piece::Keepalive);
        };
        let (name, argument) = call.split_once('(').unwrap();
        Some(match name {
            "open" => Piece::Open(js_string(argument)),
            "datagram" => piece(js_string(argument).as_bytes()),
            "close" => Piece::Close,
            other => panic!("a script calls {other}: {script}"),
        })
    }
}

/// The JavaScript string literal that `text` begins with.
fn js_string(text: &str) -> String {
    let mut chars = text.chars();
    assert_eq!(chars.next(), Some('"'), "{text}");
    let mut units = Vec::new();
    let hex = |chars: &mut std::str::Chars<'_>, count: usize| {
        let digits: String = chars.take(count).collect();
        u16::from_str_radix(&digits, 16).unwrap()
    };
    loop {
        let char = chars.next().expect("a string that ends");
        let char = match char {
            '"' => return String::from_utf16(&units).unwrap(),
            '\\' => match chars.next().unwrap() {
                'u' => {
                    units.push(hex(&mut chars, 4));
                    continue;
                }
                'x' => {
                    units.push(hex(&mut chars, 2));
                    continue;
                }
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                char => char,
            },
            '\n' | '\r' => panic!("a string over two lines: {text}"),
            char => char,
        };
        units.extend_from_slice(char.encode_utf16(&mut [0; 2]));
    }
}

/// `multipart/x-mixed-replace`.
pub struct Multipart;

impl Format for Multipart {
    const NAME: &'static str = "multipart";
    const CONTENT_TYPE: &'static str = "multipart/x-mixed-replace; boundary=turntable";

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        // The boundary stays in front until the part after it is complete.
        let rest = bytes.strip_prefix(b"--turntable")?;
        if rest == b"--\r\n" {
            bytes.clear();
            return Some(Piece::Close);
        }
        let body = bytes.len() - rest.len() + find(rest, b"\r\n\r\n")? + 4;
        let end = body + find(&bytes[body..], b"\r\n--turntable")?;
        let piece = piece(&bytes[body..end]);
        bytes.drain(..end + 2);
        match piece {
            // The last boundary follows.
            Piece::Close => Self::take(bytes),
            piece => Some(piece),
        }
    }
}

/// One JSON array per request.
pub struct Longpoll;

impl Format for Longpoll {
    const NAME: &'static str = "longpoll";
    const CONTENT_TYPE: &'static str = "application/json";
    const ONCE: bool = true;

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        element(bytes)
    }
}

/// The array's next element, or its end.
fn element(bytes: &mut Vec<u8>) -> Option<Piece> {
    let skipped = bytes.iter().take_while(|byte| b"[, \n".contains(byte));
    bytes.drain(..skipped.count());
    if bytes.first() == Some(&b']') {
        bytes.clear();
        return Some(Piece::Close);
    }
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let value = match values.next()? {
        Ok(value) => value,
        Err(error) if error.is_eof() => return None,
        Err(error) => panic!("{error}: {:?}", String::from_utf8_lossy(bytes)),
    };
    let end = values.byte_offset();
    bytes.drain(..end);
    Some(piece(value.to_string().as_bytes()))
}

/// One call of a function per request.
pub struct Jsonp;

impl Format for Jsonp {
    const NAME: &'static str = "jsonp";
    const CONTENT_TYPE: &'static str = "application/javascript";
    const QUERY: &'static str = "&callback=app.on$batch";
    const ONCE: bool = true;
    const SENDS_BY_QUERY: bool = true;

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        let call = b"/**/app.on$batch(";
        if bytes.starts_with(b"/") {
            if bytes.len() < call.len() {
                return None;
            }
            assert!(
                bytes.starts_with(call),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
            bytes.drain(..call.len());
        }
        element(bytes)
    }
}

/// The number of bytes, a line feed, and the bytes.
pub struct Length;

impl Format for Length {
    const NAME: &'static str = "length";
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    fn take(bytes: &mut Vec<u8>) -> Option<Piece> {
        let line = find(bytes, b"\n")?;
        let digits = std::str::from_utf8(&bytes[..line]).unwrap();
        let length: usize = digits.parse().unwrap();
        let text = bytes.get(line + 1..line + 1 + length)?.to_vec();
        bytes.drain(..line + 1 + length);
        if text.is_empty() {
            return Some(Piece::Keepalive);
        }
        Some(piece(&text))
    }
}

/// The samples of docs/tunnels.md, byte by byte.
mod tests {
    use super::*;

    /// The pieces as text.
    fn pieces<F: Format>(stream: &str) -> Vec<String> {
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        for byte in stream.bytes() {
            bytes.push(byte);
            while let Some(piece) = F::take(&mut bytes) {
                pieces.push(match piece {
                    Piece::Open(tunnel) => format!("open {tunnel}"),
                    Piece::Datagram(datagram) => format!("datagram {}", datagram["data"]),
                    Piece::Keepalive => "keepalive".to_owned(),
                    Piece::Close => "close".to_owned(),
                });
            }
        }
        assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
        pieces
    }

    const DATAGRAM: &str = r#"{"id":"01","path":"/presence","data":"</x>\n"}"#;
    const ALL: [&str; 4] = ["open T", r#"datagram "</x>\n""#, "keepalive", "close"];

    #[test]
    fn formats_are_parsed_at_any_segmentation() {
        let d = DATAGRAM;
        let sse = format!(
            "retry: 1000\nevent: open\ndata: {{\"tunnel\":\"T\"}}\n\nid: 01\ndata: {d}\n\n\
             :\n\nevent: close\ndata: {{\"close\":1001}}\n\n"
        );
        assert_eq!(pieces::<Sse>(&sse), ALL);
        let ndjson = format!("{{\"tunnel\":\"T\"}}\n{d}\n\n{{\"close\":1001}}\n");
        assert_eq!(pieces::<Ndjson>(&ndjson), ALL);
        let quoted = d
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('<', "\\u003c");
        let iframe = format!(
            "<!DOCTYPE html><script>parent.turntable.open(\"T\")</script>\
             <script>parent.turntable.datagram(\"{quoted}\")</script><script></script>\
             <script>parent.turntable.close(1001)</script>"
        );
        assert_eq!(pieces::<Iframe>(&iframe), ALL);
        let head = "Content-Type: application/json\r\n\r\n";
        let multipart = format!(
            "--turntable\r\n{head}{{\"tunnel\":\"T\"}}\r\n--turntable\r\n{head}{d}\r\n\
             --turntable\r\n{head}null\r\n--turntable\r\n{head}{{\"close\":1001}}\r\n\
             --turntable--\r\n"
        );
        assert_eq!(pieces::<Multipart>(&multipart), ALL);
        let once = ["open T", ALL[1], "close"];
        let longpoll = format!("[{{\"tunnel\":\"T\"}} ,{d} ]");
        assert_eq!(pieces::<Longpoll>(&longpoll), once);
        let jsonp = format!("/**/app.on$batch([{{\"tunnel\":\"T\"}},{d}]");
        assert_eq!(pieces::<Jsonp>(&jsonp), once);
        let length = format!(
            "14\n{{\"tunnel\":\"T\"}}{}\n{d}0\n14\n{{\"close\":1001}}",
            d.len()
        );
        assert_eq!(pieces::<Length>(&length), ALL);
    }
}
