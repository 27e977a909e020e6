//! What lines keep whose door is not a plain WebSocket.
//!
//! Such a line has a name by which its requests find it, on whatever worker
//! they come in: that of the session it carries, or will.

use std::collections::VecDeque;

use crate::gateway::poll::PollLine;
use crate::gateway::tunnel::TunnelLine;
use crate::id::SessionId;
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
