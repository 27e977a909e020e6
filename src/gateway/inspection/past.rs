//! What happened to sessions, in order, and how those ended that are over: one list of each for
//! all sessions of a worker, so that a session to which nothing happens costs nothing. What is
//! delivered to a session is no event.

use std::net::IpAddr;
use std::sync::Arc;

use super::events::{EventLimits, Events};
use super::ring::{Measured, Ring, RingLimits};
use super::settings::InspectionSettings;
use super::shown::{ErrorReport, EventReport};
use crate::portal::operator_call::OperatorCall;
use turntable_core::delivery::Topic;
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::{CloseReason, ErrorCode};

/// Bytes of an error's message that are retained.
const MESSAGE_BYTES: usize = 200;
/// The same error within so many ms is no event of its own.
const SAME_ERROR_MS: u64 = 1_000;

/// Who or what ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its client, with `bye`.
    Client,
    /// An operator: a kick, a ban, a close.
    Operator,
    /// The portal: the credentials expired or were withdrawn.
    Portal,
    /// A newer session of its user.
    Replaced,
    /// It was not resumed in time.
    Expired,
    /// Its connection was lost, and it could not wait for another.
    Lost,
    /// More waited without a connection than may.
    Overflow,
    /// Its memory was needed.
    Memory,
    /// Its client came back, and missed more than was retained.
    Resume,
    /// The server, for another reason.
    Server,
}

impl Cause {
    /// Its name for operators.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Operator => "operator",
            Self::Portal => "portal",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Overflow => "overflow",
            Self::Memory => "memory",
            Self::Resume => "resume",
            Self::Server => "server",
        }
    }
}

/// Where a client is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Client {
    /// The transport of its connection.
    pub(crate) transport: Option<&'static str>,
    /// Its address.
    pub(crate) address: Option<IpAddr>,
}

/// A client at the end of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Peer {
    /// Where it is.
    pub(crate) client: Client,
    /// The round trip to it, in ms, where it was measured.
    pub(crate) round_trip_ms: Option<f64>,
}

/// An error that a session got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotedError {
    /// Unix ms.
    at_ms: u64,
    code: ErrorCode,
    command: Option<Box<str>>,
    /// The beginning of it.
    message: Box<str>,
    /// How often the error before this one came again, and is no event of its own.
    pub(super) repeated: u32,
}

impl NotedError {
    fn of(error: &ErrorBody, repeated: u32, at_ms: u64) -> Self {
        let end = error.message.floor_char_boundary(MESSAGE_BYTES);
        Self {
            at_ms,
            code: error.code,
            command: error.command.as_deref().map(Into::into),
            message: error.message.get(..end).unwrap_or_default().into(),
            repeated,
        }
    }

    fn is_same(&self, error: &ErrorBody) -> bool {
        self.code == error.code && self.command.as_deref() == error.command.as_deref()
    }

    /// As an operator sees it.
    pub(super) fn report(&self) -> ErrorReport {
        ErrorReport {
            at_ms: self.at_ms,
            code: self.code.name(),
            command: self.command.clone(),
            message: self.message.clone(),
        }
    }
}

/// What a session is remembered by once something went wrong: the last error, and its
/// last connection.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The last error.
    pub(super) error: Option<NotedError>,
    /// How often it came again since it was an event.
    repeated: u32,
    /// All errors.
    pub(super) errors: u64,
    /// The connection that it lost last.
    pub(super) peer: Peer,
    /// Why the server closed that; `None` where it was lost.
    pub(super) close: Option<CloseReason>,
}

impl Notes {
    /// The last error, as an operator sees it.
    pub(super) fn last_error(&self) -> Option<ErrorReport> {
        self.error.as_ref().map(NotedError::report)
    }

