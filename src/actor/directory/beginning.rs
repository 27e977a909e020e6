//! Channels and rooms that begin: charged to the user and to the address of the client
//! whose command makes them.

use crate::actor::beginning::Begun;
use crate::actor::directory::Directory;
use crate::clock;
use turntable_core::call::{ChannelCall, RoomCall};
use turntable_core::id::ChannelId;
use turntable_core::packet::ErrorBody;
use turntable_core::pending::Pending;

impl Directory {
    /// Whether a message is retained on a channel that nobody listens to.
    pub(super) fn is_retained(&self, channel: &ChannelId) -> bool {
        let settings = self.shared.settings();
        let channels = usize::try_from(self.shared.metrics.actors("channel").get());
        let is_crowded = settings.channel.is_crowded(channels.unwrap_or_default());
        !is_crowded && settings.channels.of(channel).retention().is_any()
    }

    /// Charges a channel that begins by this call; to nobody where it is not a client's.
    /// Returns its place among what clients of the address began.
    ///
    /// # Errors
    /// `rate_limited`, where too many begin so, and `too_many`, where too many exist.
    pub(super) fn charge_new_channel(
        &self,
        call: &ChannelCall,
    ) -> Result<Option<Begun>, ErrorBody> {
        let (address, user) = match call {
            ChannelCall::Join {
                address, listener, ..
            } => (address, &listener.user),
            ChannelCall::Publish { address, user, .. } => (address, user),
            _ => return Ok(None),
        };
        let Some(address) = *address else {
            return Ok(None);
        };
        let settings = self.shared.settings();
        let beginnings = &self.shared.totals.beginnings;
        let (channel, metrics) = (&settings.channel, &self.shared.metrics);
        let begun = beginnings.channel(user, address, channel, clock::now_ms(), metrics);
        begun.map(Some)
    }

    /// The same of a room.
    ///
    /// # Errors
    /// `rate_limited`, where too many begin so, and `too_many`, where too many exist.
    pub(super) fn charge_new_room(&self, call: &RoomCall) -> Result<Option<Begun>, ErrorBody> {
        let RoomCall::Join {
            address: Some(address),
            ..
        } = call
        else {
            return Ok(None);
        };
        let settings = self.shared.settings();
        let beginnings = &self.shared.totals.beginnings;
        let (room, metrics) = (&settings.room, &self.shared.metrics);
        let begun = beginnings.room(*address, room, clock::now_ms(), metrics);
        begun.map(Some)
    }

    /// Brings what users and addresses have in all up to date.
    pub(super) fn survey(&self) {
        let settings = self.shared.settings();
        let (totals, now_ms) = (&self.shared.totals, clock::now_ms());
        totals.survey(&settings.room, now_ms);
        self.shared.absent_invites.borrow_mut().sweep(now_ms);
        let (channel, room) = (&settings.channel, &settings.room);
        totals.beginnings.sweep(channel, room, now_ms);
    }

    /// Refuses a call for which no owner is made.
    pub(super) fn refuse(&self, pending: Option<Pending>, error: ErrorBody) {
        if let Some(pending) = pending {
            let (to, refusal) = pending.refused(error);
            self.shared.bus.send(to, refusal);
        }
    }
}
