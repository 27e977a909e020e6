//! Commands of a session that take turns with those of others.
//!
//! A command that names many users is carried out in parts (`subscription/listed.rs`), and an
//! HTTP request may bring many commands: others have their turns in between. What the client
//! sends behind them waits: its connection is not read on (`Cx::is_paused`), and the
//! commands of requests wait here, in order. The queue is the session's: it goes on when the
//! connection is lost or another one carries the session, and goes with the session.
//!
//! ```text
//! command of many users ──► first part ──► queue ──► next part ... ──► queue is over:
//! request ──► queue ──► 32 commands ──► queue ──► 32 commands ...      the connection goes on
//!                             (the end of the line: Gateway::continued)
//! ```

use std::collections::VecDeque;

use crate::gateway::Gateway;
use crate::gateway::intake::COMMANDS_AT_ONCE;
use crate::gateway::submit::{DirectSend, Taken, TakenSender};
use crate::gateway::subscription::listed::Listed;
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::work::{Command, Continued, Effect};
use turntable_core::key::SessionSlot;

/// Commands of requests that may wait at one session: as many as one request may bring at the
/// most.
const COMMANDS_MAX: usize = 10_000;

/// Their bytes.
const BYTES_MAX: usize = 262_144;

/// The commands of one session.
#[derive(Debug, Default)]
pub(crate) struct CommandQueue {
    /// The one that is under way.
    listed: Option<Listed>,
    /// Those behind it.
    waiting: VecDeque<Waiting>,
    /// How many of these are commands.
    commands: usize,
    /// The bytes of the requests that brought them.
    bytes: usize,
}

/// What waits for its turn.
#[derive(Debug)]
enum Waiting {
    /// A command in so many bytes; 0 where the request that brought it was charged.
    Command(Command, usize),
    /// The commands of a request of so many bytes are carried out, which is answered.
    Taken(TakenSender, usize),
    /// Data for another session, which was charged.
    Direct(Box<DirectSend>),
}

impl CommandQueue {
    /// Whether another request has room, with so many commands in so many bytes. One has,
    /// where none waits.
    pub(crate) fn has_room(&self, count: usize, bytes: usize) -> bool {
        let has_room = self.commands + count <= COMMANDS_MAX && self.bytes + bytes <= BYTES_MAX;
        self.waiting.is_empty() || has_room
    }

    fn push(&mut self, waiting: Waiting) {
        match &waiting {
            Waiting::Command(..) => self.commands += 1,
            Waiting::Taken(_, bytes) => self.bytes += bytes,
            Waiting::Direct(send) => self.bytes += send.data.as_json().len(),
        }
        self.waiting.push_back(waiting);
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        match &waiting {
            Waiting::Command(..) => self.commands -= 1,
            Waiting::Taken(_, bytes) => self.bytes -= bytes,
            Waiting::Direct(send) => self.bytes -= send.data.as_json().len(),
        }
        Some(waiting)
    }

    /// The answer that is due next, if no command is before it.
    fn take_answer(&mut self) -> Option<TakenSender> {
        if !matches!(self.waiting.front(), Some(Waiting::Taken(..))) {
            return None;
        }
        match self.pop() {
            Some(Waiting::Taken(taken, _)) => Some(taken),
            _ => None,
        }
    }

    /// Users that the session is about to watch.
    pub(crate) fn watched_later(&self) -> usize {
        self.listed.as_ref().map_or(0, Listed::watched_later)
    }
}

impl Gateway {
    /// A command of a session, which was counted: at once, or behind those that take turns.
    pub(super) fn serve_in_turn(&mut self, session: SessionSlot, command: Command, bytes: usize) {
        let entry = self.sessions.get_mut(session);
        match entry.and_then(|entry| entry.queue.as_mut()) {
            Some(queue) => queue.push(Waiting::Command(command, bytes)),
            None => self.serve(session, command, bytes),
        }
    }

    /// The commands of a request of so many bytes, which was charged and counted, take turns.
    /// Its answer is behind them.
    pub(crate) fn queue_request(
        &mut self,
        session: SessionSlot,
        commands: Vec<Command>,
        (taken, bytes): (TakenSender, usize),
    ) {
        let commands = commands.into_iter();
        let commands = commands.map(|command| Waiting::Command(command, 0));
        self.queue(session, commands.chain([Waiting::Taken(taken, bytes)]));
    }

