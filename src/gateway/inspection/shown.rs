//! The past of sessions as an operator sees it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::past::{Client, EndedSession, Event, Happening, NotedError};
use super::session::number;
use crate::portal::operator_call::OperatorCall;
use turntable_core::delivery::Topic;
use turntable_core::reason::CloseReason;

/// An error as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    /// Unix ms.
    pub at_ms: u64,
    /// Its code.
    pub code: &'static str,
    /// The command that it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Box<str>>,
    /// The beginning of its message.
    pub message: Box<str>,
}

/// A connection that ended, or a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// Its name.
    pub reason: &'static str,
}

impl From<CloseReason> for Close {
    fn from(reason: CloseReason) -> Self {
        Self {
            code: reason.code(),
            reason: reason.name(),
        }
    }
}

/// The call of an operator that ended a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallReport {
    /// The service and the method, with a slash.
    pub method: Box<str>,
    /// The name of the caller.
    pub by: Arc<str>,
    /// What the clients were sent as the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

impl From<&Arc<OperatorCall>> for CallReport {
    fn from(call: &Arc<OperatorCall>) -> Self {
        Self {
            method: call.method.clone(),
            by: call.by.clone(),
            reason: call.reason.clone(),
        }
    }
}

/// An event as an operator sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventReport {
    /// Unix ms.
    pub at_ms: u64,
    /// What happened.
    pub event: &'static str,
    /// The transport, where a connection came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// The address of the client then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The room that was joined or left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<str>>,
    /// The same of a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Box<str>>,
    /// How a connection or the session was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<Close>,
    /// Who or what ended the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// The call of an operator that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<CallReport>,
    /// The error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// How often the error before this one came again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated: Option<u32>,
}

impl From<&Event> for EventReport {
    fn from(event: &Event) -> Self {
        Self::of(&event.happening, event.at_ms)
    }
}

impl EventReport {
    /// What happened at `at_ms`.
    pub(super) fn of(happening: &Happening, at_ms: u64) -> Self {
        let of = |name| Self {
            at_ms,
            event: name,
            ..Self::default()
        };
        let came = |name, client: &Client| Self {
            transport: client.transport,
            address: client.address,
            ..of(name)
        };
        let moved = |name, topic: &Topic| match topic {
            Topic::Room(room) => Self {
                room: Some(room.as_str().into()),
                ..of(name)
            },
            Topic::Channel(channel) | Topic::Below(channel) => Self {
                channel: Some(channel.as_str().into()),
                ..of(name)
            },
        };
        match happening {
            Happening::Began(client) => came("began", client),
            Happening::Resumed(client) => came("resumed", client),
            Happening::Dropped(close) => Self {
                close: close.map(Close::from),
                ..of("dropped")
            },
            Happening::Joined(topic) => moved("joined", topic),
            Happening::Left(topic) => moved("left", topic),
            Happening::Error(error) => Self {
                repeated: Some(error.repeated).filter(|count| *count > 0),
                error: Some(error.report()),
                ..of("error")
            },
            Happening::Ended(cause, close, call) => Self {
                cause: Some(cause.name()),
                operator: call.as_ref().map(CallReport::from),
                close: close.map(Close::from),
                ..of("ended")
            },
        }
    }
}

/// A session that is over, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndedReport {
    /// Its number.
    pub session: String,
    /// Whose it was.
    pub user: Box<str>,
    /// Unix ms when it ended.
    pub at_ms: u64,
    /// Unix ms when it began.
    pub since_ms: u64,
    /// How long it lasted, in ms.
    pub duration_ms: u64,
    /// Who or what ended it.
    pub cause: &'static str,
    /// The call of an operator that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<CallReport>,
    /// How its client was closed, or is when it comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<Close>,
    /// Whether its connection had ended before, which it lost without a reason unless `dropped`
    /// says why.
    pub detached: bool,
    /// How that connection was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Close>,
    /// The transport of its last connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// The address of its client there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The round trip to its client, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// The last error that its client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<ErrorReport>,
    /// Messages of its client that were taken.
    pub received: u64,
    /// Messages that were written to its client.
    pub sent: u64,
}

impl From<&EndedSession> for EndedReport {
    fn from(ended: &EndedSession) -> Self {
        Self {
            session: number(ended.session),
            user: ended.user.as_str().into(),
            at_ms: ended.at_ms,
            since_ms: ended.since_ms,
            duration_ms: ended.at_ms.saturating_sub(ended.since_ms),
            cause: ended.cause.name(),
            operator: ended.operator.as_ref().map(CallReport::from),
            close: ended.close.map(Close::from),
            detached: ended.is_detached,
            dropped: ended.dropped.map(Close::from),
            transport: ended.peer.client.transport,
            address: ended.peer.client.address,
            round_trip_ms: ended.peer.round_trip_ms,
            last_error: ended.error.as_ref().map(NotedError::report),
            received: ended.received,
            sent: ended.sent,
        }
    }
}
