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

use std::time::Duration;

use actix_http::header::{self, HeaderMap};
use actix_http::{Method, RequestHead, StatusCode};
use actix_rt::time::timeout;
use tokio::io::AsyncWriteExt;

use crate::gateway::accept::Accept;
use crate::gateway::admission::Full;
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::transport::engineio::Purpose;
use crate::gateway::transport::engineio::accept::{OpenWebSocket, Upgrade};
use crate::gateway::transport::upgraded::Upgraded;
use crate::gateway::transport::websocket::accept::Socket;
use crate::http::admission::Admission;
use crate::http::handshake::{self, Fault};
use crate::http::socket::Socket as HttpSocket;
use crate::http::takeable::Peer;
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

    /// The label of the metric; `None` where it was counted already.
    fn label(&self) -> Option<&'static str> {
        match self {
            Self::Engine(RequestError::Forbidden) => None,
            Self::Engine(_) => Some("engineio"),
            Self::Error { error, .. } => match error.code {
                ErrorCode::Forbidden => None,
                ErrorCode::NotFound => Some("not_found"),
                _ => Some("handshake"),
            },
        }
    }

    /// What is wrong with a handshake.
    #[must_use]
    pub fn handshake(fault: Fault) -> Self {
        Self::Error {
            status: fault.status(),
            headers: fault.headers(),
            error: ErrorBody::new(ErrorCode::BadMessage, fault.message()),
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

    /// The whole answer as bytes.
    fn whole(&self, has_body: bool) -> Vec<u8> {
        log::debug!("an upgrade is refused: {}", self.message());
        let (status, body) = (self.status(), self.body());
        let mut answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n",
            body.len()
        );
        for (name, value) in self.headers() {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        if has_body {
            answer.push_str(&body);
        }
        answer.into_bytes()
    }
}

/// What is known of a connection whose request wants to upgrade.
#[derive(Debug)]
pub struct Opening {
    /// Where it comes from.
    pub peer: Peer,
    /// The limit that is reached, if it has no place.
    pub full: Option<Full>,
    /// What was read behind the request.
    pub input: Vec<u8>,
}

impl Admission {
    /// Checks an upgrade request that came with TLS or without. Returns what it is for, and the answer.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, head: &RequestHead, is_tls: bool) -> Result<(Route, Vec<u8>), Refused> {
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
        if let Err(foreign) = self.check_page(head, is_tls) {
            return Err(match route {
                Route::Engine(_) | Route::Upgrade(_) => Refused::Engine(RequestError::Forbidden),
                _ => Refused::error(foreign.error()),
            });
        }
        let key = handshake::verify(head).map_err(Refused::handshake)?;
        Ok((route, answer(key, route, head.headers())))
    }

    /// Takes a socket over whose request wants to upgrade.
    pub async fn upgrade(self, head: &RequestHead, stream: HttpSocket, opening: Opening) {
        let limit = Duration::from_millis(self.settings.get().server.write_timeout_ms);
        let admitted = match opening.full {
            Some(full) => Err(Refused::error(full.error())),
            None => self
                .check(head, opening.peer.is_tls)
                .inspect_err(|refused| {
                    if let Some(label) = refused.label() {
                        self.shared.metrics.refuse(label);
                    }
                }),
        };
        let admitted = admitted.and_then(|(route, answer)| {
            let address = self.client(Some(opening.peer), head.headers());
            // It was counted where the limit is.
            let mut permit = self.shared.admit(address, None).map_err(Refused::error)?;
            let is_https = || self.is_https_head(head.headers(), Some(opening.peer));
            let login = self.login_of(head.headers(), is_https);
            let answer = with_line(answer, &login.line());
            permit.bring_login(login.value);
            Ok((route, answer, permit))
        });
        let (route, answer, permit) = match admitted {
            Ok(admitted) => admitted,
            Err(refused) => {
                let answer = refused.whole(head.method != Method::HEAD);
                // A client that does not read its answer loses it.
                let _ = timeout(limit, write_last(stream, &answer)).await;
                return;
            }
        };
        match stream.into_io() {
            Ok(io) => self.hand_over(
                route,
                Upgraded {
                    io,
                    permit,
                    is_proxied: opening.peer.is_proxied,
                    answer,
                    input: opening.input,
                },
            ),
            Err(error) => log::debug!("a socket could not be taken over: {error}"),
        }
    }

    fn hand_over(&self, route: Route, socket: Upgraded) {
        let (gateway, accept) = match route {
            Route::Session(encoding) => (&self.gateway, websocket(socket, Some(encoding))),
            Route::Echo => (&self.gateway, websocket(socket, None)),
            Route::Engine(purpose) => (
                &self.gateway,
                Accept::new(OpenWebSocket { socket, purpose }),
            ),
            Route::Upgrade(id) => {
                let peers = &self.shared.peers;
                let worker = peers.connection(id).map(|(worker, _)| worker);
                let gateway = worker.and_then(|worker| peers.gateway(worker));
                let upgrade = Accept::new(Upgrade { socket, id });
                (gateway.unwrap_or(&self.gateway), upgrade)
            }
        };
        gateway.do_send(accept);
    }
}

fn websocket(socket: Upgraded, encoding: Option<Encoding>) -> Accept {
    Accept::new(Socket { socket, encoding })
}

/// Writes the last bytes of a connection and ends it in order.
async fn write_last(mut stream: HttpSocket, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await
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

/// An answer without a body, with one more line in its head.
fn with_line(mut answer: Vec<u8>, line: &str) -> Vec<u8> {
    let end = answer.len().saturating_sub(2);
    answer.splice(end..end, line.bytes());
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