    /// Data for another session is sent behind the commands that its sender sent before.
    pub(crate) fn queue_direct(&mut self, session: SessionSlot, send: Box<DirectSend>) {
        self.queue(session, [Waiting::Direct(send)].into_iter());
    }

    /// Commands that waited until the session's client was identified take turns, before those
    /// of later requests.
    pub(crate) fn queue_backlog(&mut self, session: SessionSlot, commands: VecDeque<Command>) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        for command in &commands {
            let message = command.as_ref().ok();
            entry.session.count(message.map(|message| &message.packet));
        }
        let commands = commands.into_iter();
        self.queue(
            session,
            commands.map(|command| Waiting::Command(command, 0)),
        );
    }

    fn queue(&mut self, session: SessionSlot, waiting: impl Iterator<Item = Waiting>) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let is_new = entry.queue.is_none();
        let queue = entry.queue.get_or_insert_default();
        waiting.for_each(|waiting| queue.push(waiting));
        if is_new {
            self.begin_turns(session);
        }
    }

    /// What is left of a command has its turn later.
    pub(crate) fn queue_listed(&mut self, session: SessionSlot, listed: Listed) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let is_new = entry.queue.is_none();
        entry.queue.get_or_insert_default().listed = Some(listed);
        if is_new {
            self.begin_turns(session);
        }
    }

    /// The commands of a session take turns from now on.
    fn begin_turns(&mut self, session: SessionSlot) {
        self.continued.push_back(Continued::Commands(session));
        self.pause_in_turn(session);
    }

    /// The connection that carries a session is not read on while commands take turns.
    pub(super) fn pause_in_turn(&mut self, session: SessionSlot) {
        let entry = self.sessions.get(session);
        let entry = entry.filter(|entry| entry.queue.is_some());
        let Some(key) = entry.and_then(|entry| entry.session.connection()) else {
            return;
        };
        self.with(key, |connection, cx| {
            if connection.session() == Some(session) {
                Dispatch::on_paused(connection, cx);
            }
        });
    }

    /// A session has its turn: for the next part of a command, or for some commands.
    pub(crate) fn take_commands_in_turn(&mut self, session: SessionSlot) {
        let entry = self.sessions.get_mut(session);
        let Some(queue) = entry.and_then(|entry| entry.queue.as_mut()) else {
            return;
        };
        match queue.listed.take() {
            Some(listed) => {
                self.take_part(session, listed);
                self.settle_share(session);
                self.push_effects([Effect::NextCommand(session, 0)]);
            }
            None => self.push_effects([Effect::NextCommand(session, COMMANDS_AT_ONCE)]),
        }
    }

    /// Takes the next command of a session, and at most so many with those behind it in this
    /// turn.
    pub(crate) fn next_command(&mut self, session: SessionSlot, count: usize) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let Some(queue) = &mut entry.queue else {
            return;
        };
        if queue.listed.is_some() || (count == 0 && !queue.waiting.is_empty()) {
            return self.continued.push_back(Continued::Commands(session));
        }
        match queue.pop() {
            Some(Waiting::Command(command, bytes)) => {
                // The last of a request may end the session, and is taken all the same.
                if let Some(taken) = queue.take_answer() {
                    taken.answer(Taken::Yes);
                }
                self.push_effects([
                    Effect::Serve(session, command, bytes),
                    Effect::NextCommand(session, count.saturating_sub(1)),
                ]);
            }
            Some(Waiting::Taken(taken, _)) => {
                taken.answer(Taken::Yes);
                self.push_effects([Effect::NextCommand(session, count)]);
            }
            Some(Waiting::Direct(send)) => {
                self.send_direct_on(*send);
                self.push_effects([Effect::NextCommand(session, count)]);
            }
            None => {
                entry.queue = None;
                self.end_turns(session);
            }
        }
    }

    /// No command of a session waits any more: its connection goes on.
    fn end_turns(&mut self, session: SessionSlot) {
        let entry = self.sessions.get(session);
        let connection = entry.and_then(|entry| entry.session.connection());
        self.push_effects(connection.map(Effect::Continue));
    }
}

#[cfg(test)]
mod tests;