    /// Notes an error. Returns it where it is an event.
    pub(super) fn note(&mut self, error: &ErrorBody, now_ms: u64) -> Option<NotedError> {
        self.errors += 1;
        if let Some(last) = &self.error
            && last.is_same(error)
            && now_ms.saturating_sub(last.at_ms) < SAME_ERROR_MS
        {
            self.repeated = self.repeated.saturating_add(1);
            return None;
        }
        let noted = NotedError::of(error, std::mem::take(&mut self.repeated), now_ms);
        self.error = Some(noted.clone());
        Some(noted)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    /// It began.
    Began(Client),
    /// A connection carries it again.
    Resumed(Client),
    /// It lost its connection: the server closed that for a reason, or it was lost.
    Dropped(Option<CloseReason>),
    /// It is on a topic from then on.
    Joined(Topic),
    /// It is not on a topic any more.
    Left(Topic),
    /// Its client got an error.
    Error(Box<NotedError>),
    /// It ended, by a call of an operator if one did it.
    Ended(Cause, Option<CloseReason>, Option<Arc<OperatorCall>>),
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Unix ms.
    pub(super) at_ms: u64,
    pub(super) session: SessionKey,
    pub(super) happening: Happening,
}

impl Measured for Event {
    fn heap_bytes(&self) -> usize {
        match &self.happening {
            // Its text is shared with the session; it may outlive that here.
            Happening::Joined(topic) | Happening::Left(topic) => path(topic).len(),
            Happening::Error(error) => {
                let command = error.command.as_ref().map_or(0, |command| command.len());
                size_of::<NotedError>() + error.message.len() + command
            }
            Happening::Ended(_, _, Some(call)) => call.text_bytes(),
            _ => 0,
        }
    }
}

fn path(topic: &Topic) -> &str {
    match topic {
        Topic::Room(path) | Topic::Channel(path) | Topic::Below(path) => path.as_str(),
    }
}

/// A session that is over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EndedSession {
    /// Unix ms.
    pub(super) at_ms: u64,
    pub(super) session: SessionKey,
    pub(super) user: UserId,
    pub(super) cause: Cause,
    /// The call of an operator that ended it.
    pub(super) operator: Option<Arc<OperatorCall>>,
    /// The close reason that its client got, or gets when it comes back.
    pub(super) close: Option<CloseReason>,
    /// Unix ms when it began.
    pub(super) since_ms: u64,
    /// Whether it had no connection at its end.
    pub(super) is_detached: bool,
    /// Its last connection.
    pub(super) peer: Peer,
    /// How it was closed, where the session had none at its end.
    pub(super) dropped: Option<CloseReason>,
    pub(super) error: Option<NotedError>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Measured for EndedSession {
    fn heap_bytes(&self) -> usize {
        let error = self.error.as_ref();
        let error = error.map_or(0, |error| {
            error.message.len() + error.command.as_ref().map_or(0, |command| command.len())
        });
        let call = self.operator.as_ref();
        self.user.as_str().len() + error + call.map_or(0, |call| call.text_bytes())
    }
}

/// The past of a worker's sessions.
#[derive(Debug, Default)]
pub(crate) struct Past {
    events: Events,
    ended: Ring<EndedSession>,
}

impl Past {
    /// Something happened to a session.
    pub(super) fn note(
        &mut self,
        session: SessionKey,
        happening: Happening,
        at_ms: u64,
        limits: &InspectionSettings,
    ) {
        let limits = EventLimits {
            events: limits.events_max,
            bytes: limits.events_bytes_max,
            of_session: limits.session_events_max,
        };
        let event = Event {
            at_ms,
            session,
            happening,
        };
        self.events.push(event, limits);
    }

    /// A session ended.
    pub(super) fn note_end(&mut self, ended: EndedSession, limits: &InspectionSettings) {
        let limits = RingLimits {
            entries: limits.ended_max,
            bytes: limits.ended_bytes_max,
        };
        self.ended.push(ended, limits);
    }

    /// What happened to a session, in order.
    pub(super) fn events_of(&self, session: SessionKey) -> Vec<EventReport> {
        self.events.of(session).map(EventReport::from).collect()
    }

    /// The sessions that ended last, the last one first: of one user where that is given, before
    /// a place of the list, and so many at the most.
    pub(super) fn ended(
        &self,
        user: Option<&UserId>,
        before: Option<EndedAt>,
        max: usize,
    ) -> Vec<EndedSession> {
        let is_wanted = |ended: &&EndedSession| {
            user.is_none_or(|user| ended.user == *user)
                && before.is_none_or(|before| ended.place() < before)
        };
        let last = self.ended.iter().rev().filter(is_wanted);
        last.take(max).cloned().collect()
    }

