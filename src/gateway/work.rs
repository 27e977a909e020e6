//! What has to happen next: effects of hooks and of sessions, carried out one at
//! a time.
//!
//! Nothing runs inside something else: a hook, or a step of a session, changes
//! what is its own and leaves effects. The gateway takes one effect, carries it
//! out, and what that leaves comes before the effects that were left earlier, so
//! everything that follows from one thing happens before the next thing.
//!
//! Reading on (`Continue`) comes last: what a client sent behind a command takes
//! effect when everything that follows from that command is done. Where the commands of this
//! turn have made as much work as they may (`intake.rs`), it comes in the next turn, and so do
//! commands of a session that take turns (`session/command_queue.rs`).

use std::collections::VecDeque;
use std::rc::Rc;

use crate::gateway::Gateway;
use crate::gateway::accept::Resume;
use crate::gateway::connection::Connection;
use crate::gateway::connection::io::Io;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::intake::USERS_AT_ONCE;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::{Dispatch, Hooks, TransportTimer};
use crate::gateway::turn::Timer;
use turntable_core::id::{SessionId, UserId};
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{Beginning, ClientMessage, ClientPacket, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::CloseReason;
use turntable_core::session::life;
use turntable_wire::json_v1::DecodeError;

/// A command that came, or what was wrong with it.
pub type Command = Result<ClientMessage, DecodeError>;

/// Whether what is behind a command has to wait for its outcome.
pub(crate) const fn is_identification(command: &Command) -> bool {
    match command {
        Ok(message) => matches!(
            message.packet,
            ClientPacket::IdMe { .. } | ClientPacket::Resume { .. }
        ),
        Err(_) => false,
    }
}

/// Whether a command is so much work that what is behind it waits.
pub(crate) fn is_much(command: &Command) -> bool {
    match command.as_ref().map(|message| &message.packet) {
        Ok(
            ClientPacket::Subscribe(users)
            | ClientPacket::Unsubscribe(users)
            | ClientPacket::Lookup(users),
        ) => users.len() > USERS_AT_ONCE,
        Ok(ClientPacket::Block { add, remove }) => add.len() + remove.len() > USERS_AT_ONCE,
        _ => false,
    }
}

/// What goes on once nothing else has to happen, in this turn or in a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continued {
    /// A connection takes what waits.
    Connection(ConnKey),
    /// The commands of a session that take turns with those of others.
    Commands(SessionSlot),
    /// Users that sessions watched which ended (`subscription/unwatching.rs`).
    Unwatching,
}

/// Something that has to happen.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A command of a connection's client, in so many bytes; 0 where the request that
    /// brought it was charged.
    Command(ConnKey, Command, usize),
    /// A command of a session's client, in so many bytes: its turn has come.
    Serve(SessionSlot, Command, usize),
    /// The next command of a session whose commands take turns, and so many less one behind it
    /// in this one.
    NextCommand(SessionSlot, usize),
    /// Commands that waited until the session's client was identified.
    Backlog(SessionSlot, VecDeque<Command>),
    /// The connection may take what waits, unless it is paused. Carried out when
    /// no other effect is left, in this turn or in a later one.
    Continue(ConnKey),
    /// A client that identified when it connected.
    Identify {
        /// The connection.
        connection: ConnKey,
        /// Who it claims to be.
        user: Option<UserId>,
        /// What proves it.
        credentials: Option<Payload>,
    },
    /// A client wants its session.
    Resume(ConnKey, Resume),
    /// A client wants its session, or else identifies in another way.
    Recover {
        /// The connection.
        connection: ConnKey,
        /// The session.
        session: SessionId,
        /// From where on.
        from: ResumeFrom,
        /// Where it cannot be: a notice to the connection.
        otherwise: Notice,
    },
    /// A request of the connection's client was answered.
    Answered(ConnKey, RequestId),
    /// A message to another connection of the same transport.
    Notice(ConnKey, Notice),
    /// A timer of a connection, for this Unix ms.
    Arm(ConnKey, TransportTimer, u64),
    /// Writes at once, before the end of the turn.
    Flush(ConnKey),
    /// Closes the connection for a reason, in its transport's way.
    Close(ConnKey, CloseReason),
    /// Queues the connection's last frame.
    Finish(ConnKey, Frame, CloseReason),
    /// The connection is gone, without another frame.
    Lose(ConnKey),
    /// Puts a connection into the table.
    Insert(Box<Connection>, Insertion),
    /// Gives a connection a socket.
    GiveSocket(ConnKey, Io),
    /// Another connection takes a connection's socket over, to end it.
    HandSocketOver(ConnKey, Box<Connection>, CloseReason),
    /// Ends a connection's socket, and not the connection.
    EndSocket(ConnKey),
    /// The client of a connection is about to get the answer with which it is sent away.
    Leave(ConnKey),
    /// A connection takes the place of another, whose socket it gets.
    Merge {
        /// The one that ends.
        from: ConnKey,
        /// The one that goes on.
        into: ConnKey,
    },
    /// More waited for the session's client than may, with this connection or
    /// without one.
    Overflowed(SessionSlot, Option<ConnKey>),
    /// Something of a session's life has to be done.
    Life(SessionSlot, life::Effect, Rc<Details>),
}

