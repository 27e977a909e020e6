//! Notices between connections that belong together.
//!
//! Only Engine.IO has such connections: its session, the namespaces on it, and
//! the WebSocket that it may move to. The gateway passes notices on and does not
//! look at them.

use tokio::sync::oneshot;

use turntable_core::key::ConnKey;
use turntable_core::packet::ErrorBody;
use turntable_wire::engineio::RequestError;
use turntable_wire::socketio::Auth;

/// One notice.
#[derive(Debug)]
pub(crate) enum Notice {
    /// To a session: a namespace was put on it.
    NamespaceOpened {
        /// Its number.
        number: u8,
        /// Its connection.
        connection: ConnKey,
        /// What marks its acknowledgements.
        mark: u32,
    },
    /// To a session: a namespace has left the table.
    NamespaceGone(ConnKey),
    /// To a session: this namespace is being identified.
    Paused(ConnKey),
    /// To a session: this namespace was identified, was refused, or is gone.
    Unpaused(ConnKey),
    /// To a session: this error was caused by its client.
    Charge(Box<ErrorBody>),
    /// To a session: the client of its last namespace has so many ms to go.
    ExpectEnd(u64),
    /// To a session: answers the request that brought packets, behind them.
    Pushed(oneshot::Sender<Result<(), RequestError>>),
    /// To a session: a WebSocket that it may move to is there.
    ProbeOpened(ConnKey),
    /// To a session: that WebSocket was probed.
    Probed,
    /// To a session: its client uses that WebSocket from now on.
    Upgraded(ConnKey),
    /// To a session: that WebSocket is gone, or ends.
    ProbeGone(ConnKey),
    /// To a namespace: the session takes frames again.
    Room,
    /// To a namespace: its own frames have to go down before the session ends.
    HandDown,
    /// To a namespace: its session cannot be recovered, so its client identifies
    /// in this way.
    IdentifyBy(Box<Auth>),
    /// To a WebSocket: the session that it was for is gone.
    SessionGone,
}