    /// Forgets a user.
    pub(super) fn forget(&mut self, user: &UserId) {
        let of_user = self.ended.iter().filter(|ended| ended.user == *user);
        for ended in of_user {
            self.events.forget(ended.session);
        }
        self.ended.retain(|ended| ended.user != *user);
    }
}

/// The place of a session among those that ended: when, and its number.
pub type EndedAt = (u64, u64);

impl EndedSession {
    pub(super) const fn place(&self) -> EndedAt {
        (self.at_ms, self.session.number())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMITS: InspectionSettings = InspectionSettings {
        events_max: 100,
        events_bytes_max: 100_000,
        session_events_max: 100,
        ended_max: 100,
        ended_bytes_max: 100_000,
        traces_max: 0,
        trace_bytes_max: 0,
        trace_seconds_max: 0,
    };

    fn key(number: u64) -> SessionKey {
        SessionKey::from_number(number)
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn ended(session: u64, name: &str, at_ms: u64) -> EndedSession {
        EndedSession {
            at_ms,
            session: key(session),
            user: user(name),
            cause: Cause::Client,
            operator: None,
            close: Some(CloseReason::Bye),
            since_ms: 0,
            is_detached: false,
            peer: Peer::default(),
            dropped: None,
            error: None,
            received: 0,
            sent: 0,
        }
    }

    #[test]
    fn events_of_one_session_come_in_their_order() {
        let mut past = Past::default();
        past.note(key(1), Happening::Began(Client::default()), 1, &LIMITS);
        past.note(key(2), Happening::Began(Client::default()), 2, &LIMITS);
        past.note(key(1), Happening::Dropped(None), 3, &LIMITS);
        let names = |session| {
            let events = past.events_of(key(session)).into_iter();
            events.map(|event| event.event).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["began", "dropped"]);
        assert_eq!(names(2), ["began"]);
        assert_eq!(names(3), [""; 0]);
    }

    #[test]
    fn last_ended_come_first_and_page_by_page() {
        let mut past = Past::default();
        for (session, name, at_ms) in [(3, "1:1", 10), (1, "1:2", 20), (2, "1:1", 20)] {
            past.note_end(ended(session, name, at_ms), &LIMITS);
        }
        let places = |of: Option<&UserId>, before, max| {
            let found = past.ended(of, before, max).into_iter();
            found.map(|ended| ended.place()).collect::<Vec<_>>()
        };
        assert_eq!(places(None, None, 2), [(20, 2), (20, 1)]);
        assert_eq!(places(None, Some((20, 1)), 9), [(10, 3)]);
        assert_eq!(places(Some(&user("1:1")), None, 9), [(20, 2), (10, 3)]);
    }

    #[test]
    fn error_that_comes_again_at_once_is_one_event() {
        let mut notes = Notes::default();
        let error = ErrorBody::new(ErrorCode::RateLimited, "x".repeat(300)).of("game");
        let first = notes.note(&error, 1_000).unwrap();
        assert_eq!(first.message.len(), MESSAGE_BYTES);
        assert_eq!(notes.note(&error, 1_500), None);
        assert_eq!(notes.note(&error, 1_999), None);
        let other = ErrorBody::new(ErrorCode::NotFound, "no");
        assert_eq!(notes.note(&other, 1_999).unwrap().repeated, 2);
        let again = notes.note(&error, 2_000).unwrap();
        assert_eq!((again.repeated, notes.errors), (0, 5));
    }

    #[test]
    fn erased_user_leaves_no_trace() {
        let mut past = Past::default();
        for (session, name) in [(1, "1:1"), (2, "1:2")] {
            past.note(key(session), Happening::Dropped(None), 1, &LIMITS);
            past.note_end(ended(session, name, 2), &LIMITS);
        }
        past.forget(&user("1:1"));
        assert_eq!(past.events_of(key(1)), []);
        assert_eq!(past.events_of(key(2)).len(), 1);
        assert_eq!(past.ended(None, None, 9).len(), 1);
    }
}
