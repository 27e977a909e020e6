//! What the HTTP server hands over: sockets, and requests for connections.
//!
//! One path for all transports. A transport gets the value and a `View` of this
//! gateway, and decides what becomes of it (`Decision`). It may answer a request that it
//! refuses, and count a connection (`View::admit`), whose permit is dropped with the
//! decision; it changes nothing else. The gateway carries the decision out: one place that
//! inserts, resumes, charges and hands requests to connections.
//!
//! ```text
//! http/ -> Accept(Arrival) -> Arrival::decide(View) -> Decision -> insert, resume, request
//! ```

use std::net::IpAddr;

use actix::{Context, Handler, Message};

use crate::clock;
use crate::cluster::request::Ticket;
use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encodings;
use crate::gateway::inspection::past::Cause;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::arrival::Arrival;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::{Dispatch, Hooks, Request};
use crate::gateway::work::Effect;
use crate::gateway::{Gateway, Shared};
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, Place, SessionSlot, WorkerId};
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::reason::CloseReason;
use turntable_core::session::life::Input;

/// How often a message is passed on, for a connection that moves on and on.
const HOPS_MAX: u8 = 16;

/// A socket, or a request for a connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Accept {
    arrival: Arrival,
    /// How often it was passed on.
    hops: u8,
}

impl Accept {
    /// What was not passed on yet.
    pub fn new(arrival: impl Into<Arrival>) -> Self {
        Self {
            arrival: arrival.into(),
            hops: 0,
        }
    }
}

/// What becomes of something that was handed over.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Nothing: it was answered, or needs no answer.
    Answered,
    /// The worker that has its connection gets it.
    Forward(WorkerId, Arrival),
    /// A connection begins.
    Begin(Box<Beginning>),
    /// A connection of this worker gets a request.
    Deliver(ConnKey, Delivery),
    /// A session ends, and the request that wanted it is refused.
    End {
        /// The session.
        session: SessionSlot,
        /// Why it ends.
        reason: CloseReason,
        /// The request.
        request: Request,
        /// What its client gets.
        error: ErrorBody,
    },
}

/// A connection that begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// The connection.
    pub(crate) connection: Connection,
    /// What it begins as.
    pub(crate) insertion: Insertion,
    /// The session that its client wants.
    pub(crate) resume: Option<Resume>,
    /// The request that it begins with.
    pub(crate) request: Option<Delivery>,
}

impl Beginning {
    /// A connection that begins without a session and a request.
    pub(crate) fn new(connection: Connection, insertion: Insertion) -> Self {
        Self {
            connection,
            insertion,
            resume: None,
            request: None,
        }
    }
}

impl From<Beginning> for Decision {
    fn from(beginning: Beginning) -> Self {
        Self::Begin(Box::new(beginning))
    }
}

/// The session that the client of a new connection wants.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    /// The session.
    pub(crate) session: SessionId,
    /// From where on.
    pub(crate) from: ResumeFrom,
    /// Which attempt of the client it is, where it counts them.
    pub(crate) attempt: Option<u32>,
    /// The `id` of the command.
    pub(crate) id: Option<RequestId>,
}

/// A request on its way to a connection.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The request.
    pub(crate) request: Request,
    /// What is charged to the session of the connection, in bytes; `None` where the
    /// transport charges what it reads.
    pub(crate) bytes: Option<usize>,
    /// Counts what it brings until it is carried out.
    pub(crate) ticket: Option<Ticket>,
    /// The address that it came from, where the next request of the connection may come from
    /// another one.
    pub(crate) from: Option<IpAddr>,
}

impl From<Request> for Delivery {
    fn from(request: Request) -> Self {
        Self {
            request,
            bytes: None,
            ticket: None,
            from: None,
        }
    }
}

/// Where a connection of a name is.
pub(crate) enum Named<'a> {
    /// On this worker.
    Here(ConnKey, &'a Connection),
    /// On another worker.
    There(WorkerId),
    /// Nowhere, or it moves faster than messages follow it.
    Nowhere,
}

/// What a transport may look at to decide what becomes of something.
pub(crate) struct View<'a> {
    /// Unix ms.
    pub(crate) now_ms: u64,
    gateway: &'a Gateway,
    /// Whether it may be passed on once more.
    may_forward: bool,
}

impl<'a> View<'a> {
    /// Whether the server takes no clients.
    pub(crate) const fn is_draining(&self) -> bool {
        self.gateway.is_draining()
    }

