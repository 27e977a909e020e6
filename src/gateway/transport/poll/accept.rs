//! Requests of polls that the HTTP server hands over.

use std::net::IpAddr;

use tokio::sync::oneshot;

use super::{Poll, PollRequest, Refused};
use crate::cluster::request::Ticket;
use crate::gateway::accept::{Beginning, Decision, Delivery, Resume, View};
use crate::gateway::admission::Permit;
use crate::gateway::peers::Target;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::memory::{Answered, RequestAnswer, ResumeFrom};
use crate::gateway::transport::arrival::Decide;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::{Request, Transport};
use crate::gateway::work::Command;
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::reason::{CloseReason, ErrorCode};

/// Where a request belongs.
#[derive(Debug)]
pub enum Destination {
    /// To a new session.
    New(Permit),
    /// To a session, or to the connection of a client that has not identified.
    Known(Target),
}

/// A request.
#[derive(Debug)]
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
    /// Which attempt of its client to have the session it belongs to, where it counts them.
    pub attempt: Option<u32>,
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
    pub respond: oneshot::Sender<Result<RequestAnswer, Refused>>,
}

impl Decide for PollCall {
    fn decide(self, view: &View<'_>) -> Decision {
        let request = PollRequest {
            commands: self.commands,
            batch: self.batch,
            received: self.received,
            resume_id: self.resume_id,
            respond: self.respond,
        };
        let connection = match &self.destination {
            Destination::New(_) => None,
            Destination::Known(Target::Connection { key, .. }) => Some(*key),
            Destination::Known(Target::Session(place)) => view
                .session(*place)
                .and_then(|(_, session)| session.session.connection()),
        };
        let connection = connection.and_then(|key| view.connection(key));
        let is_here = connection.is_some_and(|connection| !connection.is_closing());
        if view.is_draining() && !is_here {
            // A session that was not sent away yet goes on until then.
            return refused(request, view.refusal());
        }
        let arrived = Arrived {
            id: self.id,
            address: self.address,
            bytes: self.bytes,
            attempt: self.attempt,
            ticket: self.ticket,
            request,
        };
        match self.destination {
            Destination::New(permit) => arrived.begin(permit, None, view),
            Destination::Known(Target::Connection { key, .. }) if is_poll(key, view) => {
                arrived.deliver(key)
            }
            Destination::Known(Target::Connection { .. }) => refused(arrived.request, expired()),
            Destination::Known(Target::Session(place)) => match view.session(place) {
                Some((slot, session)) => arrived.continue_session(slot, session, view),
                None => refused(arrived.request, expired()),
            },
        }
    }
}

/// What a client gets whose session is over.
pub(crate) fn expired() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::SessionExpired,
        "this session is over, or not all of it is retained any more; begin a new one",
    )
}

fn refused(request: PollRequest, error: ErrorBody) -> Decision {
    request.refuse(error);
    Decision::Answered
}

fn is_poll(key: ConnKey, view: &View<'_>) -> bool {
    view.connection(key)
        .is_some_and(|connection| matches!(connection.transport, Transport::Poll(_)))
}

/// A request that may be carried out.
struct Arrived {
    id: SessionId,
    address: IpAddr,
    bytes: usize,
    attempt: Option<u32>,
    ticket: Option<Ticket>,
    request: PollRequest,
}

impl Arrived {
    /// It is for this connection.
    fn deliver(self, key: ConnKey) -> Decision {
        Decision::Deliver(key, self.into())
    }

    /// It begins a connection, whose client has not identified or resumes.
    fn begin(self, permit: Permit, resume: Option<Resume>, view: &View<'_>) -> Decision {
        let is_new = resume.is_none();
        let connection = Poll::connection(self.id, permit, view.now_ms);
        Beginning {
            resume,
            request: Some(self.into()),
            ..Beginning::new(connection, Insertion::Poll { is_new })
        }
        .into()
    }

    /// It is for the poll of a session; one that takes the session over from
    /// another connection, or goes on with it where it has none.
    fn continue_session(
        self,
        slot: SessionSlot,
        session: &SessionEntry,
        view: &View<'_>,
    ) -> Decision {
        let (received, batch) = (self.request.received, self.request.batch);
        if session.session.is_late(self.attempt) {
            // One that wants the session back cannot have it; the others may belong to a
            // client that had it until now.
            if received.is_some() {
                return refused(self.request, expired());
            }
            self.request.close(CloseReason::Replaced);
            return Decision::Answered;
        }
        // A takeover is carried out once, like everything that is numbered.
        let is_again = |answered: Option<&Answered>| {
            answered.is_some_and(|answered| answered.is_to(batch, received))
        };
        if let Some(key) = session.session.connection() {
            match view.connection(key).map(|connection| &connection.transport) {
                Some(Transport::Poll(poll)) if received.is_none() || is_again(poll.answered()) => {
                    return self.deliver(key);
                }
                Some(Transport::Poll(_)) => {}
                // The session goes on over another transport, whose client has it
                // now. A client that wants it back says how much it has received.
                _ if received.is_none() => {
                    self.request.close(CloseReason::Replaced);
                    return Decision::Answered;
                }
                _ => {}
            }
        }
        let from = match received {
            Some(received) if !is_again(session.answered()) => ResumeFrom::Count(received),
            _ => ResumeFrom::Unwritten,
        };
        if session.is_late(from) {
            return refused(self.request, expired());
        }
        if !session.can_resume(from) {
            return Decision::End {
                session: slot,
                reason: CloseReason::SessionExpired,
                request: Request::Poll(Box::new(self.request)),
                error: expired(),
            };
        }
        let permit = match view.admit(self.address) {
            Ok(permit) => permit,
            Err(error) => return refused(self.request, error),
        };
        let resume = Resume {
            session: self.id,
            from,
            attempt: self.attempt,
            id: self.request.resume_id.clone(),
        };
        self.begin(permit, Some(resume), view)
    }
}

impl From<Arrived> for Delivery {
    fn from(arrived: Arrived) -> Self {
        Self {
            request: Request::Poll(Box::new(arrived.request)),
            bytes: Some(arrived.bytes),
            ticket: arrived.ticket,
            from: Some(arrived.address),
        }
    }
}
