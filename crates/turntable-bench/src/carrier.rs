//! Message framing and handshake of a connection.
//!
//! A WebSocket's frames, the datagrams of a streamed response, or complete
//! responses to requests. Only the end of a message is searched for, its content is
//! not parsed: the client must cost less than the server it measures.

use super::frame::{Header, opcode};

/// The example key of RFC 6455, section 1.3, and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The server's answer to the client's key.
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The framing of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Frames of RFC 6455, with this subprotocol.
    WebSocket(Option<&'static str>),
    /// One streamed response, split at this delimiter.
    Delimited(&'static [u8]),
    /// One streamed response, with a decimal length before each message.
    Counted,
    /// Consecutive requests and their responses.
    Requests,
}

/// The first item in the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A message.
    Message(&'a [u8]),
    /// A response: its head and its body.
    Answer(&'a [u8], &'a [u8]),
    /// Bytes that must be sent back, such as a pong.
    Ping(&'a [u8]),
    /// A close frame.
    Close(&'a [u8]),
    /// Nothing relevant.
    Nothing,
    /// Unexpected input.
    Invalid(&'static str),
}

impl Carrier {
    /// The request that opens a new connection.
    pub(super) fn request(self, path: &str, host: &str) -> Vec<u8> {
        let mut request = match self {
            // The script sends each request itself.
            Self::Requests => return Vec::new(),
            _ => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"),
        };
        if let Self::WebSocket(subprotocol) = self {
            request += &format!(
                "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
            );
            if let Some(name) = subprotocol {
                request += &format!("Sec-WebSocket-Protocol: {name}\r\n");
            }
        }
        request += "\r\n";
        request.into_bytes()
    }

    /// Whether the head of a response accepts the connection.
    pub(super) fn accepts(self, head: &str) -> bool {
        match self {
            Self::WebSocket(subprotocol) => {
                head.starts_with("HTTP/1.1 101")
                    && head.contains(ACCEPT)
                    && subprotocol.is_none_or(|name| head.contains(name))
            }
            _ => head.starts_with("HTTP/1.1 200"),
        }
    }

    /// The first item of `bytes`, and its length in bytes; `None` while it is
    /// incomplete.
    ///
    /// Messages of one type have one length, so a delimiter is looked for first at the
    /// end position of the last message (`guess`). A match that spans two shorter
    /// messages is not detected, and would be counted as a missing message.
    pub(super) fn piece<'a>(
        self,
        bytes: &'a [u8],
        guess: &mut usize,
    ) -> Option<(Piece<'a>, usize)> {
        match self {
            Self::WebSocket(_) => frame(bytes),
            Self::Delimited(delimiter) => {
                let is_guessed = guess
                    .checked_sub(delimiter.len())
                    .and_then(|end| bytes.get(end..*guess))
                    == Some(delimiter);
                if !is_guessed {
                    *guess = find(bytes, delimiter)? + delimiter.len();
                }
                let message = bytes.get(..*guess - delimiter.len())?;
                Some((Piece::Message(message), *guess))
            }
            Self::Counted => {
                let digits = find(bytes, b"\n")?;
                let length = number(bytes.get(..digits)?);
                let Some(length) = length else {
                    return Some((Piece::Invalid("an invalid length"), bytes.len()));
                };
                let end = (digits + 1).checked_add(length)?;
                let message = bytes.get(digits + 1..end)?;
                Some((Piece::Message(message), end))
            }
            Self::Requests => {
                let end = find(bytes, b"\r\n\r\n")?;
                let head = bytes.get(..end)?;
                let length = field(head, "content-length").and_then(number);
                let Some(length) = length else {
                    return Some((Piece::Invalid("a response without a length"), bytes.len()));
                };
                let start = end + 4;
                let body = bytes.get(start..start.checked_add(length)?)?;
                Some((Piece::Answer(head, body), start + length))
            }
        }
    }
}

fn frame(bytes: &[u8]) -> Option<(Piece<'_>, usize)> {
    let header = Header::read(bytes)?;
    let payload = header.payload(bytes)?;
    let piece = match header.opcode {
        opcode::PING => Piece::Ping(payload),
        opcode::PONG => Piece::Nothing,
        opcode::CLOSE => Piece::Close(payload),
        _ if !header.is_final => Piece::Invalid("a fragmented message"),
        _ => Piece::Message(payload),
    };
    Some((piece, header.end()))
}

/// The position of `needle`.
pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The value of a field in the head of a response.
pub(super) fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        if !found.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        Some(value.strip_prefix(b":")?.trim_ascii())
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All messages of `bytes`, and their length in bytes.
    fn messages(carrier: Carrier, bytes: &[u8], guess: &mut usize) -> (Vec<Vec<u8>>, usize) {
        let (mut found, mut used) = (Vec::new(), 0);
        while let Some((piece, length)) = carrier.piece(&bytes[used..], guess) {
            used += length;
            match piece {
                Piece::Message(message) | Piece::Answer(_, message) => found.push(message.to_vec()),
                other => assert_eq!(other, Piece::Nothing),
            }
        }
        (found, used)
    }

    proptest! {
        #[test]
        fn messages_are_found_for_any_split_of_reads(
            length in 1usize..20, letters in proptest::collection::vec("[a-z]", 1..8),
            cut in 0usize..400,
        ) {
            let texts: Vec<String> = letters.iter().map(|letter| letter.repeat(length)).collect();
            let each = |write: &dyn Fn(&String) -> String| -> String {
                texts.iter().map(write).collect()
            };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            for (carrier, bytes) in [
                (Carrier::Counted, each(&|text| format!("{length}\n{text}"))),
                (Carrier::Requests, each(&|text| format!("{answer}{text}"))),
                (Carrier::Delimited(b"\n\n"), each(&|text| format!("{text}\n\n"))),
            ] {
                let bytes = bytes.as_bytes();
                let mut guess = 0;
                let (mut found, used) =
                    messages(carrier, &bytes[..cut.min(bytes.len())], &mut guess);
                found.extend(messages(carrier, &bytes[used..], &mut guess).0);
                let wanted: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
                prop_assert_eq!(found, wanted);
            }
        }
    }

    #[test]
    fn message_of_another_length_is_found() {
        let sse = Carrier::Delimited(b"\n\n");
        let mut guess = 0;
        let (found, used) = messages(sse, b"data: 1\n\n:\n\ndata: 22\n\ndata: 3", &mut guess);
        assert_eq!(found, [&b"data: 1"[..], b":", b"data: 22"]);
        assert_eq!((used, guess), (22, 10));
    }

    #[test]
    fn field_name_is_case_insensitive() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 7\r\nTurntable-Session:abc";
        assert_eq!(field(head, "content-length"), Some(&b"7"[..]));
        assert_eq!(field(head, "turntable-session"), Some(&b"abc"[..]));
        assert_eq!(field(head, "content"), None);
    }

    #[test]
    fn handshake_with_another_subprotocol_is_refused() {
        let carrier = Carrier::WebSocket(Some("turntable.v2.msgpack"));
        let request = String::from_utf8(carrier.request("/ws", "host")).unwrap();
        assert!(request.contains("\r\nSec-WebSocket-Protocol: turntable.v2.msgpack\r\n"));
        let head = format!("HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {ACCEPT}");
        assert!(!carrier.accepts(&head));
        assert!(Carrier::WebSocket(None).accepts(&head));
        assert!(Carrier::Requests.request("/poll", "host").is_empty());
    }
}
