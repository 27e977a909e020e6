//! A channel as a value, for the next process, and the channel of such a value.

use actix::{ActorContext, Context, Handler};

use super::Channel;
use crate::actor::Shared;
use crate::actor::listing::OwnerActor as _;
use crate::actor::saving::{Save, SavedChannel};
use crate::clock;
use turntable_core::id::ChannelId;
use turntable_core::model::channel::Channel as Model;

impl Handler<Save<SavedChannel>> for Channel {
    type Result = Option<SavedChannel>;

    fn handle(&mut self, _: Save<SavedChannel>, ctx: &mut Context<Self>) -> Self::Result {
        // One that is loading goes on from the store.
        let is_whole = self.loading.is_none() && !self.is_recovering;
        let grace_ms = self.shared.settings().presence.grace_ms;
        let saved = is_whole.then(|| SavedChannel {
            model: self.model.save(clock::now_ms(), grace_ms),
        });
        ctx.stop();
        saved
    }
}

impl Channel {
    /// The channel of a value. Gateways announce who is on it.
    pub(in crate::actor) fn restore(shared: &Shared, id: ChannelId, saved: SavedChannel) -> Self {
        let mut channel = Self::make(shared, id.clone(), false);
        let settings = shared.settings();
        let names_max = settings.channels.of(&id).member_names();
        let grace_ms = settings.presence.grace_ms;
        let mut model = Model::restore(id, saved.model, clock::now_ms(), grace_ms, None);
        model.interest.clear();
        model.show_members(names_max);
        channel.stored_first = model.first_retained();
        channel.model = model;
        channel.is_recovering = true;
        channel.is_restored = true;
        channel
    }

    /// All sessions have come that will. They know each other.
    pub(super) fn end_restore(&mut self) {
        self.is_recovering = false;
        self.step_members(|members, _, _| members.note_sent());
    }
}
