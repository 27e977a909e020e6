//! The opening handshake of a WebSocket, as strict as RFC 6455 (section 4.2.1) and
//! RFC 9110 (sections 7.2 and 7.8) want it. Requests of HTTP that do not upgrade
//! never come here.

use actix_http::header::{self, HeaderMap, HeaderName};
use actix_http::{Method, RequestHead, StatusCode, Version};
use actix_web_actors::ws::HandshakeError;

use crate::http::origin::is_host;

/// What is wrong with a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A header of the handshake is missing, wrong, or there several times.
    Header(HandshakeError),
    /// `Host` is missing or not an authority.
    Host,
    /// The request has a body.
    Body,
    /// `Sec-WebSocket-Extensions` cannot be read.
    Extensions,
}

impl Fault {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Header(HandshakeError::GetMethodRequired) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Header(HandshakeError::NoWebsocketUpgrade)
            | Self::Header(HandshakeError::UnsupportedVersion) => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Headers that belong to that status.
    #[must_use]
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Header(HandshakeError::GetMethodRequired) => &[("Allow", "GET")],
            Self::Header(HandshakeError::NoWebsocketUpgrade)
            | Self::Header(HandshakeError::UnsupportedVersion) => {
                &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")]
            }
            _ => &[],
        }
    }

    /// A sentence for the client.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Header(HandshakeError::GetMethodRequired) => "a WebSocket handshake is a GET",
            Self::Header(HandshakeError::NoWebsocketUpgrade) => {
                "this path is for WebSockets: upgrade, with HTTP/1.1"
            }
            Self::Header(HandshakeError::NoConnectionUpgrade) => {
                "the header Connection: Upgrade is missing"
            }
            Self::Host => "the header Host must be one host, with or without a port",
            Self::Body => "a WebSocket handshake has no body",
            Self::Header(HandshakeError::NoVersionHeader) => {
                "the header Sec-WebSocket-Version must be there once"
            }
            Self::Header(HandshakeError::UnsupportedVersion) => {
                "only version 13 (RFC 6455) is supported"
            }
            Self::Header(HandshakeError::BadWebsocketKey) => {
                "Sec-WebSocket-Key must be there once, 16 bytes in base64"
            }
            Self::Extensions => "Sec-WebSocket-Extensions must be a list of extensions",
        }
    }
}

