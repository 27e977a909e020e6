//! HTTP requests for connections, whatever their transport.

use crate::gateway::submit::{Taken, TakenSender};
use crate::gateway::transport::engineio::request::EngineRequest;
use crate::gateway::transport::poll::{self, PollRequest};
use crate::gateway::transport::tunnel::TunnelRequest;
use crate::gateway::work::Command;
use turntable_core::packet::ErrorBody;
use turntable_wire::engineio::RequestError;

/// An HTTP request for a connection.
#[derive(Debug)]
pub(crate) enum Request {
    /// For a tunnel whose client has not identified.
    Tunnel(Box<TunnelRequest>),
    /// For a poll.
    Poll(Box<PollRequest>),
    /// For a session of Engine.IO.
    Engine(EngineRequest),
    /// Commands for a connection whose client has not identified.
    Commands {
        /// The commands, in order.
        commands: Vec<Command>,
        /// Receives whether they were taken.
        taken: TakenSender,
    },
}

impl Request {
    /// Whether a client comes with it, which metrics count as accepted.
    pub(crate) const fn brings_client(&self) -> bool {
        matches!(self, Self::Tunnel(_))
    }

    /// Answers with an error, where the transport has answers with any.
    pub(crate) fn refuse(self, error: ErrorBody) {
        match self {
            Self::Poll(request) => request.refuse(error),
            Self::Commands { taken, .. } => taken.answer(Taken::TooOften(Box::new(error))),
            Self::Engine(request) => request.refuse(RequestError::BadRequest),
            // Its socket closes.
            Self::Tunnel(_) => {}
        }
    }

    /// Answers that its connection is gone.
    pub(crate) fn gone(self) {
        match self {
            Self::Poll(request) => request.refuse(poll::accept::expired()),
            Self::Commands { taken, .. } => taken.answer(Taken::Gone),
            Self::Engine(request) => request.refuse(RequestError::UnknownSession),
            // Its socket closes.
            Self::Tunnel(_) => {}
        }
    }
}
