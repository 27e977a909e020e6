//! Requests and WebSockets of Engine.IO that the HTTP server hands over.
//!
//! A request may come in on any worker, and a session may move to another worker
//! while a request is on its way to it; so requests name the session and are
//! passed on to the worker that has it.

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use super::probe::Probe;
use super::request::{Answer, EngineRequest};
use super::{Engine, Purpose};
use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::upgraded::Upgraded;
use crate::gateway::transport::{Dispatch, Hooks, Request, Transport};
use turntable_core::id::SessionId;
use turntable_core::key::ConnKey;
use turntable_wire::engineio::RequestError;

/// Asks for a new session that polls.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Open {
    /// Its place in the connection limits.
    pub permit: Permit,
    /// What it is for.
    pub purpose: Purpose,
    /// Gets the handshake.
    pub respond: oneshot::Sender<Answer>,
}

/// A WebSocket that is a new session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct OpenWebSocket {
    /// The socket.
    pub socket: Upgraded,
    /// What it is for.
    pub purpose: Purpose,
}

/// A WebSocket that a session may move to.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Upgrade {
    /// The socket.
    pub socket: Upgraded,
    /// The session.
    pub id: SessionId,
    /// How often it was passed on.
    pub hops: u8,
}

/// A request of a session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Exchange {
    /// The session.
    pub id: SessionId,
    /// The request.
    pub request: EngineRequest,
    /// How often it was passed on.
    pub hops: u8,
}

/// How often a message is passed on, for a session that moves on and on.
const HOPS_MAX: u8 = 16;

/// Where a session is.
enum Found {
    Here(ConnKey),
    There(turntable_core::key::WorkerId),
    Nowhere,
}

impl Handler<Open> for Gateway {
    type Result = ();

    fn handle(&mut self, open: Open, _: &mut Context<Self>) {
        if self.is_draining {
            // Dropped without an answer, which says that the server stops.
            return;
        }
        let Some(name) = SessionId::random() else {
            return;
        };
        self.shared.metrics.accepted.inc();
        let connection = Engine::over_polling(name, open.purpose, open.permit, open.respond);
        if let Some(key) = self.insert(connection, Insertion::Engine) {
            self.flush_connection(key);
        }
        self.run();
    }
}

impl Handler<OpenWebSocket> for Gateway {
    type Result = ();

    fn handle(&mut self, open: OpenWebSocket, _: &mut Context<Self>) {
        let Some(name) = SessionId::random() else {
            return;
        };
        self.shared.metrics.accepted.inc();
        let purpose = open.purpose;
        let connection = open.socket.connection(|io, permit, input| {
            Engine::over_websocket(name, purpose, io, permit, input)
        });
        self.insert(connection, Insertion::Engine);
        self.run();
    }
}

impl Handler<Upgrade> for Gateway {
    type Result = ();

    fn handle(&mut self, mut upgrade: Upgrade, _: &mut Context<Self>) {
        let engine = match self.find_engine(upgrade.id) {
            Found::Here(key) => Some(key),
            Found::There(worker) if upgrade.hops < HOPS_MAX => {
                upgrade.hops += 1;
                if let Some(gateway) = self.shared.peers.gateway(worker) {
                    gateway.do_send(upgrade);
                }
                return;
            }
            _ => None,
        };
        let engine = engine.filter(|key| {
            let connection = self.connections.get(*key);
            connection.is_some_and(Probe::is_wanted)
        });
        let connection = upgrade.socket.connection(Probe::connection);
        self.insert(connection, Insertion::Probe(engine));
        self.run();
    }
}

impl Handler<Exchange> for Gateway {
    type Result = ();

    fn handle(&mut self, mut exchange: Exchange, _: &mut Context<Self>) {
        match self.find_engine(exchange.id) {
            Found::Here(key) => {
                self.with(key, |connection, cx| {
                    let request = Request::Engine(exchange.request);
                    Dispatch::on_request(connection, request, cx);
                });
            }
            Found::There(worker) if exchange.hops < HOPS_MAX => {
                exchange.hops += 1;
                if let Some(gateway) = self.shared.peers.gateway(worker) {
                    gateway.do_send(exchange);
                }
            }
            _ => exchange.request.refuse(RequestError::UnknownSession),
        }
        self.run();
    }
}

impl Gateway {
    fn find_engine(&self, id: SessionId) -> Found {
        match self.shared.peers.connection(id) {
            Some((worker, _)) if worker != self.id.worker => Found::There(worker),
            Some((_, key)) => match self.connections.get(key).map(|c| &c.transport) {
                Some(Transport::Engine(_)) => Found::Here(key),
                _ => Found::Nowhere,
            },
            None => Found::Nowhere,
        }
    }
}
