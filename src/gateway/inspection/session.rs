//! The sessions of the node, for the operator: a list that comes page by page or by what they
//! use, and the end of one.

use std::net::IpAddr;
use std::sync::Arc;

use actix::{Context, Handler, Message, MessageResult};
use serde::Serialize;

use super::Answers;
use super::report::{InspectSession, SessionReport};
use crate::gateway::session::SessionEntry;
use crate::gateway::session::ending::Ending;
use crate::gateway::{Gateway, Shared};
use crate::portal::operator_call::OperatorCall;
use turntable_core::key::{ConnKey, SessionKey, SessionSlot};
use turntable_core::session::life::Life;

/// The first sessions of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionOrder {
    /// By their numbers, behind one where that is given.
    Number(Option<u64>),
    /// Those with the most bytes that wait for their clients.
    Queue,
    /// Those whose clients sent the most messages.
    Messages,
    /// Those whose clients sent the most bytes.
    Bytes,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Its number, which is not the secret that its client resumes it with.
    pub session: String,
    /// Whose it is.
    pub user: Box<str>,
    /// `identifying`, `connected` or `detached`.
    pub state: &'static str,
    /// The transport of its connection, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// The address of its client, where it has a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The worker that has it.
    pub worker: u16,
    /// Unix ms when it began.
    pub since_ms: u64,
    /// Unix ms of the last command.
    pub active_ms: u64,
    /// Bytes that wait for its client.
    pub queue_bytes: usize,
    /// Messages of its client that were taken.
    pub received: u64,
    /// Bytes of its client's commands.
    pub received_bytes: u64,
    /// Messages that were written to its client.
    pub sent: u64,
    /// Users that it watches, channels and rooms.
    pub subscriptions: usize,
}

/// The number of a session as operators write it.
pub(super) fn number(key: SessionKey) -> String {
    format!("{:016x}", key.number())
}

/// The key of a session by that number.
#[must_use]
pub fn parse_number(text: &str) -> Option<SessionKey> {
    let is_number = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_number.then(|| u64::from_str_radix(text, 16).ok())?;
    number.map(SessionKey::from_number)
}

/// Lists the first sessions of a gateway. Each comes with what it is sorted by.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<(Rank, SessionSummary)>")]
struct ListSessions {
    order: SessionOrder,
    max: usize,
}

/// The least comes first: what is left to the greatest value, and the number.
type Rank = (u64, u64);

impl SessionOrder {
    /// The rank of a session; `None` for one that is not in the list.
    fn rank(self, entry: &SessionEntry) -> Option<Rank> {
        let number = entry.session.key.number();
        let value = match self {
            Self::Number(Some(after)) if number <= after => return None,
            Self::Number(_) => 0,
            Self::Queue => entry.session.outbox.waiting_bytes() as u64,
            Self::Messages => entry.session.accepted(),
            Self::Bytes => entry.received_bytes,
        };
        Some((u64::MAX - value, number))
    }
}

impl Handler<ListSessions> for Gateway {
    type Result = MessageResult<ListSessions>;

    fn handle(&mut self, asked: ListSessions, _: &mut Context<Self>) -> Self::Result {
        let ListSessions { order, max } = asked;
        let ranked = self.sessions.iter();
        let ranked = ranked.filter_map(|(slot, entry)| Some((order.rank(entry)?, slot)));
        let mut ranked: Vec<(Rank, SessionSlot)> = ranked.collect();
        if max < ranked.len() {
            ranked.select_nth_unstable(max);
            ranked.truncate(max);
        }
        let summary = |(rank, slot)| Some((rank, self.session_summary(slot)?));
        MessageResult(ranked.into_iter().filter_map(summary).collect())
    }
}

/// Ends a session. The result is whether it is here.
#[derive(Debug, Clone, Message)]
#[rtype(result = "bool")]
struct EndSession {
    key: SessionKey,
    call: Arc<OperatorCall>,
}

impl Handler<EndSession> for Gateway {
    type Result = bool;

    fn handle(&mut self, end: EndSession, _: &mut Context<Self>) -> bool {
        let Some(session) = self.session_of_key(end.key) else {
            return false;
        };
        let ending = Ending::Kicked(end.call.reason.clone());
        self.end_session(session, &ending, Some(&end.call));
        self.run();
        true
    }
}

