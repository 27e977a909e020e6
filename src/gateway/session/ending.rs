//! Sessions of a user that an operator ends.

use std::sync::Arc;

use actix::{Context, Handler, Message};

use crate::clock;
use crate::gateway::inspection::past::Cause;
use crate::gateway::session::life::Details;
use crate::gateway::{Gateway, Shared};
use crate::portal::ban::{Ban, SECONDS_MAX};
use crate::portal::operator_call::OperatorCall;
use crate::portal::revocation::Revocation;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::life::Input;

/// Why an operator ends the sessions of a user.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The user has to go, and may not come back by itself; a sentence for the client.
    Kicked(Option<Box<str>>),
    /// The user is banned; what it gets when it identifies.
    Banned(ErrorBody),
    /// The user's credentials were withdrawn.
    Revoked,
    /// The session's credentials expired, and were not renewed.
    Expired,
    /// The session is removed; its client may identify again.
    Removed,
}

impl Ending {
    const fn close(&self) -> CloseReason {
        match self {
            Self::Kicked(_) | Self::Banned(_) => CloseReason::Kicked,
            Self::Revoked => CloseReason::Unauthorized,
            Self::Expired | Self::Removed => CloseReason::SessionExpired,
        }
    }

    const fn cause(&self, is_by_operator: bool) -> Cause {
        match self {
            Self::Kicked(_) | Self::Banned(_) => Cause::Operator,
            Self::Removed if is_by_operator => Cause::Operator,
            Self::Removed => Cause::Server,
            Self::Revoked | Self::Expired => Cause::Portal,
        }
    }

    /// What a client gets before its connection is closed.
    fn error(&self) -> ErrorBody {
        match self {
            Self::Kicked(why) => {
                let why = why.as_deref().unwrap_or("an operator ended the session");
                ErrorBody::new(ErrorCode::Forbidden, why).because(Reason::Kicked)
            }
            Self::Banned(error) => error.clone(),
            Self::Expired => {
                let message = "the credentials expired and were not renewed";
                ErrorBody::new(ErrorCode::Unauthorized, message).because(Reason::Expired)
            }
            Self::Removed => {
                let message = "an operator ended the session; identify again";
                ErrorBody::new(ErrorCode::SessionExpired, message)
            }
            Self::Revoked => {
                ErrorBody::new(ErrorCode::Unauthorized, "the credentials were withdrawn")
                    .because(Reason::Revoked)
            }
        }
    }
}

/// Ends sessions of a user, whether they have a connection or not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "usize")]
pub struct EndUser {
    /// Which.
    pub of: Revocation,
    /// Why.
    pub ending: Ending,
}

impl Handler<EndUser> for Gateway {
    type Result = usize;

    fn handle(&mut self, end: EndUser, _: &mut Context<Self>) -> usize {
        let of_user = self.sessions.iter();
        let of_user = of_user.filter(|(_, entry)| {
            let is_meant = !end.of.is_provisional || entry.session.is_provisional;
            let stays = end.of.except == Some(entry.session.key);
            is_meant && !stays && entry.session.user == end.of.user
        });
        let sessions: Vec<SessionSlot> = of_user.map(|(session, _)| session).collect();
        for session in &sessions {
            self.end_session(*session, &end.ending, end.of.operator.as_ref());
            self.run();
        }
        sessions.len()
    }
}

impl Gateway {
    /// Ends a session, for this call if an operator does, and says why.
    pub(in crate::gateway) fn end_session(
        &mut self,
        session: SessionSlot,
        ending: &Ending,
        operator: Option<&Arc<OperatorCall>>,
    ) {
        self.note_end(session, ending.close(), Some(ending.error()));
        match operator {
            None => self.send_error(session, ending.error(), None),
            // The call is what is remembered.
            Some(_) => self.send_unnoted(session, ending.error(), None),
        }
        // What was sent before the end is still to arrive.
        if let Some(entry) = self.sessions.get(session)
            && let Some(connection) = entry.session.connection()
        {
            self.flush_connection(connection);
        }
        let details = Details {
            cause: Some(ending.cause(operator.is_some())),
            operator: operator.cloned(),
            ..Details::default()
        };
        self.step(session, Input::End(ending.close()), details);
    }
}

impl Shared {
    /// Ends all sessions of a user, at every gateway. Returns how many there were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn end_user(
        &self,
        user: &UserId,
        ending: Ending,
        call: Arc<OperatorCall>,
    ) -> Result<usize, ErrorBody> {
        self.end(EndUser {
            of: Revocation {
                operator: Some(call),
                ..Revocation::all(user.clone())
            },
            ending,
        })
        .await
    }

    /// The same for sessions whose clients have shown nothing that says who they are.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn end_provisional(
        &self,
        user: &UserId,
        ending: Ending,
        call: Arc<OperatorCall>,
    ) -> Result<usize, ErrorBody> {
        self.end(EndUser {
            of: Revocation {
                is_provisional: true,
                operator: Some(call),
                ..Revocation::all(user.clone())
            },
            ending,
        })
        .await
    }

    /// Has the sessions end that the portal says have to.
    pub(crate) fn end_revoked(&self, of: Revocation) {
        let ending = Ending::Revoked;
        let end = EndUser { of, ending };
        for gateway in self.peers.gateways() {
            gateway.do_send(end.clone());
        }
    }

    async fn end(&self, end: EndUser) -> Result<usize, ErrorBody> {
        // Before: a claim that is decided later is not one of these sessions.
        self.portal.revoke(end.of.clone());
        let ended = self.ask_gateways(|| end.clone()).await.whole()?;
        Ok(ended.into_iter().sum())
    }

    /// Bans a user for some seconds, or until the ban is lifted, and ends its sessions.
    /// Returns how many there were.
    ///
    /// # Errors
    /// `bad_message` for more than [`SECONDS_MAX`]; `too_many` where `portal.bans_max` users
    /// are banned; `unavailable` where the store
    /// cannot be written, while the ban is in force.
    pub async fn ban(
        &self,
        user: &UserId,
        seconds: Option<u64>,
        call: OperatorCall,
    ) -> Result<usize, ErrorBody> {
        if seconds.is_some_and(|seconds| seconds > SECONDS_MAX) {
            let message = format!("a ban has at most {SECONDS_MAX} seconds; 0: until it is lifted");
            return Err(ErrorBody::new(ErrorCode::BadMessage, message).with("max", SECONDS_MAX));
        }
        let now_ms = clock::now_ms();
        let until_ms = seconds.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1_000)));
        let ban = Ban {
            until_ms,
            reason: call.reason.clone(),
        };
        let ending = Ending::Banned(ban.error(now_ms));
        let max = self.portal.settings().bans_max;
        self.bans.put(user.clone(), ban, max, now_ms)?;
        // Nobody else of this user comes in from here on.
        let ended = self.end_user(user, ending, Arc::new(call)).await;
        self.bans.keep(user).await?;
        ended
    }

    /// Lifts a ban. Returns whether there was one.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn unban(&self, user: &UserId) -> Result<bool, ErrorBody> {
        let was_there = self.bans.lift(user, clock::now_ms());
        self.bans.keep(user).await?;
        Ok(was_there)
    }
}
