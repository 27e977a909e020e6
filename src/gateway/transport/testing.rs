//! Connections for unit tests of the gateway.

#![allow(clippy::unwrap_used)]

use tokio::sync::oneshot;

use crate::clock;
use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::connection::io::Io;
use crate::gateway::delivery::encoding::Encodings;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::engineio::namespace::Namespace;
use crate::gateway::transport::engineio::request::Answer;
use crate::gateway::transport::engineio::{self, Engine};
use crate::gateway::transport::poll::Poll;
use crate::gateway::transport::tunnel::{Purpose, Refusal, Tunnel, TunnelRequest};
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;

/// A connection without a socket.
pub(crate) fn without_socket(name: SessionId, permit: Permit, now_ms: u64) -> Connection {
    Poll::connection(name, permit, now_ms)
}

/// The connection of a client that has one for each answer, and waits for it; and what it
/// begins as.
pub(crate) fn for_answer(
    name: SessionId,
    permit: Permit,
    back: Option<ResumeFrom>,
) -> (Connection, Insertion) {
    let purpose = match back {
        None => Purpose::New(None),
        Some(from) => Purpose::Back(from, None),
    };
    let connection = tunnel(name, permit, clock::now_ms());
    (connection, Insertion::Tunnel(purpose))
}

fn tunnel(name: SessionId, permit: Permit, now_ms: u64) -> Connection {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let request = TunnelRequest {
        io: Io::plain(mio::net::TcpStream::from_std(stream)),
        permit,
        is_proxied: false,
        name,
        format: 0,
        callback: None,
        head: Vec::new(),
        refusal: Refusal {
            headers: Box::default(),
            write: |_, _| Vec::new(),
        },
    };
    Tunnel::connection(request, &Encodings::none(), now_ms)
}

/// The answer that a client of Engine.IO waits for.
pub(crate) type Awaited = oneshot::Receiver<Answer>;

/// A session of Engine.IO that polls, and its first answer.
pub(crate) fn carrier(name: SessionId, permit: Permit) -> (Connection, Awaited) {
    let (respond, answer) = oneshot::channel();
    let connection = Engine::over_polling(name, engineio::Purpose::Sessions, permit, respond);
    (connection, answer)
}

/// A namespace that it carries.
pub(crate) fn carried(name: SessionId, carrier: ConnKey) -> Connection {
    Namespace::connection(name, carrier, 0)
}