impl Gateway {
    /// The session of a key, if it is here.
    pub(super) fn session_of_key(&self, key: SessionKey) -> Option<SessionSlot> {
        let mut sessions = self.sessions.iter();
        let found = sessions.find(|(_, entry)| entry.session.key == key);
        found.map(|(session, _)| session)
    }

    pub(super) fn session_summary(&self, session: SessionSlot) -> Option<SessionSummary> {
        let entry = self.sessions.get(session)?;
        let pure = &entry.session;
        let (transport, address) = self.client_of(pure.connection());
        Some(SessionSummary {
            session: number(pure.key),
            user: pure.user.as_str().into(),
            state: match pure.life() {
                Life::Attaching(_) => "identifying",
                Life::Attached(_) => "connected",
                Life::Detached { .. } | Life::Ended => "detached",
            },
            transport,
            address,
            worker: self.id.worker.0,
            since_ms: entry.began_ms,
            active_ms: pure.active_ms(),
            queue_bytes: pure.outbox.waiting_bytes(),
            received: pure.accepted(),
            received_bytes: entry.received_bytes,
            sent: pure.outbox.messages_written(),
            subscriptions: pure.watching.len() + pure.channels().len() + pure.rooms().count(),
        })
    }

    /// The transport of a connection and the address of its client.
    pub(super) fn client_of(
        &self,
        connection: Option<ConnKey>,
    ) -> (Option<&'static str>, Option<IpAddr>) {
        let Some(key) = connection else {
            return (None, None);
        };
        let known = self.connections.get(key);
        let permit = self.connections.permit(key);
        (
            known.map(|known| known.transport.label(known.encoding)),
            permit.map(|permit| permit.address()),
        )
    }
}

impl Shared {
    /// The first `max` sessions in an order.
    pub async fn list_sessions(
        &self,
        order: SessionOrder,
        max: usize,
    ) -> (Vec<SessionSummary>, Vec<u16>) {
        let asked = self.ask_gateways(|| ListSessions { order, max }).await;
        let mut all: Vec<(Rank, SessionSummary)> = asked.answers.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(rank, _)| *rank);
        let first = all.into_iter().take(max).map(|(_, summary)| summary);
        (first.collect(), asked.unanswered)
    }

    /// What is known of a session; `None` where there is none of this key.
    pub async fn inspect_session(&self, key: SessionKey) -> (Option<SessionReport>, Vec<u16>) {
        let Answers {
            answers,
            unanswered,
        } = self.ask_gateways(|| InspectSession(key)).await;
        (answers.into_iter().flatten().next(), unanswered)
    }

    /// Ends a session, whose client does not come back by itself. Returns whether there was
    /// one of this key.
    pub async fn close_session(&self, key: SessionKey, call: OperatorCall) -> (bool, Vec<u16>) {
        let call = Arc::new(call);
        let asked = self.ask_gateways(|| EndSession {
            key,
            call: call.clone(),
        });
        let asked = asked.await;
        (asked.answers.contains(&true), asked.unanswered)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::gateway::testing::{Noted, begin_as, entry, gateway};

    #[test]
    fn number_is_read_as_it_is_written() {
        let key = SessionKey::from_number(0xab);
        assert_eq!(number(key), "00000000000000ab");
        assert_eq!(parse_number("00000000000000ab"), Some(key));
        for text in ["ab", "+0000000000000ab", "00000000000000ag", ""] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }

    #[test]
    fn sessions_are_ranked_by_what_they_use_and_by_number() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = [3, 1, 2].map(|number| begin_as(&mut gateway, number));
        for (session, bytes) in sessions.iter().zip([10, 30, 20]) {
            entry(&mut gateway, *session).received_bytes = bytes;
        }
        let order = |order: SessionOrder| {
            let ranks = gateway.sessions.iter();
            let ranks = ranks.filter_map(|(_, entry)| order.rank(entry));
            let mut ranks: Vec<Rank> = ranks.collect();
            ranks.sort_unstable();
            ranks
                .into_iter()
                .map(|(_, number)| number)
                .collect::<Vec<_>>()
        };
        assert_eq!(order(SessionOrder::Number(None)), [1, 2, 3]);
        assert_eq!(order(SessionOrder::Number(Some(1))), [2, 3]);
        assert_eq!(order(SessionOrder::Bytes), [1, 2, 3]);
        assert_eq!(order(SessionOrder::Queue), [1, 2, 3]);
    }
}
