//! The value that a session and what its gateway stores with it become.

use serde::{Deserialize, Serialize};

use crate::gateway::service::ProvidingExport;
use crate::gateway::session::memory::{Answered, RequestAnswer, UNNUMBERED_MAX};
use turntable_core::backup::Backup;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::{Presence, RequestId};
use turntable_core::session::export::{ImportError, ImportLimits, SessionExport};

/// Requests of one session that may wait for an answer.
const REQUESTS_MAX: usize = 4_096;

/// A session and what its gateway stores with it, as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryExport {
    /// The session.
    pub session: SessionExport,
    /// The rooms that admitted it.
    pub rooms: Vec<ChannelId>,
    /// What its owners want back, should they be lost.
    pub backups: Vec<Backup>,
    /// The last reported state of each user that it watches, in their order.
    pub states: Vec<Option<Presence>>,
    /// Watched users whose changed state was not sent yet.
    pub changed: Vec<UserId>,
    /// Requests that are answered behind the next snapshot.
    pub subscribed: Vec<RequestId>,
    /// Whether its client was sent the warnings of the portal.
    pub is_warned: bool,
    /// Commands that owners have not answered, with their ids.
    pub awaited: Vec<(Box<str>, RequestId)>,
    /// Calls that services have not answered: the owners of those, and the ids.
    pub calls: Vec<(Box<str>, RequestId)>,
    /// What it provides, and the calls that it has.
    pub providing: Option<ProvidingExport>,
    /// Ids of messages that may have been sent, each with the place of the message
    /// among those of the session's outbox.
    pub ids: Vec<(u64, u128)>,
    /// Unnumbered messages by whose ids its client may come back, each with the
    /// number of the last message before it; `None` where it does not name messages.
    pub unnumbered: Option<Vec<(u128, u64)>>,
    /// The last numbered request and its answer.
    pub answered: Option<AnsweredExport>,
}

/// A numbered request and its answer, as a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredExport {
    /// The request's number.
    pub batch: u64,
    /// How many messages the request had received, where it took the session
    /// over.
    pub received: Option<u64>,
    /// The answer, unless it was dropped.
    pub body: Option<Box<str>>,
    /// How many messages waited behind it.
    pub waiting: u64,
}

impl EntryExport {
    /// Whether what is beside the session is within the limits.
    pub(super) fn check(&self, limits: &ImportLimits) -> Result<(), ImportError> {
        let (watching, messages) = (&self.session.watching, &self.session.outbox.messages);
        let unnumbered = self.unnumbered.as_ref().map_or(0, Vec::len);
        let counts = [
            ("states", self.states.len(), watching.len()),
            ("changed users", self.changed.len(), limits.watching_max),
            ("requests", self.subscribed.len(), REQUESTS_MAX),
            ("requests", self.awaited.len(), REQUESTS_MAX),
            ("calls", self.calls.len(), REQUESTS_MAX),
            ("rooms", self.rooms.len(), limits.rooms_max),
            (
                "backups",
                self.backups.len(),
                limits.rooms_max.saturating_add(1),
            ),
            ("ids of messages", self.ids.len(), messages.len()),
            ("unnumbered messages", unnumbered, UNNUMBERED_MAX),
        ];
        if let Some((name, ..)) = counts.iter().find(|(_, count, max)| count > max) {
            return Err(ImportError::TooMany(name));
        }
        if self.states.len() != watching.len() {
            return Err(ImportError::Number);
        }
        let answer = self.answered.as_ref().and_then(|known| known.body.as_ref());
        let answer_bytes = answer.map_or(0, |body| body.len());
        // An entry is a little longer than the message in it.
        let answer_bytes_max = limits.waiting_bytes_max.saturating_mul(2);
        (answer_bytes <= answer_bytes_max)
            .then_some(())
            .ok_or(ImportError::TooLarge)
    }
}

impl AnsweredExport {
    /// The value of a request and its answer.
    pub(super) fn of(answered: &Answered) -> Option<Self> {
        Some(Self {
            batch: answered.batch,
            received: answered.received,
            body: match &answered.body {
                Some(answer) => Some(std::str::from_utf8(&answer.body).ok()?.into()),
                None => None,
            },
            waiting: answered
                .body
                .as_ref()
                .map_or(0, |answer| answer.waiting as u64),
        })
    }

    /// The request and its answer.
    pub(super) fn into_answered(self) -> Answered {
        Answered {
            batch: self.batch,
            received: self.received,
            body: self.body.map(|body| RequestAnswer {
                body: String::from(body).into(),
                waiting: self.waiting as usize,
            }),
        }
    }
}