/// When what takes turns goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing does.
    None,
    /// In the next turn, which is due at once.
    Now,
    /// When others have got on: looked at after a moment, since their threads are not this one.
    Soon,
}

impl Gateway {
    /// Carries out everything that was left.
    pub(crate) fn run(&mut self) {
        loop {
            if let Some(effect) = self.work.pop() {
                self.carry_out(effect);
            } else if self.has_turns_left()
                && let Some(continued) = self.continued.pop_front()
            {
                self.take_turn_of(continued);
            } else {
                return;
            }
        }
    }

    /// Connections and sessions that waited for the end of a turn go on, one at least in each
    /// second turn. Returns when some wait for the next.
    pub(crate) fn go_on(&mut self) -> Next {
        if self.continued.is_empty() {
            return Next::None;
        }
        let is_crowded = self.is_crowded();
        if self.intake.goes_on(is_crowded)
            && let Some(continued) = self.continued.pop_front()
        {
            self.take_turn_of(continued);
            self.run();
        }
        match self.continued.is_empty() {
            true => Next::None,
            false if is_crowded => Next::Soon,
            false => Next::Now,
        }
    }

    /// Whether another of those that wait goes on in this turn.
    fn has_turns_left(&self) -> bool {
        !self.continued.is_empty() && !self.intake.is_spent() && !self.is_crowded()
    }

    fn take_turn_of(&mut self, continued: Continued) {
        match continued {
            Continued::Connection(key) => self.continue_connection(key),
            Continued::Commands(session) => self.take_commands_in_turn(session),
            Continued::Unwatching => self.unwatch_some(),
        }
    }

    /// Leaves effects, which are carried out in their order and before those
    /// that were left earlier.
    pub(crate) fn push_effects(&mut self, effects: impl IntoIterator<Item = Effect>) {
        let at = self.work.len();
        self.work.extend(effects);
        if let Some(new) = self.work.get_mut(at..) {
            new.reverse();
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Command(key, command, bytes) => self.command(key, command, bytes),
            Effect::Serve(session, command, bytes) => self.serve(session, command, bytes),
            Effect::NextCommand(session, count) => self.next_command(session, count),
            Effect::Backlog(session, commands) => self.queue_backlog(session, commands),
            Effect::Continue(key) => self.continued.push_back(Continued::Connection(key)),
            Effect::Identify {
                connection,
                user,
                credentials,
            } => {
                let nothing = Beginning::default();
                self.check(connection, user, credentials.as_ref(), nothing, None);
            }
            Effect::Resume(connection, resume) => self.resume(connection, resume),
            Effect::Recover {
                connection,
                session,
                from,
                otherwise,
            } => self.recover(connection, session, from, otherwise),
            Effect::Answered(key, id) => {
                self.with(key, |connection, cx| {
                    Dispatch::on_answered(connection, &id, cx);
                });
            }
            Effect::Notice(key, notice) => {
                self.with(key, |connection, cx| {
                    Dispatch::on_notice(connection, notice, cx);
                });
            }
            Effect::Arm(key, timer, at_ms) => {
                self.wheel.set(at_ms, Timer::Transport(key, timer));
            }
            Effect::Flush(key) => self.flush_connection(key),
            Effect::Close(key, reason) => {
                self.with(key, |connection, cx| {
                    if !connection.is_closing() {
                        Dispatch::close(connection, reason, cx);
                    }
                });
            }
            Effect::Finish(key, last, reason) => self.finish(key, last, reason),
            Effect::Lose(key) => self.lose(key),
            Effect::Insert(connection, insertion) => {
                self.insert(*connection, insertion);
            }
            Effect::GiveSocket(key, io) => self.give_socket(key, io),
            Effect::HandSocketOver(key, ending, reason) => {
                self.hand_socket_over(key, *ending, reason)
            }
            Effect::EndSocket(key) => self.end_socket(key),
            Effect::Leave(key) => self.answer_and_leave(key),
            Effect::Merge { from, into } => self.merge(from, into),
            Effect::Overflowed(session, connection) => self.overflowed(session, connection),
            Effect::Life(session, effect, details) => {
                self.carry_out_life(session, effect, &details)
            }
        }
    }
}
