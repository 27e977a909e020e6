//! An avatar as a value, for the next process, and the avatar of such a value.

use std::num::NonZeroU64;

use actix::{ActorContext, Context, Handler};

use super::Avatar;
use crate::actor::Shared;
use crate::actor::listing::OwnerActor as _;
use crate::actor::saving::{Save, SavedAvatar};
use crate::clock;
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;
use turntable_core::model::avatar::Avatar as Model;

impl Handler<Save<SavedAvatar>> for Avatar {
    type Result = Option<SavedAvatar>;

    fn handle(&mut self, _: Save<SavedAvatar>, ctx: &mut Context<Self>) -> Self::Result {
        // What waits for the store is not answered before the end.
        let is_whole = self.stored.is_none() && self.released.is_empty() && !self.is_recovering;
        let saved = is_whole.then(|| SavedAvatar {
            model: self.model.save(clock::now_ms()),
            is_known: self.is_known,
            is_made: self.is_made,
            is_unloaded: self.is_unloaded,
            is_reported: self.is_reported,
            added: self.added.to_vec(),
        });
        ctx.stop();
        saved
    }
}

impl Avatar {
    /// The avatar of a value. It shows what it showed until all sessions have come.
    pub(in crate::actor) fn restore(shared: &Shared, user: UserId, saved: SavedAvatar) -> Self {
        let mut avatar = Self::make(shared, user, false);
        let mut model = Model::restore(saved.model, clock::now_ms());
        // Gateways of now; those of the value are gone.
        model.watchers = std::mem::take(&mut avatar.model.watchers);
        avatar.saved_seen_ms = model.last_seen_ms().and_then(NonZeroU64::new);
        let public = &shared.settings().attributes;
        avatar.saved_apart = model.profile_apart(model.attributes(), public);
        avatar.model = model;
        avatar.is_known = saved.is_known;
        avatar.is_made = saved.is_made;
        avatar.is_unloaded = saved.is_unloaded;
        avatar.is_reported = saved.is_reported;
        avatar.added = saved.added.into();
        avatar.is_recovering = true;
        avatar.is_restored = true;
        avatar
    }

    /// All sessions have come that will. Time goes on; those that did not come are over.
    pub(super) fn end_restore(&mut self) {
        self.is_recovering = false;
        let missing: Vec<SessionKey> = self
            .model
            .sessions()
            .filter(|key| self.places.get(*key).is_none())
            .collect();
        for session in missing {
            self.remove(session);
        }
    }
}
