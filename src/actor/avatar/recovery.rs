//! An avatar in case of a loss: what it stores at the gateways of its sessions, and
//! what its replacement gets back from them.

use crate::actor::avatar::Avatar;
use crate::clock;
use turntable_core::backup::{AnnouncedSession, Backup};
use turntable_core::call::RoomCall;
use turntable_core::delivery::Delivery;
use turntable_core::key::{GatewayId, SessionKey};
use turntable_core::packet::Presence;

impl Avatar {
    /// Has the gateways of sessions store what a replacement needs.
    pub(super) fn back_up(&self, sessions: impl IntoIterator<Item = SessionKey>) {
        for key in sessions {
            if let Some(to) = self.places.get(key) {
                let backup = Backup::Avatar(self.model.backup(key));
                self.shared
                    .bus
                    .send(to.gateway, Delivery::Backup { to, backup });
            }
        }
    }

    /// What a gateway has of the user, where the avatar before this one was lost.
    pub(super) fn announced(
        &mut self,
        gateway: GatewayId,
        is_watching: bool,
        sessions: Vec<AnnouncedSession>,
    ) {
        let grace_ms = self.shared.settings().presence.grace_ms;
        for session in sessions {
            self.places.bind(session.caller);
            self.model.announced(session, clock::now_ms(), grace_ms);
        }
        if is_watching {
            self.model.watchers.add(gateway);
            if !self.is_recovering {
                self.shared.bus.send(gateway, self.whole_profile());
                self.shared.bus.send(gateway, self.presence());
            }
        }
    }

    /// All that is known was announced: the user is seen as it is now.
    pub(super) fn recovered(&mut self) {
        self.is_recovering = false;
        if self.is_loading() {
            return self.note_recovered();
        }
        self.show_recovered();
    }

    /// The user is seen as it is now.
    pub(super) fn show_recovered(&mut self) {
        let rooms = self.shared.playing.borrow().rooms(&self.user);
        for room in rooms {
            self.model.set_playing(&room, true);
            let user = self.user.clone();
            self.shared.owners.room(&room, RoomCall::Confirm { user });
        }
        let settings = self.shared.settings();
        self.model.refresh(clock::now_ms(), &settings.presence);
        self.model.refresh_profile(&settings.attributes);
        // What others saw of a hidden one is in the store alone.
        let is_known = self.check_loaded().is_ok() || self.model.shown() != Presence::Offline;
        for gateway in self.model.watchers.gateways() {
            if is_known {
                self.shared.bus.send(*gateway, self.whole_profile());
            }
            self.shared.bus.send(*gateway, self.presence());
        }
    }
}
