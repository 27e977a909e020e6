//! What is asked of a channel: by the operator, and for sessions that joined above.

use super::Channel;
use crate::clock;
use turntable_core::call::{Requester, Since};
use turntable_core::delivery::{Answer, Delivery};
use turntable_core::packet::ReplyData;
use turntable_core::payload::Payload;

impl Channel {
    /// Publishes a message without a sender.
    pub(super) fn tell(&mut self, requester: Requester, message: Payload) {
        let answer = self.publish_message(None, message);
        let answer = answer.map(|reply| match reply {
            ReplyData::Published { id, offset, epoch } => Answer::Published {
                id: id.0,
                offset,
                epoch,
            },
            _ => Answer::Done,
        });
        self.shared.answer(requester, answer);
    }

    /// Answers with what is retained.
    pub(super) fn recall(&mut self, requester: Requester, since: Option<&Since>) {
        let now_ms = clock::now_ms();
        let found = self.model.recall(since, &self.retention, now_ms);
        let answer = Answer::History {
            epoch: self.model.epoch().into(),
            offset: self.model.offset(),
            recovered: found.recovered,
            messages: found.messages,
        };
        self.shared.answer(requester, Ok(answer));
    }

    /// Answers with what sessions may get that joined above.
    pub(super) fn past(&mut self, requester: Requester, depth: u32) {
        let messages = self.model.last(depth, &self.retention, clock::now_ms());
        let delivery = Delivery::Past {
            ticket: requester.ticket,
            channel: self.id.clone(),
            epoch: self.model.epoch().into(),
            has_value: self.retention.last_value_ms > 0,
            offset: self.model.offset(),
            messages,
        };
        self.shared.bus.send(requester.gateway, delivery);
    }

    /// Drops what is retained.
    pub(super) fn clear(&mut self, requester: Requester) {
        self.model.forget_history();
        self.shared.answer(requester, Ok(Answer::Done));
    }
}
