//! Where the head of a request ends: pure, found while its bytes come.

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
                    let newline = rest.iter().position(|&byte| byte == b'\n');
                    at += newline.unwrap_or(rest.len());
                    Last::Text
                }
            };
        }
        None
    }
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
    fn carriage_return_within_a_line_ends_nothing() {
        let mut end = HeadEnd::default();
        assert_eq!(end.find(b"GET /\r\r\n\rx\r\n\rHost"), None);
    }
}
