//! A gateway notes what happens to its sessions.

use super::past::{Cause, Client, EndedSession, Happening, Peer};
use super::settings::InspectionSettings;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::session::life::Details;
use turntable_core::delivery::Topic;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::CloseReason;
use turntable_core::session::life::{Input, Life};

/// Who or what ends a session by an input, if nothing else says so, and the close reason of
/// its client.
const fn cause(input: Input) -> (Cause, Option<CloseReason>) {
    match input {
        Input::Bye => (Cause::Client, Some(CloseReason::Bye)),
        Input::End(CloseReason::Replaced) => (Cause::Replaced, Some(CloseReason::Replaced)),
        Input::End(reason) => (Cause::Server, Some(reason)),
        Input::ExpiryDue => (Cause::Expired, Some(CloseReason::SessionExpired)),
        Input::Overflowed(_) => (Cause::Overflow, Some(CloseReason::SessionExpired)),
        Input::Evicted => (Cause::Memory, Some(CloseReason::SessionExpired)),
        Input::Resume { .. } => (Cause::Resume, Some(CloseReason::SessionExpired)),
        Input::Admitted
        | Input::Refused
        | Input::Lost(_)
        | Input::LostForGood(_)
        | Input::Drain => (Cause::Lost, Some(CloseReason::SessionExpired)),
    }
}

impl Gateway {
    fn inspection(&self) -> InspectionSettings {
        let workers = self.shared.owners.shards();
        self.settings.inspection.of_worker(workers)
    }

    /// Where the client of a connection is.
    fn client(&self, connection: ConnKey) -> Client {
        let (transport, address) = self.client_of(Some(connection));
        Client { transport, address }
    }

    /// Something happened to a session.
    fn note(&mut self, session: SessionSlot, happening: Happening) {
        let entry = self.sessions.get(session);
        let connection = entry.and_then(|entry| entry.session.connection());
        self.note_at(session, happening, connection);
    }

    /// The same, with the connection that the session has, or had until now.
    fn note_at(&mut self, session: SessionSlot, happening: Happening, connection: Option<ConnKey>) {
        let began = self.beginning(session, connection);
        let limits = self.inspection();
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let key = entry.session.key;
        if let Some((began, at_ms)) = began {
            entry.has_past = true;
            self.past.note(key, began, at_ms, &limits);
        }
        self.past.note(key, happening, clock::now_ms(), &limits);
    }

    /// How and when a session began that has only this connection so far; it is an event only
    /// when there is another one, as most sessions have none.
    pub(super) fn beginning(
        &self,
        session: SessionSlot,
        connection: Option<ConnKey>,
    ) -> Option<(Happening, u64)> {
        let entry = self.sessions.get(session)?;
        let connection = connection.filter(|_| !entry.has_past)?;
        Some((Happening::Began(self.client(connection)), entry.began_ms))
    }

    /// A connection carries a session from now on: the first, or another one.
    pub(in crate::gateway) fn note_carried(
        &mut self,
        session: SessionSlot,
        connection: ConnKey,
        is_first: bool,
    ) {
        if let Some(entry) = self.sessions.get(session) {
            self.traces.moved(entry.session.key, clock::now_ms());
        }
        if !is_first {
            let client = self.client(connection);
            self.note(session, Happening::Resumed(client));
        }
    }

    /// A session loses its connection, which the server closes for a reason or which is lost.
    pub(in crate::gateway) fn note_dropped(
        &mut self,
        session: SessionSlot,
        connection: ConnKey,
        close: Option<CloseReason>,
    ) {
        let (client, kernel_ms) = (self.client(connection), self.kernel_ms(connection));
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let clock = entry.session.known_clock();
        let ping_ms = clock.and_then(|clock| clock.least_round_trip_ms());
        let peer = Peer {
            client,
            round_trip_ms: ping_ms.or(kernel_ms),
        };
        let extras = entry.extras.get_or_insert_default();
        let notes = extras.notes.get_or_insert_default();
        (notes.peer, notes.close) = (peer, close);
        self.note_at(session, Happening::Dropped(close), Some(connection));
    }

    /// A session is on a topic from now on.
    pub(in crate::gateway) fn note_joined(&mut self, session: SessionSlot, topic: &Topic) {
        self.note(session, Happening::Joined(topic.clone()));
    }

    /// A session is off a topic.
    pub(in crate::gateway) fn note_left(&mut self, session: SessionSlot, topic: &Topic) {
        self.note(session, Happening::Left(topic.clone()));
    }

    /// A session's client gets an error.
    pub(in crate::gateway) fn note_error(&mut self, session: SessionSlot, error: &ErrorBody) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let extras = entry.extras.get_or_insert_default();
        let notes = extras.notes.get_or_insert_default();
        if let Some(noted) = notes.note(error, clock::now_ms()) {
            self.note(session, Happening::Error(Box::new(noted)));
        }
    }

    /// A session has ended by an input, or for another cause that its caller knows. It was
    /// so far before.
    pub(in crate::gateway) fn note_over(
        &mut self,
        session: SessionSlot,
        before: Life,
        input: Input,
        details: &Details,
    ) {
        // Its client was never welcomed.
        if !before.is_admitted() {
            return;
        }
        let (found, close) = cause(input);
        let cause = details.cause.unwrap_or(found);
        let operator = details.operator.clone();
        let now_ms = clock::now_ms();
        let connection = before.connection();
        let peer = connection.map(|connection| Peer {
            client: self.client(connection),
            round_trip_ms: self.kernel_ms(connection),
        });
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let notes = entry.notes();
        let pure = &entry.session;
        let clock = pure.known_clock();
        let ping_ms = clock.and_then(|clock| clock.least_round_trip_ms());
        let mut peer = peer.or(notes.map(|notes| notes.peer)).unwrap_or_default();
        peer.round_trip_ms = ping_ms.or(peer.round_trip_ms);
        let ended = EndedSession {
            at_ms: now_ms,
            session: pure.key,
            user: pure.user.clone(),
            cause,
            operator: operator.clone(),
            close,
            since_ms: entry.began_ms,
            is_detached: connection.is_none(),
            peer,
            dropped: notes
                .filter(|_| connection.is_none())
                .and_then(|notes| notes.close),
            error: notes.and_then(|notes| notes.error.clone()),
            received: pure.accepted(),
            sent: pure.outbox.messages_written(),
        };
        let over = Happening::Ended(cause, close, operator);
        self.note_at(session, over, connection);
        let limits = self.inspection();
        self.past.note_end(ended, &limits);
    }
}
