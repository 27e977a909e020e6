//! The table of close codes and the table of error codes.
//!
//! Server, documents and client library show the same tables (sections 2.3 and 2.4
//! of the protocol); a test compares them.

use serde::{Deserialize, Serialize};

/// Why a connection is closed by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client sent `bye`, or closed in order.
    Bye,
    /// This server stops; the session may continue on another.
    GoingAway,
    /// A violation of RFC 6455, or an invalid packet of Engine.IO or Socket.IO.
    ProtocolError,
    /// A type of frame that the subprotocol does not use.
    Unsupported,
    /// A text that is not UTF-8.
    NotUtf8,
    /// A message over `server.max_message_bytes`.
    TooLarge,
    /// An internal error of the server.
    Internal,
    /// No identification within `session.identify_timeout_ms`.
    NotIdentified,
    /// A newer connection took this session over.
    Replaced,
    /// The outbox exceeded its limit.
    TooSlow,
    /// The session does not exist any more.
    SessionExpired,
    /// Disconnected by an operator.
    Kicked,
    /// Too many errors.
    TooManyErrors,
    /// Commands far above the rate limit.
    RateLimited,
    /// The client sent nothing within the heartbeat timeout.
    HeartbeatMissed,
    /// The credentials were refused, or withdrawn.
    Unauthorized,
}

/// A row of the close table.
#[derive(Debug, Clone, Copy)]
pub struct CloseRow {
    /// The WebSocket close code.
    pub code: u16,
    /// Its name in documents, logs and metrics.
    pub name: &'static str,
    /// Whether a client should reconnect automatically.
    pub reconnect: bool,
    /// Whether the session may then be resumed.
    pub resume: bool,
}

impl CloseReason {
    /// Every reason, in the order of its code.
    pub const ALL: [Self; 16] = [
        Self::Bye,
        Self::GoingAway,
        Self::ProtocolError,
        Self::Unsupported,
        Self::NotUtf8,
        Self::TooLarge,
        Self::Internal,
        Self::NotIdentified,
        Self::Replaced,
        Self::TooSlow,
        Self::SessionExpired,
        Self::Kicked,
        Self::TooManyErrors,
        Self::RateLimited,
        Self::HeartbeatMissed,
        Self::Unauthorized,
    ];

    /// The row of this reason.
    #[must_use]
    pub const fn row(self) -> CloseRow {
        const fn row(code: u16, name: &'static str, reconnect: bool, resume: bool) -> CloseRow {
            CloseRow {
                code,
                name,
                reconnect,
                resume,
            }
        }
        match self {
            Self::Bye => row(1000, "bye", false, false),
            Self::GoingAway => row(1001, "going_away", true, true),
            Self::ProtocolError => row(1002, "protocol_error", false, true),
            Self::Unsupported => row(1003, "unsupported", false, true),
            Self::NotUtf8 => row(1007, "not_utf8", false, true),
            Self::TooLarge => row(1009, "too_large", true, true),
            Self::Internal => row(1011, "internal", true, true),
            Self::NotIdentified => row(4001, "not_identified", true, false),
            Self::Replaced => row(4002, "replaced", false, false),
            Self::TooSlow => row(4003, "too_slow", true, true),
            Self::SessionExpired => row(4004, "session_expired", true, false),
            Self::Kicked => row(4005, "kicked", false, false),
            Self::TooManyErrors => row(4006, "too_many_errors", false, true),
            Self::RateLimited => row(4007, "rate_limited", true, true),
            Self::HeartbeatMissed => row(4008, "heartbeat_missed", true, true),
            Self::Unauthorized => row(4009, "unauthorized", false, false),
        }
    }

    /// The close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.row().code
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

/// The codes that an `error` message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "each is documented by its row in docs/protocol.md"
)]
pub enum ErrorCode {
    BadJson,
    BadMessage,
    UnknownCommand,
    NotIdentified,
    Unauthorized,
    Forbidden,
    InvalidId,
    InvalidAction,
    NotMember,
    NotFound,
    RoomFull,
    TooLarge,
    TooMany,
    RateLimited,
    Timeout,
    ServiceDown,
    SessionExpired,
    Unavailable,
    Conflict,
    Refused,
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the protocol's page.
    pub const ALL: [Self; 21] = [
        Self::BadJson,
        Self::BadMessage,
        Self::UnknownCommand,
        Self::NotIdentified,
        Self::Unauthorized,
        Self::Forbidden,
        Self::InvalidId,
        Self::InvalidAction,
        Self::NotMember,
        Self::NotFound,
        Self::RoomFull,
        Self::TooLarge,
        Self::TooMany,
        Self::RateLimited,
        Self::Timeout,
        Self::ServiceDown,
        Self::SessionExpired,
        Self::Unavailable,
        Self::Conflict,
        Self::Refused,
        Self::Internal,
    ];

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadMessage => "bad_message",
            Self::UnknownCommand => "unknown_command",
            Self::NotIdentified => "not_identified",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::InvalidId => "invalid_id",
            Self::InvalidAction => "invalid_action",
            Self::NotMember => "not_member",
            Self::NotFound => "not_found",
            Self::RoomFull => "room_full",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::ServiceDown => "service_down",
            Self::SessionExpired => "session_expired",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_are_unique_and_ordered() {
        assert!(
            CloseReason::ALL
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a.code() < b.code()))
        );
    }

    #[test]
    fn error_names_are_unique() {
        let names: std::collections::HashSet<_> =
            ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
