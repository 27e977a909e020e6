//! Why something did not work: what the server refused, and what the connection did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use turntable_core::id::IdError;
use turntable_core::reason::{CloseReason, ErrorCode};

/// An error of a command, or of the client.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The server, or the service that was called, refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// It was not answered within its deadline. It may be carried out all the same.
    #[error("no answer within {0} ms; it may have been carried out or not")]
    Timeout(u64),
    /// The session was lost before the answer came.
    #[error("the session was lost before the answer came; it may have been carried out or not")]
    SessionLost,
    /// The client has ended: nothing is sent any more.
    #[error("{0}")]
    Ended(Ended),
    /// An id does not have its form.
    #[error("{0}")]
    InvalidId(#[from] IdError),
    /// The address of the server is no `ws://` or `wss://` URL.
    #[error("{0:?} is no address of a server: ws://HOST:PORT/PATH or wss://HOST/PATH")]
    InvalidUrl(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A value cannot be written as JSON.
    #[error("the value cannot be written as JSON: {0}")]
    Encode(Arc<serde_json::Error>),
    /// The answer is not of the expected type.
    #[error("the answer has another type: {0}")]
    Decode(Arc<serde_json::Error>),
}

impl Error {
    /// What was refused, if it was.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Ended(Ended::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// The error code of the protocol, if it was refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.refusal().map(|refusal| refusal.code)
    }

    pub(crate) fn encode(error: serde_json::Error) -> Self {
        Self::Encode(Arc::new(error))
    }

    pub(crate) fn decode(error: serde_json::Error) -> Self {
        Self::Decode(Arc::new(error))
    }
}

/// An `error` of the protocol (docs/protocol.md, 2.3).
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Its code; `internal` for one that this version does not know, which its message
    /// then begins with.
    pub code: ErrorCode,
    /// A sentence: what was wrong, and what is accepted.
    pub message: String,
    /// The command that was refused, if the server said so.
    pub command: Option<String>,
    /// `retry_ms`, `max`, `reason` and others, by name.
    pub details: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Body {
    code: String,
    #[serde(default)]
    message: String,
    command: Option<String>,
    #[serde(default)]
    details: BTreeMap<String, Value>,
}

impl Refusal {
    /// A refusal of this side.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            command: None,
            details: BTreeMap::new(),
        }
    }

    /// The `data` of an `error`.
    pub(crate) fn read(data: &str) -> Self {
        let Ok(body) = serde_json::from_str::<Body>(data) else {
            return Self::new(ErrorCode::Internal, format!("an unreadable error: {data}"));
        };
        let mut known = ErrorCode::ALL.into_iter();
        let (code, message) = match known.find(|code| code.name() == body.code) {
            Some(code) => (code, body.message),
            None => (
                ErrorCode::Internal,
                format!("{}: {}", body.code, body.message),
            ),
        };
        Self {
            code,
            message,
            command: body.command,
            details: body.details,
        }
    }

    /// How long to wait before it may be tried again, in ms.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.details.get("retry_ms").and_then(Value::as_u64)
    }

    /// Why credentials were refused, or the session was ended: `expired`, `invalid`,
    /// `revoked`, `kicked`, `banned`.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.details.get("reason").and_then(Value::as_str)
    }

    /// Whether the same may succeed later without a change.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::RateLimited
                | ErrorCode::TooMany
                | ErrorCode::Timeout
                | ErrorCode::ServiceDown
                | ErrorCode::Unavailable
                | ErrorCode::Internal
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

/// Why a client has ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Ended {
    /// The program closed it, or dropped all of its handles.
    #[error("the client is closed")]
    Closed,
    /// The server refused the claim: other credentials are needed.
    #[error("the server does not accept this client: {0}")]
    Refused(Refusal),
    /// The server closed the connection for good (docs/protocol.md, 2.4).
    #[error("the server closed the connection: {code} {name}{}", said(.refusal.as_ref()))]
    Disconnected {
        /// The close code.
        code: u16,
        /// Its name.
        name: &'static str,
        /// What the server said before.
        refusal: Option<Refusal>,
    },
    /// The connection was lost, and the client does not connect again.
    #[error("the connection was lost: {0}")]
    Lost(String),
}

fn said(refusal: Option<&Refusal>) -> String {
    refusal.map_or_else(String::new, |refusal| format!(", {refusal}"))
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Disconnection {
    /// The close code; `None` where the connection broke without one.
    pub code: Option<u16>,
    /// What is known about it.
    pub text: String,
}

impl Disconnection {
    /// A connection that broke.
    pub(crate) fn lost(text: impl Into<String>) -> Self {
        Self {
            code: None,
            text: text.into(),
        }
    }

    /// The row of its close code.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        let mut known = CloseReason::ALL.into_iter();
        known.find(|reason| Some(reason.code()) == self.code)
    }

    /// Whether to connect again; after an unknown code as well.
    pub(crate) fn reconnects(&self) -> bool {
        self.reason().is_none_or(|reason| reason.row().reconnect)
    }

    /// Whether the session may be resumed then.
    pub(crate) fn resumes(&self) -> bool {
        self.reason().is_none_or(|reason| reason.row().resume)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_with_their_details() {
        let text = r#"{"code":"rate_limited","message":"wait","command":"call","details":{"retry_ms":40}}"#;
        let refusal = Refusal::read(text);
        assert_eq!(refusal.code, ErrorCode::RateLimited);
        assert_eq!(refusal.retry_ms(), Some(40));
        assert!(refusal.is_temporary());
        assert_eq!(refusal.to_string(), "rate_limited: wait");
    }

    #[test]
    fn unknown_codes_and_unreadable_errors_are_internal() {
        let newer = Refusal::read(r#"{"code":"too_early","message":"wait"}"#);
        assert_eq!(newer.to_string(), "internal: too_early: wait");
        assert_eq!(Refusal::read("7").code, ErrorCode::Internal);
    }

    #[test]
    fn close_codes_say_whether_to_come_back() {
        for (code, reconnects, resumes) in [
            (Some(1001), true, true),
            (Some(4004), true, false),
            (Some(4005), false, false),
            (Some(4009), false, false),
            (Some(4999), true, true),
            (None, true, true),
        ] {
            let text = String::new();
            let end = Disconnection { code, text };
            assert_eq!((end.reconnects(), end.resumes()), (reconnects, resumes));
        }
    }
}
