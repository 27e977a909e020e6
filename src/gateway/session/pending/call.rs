//! Answers of services that clients await.

use super::{Awaited, Pending, Ticket};
use turntable_core::key::SessionSlot;
use turntable_core::packet::RequestId;

impl Pending {
    /// A session's `call` of this `id` was answered. Returns whether it was awaited.
    pub(crate) fn call_answered(&mut self, session: SessionSlot, id: &RequestId) -> bool {
        self.remove_where(session, |awaited| match awaited {
            Awaited::Call { id: known, .. } => known == id,
            _ => false,
        })
    }

    /// Takes out the calls to a service.
    pub(crate) fn take_calls(&mut self, name: &str) -> Vec<(SessionSlot, RequestId)> {
        let of = |(ticket, awaited): (&Ticket, &Awaited)| match awaited {
            Awaited::Call { service, .. } if **service == *name => Some(*ticket),
            _ => None,
        };
        let tickets: Vec<Ticket> = self.awaited.iter().filter_map(of).collect();
        let taken = tickets.into_iter().filter_map(|ticket| self.remove(ticket));
        taken
            .filter_map(|awaited| match awaited {
                Awaited::Call { session, id, .. } => Some((session, id)),
                _ => None,
            })
            .collect()
    }
}
