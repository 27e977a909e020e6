//! The WebSocket door: the handshake of RFC 6455, and then the socket is the
//! gateway's.
//!
//! ```text
//! upgrade request -> path, origin, handshake, census -> Adopt -> gateway
//!                      404    403      400/426  503
//! ```
//!
//! The upgrade handler sees every request that wants to upgrade, before any
//! route of the web application does, so it checks all by itself. It parts with
//! the dispatcher's buffers before its first wait: they are most of what a
//! connection would cost.

use std::net::{IpAddr, Ipv4Addr};

use actix::Addr;
use actix_http::header::{self, HeaderMap};
use actix_http::{RequestHead, StatusCode};
use actix_rt::net::TcpStream;
use actix_web_actors::ws::HandshakeError;
use tokio::io::AsyncWriteExt;

use crate::gateway::Gateway;
use crate::gateway::adopt::{Adopt, Door};
use crate::gateway::dialect::Dialect;
use crate::transport::entrance::Entrance;
use crate::transport::{origin, socketio};
use turntable_wire::engineio::RequestError;

/// The subprotocols that are spoken; the first that a client offers is taken,
/// and the first of these where it offers none.
const SUBPROTOCOLS: [(&str, Dialect); 2] = [
    ("turntable.v1.json", Dialect::JsonV1),
    ("turntable.v2.msgpack", Dialect::MsgpackV2),
];

/// Why there is no upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Nothing is at this path.
    NotFound,
    /// The page is of another host.
    Origin,
    /// The handshake is not one of RFC 6455.
    Handshake(HandshakeError),
    /// There are as many connections as may be.
    Full(&'static str),
    /// The query is none of Engine.IO.
    Engine(RequestError),
}

impl Refused {
    /// The answer's status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Handshake(HandshakeError::GetMethodRequired) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Handshake(
                HandshakeError::UnsupportedVersion | HandshakeError::NoWebsocketUpgrade,
            ) => StatusCode::UPGRADE_REQUIRED,
            Self::Handshake(_) => StatusCode::BAD_REQUEST,
            Self::Full("connections_max") => StatusCode::SERVICE_UNAVAILABLE,
            Self::Full(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Engine(error) => socketio::status(error),
        }
    }

    /// The reason, for people and for the counter.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::NotFound => "nothing is here; WebSockets connect at /ws",
            Self::Origin => "pages of this origin may not connect; see server.allowed_origins",
            Self::Handshake(error) => match error {
                HandshakeError::GetMethodRequired => "a WebSocket handshake is a GET",
                HandshakeError::NoWebsocketUpgrade => "this is a WebSocket: upgrade to it",
                HandshakeError::NoConnectionUpgrade => "the header Connection: Upgrade is missing",
                HandshakeError::NoVersionHeader => "the header Sec-WebSocket-Version is missing",
                HandshakeError::UnsupportedVersion => "only version 13 (RFC 6455) is spoken",
                HandshakeError::BadWebsocketKey => "Sec-WebSocket-Key has to be 16 bytes in base64",
            },
            Self::Full(_) => "there are as many connections as may be; try again later",
            Self::Engine(error) => error.message(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Origin => "origin",
            Self::Handshake(_) => "handshake",
            Self::Full(bound) => bound,
            Self::Engine(_) => "engineio",
        }
    }

    /// Headers that belong to the status.
    #[must_use]
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Handshake(HandshakeError::GetMethodRequired) => &[("Allow", "GET")],
            Self::Handshake(
                HandshakeError::UnsupportedVersion | HandshakeError::NoWebsocketUpgrade,
            ) => &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")],
            Self::Full(_) => &[("Retry-After", "5")],
            _ => &[],
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn body(self) -> String {
        if let Self::Engine(error) = self {
            return error.body();
        }
        let (code, message) = (self.name(), self.message());
        serde_json::json!({"error": {"code": code, "message": message}}).to_string()
    }
}

