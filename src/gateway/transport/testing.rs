//! Connections without a socket, for unit tests of the gateway.

use tokio::sync::oneshot;

use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::transport::engineio::namespace::Namespace;
use crate::gateway::transport::engineio::request::Answer;
use crate::gateway::transport::engineio::{Engine, Purpose};
use crate::gateway::transport::poll::Poll;
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;

/// A connection without a socket.
pub(crate) fn without_socket(name: SessionId, permit: Permit, now_ms: u64) -> Connection {
    Poll::connection(name, permit, now_ms)
}

/// The answer that a client of Engine.IO waits for.
pub(crate) type Awaited = oneshot::Receiver<Answer>;

/// A session of Engine.IO that polls, and its first answer.
pub(crate) fn carrier(name: SessionId, permit: Permit) -> (Connection, Awaited) {
    let (respond, answer) = oneshot::channel();
    let connection = Engine::over_polling(name, Purpose::Sessions, permit, respond);
    (connection, answer)
}

/// A namespace that it carries.
pub(crate) fn carried(name: SessionId, carrier: ConnKey) -> Connection {
    Namespace::connection(name, carrier, 0)
}
