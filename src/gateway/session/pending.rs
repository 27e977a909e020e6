//! Answers that a gateway awaits, of owners and of clients: one table, each with
//! a deadline.
//!
//! An owner that is lost takes its mailbox with it, and what was in it is never
//! answered. The deadline answers in its place, so no client waits for ever. What an
//! owner sends later is passed on without the `id`: a command is answered once.

mod call;
mod lookup;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::question::Responder;
use crate::gateway::session::deadlines::{Deadlines, Met};
use crate::gateway::session::life::Details;
use crate::gateway::session::share::Charged;
use crate::gateway::turn::Timer;
use turntable_core::id::UserId;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{Beginning, ClientPacket, ErrorBody, LookupEntry, RequestId};
use turntable_core::reason::ErrorCode;
use turntable_core::session::life::Input;
use turntable_core::spare::Spare;

/// The number of one awaited answer, in two halves: a whole one would make every
/// timer longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    high: u32,
    low: u32,
}

impl Ticket {
    /// The ticket of a number.
    pub(crate) const fn new(number: u64) -> Self {
        Self {
            high: (number >> 32) as u32,
            low: number as u32,
        }
    }

    /// The number, as calls carry it.
    pub(crate) const fn number(self) -> u64 {
        (self.high as u64) << 32 | self.low as u64
    }
}

/// What is awaited.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// The avatar's answer to an identification.
    Admission {
        /// The session.
        session: SessionSlot,
        /// The `id` of the command.
        id: Option<RequestId>,
    },
    /// The portal's decision about a claim.
    Check {
        /// The connection.
        connection: ConnKey,
        /// What the client begins with.
        beginning: Beginning,
        /// The `id` of the command.
        id: Option<RequestId>,
    },
    /// The portal's decision about the credentials that a session sent.
    Renewal {
        /// The session.
        session: SessionSlot,
        /// The `id` of the command.
        id: Option<RequestId>,
    },
    /// An owner's answer to a command with an `id`.
    Answer {
        /// The session.
        session: SessionSlot,
        /// The command.
        command: &'static str,
        /// Its `id`.
        id: RequestId,
        /// What it gets back where it is refused.
        taken: Charged,
    },
    /// The answer of a service to a `call`.
    Call {
        /// The session.
        session: SessionSlot,
        /// The service.
        service: Box<str>,
        /// The `id` of the command.
        id: RequestId,
    },
    /// The avatars' answers to a `lookup`.
    Lookup {
        /// The session.
        session: SessionSlot,
        /// The `id` of the command.
        id: Option<RequestId>,
        /// How many are missing.
        missing: usize,
        /// Those that came.
        found: Vec<(UserId, LookupEntry)>,
    },
    /// An owner's answer to a question from outside.
    Question {
        /// Receives the answer.
        responder: Responder,
        /// The service that is called, if it is a call.
        service: Option<Box<str>>,
    },
    /// The past of the channels below a path, for the joins of a sweep. The sweep has
    /// this ticket, and what came so far (`subscription/gather`).
    Sweep,
}

impl Awaited {
    /// An owner's answer to a command that has taken nothing.
    pub(crate) const fn answer(session: SessionSlot, command: &'static str, id: RequestId) -> Self {
        Self::Answer {
            session,
            command,
            id,
            taken: Charged::NOTHING,
        }
    }

