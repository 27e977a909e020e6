//! The `welcome` of a session.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::life::Details;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{ServerPacket, Welcome};
use turntable_core::session::outbox::OutboxFrame as _;

impl Gateway {
    /// To the client of a connection that carries the session from now on.
    pub(super) fn welcome(
        &mut self,
        session: SessionSlot,
        connection: ConnKey,
        resumed: bool,
        details: &Details,
    ) {
        let Some(packet) = self.welcome_of(session, resumed, details) else {
            return;
        };
        let is_due = !resumed || details.is_welcomed;
        let unwritten = details.unwritten.take();
        self.with(connection, |connection, cx| {
            if is_due {
                cx.send_direct(connection, &packet, details.id.as_ref());
            }
            for frame in unwritten {
                cx.push_direct(connection, frame);
            }
        });
    }

    fn welcome_of(
        &mut self,
        session: SessionSlot,
        resumed: bool,
        details: &Details,
    ) -> Option<ServerPacket> {
        let entry = self.sessions.get_mut(session)?;
        // Once for each session: its client knows them then.
        let is_warned = std::mem::replace(&mut entry.is_warned, true) || resumed;
        let (id, user) = (entry.session.id, entry.session.user.clone());
        let accepted = entry.session.accepted();
        let warnings = match is_warned {
            true => Vec::new(),
            false => self.shared.portal.warnings(),
        };
        let (expires_in, token) = match &mut entry.session.standing {
            Some(standing) => (standing.expires_in(clock::now_ms()), standing.token.take()),
            None => (None, None),
        };
        let services = self
            .sessions
            .get(session)
            .map(|entry| self.manifest(entry.session.who()));
        Some(ServerPacket::Welcome(Box::new(Welcome {
            user: Some(user),
            services: services.unwrap_or_default(),
            resumed,
            accepted,
            attributes: details.attributes.clone(),
            warnings,
            reconnect_ms: self.announced_spread_ms(),
            expires_in,
            token,
            ..self.settings.welcome(id, clock::now_ms())
        })))
    }

    /// To a client that identifies again.
    pub(super) fn welcome_again(&mut self, session: SessionSlot, details: &Details) {
        if let Some(packet) = self.welcome_of(session, false, details) {
            // It is far longer than the command, and is retained for a resume.
            let frame = Frame::message(&packet, details.id.as_ref());
            self.pay_answer(session, frame.length());
            self.send_frame(session, frame, details.id.as_ref());
        }
    }
}
