//! Connections without a socket, for unit tests of the gateway.

use tokio::sync::oneshot;

use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::transport::engineio::namespace::Namespace;
use crate::gateway::transport::engineio::{Engine, Purpose};
use crate::gateway::transport::poll::Poll;
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;

/// A connection without a socket.
pub(crate) fn without_socket(name: SessionId, permit: Permit, now_ms: u64) -> Connection {
    Poll::connection(name, permit, now_ms)
}

/// A session of Engine.IO that polls. Its client takes the first answer.
pub(crate) fn carrier(name: SessionId, permit: Permit) -> Connection {
    let (respond, answer) = oneshot::channel();
    std::mem::forget(answer);
    Engine::over_polling(name, Purpose::Sessions, permit, respond)
}

/// A namespace that it carries.
pub(crate) fn carried(name: SessionId, carrier: ConnKey) -> Connection {
    Namespace::connection(name, carrier, 0)
}