    /// The one session that awaits it and nothing else.
    const fn session(&self) -> Option<SessionSlot> {
        match self {
            Self::Admission { session, .. }
            | Self::Renewal { session, .. }
            | Self::Answer { session, .. }
            | Self::Call { session, .. } => Some(*session),
            Self::Lookup { .. } | Self::Check { .. } | Self::Question { .. } | Self::Sweep => None,
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    awaited: FxHashMap<Ticket, Awaited>,
    /// Tickets by session, but for lookups; most sessions await one at a time.
    by_session: FxHashMap<SessionSlot, SmallVec<[Ticket; 2]>>,
    /// Of those without a deadline of their own.
    deadlines: Deadlines,
    last: u64,
}

impl Pending {
    /// Adds something that is awaited.
    pub(crate) fn add(&mut self, awaited: Awaited) -> Ticket {
        self.last += 1;
        let ticket = Ticket::new(self.last);
        if let Some(session) = awaited.session() {
            self.by_session.entry(session).or_default().push(ticket);
        }
        self.awaited.insert(ticket, awaited);
        ticket
    }

    /// What is awaited.
    fn get(&self, ticket: Ticket) -> Option<&Awaited> {
        self.awaited.get(&ticket)
    }

    /// Whether an answer of this ticket is awaited.
    pub(crate) fn is_awaited(&self, ticket: Ticket) -> bool {
        self.awaited.contains_key(&ticket)
    }

    /// Of everything that is awaited.
    #[cfg(test)]
    pub(crate) fn tickets(&self) -> Vec<Ticket> {
        self.awaited.keys().copied().collect()
    }

    /// Those whose time has come, but for those with deadlines of their own.
    #[cfg(test)]
    pub(crate) fn late(&mut self, now_ms: u64) -> Vec<Ticket> {
        std::iter::from_fn(|| self.deadlines.late(now_ms)).collect()
    }

    /// Takes something out; it came, or is awaited no more.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Awaited> {
        let awaited = self.awaited.remove(&ticket)?;
        if let Some(session) = awaited.session()
            && let Some(tickets) = self.by_session.get_mut(&session)
        {
            tickets.retain(|known| *known != ticket);
            if tickets.is_empty() {
                self.by_session.remove(&session);
            }
        }
        self.give_back();
        Some(awaited)
    }

    /// Forgets the deadlines of what came, and gives back what a burst took.
    fn give_back(&mut self) {
        let awaited = &self.awaited;
        self.deadlines.trim(|ticket| awaited.contains_key(&ticket));
        self.awaited.give_back();
        self.by_session.give_back();
    }

    /// Whether a question of this number is open.
    fn is_question(&self, ticket: u64) -> bool {
        let awaited = self.awaited.get(&Ticket::new(ticket));
        matches!(awaited, Some(Awaited::Question { .. }))
    }

    /// Takes out a question that is answered.
    pub(crate) fn take_question(&mut self, ticket: u64) -> Option<Responder> {
        if !self.is_question(ticket) {
            return None;
        }
        match self.remove(Ticket::new(ticket)) {
            Some(Awaited::Question { responder, .. }) => Some(responder),
            _ => None,
        }
    }

    fn remove_where(
        &mut self,
        session: SessionSlot,
        is: impl Fn(&Awaited) -> bool,
    ) -> Option<Awaited> {
        let mut tickets = self.by_session.get(&session).into_iter().flatten();
        let ticket = tickets.find(|ticket| self.awaited.get(*ticket).is_some_and(&is));
        self.remove(*ticket?)
    }

    /// The avatar answered a session's identification. Returns whether that was awaited.
    pub(crate) fn admitted(&mut self, session: SessionSlot) -> bool {
        self.remove_where(session, |awaited| {
            matches!(awaited, Awaited::Admission { .. })
        })
        .is_some()
    }

    /// The `id` of an answer, unless its command was answered already: the answer came
    /// later than its deadline.
    pub(crate) fn first_answer(
        &mut self,
        session: SessionSlot,
        id: Option<RequestId>,
    ) -> Option<RequestId> {
        id.filter(|id| self.answered(session, id).is_some())
    }

    /// A session's command of this name and `id` was refused. Returns what it gets back; `None`
    /// where no answer was awaited.
    pub(crate) fn refused(
        &mut self,
        session: SessionSlot,
        id: &RequestId,
        name: Option<&str>,
    ) -> Option<Charged> {
        let name = name?;
        let is_of = |awaited: &Awaited| matches!(awaited, Awaited::Answer { id: known, command, .. } if known == id && *command == name);
        match self.remove_where(session, is_of)? {
            Awaited::Answer { taken, .. } => Some(taken),
            _ => None,
        }
    }

    /// A session's command of this `id` was answered. Returns what it has taken; `None` where no
    /// answer was awaited.
    pub(crate) fn answered(&mut self, session: SessionSlot, id: &RequestId) -> Option<Charged> {
        let is_of =
            |awaited: &Awaited| matches!(awaited, Awaited::Answer { id: known, .. } if known == id);
        match self.remove_where(session, is_of)? {
            Awaited::Answer { taken, .. } => Some(taken),
            _ => None,
        }
    }

    /// A session sends another command of this `id`. Returns whether one is awaited; none of them
    /// gets anything back then.
    fn charges_again(&mut self, session: SessionSlot, id: &RequestId) -> bool {
        let mut is_again = false;
        for ticket in self.by_session.get(&session).into_iter().flatten() {
            if let Some(Awaited::Answer {
                id: known, taken, ..
            }) = self.awaited.get_mut(ticket)
                && known == id
            {
                *taken = Charged::NOTHING;
                is_again = true;
            }
        }
        is_again
    }

    /// Takes out a session's command of this `id`, which is answered. Returns its name.
    pub(crate) fn take_command(
        &mut self,
        session: SessionSlot,
        id: &RequestId,
    ) -> Option<&'static str> {
        let is_of = |(_, known): &(&str, &RequestId)| *known == id;
        let name = self.commands(session).find(is_of).map(|(name, _)| name)?;
        let is_awaited = match name {
            "call" => self.call_answered(session, id),
            _ => self.answered(session, id).is_some(),
        };
        is_awaited.then_some(name)
    }

    /// One user of a lookup is known. Returns the lookup when it is complete.
    pub(crate) fn found(
        &mut self,
        ticket: u64,
        user: UserId,
        entry: LookupEntry,
    ) -> Option<Awaited> {
        let ticket = Ticket::new(ticket);
        let Some(Awaited::Lookup { missing, found, .. }) = self.awaited.get_mut(&ticket) else {
            return None;
        };
        found.push((user, entry));
        *missing = missing.saturating_sub(1);
        (*missing == 0).then(|| self.remove(ticket)).flatten()
    }

