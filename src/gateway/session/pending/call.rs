//! Answers of services that clients await.

use super::{Awaited, Pending, Ticket};
use crate::gateway::question::Responder;
use turntable_core::key::SessionSlot;
use turntable_core::packet::RequestId;

impl Pending {
    /// A session's `call` of this `id` was answered. Returns whether it was awaited.
    pub(crate) fn call_answered(&mut self, session: SessionSlot, id: &RequestId) -> bool {
        let call = self.remove_where(session, |awaited| match awaited {
            Awaited::Call { id: known, .. } => known == id,
            _ => false,
        });
        call.is_some()
    }

    /// The calls of a session: the owners of the services, and the ids.
    pub(crate) fn calls(&self, session: SessionSlot) -> impl Iterator<Item = (&str, &RequestId)> {
        let tickets = self.by_session.get(&session).into_iter().flatten();
        tickets.filter_map(|ticket| match self.awaited.get(ticket)? {
            Awaited::Call { service, id, .. } => Some((&**service, id)),
            _ => None,
        })
    }

    /// Takes out the calls to a service: those of sessions, and those of the server itself.
    pub(crate) fn take_calls(
        &mut self,
        name: &str,
    ) -> (Vec<(SessionSlot, RequestId)>, Vec<Responder>) {
        let of = |(ticket, awaited): (&Ticket, &Awaited)| match awaited {
            Awaited::Call { service, .. } if **service == *name => Some(*ticket),
            Awaited::Question {
                service: Some(service),
                ..
            } if **service == *name => Some(*ticket),
            _ => None,
        };
        let tickets: Vec<Ticket> = self.awaited.iter().filter_map(of).collect();
        let (mut of_sessions, mut of_server) = (Vec::new(), Vec::new());
        for ticket in tickets {
            match self.remove(ticket) {
                Some(Awaited::Call { session, id, .. }) => of_sessions.push((session, id)),
                Some(Awaited::Question { responder, .. }) => of_server.push(responder),
                _ => {}
            }
        }
        (of_sessions, of_server)
    }
}