/// Checks a handshake. Returns its key.
///
/// # Errors
/// The first fault.
pub fn verify(head: &RequestHead) -> Result<&str, Fault> {
    if head.method != Method::GET {
        return Err(Fault::Header(HandshakeError::GetMethodRequired));
    }
    let headers = head.headers();
    // HTTP/1.0 knows no upgrade: the header has to be ignored (RFC 9110).
    let is_offered = elements(headers, &header::UPGRADE)
        .any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    if head.version < Version::HTTP_11 || !is_offered {
        return Err(Fault::Header(HandshakeError::NoWebsocketUpgrade));
    }
    if !elements(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
    {
        return Err(Fault::Header(HandshakeError::NoConnectionUpgrade));
    }
    once(headers, &header::HOST)
        .filter(|host| is_host(host))
        .ok_or(Fault::Host)?;
    let length = headers.get(header::CONTENT_LENGTH);
    if headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
    {
        return Err(Fault::Body);
    }
    let version = once(headers, &header::SEC_WEBSOCKET_VERSION)
        .ok_or(Fault::Header(HandshakeError::NoVersionHeader))?;
    if version != "13" {
        return Err(Fault::Header(HandshakeError::UnsupportedVersion));
    }
    let key = once(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    let key = key.ok_or(Fault::Header(HandshakeError::BadWebsocketKey))?;
    let mut extensions = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    if !extensions.all(|value| value.to_str().is_ok_and(are_extensions)) {
        return Err(Fault::Extensions);
    }
    Ok(key)
}

/// The elements of a header that is a list, over all its lines.
fn elements<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
}

/// The value of a header that is there once.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// Whether `key` is 16 bytes in base64.
fn is_key(key: &str) -> bool {
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// Whether a value is a list of extensions with their parameters (RFC 6455,
/// section 9.1).
fn are_extensions(value: &str) -> bool {
    split_quoted(value, ',').is_some_and(|extensions| {
        // A list may have empty elements (RFC 9110, section 5.6.1.2).
        let mut some = extensions.iter().filter(|one| !one.trim().is_empty());
        some.all(|extension| {
            let Some(parts) = split_quoted(extension, ';') else {
                return false;
            };
            let mut parts = parts.iter().map(|part| part.trim());
            parts.next().is_some_and(is_token) && parts.all(is_parameter)
        })
    })
}

fn is_parameter(text: &str) -> bool {
    match text.split_once('=') {
        None => is_token(text),
        Some((name, value)) => {
            let value = value.trim();
            let unquoted = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            is_token(name.trim()) && is_token(unquoted.unwrap_or(value))
        }
    }
}

/// A token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

/// The parts between separators that are not in quotes; `None` for an open quote.
fn split_quoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let parts = text
        .split(|character: char| {
            is_quoted ^= character == '"';
            character == separator && !is_quoted
        })
        .collect();
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use actix_http::header::HeaderValue;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(lines: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead::default();
        let usual = [
            ("host", "game.example"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ];
        let usual = usual
            .iter()
            .filter(|(name, _)| lines.iter().all(|(known, _)| known != name));
        for (name, value) in usual.chain(lines) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            if *value != "-" {
                head.headers
                    .append(name, HeaderValue::from_str(value).unwrap());
            }
        }
        head
    }

    fn fault(lines: &[(&str, &str)]) -> Option<Fault> {
        verify(&request(lines)).err()
    }

    #[test]
    fn usual_handshakes_pass() {
        assert_eq!(verify(&request(&[])), Ok(KEY));
        for lines in [
            &[("connection", "keep-alive, Upgrade")][..],
            &[("connection", "close, upgrade")],
            &[("connection", "keep-alive"), ("connection", "UPGRADE")],
            &[("upgrade", "h2c, WebSocket")],
            &[("upgrade", "h2c"), ("upgrade", "websocket")],
            &[("content-length", "0")],
            &[("sec-websocket-extensions", "a,, b")],
            &[(
                "sec-websocket-extensions",
                "permessage-deflate; client_max_window_bits",
            )],
            &[
                ("sec-websocket-extensions", "a; b=\"10\"; c=4, d"),
                ("sec-websocket-extensions", "e"),
            ],
        ] {
            assert_eq!(fault(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn what_the_standards_forbid_is_refused() {
        let cases = [
            (
                &[("upgrade", "h2c")][..],
                Fault::Header(HandshakeError::NoWebsocketUpgrade),
            ),
            (
                &[("connection", "close")],
                Fault::Header(HandshakeError::NoConnectionUpgrade),
            ),
            (&[("host", "-")], Fault::Host),
            (&[("host", "a"), ("host", "b")], Fault::Host),
            (&[("host", "user@a")], Fault::Host),
            (&[("content-length", "5")], Fault::Body),
            (&[("transfer-encoding", "chunked")], Fault::Body),
            (
                &[("sec-websocket-version", "-")],
                Fault::Header(HandshakeError::NoVersionHeader),
            ),
            (
                &[
                    ("sec-websocket-version", "13"),
                    ("sec-websocket-version", "13"),
                ],
                Fault::Header(HandshakeError::NoVersionHeader),
            ),
            (
                &[("sec-websocket-version", "8")],
                Fault::Header(HandshakeError::UnsupportedVersion),
            ),
            (
                &[("sec-websocket-key", "-")],
                Fault::Header(HandshakeError::BadWebsocketKey),
            ),
            (
                &[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)],
                Fault::Header(HandshakeError::BadWebsocketKey),
            ),
            (
                &[("sec-websocket-key", "c2hvcnQ=")],
                Fault::Header(HandshakeError::BadWebsocketKey),
            ),
            (&[("sec-websocket-extensions", "a; =b")], Fault::Extensions),
            (
                &[("sec-websocket-extensions", "a; b=\"c")],
                Fault::Extensions,
            ),
        ];
        for (lines, expected) in cases {
            assert_eq!(fault(lines), Some(expected), "{lines:?}");
        }
        let mut head = request(&[]);
        head.version = Version::HTTP_10;
        assert_eq!(
            verify(&head),
            Err(Fault::Header(HandshakeError::NoWebsocketUpgrade))
        );
        head.version = Version::HTTP_11;
        head.method = Method::HEAD;
        assert_eq!(
            verify(&head),
            Err(Fault::Header(HandshakeError::GetMethodRequired))
        );
    }
}
