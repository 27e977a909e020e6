//! A session that came from another gateway, with what it provides and with calls that are
//! not answered.

use std::collections::BTreeSet;

use crate::gateway::Gateway;
use turntable_core::call::ServiceCall;
use turntable_core::key::SessionSlot;
use turntable_core::model::service::function;
use turntable_core::packet::RequestId;

impl Gateway {
    /// A session came with calls that services have not answered: the answers come here.
    pub(in crate::gateway) fn await_calls_again(
        &mut self,
        session: SessionSlot,
        calls: Vec<(Box<str>, RequestId)>,
    ) {
        let Some(caller) = self.sessions.caller(session) else {
            return;
        };
        let mut owners = BTreeSet::new();
        for (owner, id) in calls {
            let timeout_ms = self.timeout_ms(&owner);
            self.await_call(session, &owner, id, timeout_ms);
            owners.insert(owner);
        }
        for owner in owners {
            let call = ServiceCall::Moved { caller };
            self.shared.owners.service(&owner, call);
        }
    }

    /// How long the calls of an owner may take; no time where the configuration has the
    /// service no more.
    fn timeout_ms(&self, owner: &str) -> u64 {
        match function::parts(owner) {
            Some(_) => self.settings.functions.timeout_ms,
            None => {
                let settings = self.settings.services.get(owner);
                settings.map_or(0, |settings| settings.timeout_ms)
            }
        }
    }

    /// A session came that provides something: the owners learn where it is.
    pub(in crate::gateway) fn announce_moved_instance(&mut self, session: SessionSlot) {
        let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        else {
            return;
        };
        if let Some(providing) = entry.providing() {
            let calls = providing.moved(caller);
            self.call_services(calls);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