impl Entrance {
    /// Checks an upgrade request. Returns what it is for, and the answer.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, head: &RequestHead) -> Result<(Door, Vec<u8>), Refused> {
        let door = match head.uri.path() {
            "/ws" if self.doors.websocket => {
                let chosen = subprotocol(head.headers());
                Door::Session(chosen.map_or(Dialect::default(), |(_, dialect)| dialect))
            }
            "/echo" if self.settings.echo => Door::Echo,
            path => match self.engine_purpose(path) {
                Some(purpose) => self.engine_door(purpose, head).map_err(Refused::Engine)?,
                None => return Err(Refused::NotFound),
            },
        };
        let text = |name| head.headers().get(name)?.to_str().ok();
        let (page, host) = (text(header::ORIGIN), text(header::HOST));
        let has_origin = head.headers().contains_key(header::ORIGIN);
        if has_origin && page.is_none()
            || !origin::is_allowed(page, host, &self.settings.allowed_origins)
        {
            return Err(match door {
                Door::Engine(_) | Door::Upgrade(_) => Refused::Engine(RequestError::Forbidden),
                _ => Refused::Origin,
            });
        }
        actix_http::ws::verify_handshake(head).map_err(Refused::Handshake)?;
        let key = text(header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key))
            .ok_or(Refused::Handshake(HandshakeError::BadWebsocketKey))?;
        Ok((door, answer(key, door, head.headers())))
    }

    /// Takes a socket over whose first request wants to upgrade.
    pub async fn upgrade(self, head: &RequestHead, stream: TcpStream, input: Vec<u8>) {
        let address = head
            .peer_addr
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let checked = self.check(head).and_then(|checked| {
            let settings = &self.settings;
            let (max, per_address_max) = (
                settings.connections_max,
                settings.connections_per_address_max,
            );
            self.context
                .census
                .enter(address, max, per_address_max)
                .map_err(Refused::Full)?;
            Ok(checked)
        });
        match checked {
            Ok((door, answer)) => self.adopt(stream, address, door, answer, input),
            Err(refused) => self.refuse(stream, refused).await,
        }
    }

    fn adopt(
        &self,
        stream: TcpStream,
        address: IpAddr,
        door: Door,
        answer: Vec<u8>,
        input: Vec<u8>,
    ) {
        // actix sets it on request only; small messages must not wait.
        let taken = stream.set_nodelay(true).and_then(|()| stream.into_std());
        match taken {
            Ok(stream) => self.gateway_of(door).do_send(Adopt {
                stream,
                address,
                door,
                answer,
                input,
            }),
            Err(error) => {
                log::warn!("a socket could not be taken over: {error}");
                self.context.census.leave(address);
            }
        }
    }

    /// The gateway that a new connection is for.
    fn gateway_of(&self, door: Door) -> &Addr<Gateway> {
        let place = match door {
            Door::Upgrade(id) => self.context.peers.line(id),
            _ => None,
        };
        place
            .and_then(|place| self.context.peers.gateway_of(place))
            .unwrap_or(&self.gateway)
    }

    async fn refuse(&self, mut stream: TcpStream, refused: Refused) {
        self.context.metrics.refuse(refused.name());
        log::debug!("an upgrade is refused: {}", refused.message());
        let (status, body) = (refused.status(), refused.body());
        let mut answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        for (name, value) in refused.headers() {
            answer.push_str(name);
            answer.push_str(": ");
            answer.push_str(value);
            answer.push_str("\r\n");
        }
        answer.push_str("\r\n");
        answer.push_str(&body);
        // Whoever does not wait for the answer has gone already.
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            let _ = stream.shutdown().await;
        }
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

/// The 101 answer, with the subprotocol that both speak.
fn answer(key: &str, door: Door, headers: &HeaderMap) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ".to_vec();
    answer.extend_from_slice(&actix_http::ws::hash_key(key.as_bytes()));
    answer.extend_from_slice(b"\r\n");
    let offered = subprotocol(headers);
    if let (Door::Session(_), Some((subprotocol, _))) = (door, offered) {
        answer.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        answer.extend_from_slice(subprotocol.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer
}

/// The first subprotocol that a client offers and that is spoken.
fn subprotocol(headers: &HeaderMap) -> Option<(&'static str, Dialect)> {
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
            Door::Session(Dialect::JsonV1),
            &headers,
        );
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(text.contains("Sec-WebSocket-Protocol: turntable.v1.json\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
    }
}
