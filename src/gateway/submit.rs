//! What clients send in HTTP requests of their own, beside the connection that
//! carries their session.
//!
//! A request may come in on any worker; it is handed to the one that has the
//! connection or the session, which may have no connection at that moment.

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::peers::Target;
use crate::gateway::session::SessionEntry;
use crate::gateway::transport::{Dispatch, Hooks, Request};
use crate::gateway::work::Command;
use turntable_core::id::{SessionId, UserId};
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::limit::Limit;
use turntable_core::packet::{ErrorBody, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_core::session::Session;

/// What a client sends beside its connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// The id of the session.
    pub session: SessionId,
    /// The session, or the connection of a client that has not identified.
    pub target: Target,
    /// Users that its own has to be; else nothing is taken.
    pub users: Vec<UserId>,
    /// What it sends.
    pub commands: Vec<Command>,
    /// Length of that, in bytes.
    pub bytes: usize,
    /// Where it belongs among what the client sends.
    pub sequence: Sequence,
    /// Receives the outcome.
    pub taken: TakenSender,
}

/// Where something belongs among what a client sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sequence {
    /// Its number among what the client sent and the session counts, from 1 over
    /// the session's life. What was taken before is not taken again; `None` is
    /// taken whenever it comes.
    pub number: Option<u64>,
    /// Which attempt of the client to have its session it belongs to, where it counts them.
    pub attempt: Option<u32>,
}

impl Sequence {
    /// Whether it is next at a session.
    ///
    /// # Errors
    /// `Gone` where a later attempt has the session: its commands have no numbers, or
    /// these. `Yes` where it was taken before, `Gap` where something before it is missing.
    fn check(self, session: &Session<Frame>) -> Result<(), Taken> {
        if session.is_late(self.attempt) {
            return Err(Taken::Gone);
        }
        check_number(self.number, session.accepted())
    }
}

/// Whom a request is answered by.
#[derive(Debug)]
pub struct TakenSender(pub oneshot::Sender<Taken>);

impl TakenSender {
    /// Answers.
    pub(crate) fn answer(self, taken: Taken) {
        // The client may have gone meanwhile.
        let _ = self.0.send(taken);
    }
}

/// What became of what a client sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It was taken.
    Yes,
    /// There is no such connection and no such session.
    Gone,
    /// As much waits for the identification, or for its turn, as may.
    Full,
    /// It names another user than its own; nothing was taken.
    Foreign,
    /// It is numbered and comes before the `welcome`, from which sessions count.
    Unidentified,
    /// There was too much of its kind.
    TooOften(Box<ErrorBody>),
    /// Commands before it are missing; the session has taken so many.
    Gap(u64),
}

/// Data for one session, from the client of another. It goes by the sender's worker,
/// where it is charged like something published.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DirectSend {
    /// The sender, until it was charged.
    pub from: Option<Target>,
    /// The receiver.
    pub to: Target,
    /// The function that it calls at the receiver's client; there is no answer.
    pub function: &'static str,
    /// The data.
    pub data: Payload,
    /// Where it belongs among what its sender sends.
    pub sequence: Sequence,
    /// Receives the outcome.
    pub taken: TakenSender,
}

impl Handler<Submit> for Gateway {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Context<Self>) {
        self.handled(ctx);
        if self.saving.has_no_intake {
            // Its request is answered that the server stops (`Admission::dropped`).
            return;
        }
        // Writing waits for the end of a burst, as behind what sockets bring.
        self.lists.was_read = true;
        match self.target_now(&submit) {
            Target::Connection { .. } if submit.sequence.number.is_some() => {
                submit.taken.answer(Taken::Unidentified);
            }
            Target::Connection { .. } if !submit.users.is_empty() => {
                submit.taken.answer(Taken::Foreign);
            }
            Target::Connection { key, .. } => {
                let (commands, taken) = (submit.commands, submit.taken);
                self.with(key, |connection, cx| {
                    if !connection.is_closing() {
                        let request = Request::Commands { commands, taken };
                        Dispatch::on_request(connection, request, cx);
                    }
                });
            }
            Target::Session(place) => match self.sessions.at_place(place) {
                Some(session) => self.take_commands(session, submit),
                None => submit.taken.answer(Taken::Gone),
            },
        }
        self.run();
    }
}

impl Handler<DirectSend> for Gateway {
    type Result = ();

    fn handle(&mut self, mut send: DirectSend, ctx: &mut Context<Self>) {
        self.handled(ctx);
        if self.saving.has_no_intake && send.from.is_some() {
            return;
        }
        if let Some(from) = send.from.take() {
            let bytes = send.data.as_json().len();
            if let Err(taken) = self.charge_direct_send(from, send.sequence, bytes) {
                return send.taken.answer(taken);
            }
            let sender = self.session_of(from);
            let is_queued = |entry: &SessionEntry| entry.queue.is_some();
            if let Some(sender) = sender
                && self.sessions.get(sender).is_some_and(is_queued)
            {
                return self.queue_direct(sender, Box::new(send));
            }
        }
        self.send_direct_on(send);
        self.run();
    }
}