    /// What clients get then that come.
    pub(crate) fn refusal(&self) -> ErrorBody {
        self.gateway.shared.phase.refusal()
    }

    /// The encodings of the node.
    pub(crate) fn encodings(&self) -> &'a Encodings {
        &self.gateway.shared.encodings
    }

    /// A connection of this worker.
    pub(crate) fn connection(&self, key: ConnKey) -> Option<&'a Connection> {
        self.gateway.connections.get(key)
    }

    /// The connection of that name.
    pub(crate) fn named(&self, name: SessionId) -> Named<'a> {
        match self.gateway.shared.peers.connection(name) {
            Some((worker, key)) if worker == self.gateway.id.worker => {
                let connection = self.connection(key);
                connection.map_or(Named::Nowhere, |connection| Named::Here(key, connection))
            }
            Some((worker, _)) if self.may_forward => Named::There(worker),
            _ => Named::Nowhere,
        }
    }

    /// Whether a session of that id exists, on whatever worker.
    pub(crate) fn has_session(&self, id: SessionId) -> bool {
        self.gateway.shared.peers.find(id).is_some()
    }

    /// The session of a place, if it is here and not over.
    pub(crate) fn session(&self, place: Place) -> Option<(SessionSlot, &'a SessionEntry)> {
        let slot = self.gateway.sessions.at_place(place)?;
        Some((slot, self.gateway.sessions.get(slot)?))
    }

    /// Counts one more connection from `address`, for a session that exists.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where a limit is reached.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Permit, ErrorBody> {
        let shared: &Shared = &self.gateway.shared;
        shared.admit_known(address)
    }
}

impl Handler<Accept> for Gateway {
    type Result = ();

    fn handle(&mut self, accept: Accept, ctx: &mut Context<Self>) {
        self.handled(ctx);
        if self.saving.has_no_intake {
            return;
        }
        let decision = accept.arrival.decide(&View {
            now_ms: clock::now_ms(),
            gateway: self,
            may_forward: accept.hops < HOPS_MAX,
        });
        match decision {
            Decision::Answered => {}
            Decision::Forward(worker, arrival) => {
                if let Some(gateway) = self.shared.peers.gateway(worker) {
                    let hops = accept.hops + 1;
                    gateway.do_send(Accept { arrival, hops });
                }
            }
            Decision::Begin(beginning) => self.begin(*beginning),
            Decision::Deliver(key, delivery) => self.hand_request(key, delivery),
            Decision::End {
                session,
                reason,
                request,
                error,
            } => {
                let details = Details {
                    cause: Some(Cause::Resume),
                    ..Details::default()
                };
                self.step(session, Input::End(reason), details);
                self.run();
                request.refuse(error);
            }
        }
        self.run();
    }
}

impl Gateway {
    /// Begins a connection, brings it to the session that its client wants, and
    /// hands it its first request.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        let insertion = beginning.insertion;
        if insertion.is_client() {
            self.shared.metrics.accepted.inc();
        }
        let key = self.insert(beginning.connection, insertion);
        if let (Some(connection), Some(resume)) = (key, beginning.resume) {
            self.run();
            self.push_effects([Effect::Resume(connection, resume)]);
            self.run();
            self.drain_returned(connection);
        }
        self.run();
        match (key, beginning.request) {
            (Some(key), Some(delivery)) => self.hand_request(key, delivery),
            (None, Some(delivery)) => delivery.request.gone(),
            (_, None) => {}
        }
    }

    /// Hands a request to a connection, unless that is gone or its session has
    /// sent too much.
    fn hand_request(&mut self, key: ConnKey, delivery: Delivery) {
        // Dropped when the request was handed over.
        let Delivery {
            request,
            bytes,
            ticket: _ticket,
            from,
        } = delivery;
        if let Some(Err(error)) = from.map(|address| self.comes_from(key, address)) {
            return request.refuse(error);
        }
        let Some(connection) = self.connections.get(key) else {
            return request.gone();
        };
        if request.brings_client() {
            self.shared.metrics.accepted.inc();
        }
        if let (Some(bytes), Some(session)) = (bytes, connection.session())
            && let Err(error) = self.take_request_bytes(session, bytes)
        {
            return request.refuse(error);
        }
        self.with(key, |connection, cx| {
            Dispatch::on_request(connection, request, cx);
        });
    }
}
