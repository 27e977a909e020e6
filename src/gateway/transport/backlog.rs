//! Commands that came by HTTP requests and wait until the client is identified.

use std::collections::VecDeque;

use crate::gateway::transport::context::Cx;
use crate::gateway::work::{Command, Effect};

/// Commands that may wait behind an identification.
const COMMANDS_MAX: usize = 1_024;

/// The commands of one connection, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Backlog(VecDeque<Command>);

impl Backlog {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the commands of one request behind those that wait. Returns `false`
    /// where too many do.
    pub(crate) fn add(&mut self, commands: Vec<Command>) -> bool {
        // One request may bring as many as it may where none waits.
        if !self.0.is_empty() && self.0.len() + commands.len() > COMMANDS_MAX {
            return false;
        }
        self.0.extend(commands);
        true
    }

    /// Adds the commands of a request that is limited otherwise.
    pub(crate) fn extend(&mut self, commands: Vec<Command>) {
        self.0.extend(commands);
    }

    /// Leaves all commands to the session that the connection carries, where they take turns
    /// before those of later requests. Without a session the same as [`Self::leave_next`].
    pub(crate) fn leave_all(&mut self, cx: &mut Cx<'_>) {
        match &cx.session {
            None => self.leave_next(cx),
            Some(_) if self.0.is_empty() => {}
            Some((session, _)) => {
                let commands = std::mem::take(&mut self.0);
                cx.effects.push(Effect::Backlog(*session, commands));
            }
        }
    }

    /// Leaves the next command as an effect, and comes back for the rest unless
    /// that command pauses the connection.
    pub(crate) fn leave_next(&mut self, cx: &mut Cx<'_>) {
        if let Some(command) = self.0.pop_front() {
            cx.push_effect(Effect::Command(cx.key, command, 0));
            cx.push_effect(Effect::Continue(cx.key));
        }
    }
}
