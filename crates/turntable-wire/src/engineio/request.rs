//! The action that a request's query and method select, and the errors in its
//! response.
//!
//! | query | request | action |
//! |---|---|---|
//! | `EIO=4&transport=polling` | GET | open |
//! | `EIO=4&transport=websocket` | WebSocket handshake | open |
//! | `EIO=4&transport=polling&sid=S` | GET, POST | poll, push |
//! | `EIO=4&transport=websocket&sid=S` | WebSocket handshake | upgrade |
//!
//! `t` only prevents caching and is ignored, as are unknown parameters.

use serde::{Deserialize, Serialize};

/// The transport of an Engine.IO session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// In the bodies of HTTP requests and responses.
    Polling,
    /// In WebSocket frames.
    WebSocket,
}

impl Transport {
    /// The name in queries and handshakes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// A refusal, worded as by engine.io's own server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.message())]
pub enum RequestError {
    /// `transport` is missing or unknown.
    UnknownTransport,
    /// There is no session `sid` on this node.
    UnknownSession,
    /// A session must be opened with GET.
    BadMethod,
    /// The parameters contradict each other.
    BadRequest,
    /// The request's origin is not allowed, or the transport is disabled.
    Forbidden,
    /// `EIO` is missing or not 4.
    UnsupportedVersion,
}

impl RequestError {
    /// Every error, in the order of its code.
    pub const ALL: [Self; 6] = [
        Self::UnknownTransport,
        Self::UnknownSession,
        Self::BadMethod,
        Self::BadRequest,
        Self::Forbidden,
        Self::UnsupportedVersion,
    ];

    /// The `code` of the body.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSession => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }

    /// The `message` of the body; clients compare it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSession => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            _ => 400,
        }
    }

    /// The body, `application/json`.
    ///
    /// ```
    /// use turntable_wire::engineio::RequestError;
    /// let body = RequestError::UnknownSession.body();
    /// assert_eq!(body, r#"{"code":1,"message":"Session ID unknown"}"#);
    /// ```
    #[must_use]
    pub fn body(self) -> String {
        format!(
            r#"{{"code":{},"message":"{}"}}"#,
            self.code(),
            self.message()
        )
    }
}

/// The query of a request to the Engine.IO path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The requested transport.
    pub transport: Transport,
    /// The session id, if there is one; not yet validated.
    pub sid: Option<&'a str>,
}

/// The action that a request selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Open a session with polling.
    OpenPolling,
    /// Open a session on this WebSocket.
    OpenWebSocket,
    /// Return the waiting packets of this session.
    Poll(&'a str),
    /// Take the packets in the body for this session.
    Push(&'a str),
    /// Move this session to this WebSocket.
    Upgrade(&'a str),
}

impl<'a> Request<'a> {
    /// Reads the query of a request (what follows the `?`).
    ///
    /// Session ids consist of letters that URLs do not escape, so values are
    /// compared as written: an escaped id is unknown.
    ///
    /// ```
    /// use turntable_wire::engineio::{Action, Request, RequestError};
    /// let request = Request::parse("EIO=4&transport=polling&t=N8hyd7H&sid=abc").unwrap();
    /// assert_eq!(request.action("POST", false), Ok(Action::Push("abc")));
    /// assert_eq!(Request::parse("EIO=4&transport=tobi"), Err(RequestError::UnknownTransport));
    /// ```
    ///
    /// # Errors
    /// `UnknownTransport`, `UnsupportedVersion`, or `BadRequest` for `j` (JSONP
    /// is not supported) and for a duplicate parameter.
    pub fn parse(query: &'a str) -> Result<Self, RequestError> {
        let (mut version, mut transport, mut sid, mut is_jsonp) = (None, None, None, false);
        let mut is_repeated = false;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "EIO" => &mut version,
                "transport" => &mut transport,
                "sid" => &mut sid,
                "j" => {
                    is_jsonp = true;
                    continue;
                }
                _ => continue,
            };
            is_repeated |= slot.replace(value).is_some();
        }
        let transport = match transport {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(RequestError::UnknownTransport),
        };
        if version != Some("4") {
            return Err(RequestError::UnsupportedVersion);
        }
        if is_repeated || is_jsonp {
            return Err(RequestError::BadRequest);
        }
        Ok(Self {
            transport,
            sid: sid.filter(|sid| !sid.is_empty()),
        })
    }

    /// The action of the request; `is_websocket` if it is a WebSocket
    /// handshake.
    ///
    /// # Errors
    /// `BadMethod` for opening a session with a method other than GET,
    /// `BadRequest` if transport, method and handshake contradict each other.
    pub fn action(&self, method: &str, is_websocket: bool) -> Result<Action<'a>, RequestError> {
        match (self.sid, self.transport, method) {
            (None, _, method) if method != "GET" => Err(RequestError::BadMethod),
            (None, Transport::Polling, _) if !is_websocket => Ok(Action::OpenPolling),
            (None, Transport::WebSocket, _) if is_websocket => Ok(Action::OpenWebSocket),
            (Some(sid), Transport::Polling, "GET") if !is_websocket => Ok(Action::Poll(sid)),
            (Some(sid), Transport::Polling, "POST") => Ok(Action::Push(sid)),
            (Some(sid), Transport::WebSocket, "GET") if is_websocket => Ok(Action::Upgrade(sid)),
            _ => Err(RequestError::BadRequest),
        }
    }
}
