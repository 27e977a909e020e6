//! Requests of polls that the HTTP server hands over.

use std::net::IpAddr;

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use super::{Poll, PollRequest, Refused};
use crate::clock;
use crate::cluster::request::Ticket;
use crate::gateway::Gateway;
use crate::gateway::admission::Permit;
use crate::gateway::peers::Target;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::{Answered, PollAnswer, ResumeFrom};
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::{Dispatch, Hooks, Request, Transport};
use crate::gateway::work::Command;
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::life::Input;
use turntable_wire::json_v1;
use turntable_wire::remote_call;

/// Where a request belongs.
#[derive(Debug)]
pub enum Destination {
    /// To a new session.
    New(Permit),
    /// To a session, or to the connection of a client that has not identified.
    Known(Target),
}

/// A request.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PollCall {
    /// The session's id; that of a new one.
    pub id: SessionId,
    /// Where it belongs.
    pub destination: Destination,
    /// Whose request it is.
    pub address: IpAddr,
    /// How many messages of the session the client has received, where it says
    /// so.
    pub received: Option<u64>,
    /// The `id` of a call that resumes the session.
    pub resume_id: Option<RequestId>,
    /// What it brings.
    pub commands: Vec<Command>,
    /// Length of that, in bytes.
    pub bytes: usize,
    /// Its number.
    pub batch: Option<u64>,
    /// Counts what it brings until it is carried out.
    pub ticket: Option<Ticket>,
    /// Gets the answer.
    pub respond: oneshot::Sender<Result<PollAnswer, Refused>>,
}

impl Handler<PollCall> for Gateway {
    type Result = ();

    fn handle(&mut self, call: PollCall, _: &mut Context<Self>) {
        let (id, address) = (call.id, call.address);
        let request = PollRequest {
            commands: call.commands,
            batch: call.batch,
            received: call.received,
            resume_id: call.resume_id,
            respond: call.respond,
        };
        if self.is_draining {
            let error = ErrorBody::new(ErrorCode::Unavailable, "the server is stopping");
            return request.refuse(error);
        }
        let found = match call.destination {
            Destination::New(permit) => self.open_poll(id, permit),
            Destination::Known(Target::Connection { key, .. }) => Ok(key),
            Destination::Known(Target::Session(place)) => match self.session_at(place) {
                Some(session) if self.has_moved(session, &request) => {
                    return request.close(CloseReason::Replaced);
                }
                Some(session) => self.poll_of(id, session, address, &request),
                None => Err(expired()),
            },
        };
        let found = found.and_then(|key| match self.is_poll(key) {
            true => self.take_poll_bytes(key, call.bytes).map(|()| key),
            false => Err(expired()),
        });
        match found {
            Ok(key) => {
                self.with(key, |connection, cx| {
                    let request = Request::Poll(Box::new(request));
                    Dispatch::on_request(connection, request, cx);
                });
            }
            Err(error) => request.refuse(error),
        }
        self.run();
    }
}

fn expired() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::SessionExpired,
        "this session is over, or not all of it is retained any more; begin a new one",
    )
}

impl Gateway {
    fn take_poll_bytes(&mut self, key: ConnKey, bytes: usize) -> Result<(), ErrorBody> {
        let connection = self.connections.get(key);
        match connection.and_then(|connection| connection.session()) {
            Some(session) => self.take_request_bytes(session, bytes),
            None => Ok(()),
        }
    }

    fn is_poll(&self, key: ConnKey) -> bool {
        self.connections
            .get(key)
            .is_some_and(|connection| matches!(connection.transport, Transport::Poll(_)))
    }

    /// Begins a connection whose client has not identified.
    fn open_poll(&mut self, id: SessionId, permit: Permit) -> Result<ConnKey, ErrorBody> {
        let welcome = self.welcome_packet(id);
        let mut text = Vec::new();
        json_v1::encode(&ServerPacket::Welcome(Box::new(welcome)), None, &mut text);
        let mut entry = Vec::new();
        let parts = std::str::from_utf8(&text).ok().and_then(json_v1::split);
        remote_call::connected(parts.map_or("{}", |parts| parts.data.get()), &mut entry);
        self.insert_poll(id, permit, Some(entry))
    }

    fn insert_poll(
        &mut self,
        id: SessionId,
        permit: Permit,
        first: Option<Vec<u8>>,
    ) -> Result<ConnKey, ErrorBody> {
        self.shared.metrics.accepted.inc();
        let connection = Poll::connection(id, permit, clock::now_ms());
        let key = self.insert(connection, Insertion::Poll(first));
        self.run();
        key.ok_or_else(expired)
    }

    /// Whether the session goes on over another transport, whose client has it
    /// now. A client that wants it back says how much it has received.
    fn has_moved(&self, session: SessionSlot, request: &PollRequest) -> bool {
        let entry = self.sessions.get(session);
        let connection = entry.and_then(|entry| entry.session.connection());
        request.received.is_none() && connection.is_some_and(|key| !self.is_poll(key))
    }

    /// The poll of a session; one that takes the session over from another
    /// connection, or goes on with it where it has none.
    fn poll_of(
        &mut self,
        id: SessionId,
        session: SessionSlot,
        address: IpAddr,
        request: &PollRequest,
    ) -> Result<ConnKey, ErrorBody> {
        let Some(entry) = self.sessions.get(session) else {
            return Err(expired());
        };
        // A takeover is carried out once, like everything that is numbered.
        let is_again = |answered: Option<&Answered>| {
            answered.is_some_and(|answered| answered.is_to(request.batch, request.received))
        };
        let connection = entry.session.connection();
        if let Some(key) = connection
            && let Some(Transport::Poll(poll)) = self.connections.get(key).map(|c| &c.transport)
            && (request.received.is_none() || is_again(poll.answered()))
        {
            return Ok(key);
        }
        let answered = entry.memory.as_ref().and_then(|m| m.answered.as_ref());
        let is_again = is_again(answered);
        let from = match request.received {
            Some(received) if !is_again => ResumeFrom::Count(received),
            _ => ResumeFrom::Unwritten,
        };
        if !entry.can_resume(from) {
            let input = Input::End(CloseReason::SessionExpired);
            self.step(session, input, Details::default());
            self.run();
            return Err(expired());
        }
        let permit = self.shared.admit_known(address)?;
        let key = self.insert_poll(id, permit, None)?;
        self.resume_here(key, id, from, request.resume_id.clone());
        self.run();
        let entry = self.sessions.get_mut(session);
        let memory = entry.and_then(|entry| entry.memory.as_mut());
        let answered = memory.and_then(|memory| memory.answered.take());
        // Else it is another client, which numbers its requests anew.
        if (request.received.is_none() || is_again)
            && let Some(connection) = self.connections.get_mut(key)
            && let Transport::Poll(poll) = &mut connection.transport
        {
            poll.set_answered(answered);
        }
        Ok(key)
    }
}
