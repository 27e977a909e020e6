//! Where the head of a request ends, and how long the body behind it is: pure, found
//! while the bytes come.

/// What the last bytes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    /// Nothing but empty lines, which may precede a request (RFC 9112, 2.2).
    #[default]
    Nothing,
    /// A part of a line.
    Text,
    /// The end of a line.
    Newline,
    /// The end of a line, and the carriage return of what may be an empty one.
    Return,
}

/// Finds the empty line that ends a head. A line may end with a bare newline, as the
/// HTTP server allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadEnd(Last);

impl HeadEnd {
    /// Returns how many of these bytes, which follow those before, belong to the head
    /// if it ends in them.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            self.0 = match (self.0, byte) {
                (Last::Nothing, b'\r' | b'\n') => Last::Nothing,
                (Last::Newline | Last::Return, b'\n') => {
                    self.0 = Last::Nothing;
                    return Some(at);
                }
                (Last::Newline, b'\r') => Last::Return,
                (_, b'\n') => Last::Newline,
                _ => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let newline = memchr::memchr(b'\n', rest);
                    at += newline.unwrap_or(rest.len());
                    Last::Text
                }
            };
        }
        None
    }
}

/// The length of the body in bytes, if this is the whole head of a `POST` that tells
/// it once and plainly (RFC 9112, 6.2 and 6.3); `None` where there is anything to
/// think about.
#[must_use]
pub fn length_of_post(head: &[u8]) -> Option<usize> {
    if !head.starts_with(b"POST /") {
        return None;
    }
    let mut length = None;
    let mut ends = memchr::memchr_iter(b'\n', head);
    let mut start = ends.next()? + 1;
    for end in ends {
        let line = head.get(start..end)?;
        start = end + 1;
        match line.first()? {
            b'\r' => return length,
            b' ' | b'\t' => return None,
            // No other header of a request that begins so changes its body.
            b'c' | b'C' => {
                if let Some(value) = value_of(line, b"content-length") {
                    let value = std::str::from_utf8(value)
                        .ok()?
                        .trim_matches([' ', '\t', '\r']);
                    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
                    if length.is_some() || !is_plain {
                        return None;
                    }
                    length = Some(value.parse().ok()?);
                }
            }
            b't' | b'T' if value_of(line, b"transfer-encoding").is_some() => return None,
            b'u' | b'U' if value_of(line, b"upgrade").is_some() => return None,
            b'e' | b'E' if value_of(line, b"expect").is_some() => return None,
            _ => {}
        }
    }
    None
}

/// What stands behind the colon, if the line is a header of this name.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\nHost: a\r\n\n",
        b"\r\n\r\n\nGET / HTTP/1.1\r\n\r\n",
        b"G\r\n\n",
    ];

    #[test]
    fn head_ends_behind_its_empty_line() {
        for head in HEADS {
            let mut bytes = head.to_vec();
            bytes.extend_from_slice(b"{}\r\n\r\n");
            assert_eq!(HeadEnd::default().find(&bytes), Some(head.len()));
        }
    }

    #[test]
    fn head_may_come_in_any_pieces() {
        for head in HEADS {
            for cut in 1..head.len() {
                let mut end = HeadEnd::default();
                let (first, rest) = head.split_at(cut);
                assert_eq!(end.find(first), None, "{cut}");
                assert_eq!(end.find(rest), Some(rest.len()), "{cut}");
                // The next head of the connection is found as well.
                assert_eq!(end.find(head), Some(head.len()));
            }
        }
    }

    #[test]
    fn length_is_read_where_it_is_plain() {
        let heads = [
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
                Some(12),
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length:7 \r\nCookie: a\r\n\r\n",
                Some(7),
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Some(0)),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ("PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", None),
            ("\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", None),
            (
                "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
                None,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", None),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n 3\r\n\r\n", None),
            (
                "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                None,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
                None,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 2\r\nUpgrade: websocket\r\n\r\n",
                None,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
                None,
            ),
            ("POST / HTTP/1.1\nContent-Length: 2\n\n", None),
        ];
        for (head, length) in heads {
            assert_eq!(length_of_post(head.as_bytes()), length, "{head}");
        }
    }

    #[test]
    fn carriage_return_within_a_line_ends_nothing() {
        let mut end = HeadEnd::default();
        assert_eq!(end.find(b"GET /\r\r\n\rx\r\n\rHost"), None);
    }
}
