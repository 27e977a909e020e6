//! What an operator asks about the past of sessions.

use actix::{Context, Handler, Message, MessageResult};

use super::Answers;
use super::past::{EndedAt, EndedSession};
use super::shown::{EndedReport, EventReport};
use crate::gateway::{Gateway, Shared};
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;

/// What happened to a session; `None` where nothing is known of it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Vec<EventReport>>")]
struct EventsOf(SessionKey);

impl Handler<EventsOf> for Gateway {
    type Result = MessageResult<EventsOf>;

    fn handle(&mut self, EventsOf(key): EventsOf, _: &mut Context<Self>) -> Self::Result {
        let mut events = self.past.events_of(key);
        let session = self.session_of_key(key);
        if let Some(session) = session {
            let entry = self.sessions.get(session);
            let connection = entry.and_then(|entry| entry.session.connection());
            let began = self.beginning(session, connection);
            events.extend(began.map(|(happening, at_ms)| EventReport::of(&happening, at_ms)));
        }
        let is_known = !events.is_empty() || session.is_some();
        MessageResult(is_known.then_some(events))
    }
}

/// Lists sessions that ended, the last one first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<(EndedAt, EndedReport)>")]
struct ListEnded {
    user: Option<UserId>,
    before: Option<EndedAt>,
    max: usize,
}

impl Handler<ListEnded> for Gateway {
    type Result = MessageResult<ListEnded>;

    fn handle(&mut self, asked: ListEnded, _: &mut Context<Self>) -> Self::Result {
        let ended = self
            .past
            .ended(asked.user.as_ref(), asked.before, asked.max);
        let report = |ended: &EndedSession| (ended.place(), EndedReport::from(ended));
        MessageResult(ended.iter().map(report).collect())
    }
}

/// Forgets the past of a user's sessions.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
struct ForgetPast(UserId);

impl Handler<ForgetPast> for Gateway {
    type Result = ();

    fn handle(&mut self, ForgetPast(user): ForgetPast, _: &mut Context<Self>) {
        self.past.forget(&user);
        self.traces.forget(&user);
    }
}

impl Shared {
    /// What happened to a session, in order, as far as it is retained; `None` where nothing is
    /// known of it.
    pub async fn session_events(&self, key: SessionKey) -> (Option<Vec<EventReport>>, Vec<u16>) {
        let Answers {
            answers,
            unanswered,
        } = self.ask_gateways(|| EventsOf(key)).await;
        (answers.into_iter().flatten().next(), unanswered)
    }

    /// The first `max` sessions that ended, the last one first: of one user where that is
    /// given, and behind a place of the list.
    pub async fn ended_sessions(
        &self,
        user: Option<&UserId>,
        before: Option<EndedAt>,
        max: usize,
    ) -> (Vec<(EndedAt, EndedReport)>, Vec<u16>) {
        let asked = self.ask_gateways(|| ListEnded {
            user: user.cloned(),
            before,
            max,
        });
        let asked = asked.await;
        let mut all: Vec<(EndedAt, EndedReport)> = asked.answers.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        all.truncate(max);
        (all, asked.unanswered)
    }

    /// Forgets the past of a user's sessions.
    pub(in crate::gateway) async fn forget_past(&self, user: &UserId) {
        self.ask_gateways(|| ForgetPast(user.clone())).await;
    }
}
