//! What lines keep whose door is not a plain WebSocket.
//!
//! Such a line has a name by which its requests find it, on whatever worker
//! they come in: that of the session it carries, or will.

use std::collections::VecDeque;

use crate::gateway::engineio::EngineLine;
use crate::gateway::engineio::namespace::NamespaceLine;
use crate::gateway::poll::{Answered, PollLine};
use crate::gateway::slots::Key;
use crate::gateway::tunnel::TunnelLine;
use turntable_core::id::{MessageId, SessionId};
use turntable_core::packet::ClientMessage;
use turntable_wire::json_v1::DecodeError;

/// A command as a door hands it over.
pub type Command = Result<ClientMessage, DecodeError>;

/// Commands that may wait while a line is being identified.
pub const BACKLOG_MAX: usize = 1_024;

/// What such a line keeps.
#[derive(Debug)]
pub struct DoorLine {
    /// Its name.
    pub id: SessionId,
    /// Commands that wait while the line is being identified.
    pub backlog: VecDeque<Command>,
    /// What its door keeps.
    pub kind: DoorKind,
}

/// What a door keeps of a line.
#[derive(Debug)]
pub enum DoorKind {
    /// A tunnel.
    Tunnel(TunnelLine),
    /// A poll.
    Poll(PollLine),
    /// An Engine.IO session, which carries namespaces.
    Engine(Box<EngineLine>),
    /// A WebSocket that such a session may move to.
    Probe(Key),
    /// A namespace of Socket.IO, on an Engine.IO session.
    Namespace(NamespaceLine),
}

/// What a session that came over such a door keeps, with or without a line.
#[derive(Debug, Default)]
pub struct DoorMemory {
    /// The unnumbered datagrams that went out on its tunnel, and how many
    /// numbered ones went before each; `None` where it has no tunnel.
    pub datagrams: Option<VecDeque<(MessageId, u64)>>,
    /// The last numbered request of a poll, while it has no line.
    pub answered: Option<Answered>,
}

impl DoorKind {
    /// The door's name for an operator.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tunnel(_) => "tunnel",
            Self::Poll(_) => "poll",
            Self::Engine(_) | Self::Probe(_) => "engineio",
            Self::Namespace(_) => "socketio",
        }
    }
}

impl DoorLine {
    /// What a line named `id` keeps.
    #[must_use]
    pub fn new(id: SessionId, kind: DoorKind) -> Self {
        Self {
            id,
            backlog: VecDeque::new(),
            kind,
        }
    }

    /// Whether its socket, where it has one, brings WebSocket frames.
    #[must_use]
    pub fn has_frames(&self) -> bool {
        matches!(self.kind, DoorKind::Engine(_) | DoorKind::Probe(_))
    }

    /// Whether what it brings has to wait.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        matches!(&self.kind, DoorKind::Engine(engine) if engine.is_paused())
    }

    /// Whether it is a connection of its own, not one on another line.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(self.kind, DoorKind::Namespace(_))
    }
}
