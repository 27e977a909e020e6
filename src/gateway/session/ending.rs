//! Sessions of a user that an operator ends.

use actix::{Context, Handler, Message};

use crate::gateway::Gateway;
use crate::gateway::session::life::Details;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::life::Input;

/// Why an operator ends the sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The user has to go, and may not come back by itself; a sentence for the client.
    Kicked(Option<Box<str>>),
    /// The user's credentials were withdrawn.
    Revoked,
}

impl Ending {
    const fn close(&self) -> CloseReason {
        match self {
            Self::Kicked(_) => CloseReason::Kicked,
            Self::Revoked => CloseReason::Unauthorized,
        }
    }

    /// What a client gets before its connection is closed.
    fn error(&self) -> ErrorBody {
        match self {
            Self::Kicked(why) => {
                let why = why.as_deref().unwrap_or("an operator ended the session");
                ErrorBody::new(ErrorCode::Forbidden, why).because(Reason::Kicked)
            }
            Self::Revoked => {
                ErrorBody::new(ErrorCode::Unauthorized, "the credentials were withdrawn")
                    .because(Reason::Revoked)
            }
        }
    }
}

/// Ends all sessions of a user, whether they have a connection or not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "usize")]
pub struct EndUser {
    /// The user.
    pub user: UserId,
    /// Why.
    pub ending: Ending,
}

impl Handler<EndUser> for Gateway {
    type Result = usize;

    fn handle(&mut self, end: EndUser, _: &mut Context<Self>) -> usize {
        let of_user = self.sessions.iter();
        let of_user = of_user.filter(|(_, entry)| entry.session.user == end.user);
        let sessions: Vec<SessionSlot> = of_user.map(|(session, _)| session).collect();
        for session in &sessions {
            self.end_session(*session, &end.ending);
            self.run();
        }
        sessions.len()
    }
}

impl Gateway {
    pub(in crate::gateway) fn end_session(&mut self, session: SessionSlot, ending: &Ending) {
        self.send_error(session, ending.error(), None);
        // What was sent before the end is still to arrive.
        if let Some(entry) = self.sessions.get(session)
            && let Some(connection) = entry.session.connection()
        {
            self.flush_connection(connection);
        }
        self.step(session, Input::End(ending.close()), Details::default());
    }
}
