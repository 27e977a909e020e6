//! A room as a value, for the next process, and the room of such a value.

use actix::{ActorContext, Context, Handler};

use super::Room;
use crate::actor::Shared;
use crate::actor::listing::OwnerActor as _;
use crate::actor::saving::{Save, SavedRoom};
use crate::clock;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::SessionKey;
use turntable_core::model::room::Room as Model;

impl Handler<Save<SavedRoom>> for Room {
    type Result = Option<SavedRoom>;

    fn handle(&mut self, _: Save<SavedRoom>, ctx: &mut Context<Self>) -> Self::Result {
        let now_ms = clock::now_ms();
        let saved = self.model.as_ref().map(|model| SavedRoom {
            model: model.save(now_ms),
            created_by: self.created.as_ref().map(|created| created.by().clone()),
            age_ms: now_ms.saturating_sub(self.since_ms),
            reported_ago_ms: self
                .reported_ms
                .map(|reported_ms| now_ms.saturating_sub(reported_ms)),
        });
        ctx.stop();
        saved
    }
}

impl Room {
    /// The room of a value. Its clock stands until all sessions have come.
    pub(in crate::actor) fn restore(shared: &Shared, channel: ChannelId, saved: SavedRoom) -> Self {
        let now_ms = clock::now_ms();
        let mut room = Self::make(shared, channel.clone(), false);
        let settings = shared.settings();
        let game = settings.games.find(Some(saved.model.game())).clone();
        let settings_of_room = settings.room.clone();
        let model = Model::restore(channel, game, settings_of_room, saved.model, now_ms);
        room.model = Some(model);
        room.created = saved
            .created_by
            .and_then(|by| shared.totals.create_room(&by, &settings.room).ok());
        room.since_ms = now_ms.saturating_sub(saved.age_ms);
        room.reported_ms = saved
            .reported_ago_ms
            .map(|ago_ms| now_ms.saturating_sub(ago_ms));
        room.is_recovering = true;
        room.is_restored = true;
        room
    }

    /// All sessions have come that will. The room goes on; those that did not come are over.
    pub(super) fn end_restore(&mut self, now_ms: u64) {
        self.is_recovering = false;
        let Some(model) = &self.model else {
            return;
        };
        for (user, _) in model.members().iter() {
            // The table of who plays where is made anew.
            self.playing(user, true);
        }
        let members = model.members().iter();
        let missing: Vec<(SessionKey, UserId)> = members
            .flat_map(|(user, member)| member.sessions().map(|key| (key, user.clone())))
            .filter(|(key, _)| self.places.get(*key).is_none())
            .collect();
        for (session, user) in missing {
            if let Some(model) = &mut self.model {
                let effects = model.session_ended(session, &user, false, now_ms);
                self.apply(effects, None);
            }
        }
    }
}
