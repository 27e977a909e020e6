//! Answers of sessions to the calls that they were given.

use super::providing::Replied;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::work::Effect;
use turntable_core::key::SessionSlot;
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::{CloseReason, ErrorCode};

impl Gateway {
    /// `reply`: the answer of a session to a call. One that answers no call is
    /// refused, and charged as an error; of a session that provides something, few are
    /// taken until it is closed.
    pub(crate) fn service_reply(
        &mut self,
        session: SessionSlot,
        result: Payload,
        id: Option<RequestId>,
    ) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let key = entry.session.key;
        let extras = entry.extras.as_mut();
        let is_over = match extras.and_then(|extras| extras.providing.as_mut()) {
            Some(providing) => match providing.reply(id.as_ref(), result, key, clock::now_ms()) {
                Replied::Answer(owner, call) => return self.shared.owners.service(&owner, call),
                Replied::Late => return,
                Replied::Stray { is_over } => is_over,
            },
            None => false,
        };
        let connection = entry.session.connection();
        let error = ErrorBody::new(ErrorCode::NotFound, "no call of this id awaits an answer");
        self.refuse(session, error.of("reply"), None);
        if let (Some(connection), true) = (connection, is_over) {
            self.flush_connection(connection);
            self.push_effects([Effect::Close(connection, CloseReason::TooManyErrors)]);
        }
    }
}
