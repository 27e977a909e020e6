//! What the operator, or a program that embeds the server, wants of an avatar.

use actix::Context;

use crate::actor::avatar::Avatar;
use crate::actor::avatar::attributes::Setter;
use turntable_core::call::Requester;
use turntable_core::delivery::Answer;
use turntable_core::packet::ServerPacket;
use turntable_core::payload::Payload;

impl Avatar {
    /// A message from outside, for every session of the user.
    pub(super) fn publish(&self, requester: Requester, message: Payload) {
        let packet = ServerPacket::Call {
            f: "user:message".into(),
            args: Some(message),
            user: None,
            key: None,
        };
        self.send_all(self.model.sessions(), &self.shared.frame(&packet, None));
        let sessions = self.model.sessions().count();
        self.shared
            .answer(requester, Ok(Answer::Count(sessions as u64)));
    }

    /// Everything of the user goes.
    pub(super) fn erase(&mut self, requester: Requester, ctx: &mut Context<Self>) {
        self.model.forget();
        self.show_profile();
        self.shared.store.seen(&self.user, 0);
        let names = self.model.attributes().iter();
        let changes = names.map(|(name, _)| (name.clone(), None)).collect();
        self.set_and_answer(Setter::Outside(requester), changes, ctx);
    }
}
