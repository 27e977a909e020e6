//! Calls that do not reach the session to which their service handed them out.

use crate::gateway::Gateway;
use turntable_core::call::ServiceCall;
use turntable_core::key::SessionSlot;
use turntable_core::model::service::Instance;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The session is behind with reading.
pub(super) fn behind() -> ErrorBody {
    let message = "the instance of the service is behind; try again later";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

impl Gateway {
    /// Answers a call in place of the session, which does not get it.
    pub(super) fn give_back(
        &self,
        session: SessionSlot,
        service: &str,
        number: u64,
        error: ErrorBody,
    ) {
        if let Some(caller) = self.sessions.caller(session) {
            let call = ServiceCall::Reply {
                from: Instance::Session(caller.key),
                number,
                outcome: Err(error),
            };
            self.shared.owners.service(service, call);
        }
    }
}
