//! What lines keep whose door is not a plain WebSocket.
//!
//! Such a line has a name by which its requests find it, on whatever worker
//! they come in: that of the session it carries, or will.

use std::collections::VecDeque;

use crate::gateway::poll::{Answered, PollLine};
use crate::gateway::tunnel::TunnelLine;
use crate::id::{MessageId, SessionId};
use crate::wire::json_v1::DecodeError;
use crate::wire::packet::ClientMessage;

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
}
