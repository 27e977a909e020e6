//! Functions that users offer.

use crate::actor::directory::Directory;
use crate::actor::not_offered;
use turntable_core::address::Address;
use turntable_core::call::ServiceCall;
use turntable_core::key::Caller;
use turntable_core::model::service::function;

impl Directory {
    /// What a user offers has an owner while there is something to know.
    pub(super) fn call_function(&mut self, name: Box<str>, call: ServiceCall) {
        if !self.services.has(&name) {
            match &call {
                ServiceCall::Provide {
                    caller,
                    functions,
                    address,
                } if !functions.is_empty() => {
                    if !self.begin_function(&name, *caller, *address) {
                        return;
                    }
                }
                ServiceCall::Announce { .. } => return self.announce_function(name, call),
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
        }
        if let Err(call) = self.services.call(&self.shared, name, call, None) {
            self.shared.not_done(call.pending());
        }
    }

    /// A session is the first that offers this. Returns whether there is room for it; else the
    /// session gets an error. Most sessions got it from their gateway: this one offered at the
    /// same moment as others, or comes back.
    fn begin_function(&self, owner: &str, by: Caller, address: Option<Address>) -> bool {
        let max = self.shared.settings().functions.services_max;
        let begun = self.shared.totals.offered.begin(owner, address, max);
        if let Err(no_room) = begun {
            let mut error = not_offered(no_room, &self.shared.metrics, max).of("provide");
            let name = function::parts(owner).map_or(owner, |(_, name)| name);
            error.message = format!("{name} is not provided: {}", error.message).into();
            self.shared.refuse(by, error, None);
        }
        begun.is_ok()
    }

    /// Gateways announce what sessions offer: it exists, however many there are.
    fn announce_function(&mut self, name: Box<str>, call: ServiceCall) {
        // An announcement is never given back.
        let _ = self.services.call(&self.shared, name.clone(), call, None);
        if self.services.has(&name) {
            self.shared.totals.offered.put(name);
        }
    }
}
