//! WebSockets: the handshake of RFC 6455, and then the socket is the gateway's.
//!
//! ```text
//! upgrade request -> path, origin, handshake, limits -> Accept -> gateway
//!                    404    403    400/426    503/429
//! ```
//!
//! The upgrade handler gets every request that wants to upgrade, before any route
//! of the web application does, so it checks all by itself. It parts with the
//! dispatcher's buffers before its first wait: they are most of what a connection
//! would cost.

use std::net::{IpAddr, Ipv4Addr};

use actix_http::header::{self, HeaderMap};
use actix_http::{RequestHead, StatusCode};
use actix_rt::net::TcpStream;
use actix_web_actors::ws::HandshakeError;
use tokio::io::AsyncWriteExt;

use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::transport::engineio::Purpose;
use crate::gateway::transport::engineio::accept::{OpenWebSocket, Upgrade};
use crate::gateway::transport::upgraded::Upgraded;
use crate::gateway::transport::websocket::accept::Accept;
use crate::http::admission::{Admission, ORIGIN_REFUSED};
use crate::http::{fault, socketio};
use turntable_core::id::SessionId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_wire::engineio::RequestError;

/// The subprotocols that are spoken; the first that a client offers is chosen,
/// and the first of these where it offers none.
const SUBPROTOCOLS: [(&str, Encoding); 2] = [
    ("turntable.v1.json", Encoding::JsonV1),
    ("turntable.v2.msgpack", Encoding::MsgpackV2),
];

/// What a WebSocket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Sessions, in this encoding.
    Session(Encoding),
    /// Sending everything back.
    Echo,
    /// A session of Engine.IO.
    Engine(Purpose),
    /// The session of Engine.IO of this name, which moves there.
    Upgrade(SessionId),
}

/// Why there is no upgrade.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// For this reason, with a status of its own where the code's does not fit.
    Error {
        /// The status.
        status: StatusCode,
        /// Headers that belong to it.
        headers: &'static [(&'static str, &'static str)],
        /// The error.
        error: ErrorBody,
    },
    /// In the form of Engine.IO.
    Engine(RequestError),
}

impl Refused {
    fn error(error: ErrorBody) -> Self {
        Self::Error {
            status: fault::status(error.code),
            headers: &[],
            error,
        }
    }

    /// The label of the metric.
    fn label(&self) -> &'static str {
        match self {
            Self::Engine(RequestError::Forbidden) => "origin",
            Self::Engine(_) => "engineio",
            Self::Error { error, .. } => match error.code {
                ErrorCode::Forbidden => "origin",
                ErrorCode::NotFound => "not_found",
                _ => "handshake",
            },
        }
    }

    fn handshake(error: HandshakeError) -> Self {
        let message = match error {
            HandshakeError::GetMethodRequired => "a WebSocket handshake is a GET",
            HandshakeError::NoWebsocketUpgrade => "this path is for WebSockets: upgrade",
            HandshakeError::NoConnectionUpgrade => "the header Connection: Upgrade is missing",
            HandshakeError::NoVersionHeader => "the header Sec-WebSocket-Version is missing",
            HandshakeError::UnsupportedVersion => "only version 13 (RFC 6455) is supported",
            HandshakeError::BadWebsocketKey => "Sec-WebSocket-Key must be 16 bytes in base64",
        };
        let (status, headers): (_, &[_]) = match error {
            HandshakeError::GetMethodRequired => {
                (StatusCode::METHOD_NOT_ALLOWED, &[("Allow", "GET")])
            }
            HandshakeError::UnsupportedVersion | HandshakeError::NoWebsocketUpgrade => (
                StatusCode::UPGRADE_REQUIRED,
                &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")],
            ),
            _ => (StatusCode::BAD_REQUEST, &[]),
        };
        Self::Error {
            status,
            headers,
            error: ErrorBody::new(ErrorCode::BadMessage, message),
        }
    }

    /// The answer's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Error { status, .. } => *status,
            Self::Engine(error) => socketio::status(*error),
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Error { error, .. } => &error.message,
            Self::Engine(error) => error.message(),
        }
    }

    /// The answer's headers beside its type and length.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Error { headers, error, .. } => {
                let retry = fault::retry_after(error.code).map(|after| ("Retry-After", after));
                headers.iter().copied().chain(retry).collect()
            }
            Self::Engine(_) => Vec::new(),
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Error { error, .. } => fault::body(error).to_string(),
            Self::Engine(error) => error.body(),
        }
    }
}

