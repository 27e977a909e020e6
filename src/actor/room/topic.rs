//! The sessions on the topic of a room: where they are, and what is sent to all of them.

use super::Room;
use crate::clock;
use turntable_core::delivery::{Delivery, Meta};
use turntable_core::key::{Caller, Place, SessionKey};
use turntable_core::packet::ServerPacket;

impl Room {
    pub(super) fn enter(&self, to: Place) {
        let topic = self.topic();
        self.shared
            .bus
            .send(to.gateway, Delivery::Enter { to, topic });
    }

    pub(super) fn exit(&mut self, session: SessionKey) {
        let Some(to) = self.places.remove(session) else {
            return;
        };
        if !self.places.are_at(to.gateway) {
            self.interest.remove(to.gateway);
        }
        let topic = self.topic();
        self.shared
            .bus
            .send(to.gateway, Delivery::Exit { to, topic });
    }

    /// The session is at that place from now on, if it is on the topic. Returns
    /// whether it is.
    pub(super) fn rebind(&mut self, caller: Caller) -> bool {
        let Some(before) = self.places.get(caller.key) else {
            return false;
        };
        if before != caller.place {
            self.bind(caller);
            if !self.places.are_at(before.gateway) {
                self.interest.remove(before.gateway);
            }
        }
        true
    }

    pub(super) fn bind(&mut self, caller: Caller) {
        self.places.bind(caller);
        self.interest.add(caller.place.gateway);
    }

    pub(super) fn broadcast(&mut self, packet: &ServerPacket) {
        let (gateways, topic) = (self.interest.gateways(), self.topic());
        let sent = self
            .shared
            .publish(gateways, &topic, packet, Meta::default());
        if let (ServerPacket::Game { actions, .. }, Some(frame)) = (packet, sent) {
            self.retain(actions.len(), frame, clock::now_ms());
        }
    }

    /// Where a session is: the one that called, or one that the room has.
    pub(super) fn place(&self, session: SessionKey, caller: Option<Caller>) -> Option<Place> {
        match caller {
            Some(caller) if caller.key == session => Some(caller.place),
            _ => self.places.get(session),
        }
    }
}
