//! Answers of sessions to the calls that they were given.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::work::Effect;
use turntable_core::call::ServiceCall;
use turntable_core::key::SessionSlot;
use turntable_core::model::service::Instance;
use turntable_core::model::service::answer::outcome;
use turntable_core::packet::{ErrorBody, RequestId};
use turntable_core::payload::Payload;
use turntable_core::rate::BucketSettings;
use turntable_core::reason::{CloseReason, ErrorCode};

/// Answers to calls that a session was not given, as those that come twice: ten at once,
/// and one in ten seconds from then on. An instance that works sends none.
const STRAYS: BucketSettings = BucketSettings::new(1, 100);
/// What one of them takes.
const STRAY: u32 = 10;

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
        let caller = self.sessions.caller(session);
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let mut is_over = false;
        let number = id.as_ref().and_then(|id| id.0.parse::<u64>().ok());
        if let Some(providing) = &mut entry.providing {
            if let Some((service, number)) = number.and_then(|id| providing.open.remove(&id)) {
                let call = ServiceCall::Reply {
                    from: Instance::Session(caller.key),
                    number,
                    outcome: outcome(result),
                };
                return self.shared.owners.service(&service, call);
            }
            if number.is_some_and(|id| id <= providing.last) && providing.late > 0 {
                providing.late -= 1;
                return;
            }
            let now_ms = clock::now_ms();
            let taken = providing.strays.take_many(STRAY, STRAYS, now_ms);
            is_over = taken.is_err();
        }
        let connection = entry.session.connection();
        let error = ErrorBody::new(ErrorCode::NotFound, "no call of this id awaits an answer");
        self.refuse(session, error.of("reply"), None);
        if let (Some(connection), true) = (connection, is_over) {
            self.flush_connection(connection);
            self.push_effects([Effect::Close(connection, CloseReason::TooManyErrors)]);
        }
    }
}
