//! A room in case of a loss: what it stores at the gateways of its members, and
//! what its replacement gets back from them.

use crate::actor::room::Room;
use turntable_core::backup::{AnnouncedMember, Backup, RoomBackup};
use turntable_core::delivery::Delivery;
use turntable_core::id::UserId;
use turntable_core::key::Place;
use turntable_core::model::room::Room as Model;
use turntable_core::packet::{MemberChange, ServerPacket};

impl Room {
    /// Has a session's gateway store what a replacement needs.
    pub(super) fn back_up(&self, to: Place, user: &UserId) {
        let Some(model) = &self.model else {
            return;
        };
        let Some(member) = model.members().get(user.as_str()) else {
            return;
        };
        let seat = RoomBackup {
            game: model.game().name().into(),
            team: member.team().map(Into::into),
        };
        let backup = Backup::Room(self.channel.clone(), seat);
        self.shared
            .bus
            .send(to.gateway, Delivery::Backup { to, backup });
    }

    /// What a gateway has of the room, where the one before this was lost.
    pub(super) fn announced(&mut self, members: Vec<AnnouncedMember>, now_ms: u64) {
        for member in members {
            let AnnouncedMember {
                caller,
                user,
                dropped_ms,
                backup,
            } = member;
            let settings = self.shared.settings();
            let model = self.model.get_or_insert_with(|| {
                let game = settings.games.find(Some(&backup.game)).clone();
                Model::new(self.channel.clone(), game, settings.room.clone(), now_ms)
            });
            let effects = model.announced(caller.key, &user, backup.team, dropped_ms, now_ms);
            let is_new = !effects.is_empty();
            self.bind(caller);
            self.apply(effects, None);
            if self.is_recovering {
                continue;
            }
            // It comes late: the others have the room without it.
            if is_new {
                let packet = ServerPacket::MemberChange {
                    channel: self.channel.clone(),
                    members: vec![(user.clone(), MemberChange::Joined)],
                    reason: None,
                };
                self.broadcast(&packet);
            }
            self.send_joined(caller.place, &user, now_ms);
        }
    }

    /// All that is known was announced: the members get the room as it is now.
    pub(super) fn recovered(&mut self, now_ms: u64) {
        self.is_recovering = false;
        let Some(model) = &self.model else {
            return;
        };
        for (user, member) in model.members().iter() {
            for place in member.sessions().filter_map(|key| self.places.get(key)) {
                self.send_joined(place, user, now_ms);
            }
        }
    }

    fn send_joined(&self, to: Place, user: &UserId, now_ms: u64) {
        if let Some(model) = &self.model {
            self.shared.send(to, &model.joined(user, now_ms), None);
        }
    }
}
