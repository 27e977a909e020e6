//! Requests and WebSockets of Engine.IO that the HTTP server hands over.
//!
//! A request may come in on any worker, and a session may move to another worker
//! while a request is on its way to it; so requests name the session and are
//! passed on to the worker that has it.

use std::net::IpAddr;

use tokio::sync::oneshot;

use super::probe::Probe;
use super::request::{Answer, EngineRequest};
use super::{Engine, Purpose};
use crate::gateway::accept::{Beginning, Decision, Delivery, Named, View};
use crate::gateway::admission::Permit;
use crate::gateway::transport::arrival::Decide;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::upgraded::Upgraded;
use crate::gateway::transport::{Request, Transport};
use turntable_core::id::SessionId;
use turntable_wire::engineio::RequestError;

/// Asks for a new session that polls.
#[derive(Debug)]
pub struct Open {
    /// Its place in the connection limits.
    pub permit: Permit,
    /// What it is for.
    pub purpose: Purpose,
    /// Gets the handshake.
    pub respond: oneshot::Sender<Answer>,
}

/// A WebSocket that is a new session.
#[derive(Debug)]
pub struct OpenWebSocket {
    /// The socket.
    pub socket: Upgraded,
    /// What it is for.
    pub purpose: Purpose,
}

/// A WebSocket that a session may move to.
#[derive(Debug)]
pub struct Upgrade {
    /// The socket.
    pub socket: Upgraded,
    /// The session.
    pub id: SessionId,
}

/// A request of a session.
#[derive(Debug)]
pub struct Exchange {
    /// The session.
    pub id: SessionId,
    /// The address that the request came from, if any did.
    pub from: Option<IpAddr>,
    /// The request.
    pub request: EngineRequest,
}

impl Decide for Open {
    fn decide(self, view: &View<'_>) -> Decision {
        if view.is_draining() {
            // Dropped without an answer, which says that the server stops.
            return Decision::Answered;
        }
        let Some(name) = SessionId::random() else {
            return Decision::Answered;
        };
        let connection = Engine::over_polling(name, self.purpose, self.permit, self.respond);
        Beginning::new(connection, Insertion::Engine).into()
    }
}

impl Decide for OpenWebSocket {
    fn decide(self, _: &View<'_>) -> Decision {
        let Some(name) = SessionId::random() else {
            return Decision::Answered;
        };
        let purpose = self.purpose;
        let connection = self.socket.connection(|io, permit, input| {
            Engine::over_websocket(name, purpose, io, permit, input)
        });
        Beginning::new(connection, Insertion::Engine).into()
    }
}

impl Decide for Upgrade {
    fn decide(self, view: &View<'_>) -> Decision {
        let engine = match view.named(self.id) {
            Named::Here(key, connection) if Probe::is_wanted(connection) => Some(key),
            Named::Here(..) | Named::Nowhere => None,
            Named::There(worker) => return Decision::Forward(worker, self.into()),
        };
        let connection = self.socket.connection(Probe::connection);
        Beginning::new(connection, Insertion::Probe(engine)).into()
    }
}

impl Decide for Exchange {
    fn decide(self, view: &View<'_>) -> Decision {
        match view.named(self.id) {
            Named::Here(key, connection)
                if matches!(connection.transport, Transport::Engine(_)) =>
            {
                let from = self.from;
                let delivery = Delivery::from(Request::Engine(self.request));
                Decision::Deliver(key, Delivery { from, ..delivery })
            }
            Named::There(worker) => Decision::Forward(worker, self.into()),
            Named::Here(..) | Named::Nowhere => {
                self.request.refuse(RequestError::UnknownSession);
                Decision::Answered
            }
        }
    }
}
