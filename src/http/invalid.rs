//! Requests that are none: what the HTTP server refuses with a bare status, before
//! any handler sees it.

use crate::gateway::admission::IncompleteFull;
use crate::http::fault;
use crate::http::flow::HEAD_BYTES_MAX;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It is not HTTP/1.1, or a header is wrong.
    Request,
    /// Its head did not come in time.
    Late,
    /// Its head is too long.
    TooLong,
    /// Its head is not whole, and too much input is not.
    TooMuch(IncompleteFull),
}

impl Invalid {
    /// What the HTTP server answers with these bytes; `None` where they are another
    /// answer.
    #[must_use]
    pub fn of(answer: &[u8]) -> Option<Self> {
        match answer.get(..12)? {
            b"HTTP/1.1 400" | b"HTTP/1.0 400" => Some(Self::Request),
            b"HTTP/1.1 408" | b"HTTP/1.0 408" => Some(Self::Late),
            b"HTTP/1.1 431" | b"HTTP/1.0 431" => Some(Self::TooLong),
            _ => None,
        }
    }

    /// The label of the metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::Late => "head_timeout",
            Self::TooLong => "head_too_long",
            Self::TooMuch(_) => "incomplete_bytes_max",
        }
    }

    /// A sentence for the client.
    #[must_use]
    pub fn message(self) -> String {
        match self {
            Self::Request => "this is no valid request of HTTP/1.1: its first line or a header \
                              is wrong, Host is missing, or its target is longer than 65534 bytes"
                .to_owned(),
            Self::Late => {
                "the head of the request did not come in time (server.head_timeout_ms)".to_owned()
            }
            Self::TooLong => {
                format!("the head of a request may have {HEAD_BYTES_MAX} bytes, and 96 headers")
            }
            Self::TooMuch(full) => full.message(),
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(self) -> Vec<u8> {
        let status = match self {
            Self::Request => "400 Bad Request",
            Self::Late => "408 Request Timeout",
            Self::TooLong => "431 Request Header Fields Too Large",
            Self::TooMuch(IncompleteFull::Address) => "429 Too Many Requests",
            Self::TooMuch(IncompleteFull::Total) => "503 Service Unavailable",
        };
        let code = match self {
            Self::Request => ErrorCode::BadMessage,
            Self::Late => ErrorCode::Timeout,
            Self::TooLong => ErrorCode::TooLarge,
            Self::TooMuch(full) => full.code(),
        };
        let advice = fault::retry_after(code)
            .map(|seconds| format!("Retry-After: {seconds}\r\n"))
            .unwrap_or_default();
        let body = fault::body(&ErrorBody::new(code, self.message())).to_string();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\n{advice}Connection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_answers_of_the_http_server_get_a_body() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(Invalid::of(bare), Some(Invalid::Request));
        assert_eq!(Invalid::of(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(Invalid::of(b"HTTP/1.1"), None);
        for invalid in [Invalid::Request, Invalid::Late, Invalid::TooLong] {
            let answer = String::from_utf8(invalid.answer()).unwrap_or_default();
            assert_eq!(Invalid::of(answer.as_bytes()), Some(invalid));
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            assert!(body.starts_with(r#"{"error":{"code":"#), "{body}");
        }
    }
}
