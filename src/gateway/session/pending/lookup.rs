//! `lookup`: the answers of several avatars are one.

use super::{Awaited, Ticket};
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::subscription::listed::Listed;
use turntable_core::delivery::Answer;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::limit::Limit;
use turntable_core::packet::{ErrorBody, LookupEntry, ReplyData, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;
use turntable_core::session::outbox::OutboxFrame as _;

impl Gateway {
    /// `lookup`: sends a call to each user's avatar.
    pub(crate) fn lookup(
        &mut self,
        session: SessionSlot,
        users: Vec<UserId>,
        id: Option<RequestId>,
    ) {
        let max = self.settings.presence.lookup_max;
        if users.len() > max {
            let error = ErrorBody::new(
                ErrorCode::TooMany,
                format!("at most {max} users in one lookup"),
            );
            let error = error.of("lookup").with("max", max as u64);
            return self.refuse(session, error.by(Limit::Lookup), id);
        }
        if users.is_empty() {
            let packet = ServerPacket::Reply(ReplyData::Lookup(Vec::new()));
            return self.send(session, &packet, id.as_ref());
        }
        let ticket = self.await_answer(Awaited::Lookup {
            session,
            id,
            missing: users.len(),
            found: Vec::with_capacity(users.len()),
        });
        self.take_part(session, Listed::lookup(users, ticket));
    }

    /// The avatar of one user of a lookup was lost meanwhile.
    pub(crate) fn lookup_failed(&mut self, ticket: u64) {
        let error = ErrorBody::new(
            ErrorCode::Unavailable,
            "one of the users could not be looked up; try again",
        );
        match self.pending.remove(Ticket::new(ticket)) {
            Some(Awaited::Lookup { session, id, .. }) => {
                self.send_error(session, error.of("lookup"), id);
            }
            Some(Awaited::Question { responder, .. }) => responder.answer(Err(error)),
            _ => {}
        }
    }

    /// One user of a lookup is known.
    pub(crate) fn found(&mut self, ticket: u64, user: UserId, entry: LookupEntry) {
        if self.pending.is_question(ticket) {
            return self.answered(ticket, Ok(Answer::Seen(Box::new(entry))));
        }
        if let Some(Awaited::Lookup {
            session, id, found, ..
        }) = self.pending.found(ticket, user, entry)
        {
            let packet = ServerPacket::Reply(ReplyData::Lookup(found));
            let frame = Frame::message(&packet, id.as_ref());
            self.pay_answer(session, frame.length());
            self.send_frame(session, frame, id.as_ref());
        }
    }
}
