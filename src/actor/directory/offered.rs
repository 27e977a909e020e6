//! Functions that users offer.

use crate::actor::directory::Directory;
use crate::actor::owner_call::OwnerCall as _;
use turntable_core::call::ServiceCall;
use turntable_core::model::service::function;

impl Directory {
    /// What a user offers has an owner while there is something to know.
    pub(super) fn call_function(&mut self, name: Box<str>, call: ServiceCall) {
        if !self.services.has(&name) {
            match &call {
                ServiceCall::Provide { functions, .. } if !functions.is_empty() => {}
                ServiceCall::Announce { .. } => {}
                ServiceCall::Call(_) | ServiceCall::Inspect { .. } => {
                    let error = function::absent();
                    if let Some(pending) = call.pending() {
                        let (to, refusal) = pending.refused(error);
                        self.shared.bus.send(to, refusal);
                    }
                    return;
                }
                _ => return,
            }
            let max = self.shared.settings().functions.services_max;
            if self.services.are_full(max) && call.announced_by().is_none() {
                return self
                    .shared
                    .full(call.pending(), "functions.services_max", max);
            }
        }
        if let Err(call) = self.services.call(&self.shared, name, call, None) {
            self.shared.not_done(call.pending());
        }
    }
}