impl Admission {
    /// Checks an upgrade request. Returns what it is for, and the answer.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, head: &RequestHead) -> Result<(Route, Vec<u8>), Refused> {
        let settings = self.settings.get();
        let route = match head.uri.path() {
            "/ws" if settings.transports.websocket => {
                let chosen = subprotocol(head.headers());
                Route::Session(chosen.map_or(Encoding::default(), |(_, encoding)| encoding))
            }
            "/echo" if settings.server.echo => Route::Echo,
            path => match self.engine_purpose(path) {
                Some(purpose) => self.engine_route(purpose, head).map_err(Refused::Engine)?,
                None => {
                    let error = ErrorBody::new(
                        ErrorCode::NotFound,
                        "nothing is at this path; WebSockets connect at /ws",
                    );
                    return Err(Refused::error(error));
                }
            },
        };
        if !self.allows_origin(head.headers()) {
            return Err(match route {
                Route::Engine(_) | Route::Upgrade(_) => Refused::Engine(RequestError::Forbidden),
                _ => Refused::error(ErrorBody::new(ErrorCode::Forbidden, ORIGIN_REFUSED)),
            });
        }
        actix_http::ws::verify_handshake(head).map_err(Refused::handshake)?;
        let key = head
            .headers()
            .get(header::SEC_WEBSOCKET_KEY)
            .and_then(|key| key.to_str().ok())
            .filter(|key| is_key(key))
            .ok_or_else(|| Refused::handshake(HandshakeError::BadWebsocketKey))?;
        Ok((route, answer(key, route, head.headers())))
    }

    /// Takes a socket over whose first request wants to upgrade.
    pub async fn upgrade(self, head: &RequestHead, stream: TcpStream, input: Vec<u8>) {
        let address = head
            .peer_addr
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let (route, answer) = match self.check(head) {
            Ok(checked) => checked,
            Err(refused) => {
                self.shared.metrics.refuse(refused.label());
                return refuse(stream, &refused).await;
            }
        };
        let permit = match self.shared.admit(address) {
            Ok(permit) => permit,
            // It was counted where the limit is.
            Err(error) => return refuse(stream, &Refused::error(error)).await,
        };
        // actix sets it on request only; small messages must not wait.
        let taken = stream.set_nodelay(true).and_then(|()| stream.into_std());
        match taken {
            Ok(stream) => self.hand_over(
                route,
                Upgraded {
                    stream,
                    permit,
                    answer,
                    input,
                },
            ),
            Err(error) => log::warn!("a socket could not be taken over: {error}"),
        }
    }

    fn hand_over(&self, route: Route, socket: Upgraded) {
        let accept = |socket, encoding| Accept { socket, encoding };
        match route {
            Route::Session(encoding) => self.gateway.do_send(accept(socket, Some(encoding))),
            Route::Echo => self.gateway.do_send(accept(socket, None)),
            Route::Engine(purpose) => self.gateway.do_send(OpenWebSocket { socket, purpose }),
            Route::Upgrade(id) => {
                let peers = &self.shared.peers;
                let worker = peers.connection(id).map(|(worker, _)| worker);
                let gateway = worker.and_then(|worker| peers.gateway(worker));
                gateway.unwrap_or(&self.gateway).do_send(Upgrade {
                    socket,
                    id,
                    hops: 0,
                });
            }
        }
    }
}

async fn refuse(mut stream: TcpStream, refused: &Refused) {
    log::debug!("an upgrade is refused: {}", refused.message());
    let (status, body) = (refused.status(), refused.body());
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in refused.headers() {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    answer.push_str(&body);
    // A client that does not wait for the answer has gone already.
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// Whether `key` is 16 bytes in base64.
fn is_key(key: &str) -> bool {
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// The 101 answer, with the chosen subprotocol.
fn answer(key: &str, route: Route, headers: &HeaderMap) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ".to_vec();
    answer.extend_from_slice(&actix_http::ws::hash_key(key.as_bytes()));
    answer.extend_from_slice(b"\r\n");
    let offered = subprotocol(headers);
    if let (Route::Session(_), Some((subprotocol, _))) = (route, offered) {
        answer.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        answer.extend_from_slice(subprotocol.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer
}

/// The first subprotocol that a client offers and that is supported.
fn subprotocol(headers: &HeaderMap) -> Option<(&'static str, Encoding)> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .find_map(|offered| SUBPROTOCOLS.iter().find(|(name, _)| *name == offered))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        for wrong in [
            "",
            "abc",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZ!==",
        ] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            header::HeaderValue::from_static("chat, turntable.v1.json"),
        );
        let answer = answer(
            "dGhlIHNhbXBsZSBub25jZQ==",
            Route::Session(Encoding::JsonV1),
            &headers,
        );
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(text.contains("Sec-WebSocket-Protocol: turntable.v1.json\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
    }
}
