//! How many get what a session's client causes: each is a delivery of its address.
//!
//! Commands and sessions that begin are refused where the address has no more. Users that join or
//! come online can always leave, so that is paid for at once. What cannot be refused is charged
//! afterwards: what the address does next waits then.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::permission::may_do;
use turntable_core::id::UserId;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::model::namespace::Access;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::session::Session;

use super::cost;

/// For coming, and for going later.
const BOTH: usize = 2;

impl Gateway {
    /// How many get something of a command of a session's client.
    pub(super) fn receivers(&self, session: &Session<Frame>, packet: &ClientPacket) -> usize {
        let user = &session.user;
        let (reach, settings) = (&self.shared.reach, &self.settings);
        match packet {
            // What is refused in any case reaches nobody.
            ClientPacket::Publish { channel, .. }
                if may_do(&settings.channels, session.who(), channel, Access::Publish).is_err() =>
            {
                0
            }
            ClientPacket::Publish { channel, .. } => reach.of_channel(channel),
            // Its room refuses it.
            ClientPacket::Game { channel, .. } if !session.rooms().any(|room| room == channel) => 0,
            ClientPacket::Game { channel, .. } => reach.of_room(channel),
            ClientPacket::Status { .. } => reach.of_user(user),
            ClientPacket::Set(changes) => {
                let is_public = |(name, _): &(Box<str>, _)| settings.public.contains(name);
                match changes.iter().any(is_public) {
                    true => reach.of_user(user),
                    false => 0,
                }
            }
            ClientPacket::JoinGame(join) => {
                let watchers = match settings.presence.busy_in_game {
                    true => reach.of_user(user),
                    false => 0,
                };
                BOTH * (reach.of_room(&join.channel) + watchers)
            }
            ClientPacket::JoinChannel(join) => {
                let namespaces = settings.namespaces.as_ref();
                let names = namespaces.and_then(|all| all.of(&join.channel).member_names());
                // The number of more is sent once a second, however many join.
                names.map_or(0, |names| BOTH * reach.of_path(&join.channel).min(names))
            }
            _ => 0,
        }
    }

    /// How many get that a user comes online, and goes.
    pub(in crate::gateway::session) fn visitors(&self, user: &UserId) -> usize {
        BOTH * self.shared.reach.of_user(user)
    }

    /// Takes what a session's user reaches that comes back after its grace, when it was offline.
    /// That it is back in its rooms is charged afterwards: it waits while something is owed.
    ///
    /// # Errors
    /// `rate_limited`, where the address of its client has no more.
    pub(in crate::gateway::session) fn take_return(
        &self,
        session: SessionSlot,
        connection: ConnKey,
    ) -> Result<(), ErrorBody> {
        let now_ms = clock::now_ms();
        let grace_ms = self.settings.presence.grace_ms;
        let entry = self.sessions.get(session);
        let (Some(entry), Some(permit)) = (entry, self.connections.permit(connection)) else {
            return Ok(());
        };
        let dropped_ms = entry.dropped_for(now_ms);
        let (rates, limit) = (permit.rates(), self.settings.limits.address_deliveries);
        if dropped_ms.is_some() && entry.session.has_rooms() {
            cost::check_deliveries(rates, limit, now_ms)?;
        }
        match dropped_ms.is_some_and(|ms| ms >= grace_ms) {
            true => cost::take_deliveries(rates, self.visitors(&entry.session.user), limit, now_ms),
            false => Ok(()),
        }
    }

    /// Charges the address of a session's client for so many that get what cannot be refused.
    pub(in crate::gateway::session) fn pay_deliveries(&self, session: SessionSlot, count: usize) {
        let limit = self.settings.limits.address_deliveries;
        if let Some(rates) = self.rates(session).filter(|_| count > 0) {
            rates.pay_deliveries(count, limit, clock::now_ms());
        }
    }
}
