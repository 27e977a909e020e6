//! What an operator sees of the sessions: users, and the sessions of one of them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use actix::{Context, Handler, Message, MessageResult};

use crate::clock;
use crate::gateway::{Gateway, Shared};
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::ErrorBody;

/// A session as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number, which is not the secret that its client resumes it with.
    pub number: String,
    /// The transport of its connection; `None` while it has none.
    pub transport: Option<&'static str>,
    /// The address of its client, where it has a connection.
    pub address: Option<IpAddr>,
    /// Seconds that are left of its credentials, if they expire.
    pub expires_in: Option<u64>,
}

/// Lists the first users with sessions at a gateway, behind one.
#[derive(Debug, Message)]
#[rtype(result = "BTreeSet<UserId>")]
struct ListUsers {
    after: Option<Box<str>>,
    max: usize,
}

/// Lists the sessions of a user at a gateway.
#[derive(Debug, Message)]
#[rtype(result = "Vec<SessionInfo>")]
struct ListSessions(UserId);

impl Handler<ListUsers> for Gateway {
    type Result = MessageResult<ListUsers>;

    fn handle(&mut self, asked: ListUsers, _: &mut Context<Self>) -> Self::Result {
        let ListUsers { after, max } = asked;
        let users = self.sessions.iter().map(|(_, entry)| &entry.session.user);
        let is_behind = |user: &&UserId| after.as_deref().is_none_or(|after| user.as_str() > after);
        let mut first: BTreeSet<UserId> = BTreeSet::new();
        for user in users.filter(is_behind) {
            if first.len() < max || first.last().is_some_and(|last| user < last) {
                first.insert(user.clone());
            }
            if first.len() > max {
                first.pop_last();
            }
        }
        MessageResult(first)
    }
}

impl Handler<ListSessions> for Gateway {
    type Result = Vec<SessionInfo>;

    fn handle(&mut self, ListSessions(user): ListSessions, _: &mut Context<Self>) -> Self::Result {
        let of_user = self.sessions.iter();
        let of_user = of_user.filter(|(_, entry)| entry.session.user == user);
        let sessions: Vec<SessionSlot> = of_user.map(|(session, _)| session).collect();
        let info = |session: SessionSlot| self.session_info(session);
        sessions.into_iter().filter_map(info).collect()
    }
}

impl Gateway {
    fn session_info(&self, session: SessionSlot) -> Option<SessionInfo> {
        let entry = self.sessions.get(session)?;
        let key = entry.session.connection();
        let connection = key.and_then(|key| self.connections.get(key));
        let permit = key.and_then(|key| self.connections.permit(key));
        let standing = entry.session.standing.as_ref();
        Some(SessionInfo {
            number: format!("{:016x}", entry.session.key.number()),
            transport: connection.map(|known| known.transport.label(known.encoding)),
            address: permit.map(|permit| permit.address()),
            expires_in: standing.and_then(|standing| standing.expires_in(clock::now_ms())),
        })
    }
}

impl Shared {
    /// The first `max` users with sessions, connected or not, in the order of their ids;
    /// behind one, where that is given.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn users(&self, after: Option<&str>, max: usize) -> Result<Vec<UserId>, ErrorBody> {
        let asked = self.ask_gateways(|| ListUsers {
            after: after.map(Into::into),
            max,
        });
        let users: BTreeSet<UserId> = asked.await.whole()?.into_iter().flatten().collect();
        Ok(users.into_iter().take(max).collect())
    }

    /// The sessions of a user.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionInfo>, ErrorBody> {
        let asked = self.ask_gateways(|| ListSessions(user.clone()));
        Ok(asked.await.whole()?.into_iter().flatten().collect())
    }
}
