//! What a session remembers beside its outbox, so that it outlives connections over
//! which messages have no numbers, or requests have.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::gateway::delivery::frame::{Frame, Message};
use crate::gateway::session::SessionEntry;
use turntable_core::id::MessageId;

/// Unnumbered messages by whose ids a client may come back.
pub(crate) const UNNUMBERED_MAX: usize = 16;

/// From where on a client wants the messages of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeFrom {
    /// Behind so many, as `resume` counts them.
    Count(u64),
    /// Behind so many; the transport has a header that takes the place of a `welcome`.
    CountOnly(u64),
    /// Behind the message of this id.
    Message(MessageId),
    /// Everything that is retained: the client can tell which it has.
    Retained,
    /// What was never written.
    Unwritten,
}

impl ResumeFrom {
    /// Whether the client gets a `welcome` in any case.
    pub(crate) const fn is_welcomed(self) -> bool {
        matches!(self, Self::Count(_) | Self::Retained)
    }
}

/// The memory of one session.
#[derive(Debug, Default)]
pub(crate) struct TransportMemory {
    /// Unnumbered messages that were written, each with the number of the last
    /// numbered message before it; `None` where its client knows messages by number
    /// and not by id.
    pub(crate) unnumbered: Option<VecDeque<(MessageId, u64)>>,
    /// The last numbered request and its answer.
    pub(crate) answered: Option<Answered>,
}

/// A numbered HTTP request and its answer.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The request's number.
    pub(crate) batch: u64,
    /// How many messages the request had received, where it took the session
    /// over.
    pub(crate) received: Option<u64>,
    /// The answer; `None` where it was dropped to free memory.
    pub(crate) body: Option<RequestAnswer>,
}

/// The answer to a numbered HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestAnswer {
    /// A list of entries.
    pub body: Bytes,
    /// How many messages wait behind it, as it has as many bytes as one may.
    pub waiting: usize,
}

impl Answered {
    /// Drops the answer. The number stays: the request is not carried out again.
    pub(crate) fn forget(&mut self) {
        self.body = None;
    }

    /// The memory of the answer, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.as_ref().map_or(0, |answer| answer.body.len())
    }

    /// Whether it is the answer to a request of this number and state, which came
    /// again.
    pub(crate) fn is_to(&self, batch: Option<u64>, received: Option<u64>) -> bool {
        batch == Some(self.batch) && received == self.received
    }
}

impl SessionEntry {
    /// The unnumbered messages, where its client names messages by their ids.
    pub(crate) fn unnumbered(&self) -> Option<&VecDeque<(MessageId, u64)>> {
        self.memory.as_ref()?.unnumbered.as_ref()
    }

    /// From now on unnumbered messages are remembered.
    pub(crate) fn remember_unnumbered(&mut self) -> &mut VecDeque<(MessageId, u64)> {
        let memory = self.memory.get_or_insert_default();
        memory.unnumbered.get_or_insert_default()
    }

    /// Its client does not name messages by their ids any more.
    pub(crate) fn forget_unnumbered(&mut self) {
        self.is_read_alone = false;
        if let Some(memory) = &mut self.memory {
            memory.unnumbered = None;
        }
    }

    /// The last numbered request and its answer, while no connection has them.
    pub(crate) fn answered(&self) -> Option<&Answered> {
        self.memory.as_ref()?.answered.as_ref()
    }

    /// Drops the answer to the last numbered request.
    pub(crate) fn forget_answer(&mut self) {
        let memory = self.memory.as_mut();
        if let Some(answered) = memory.and_then(|memory| memory.answered.as_mut()) {
            answered.forget();
        }
    }

    fn note(&mut self, id: MessageId, number: u64) {
        let memory = self.memory.as_mut();
        if let Some(unnumbered) = memory.and_then(|memory| memory.unnumbered.as_mut()) {
            if unnumbered.len() == UNNUMBERED_MAX {
                unnumbered.pop_front();
            }
            unnumbered.push_back((id, number));
        }
    }

    /// Notes an unnumbered message, behind the messages that were sent and
    /// `begun` more.
    pub(crate) fn note_unnumbered(&mut self, message: &Message, begun: u64) {
        if self.unnumbered().is_some() {
            self.note(message.id(), self.session.outbox.sent() + begun);
        }
    }

    /// Notes that a client has received so many messages. The last of them will
    /// be forgotten, but the client may come back by its id.
    pub(crate) fn note_received(&mut self, received: u64) {
        let last = self.session.outbox.numbered_frame(received);
        if let Some(id) = last.and_then(Frame::as_message).and_then(Message::used_id) {
            self.note(id, received);
        }
    }

    /// Whether unnumbered messages were written behind this one; one of them
    /// may have been a `welcome`.
    pub(crate) fn is_unwelcomed(&self, id: MessageId) -> bool {
        let sent = self.unnumbered().into_iter().flatten().rev();
        let behind = sent.take_while(|(known, _)| *known != id).count();
        let is_known = self.unnumbered().is_some_and(|sent| behind < sent.len());
        is_known && behind > 0
    }

    /// How many messages its client has received; `None` where that is not known.
    pub(crate) fn received(&self, from: ResumeFrom) -> Option<u64> {
        let outbox = &self.session.outbox;
        match from {
            ResumeFrom::Count(received) | ResumeFrom::CountOnly(received) => Some(received),
            ResumeFrom::Retained => outbox.acknowledged(),
            ResumeFrom::Unwritten => Some(outbox.sent()),
            ResumeFrom::Message(id) => {
                let unnumbered = self.unnumbered().into_iter().flatten();
                let unnumbered = unnumbered.rev().find(|(known, _)| *known == id);
                match unnumbered {
                    Some((_, number)) => Some(*number),
                    None => {
                        outbox.find(|frame| frame.as_message().is_some_and(|known| known.is(id)))
                    }
                }
            }
        }
    }

    /// Whether the client that asks for this has received more since, over a later request:
    /// the session goes on where that one is.
    pub(crate) fn is_late(&self, from: ResumeFrom) -> bool {
        let acknowledged = self.session.outbox.acknowledged();
        let received = self.received(from);
        received.is_some_and(|received| acknowledged.is_some_and(|known| received < known))
    }

    /// Whether a client gets everything behind that point.
    pub(crate) fn can_resume(&self, from: ResumeFrom) -> bool {
        self.received(from)
            .is_some_and(|received| self.session.outbox.can_rewind(received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_to_the_same_number_and_state_only() {
        let answered = |received| Answered {
            batch: 3,
            received,
            body: None,
        };
        assert!(answered(Some(7)).is_to(Some(3), Some(7)));
        assert!(answered(None).is_to(Some(3), None));
        assert!(!answered(Some(7)).is_to(Some(3), None));
        assert!(!answered(Some(7)).is_to(Some(4), Some(7)));
        assert!(!answered(None).is_to(None, None));
    }
}