    /// The commands of a session that owners have not answered, with their ids.
    pub(crate) fn commands(
        &self,
        session: SessionSlot,
    ) -> impl Iterator<Item = (&'static str, &RequestId)> {
        let tickets = self.by_session.get(&session).into_iter().flatten();
        tickets.filter_map(|ticket| match self.awaited.get(ticket)? {
            Awaited::Answer { command, id, .. } => Some((*command, id)),
            Awaited::Call { id, .. } => Some(("call", id)),
            Awaited::Renewal { id, .. } => Some(("authenticate", id.as_ref()?)),
            Awaited::Admission { .. }
            | Awaited::Lookup { .. }
            | Awaited::Check { .. }
            | Awaited::Question { .. }
            | Awaited::Sweep => None,
        })
    }

    /// Whether the portal decides about credentials of a session now.
    pub(crate) fn is_renewing(&self, session: SessionSlot) -> bool {
        let tickets = self.by_session.get(&session).into_iter().flatten();
        tickets
            .filter_map(|ticket| self.awaited.get(ticket))
            .any(|awaited| matches!(awaited, Awaited::Renewal { .. }))
    }

    /// A session is over: its answers are awaited no more.
    pub(crate) fn forget(&mut self, session: SessionSlot) {
        for ticket in self.by_session.remove(&session).into_iter().flatten() {
            self.awaited.remove(&ticket);
        }
        self.give_back();
    }
}

impl Gateway {
    /// Awaits something until the deadline.
    pub(crate) fn await_answer(&mut self, awaited: Awaited) -> Ticket {
        self.await_after(awaited, 0)
    }

    /// Awaits something that has a deadline of its own, `own_ms` from now, and is given up
    /// later than that.
    pub(crate) fn await_after(&mut self, awaited: Awaited, own_ms: u64) -> Ticket {
        let ticket = self.pending.add(awaited);
        let at_ms = clock::now_ms() + own_ms + self.settings.session.answer_timeout_ms;
        let met = match own_ms {
            0 => self.pending.deadlines.add(at_ms, ticket),
            _ => Met::Alone,
        };
        match met {
            Met::InTurn => {}
            Met::ByTimer => self.wheel.set(at_ms, Timer::Answers),
            Met::Alone => self.wheel.set(at_ms, Timer::Answer(ticket)),
        }
        ticket
    }

    /// Awaits an owner's answer to a command, where one is due. Where it is a refusal, the
    /// command gets back what it has taken.
    pub(crate) fn await_owner(
        &mut self,
        session: SessionSlot,
        packet: &ClientPacket,
        id: Option<&RequestId>,
        taken: Charged,
    ) {
        if let Some(id) = id.filter(|_| packet.is_answered_by_owner()) {
            // Nobody knows which of two commands an answer is for.
            let taken = match self.pending.charges_again(session, id) {
                true => Charged::NOTHING,
                false => taken,
            };
            self.await_answer(Awaited::Answer {
                session,
                command: packet.name(),
                id: id.clone(),
                taken,
            });
        }
    }

    /// Answers that wait equally long may not have come in time.
    pub(crate) fn answers_are_due(&mut self, now_ms: u64) {
        while let Some(ticket) = self.pending.deadlines.late(now_ms) {
            self.answer_is_late(ticket);
        }
        if let Some(at_ms) = self.pending.deadlines.next() {
            self.wheel.set(at_ms, Timer::Answers);
        }
    }

    /// An answer did not come in time.
    pub(crate) fn answer_is_late(&mut self, ticket: Ticket) {
        let error = ErrorBody::new(
            ErrorCode::Unavailable,
            "the server did not answer in time; it may have carried the command out or not",
        );
        if let Some(Awaited::Check { .. }) = self.pending.get(ticket) {
            return self.checked_too_late(ticket, error);
        }
        match self.pending.remove(ticket) {
            Some(Awaited::Admission { session, id }) => {
                let details = Details {
                    id,
                    error: Some(Box::new(error.of("idme"))),
                    ..Details::default()
                };
                self.step(session, Input::Refused, details);
            }
            Some(Awaited::Answer {
                session,
                command,
                id,
                ..
            }) => {
                if let Some(entry) = self.sessions.get_mut(session) {
                    entry.subscribed.retain(|waiting| *waiting != id);
                }
                self.send_error(session, error.of(command), Some(id));
            }
            Some(Awaited::Renewal { session, id }) => {
                self.send_error(session, error.of("authenticate"), id);
            }
            Some(Awaited::Call { session, id, .. }) => {
                self.send_error(session, error.of("call"), Some(id));
            }
            Some(Awaited::Lookup { session, id, .. }) => {
                self.send_error(session, error.of("lookup"), id);
            }
            Some(Awaited::Question { responder, .. }) => responder.answer(Err(error)),
            Some(Awaited::Sweep) => self.finish_gather(ticket.number()),
            Some(Awaited::Check { .. }) | None => {}
        }
    }
}

#[cfg(test)]
mod tests;