impl Gateway {
    /// Sends data to the session that it is for, or to the gateway that has it.
    pub(crate) fn send_direct_on(&mut self, send: DirectSend) {
        if send.to.worker() != self.id.worker {
            if let Some(gateway) = self.shared.peers.gateway_of(send.to) {
                gateway.do_send(send);
            }
            return;
        }
        let Some(session) = self.session_of(send.to) else {
            return send.taken.answer(Taken::Gone);
        };
        let packet = ServerPacket::Call {
            f: send.function.into(),
            args: Some(send.data),
            user: None,
            key: None,
        };
        self.send(session, &packet, None);
        send.taken.answer(Taken::Yes);
    }

    /// Where a request belongs now: since it was sent, the client may have
    /// identified, and another connection may carry the session.
    fn target_now(&self, submit: &Submit) -> Target {
        let session = match submit.target {
            Target::Connection { key, .. } if !self.is_open(key) => {
                self.session_here(submit.session)
            }
            _ => None,
        };
        session.map_or(submit.target, |session| {
            Target::Session(self.sessions.place(session))
        })
    }

    /// Whether a connection is here and does not close.
    fn is_open(&self, key: ConnKey) -> bool {
        self.connections
            .get(key)
            .is_some_and(|connection| !connection.is_closing())
    }

    fn session_of(&self, target: Target) -> Option<SessionSlot> {
        match target {
            Target::Session(place) => self.sessions.at_place(place),
            Target::Connection { .. } => None,
        }
    }

    /// Counts and charges a direct send at its sender.
    fn charge_direct_send(
        &mut self,
        from: Target,
        sequence: Sequence,
        bytes: usize,
    ) -> Result<(), Taken> {
        let session = self.session_of(from);
        let entry = session.and_then(|session| self.sessions.get_mut(session));
        let entry = entry.ok_or(Taken::Gone)?;
        sequence.check(&entry.session)?;
        let queue = entry.queue.as_ref();
        if queue.is_some_and(|queue| !queue.has_room(0, bytes)) {
            return Err(Taken::Full);
        }
        entry.session.count(None);
        let limits = &self.settings.limits;
        if !entry.session.charge_publish(clock::now_ms(), limits) {
            let error = ErrorBody::new(
                ErrorCode::RateLimited,
                "too much is published; see limits.publish",
            );
            self.shared.metrics.error(error.code, Some(Limit::Publish));
            return Err(Taken::TooOften(Box::new(error)));
        }
        let Some(session) = session else {
            return Ok(());
        };
        let too_often = |error| Taken::TooOften(Box::new(error));
        self.take_request_bytes(session, bytes).map_err(too_often)?;
        let published = self.take_published_bytes(session, bytes, clock::now_ms());
        published
            .inspect_err(|error| self.shared.metrics.error(error.code, error.limit))
            .map_err(too_often)
    }

    /// Takes what one entry of a request stands for; without commands it was
    /// refused before, and counts.
    fn take_commands(&mut self, session: SessionSlot, submit: Submit) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return submit.taken.answer(Taken::Gone);
        };
        if let Err(taken) = submit.sequence.check(&entry.session) {
            return submit.taken.answer(taken);
        }
        let queue = entry.queue.as_ref();
        if queue.is_some_and(|queue| !queue.has_room(submit.commands.len(), submit.bytes)) {
            return submit.taken.answer(Taken::Full);
        }
        let first = submit.commands.first();
        let packet = first.and_then(|command| command.as_ref().ok());
        entry.session.count(packet.map(|message| &message.packet));
        let user = &entry.session.user;
        if submit.users.iter().any(|named| named != user) {
            return submit.taken.answer(Taken::Foreign);
        }
        if let Err(error) = self.take_request_bytes(session, submit.bytes) {
            return submit.taken.answer(Taken::TooOften(Box::new(error)));
        }
        if submit.commands.is_empty() {
            return submit.taken.answer(Taken::Yes);
        }
        self.queue_request(session, submit.commands, (submit.taken, submit.bytes));
    }
}

/// Whether what has this number comes next.
///
/// # Errors
/// `Yes` where it was taken before, `Gap` where something before it is missing.
fn check_number(number: Option<u64>, accepted: u64) -> Result<(), Taken> {
    match number {
        Some(number) if number <= accepted => Err(Taken::Yes),
        Some(number) if number > accepted + 1 => Err(Taken::Gap(accepted)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_once_and_without_a_gap() {
        assert_eq!(check_number(None, 7), Ok(()));
        assert_eq!(check_number(Some(7), 7), Err(Taken::Yes));
        assert_eq!(check_number(Some(8), 7), Ok(()));
        assert_eq!(check_number(Some(9), 7), Err(Taken::Gap(7)));
    }
}
