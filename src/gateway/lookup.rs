//! Lookups: one question to several avatars, and one answer.

use crate::gateway::Gateway;
use turntable_core::id::UserId;
use turntable_core::packet::{ErrorBody, LookupEntry, ReplyData, ServerPacket};
use turntable_core::reason::ErrorCode;

impl Gateway {
    /// One user of a lookup was found.
    pub(super) fn found(&mut self, ticket: u64, user: UserId, entry: LookupEntry) {
        let Some(lookup) = self.lookups.get_mut(&ticket) else {
            return;
        };
        lookup.found.push((user, entry));
        lookup.missing = lookup.missing.saturating_sub(1);
        if lookup.missing > 0 {
            return;
        }
        if let Some(lookup) = self.lookups.remove(&ticket)
            && let Some(session) = self.slot(lookup.session)
        {
            let packet = ServerPacket::Reply(ReplyData::Lookup(lookup.found));
            self.send(session, &packet, lookup.id.as_ref());
        }
    }

    /// The avatar of a user of a lookup was lost meanwhile.
    pub(super) fn lookup_failed(&mut self, ticket: u64) {
        if let Some(lookup) = self.lookups.remove(&ticket)
            && let Some(session) = self.slot(lookup.session)
        {
            let error = ErrorBody::new(
                ErrorCode::Unavailable,
                "one of the users could not be looked up; try again",
            );
            self.send_error(session, error.of("lookup"), lookup.id);
        }
    }
}
