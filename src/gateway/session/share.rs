//! What the sessions of one address hold together: each has bounds of its own, but
//! one address may begin thousands of them, and what they hold takes the memory and
//! the totals of all.

use std::net::IpAddr;

use crate::gateway::Gateway;
use crate::gateway::admission::AddressShare;
use turntable_core::address::Address;
use turntable_core::key::SessionSlot;
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::reason::ErrorCode;
use turntable_core::session::published_bytes;

/// What a channel counts for, in watched users: about as much memory.
const CHANNEL: usize = 16;
/// What a room counts for.
const ROOM: usize = 32;
/// What a service counts for that the session provides.
const SERVICE: usize = 16;

/// What a command adds, at most, to what its session holds; `None` for a command that
/// changes nothing of it.
fn added(packet: &ClientPacket) -> Option<usize> {
    match packet {
        ClientPacket::Subscribe(users) => Some(users.len()),
        ClientPacket::JoinChannel { .. } => Some(CHANNEL),
        ClientPacket::JoinGame(_) => Some(ROOM),
        ClientPacket::Provide(services) => {
            let offered = services.iter();
            let count = offered.filter(|(_, functions)| !functions.is_empty());
            Some(SERVICE * count.count())
        }
        ClientPacket::Unsubscribe(_)
        | ClientPacket::Lookup(_)
        | ClientPacket::Block { .. }
        | ClientPacket::LeaveChannel { .. }
        | ClientPacket::LeaveGame { .. } => Some(0),
        _ => None,
    }
}

/// The users that a command names, and those that it invites.
fn named(packet: &ClientPacket) -> (usize, usize) {
    match packet {
        ClientPacket::Subscribe(users)
        | ClientPacket::Unsubscribe(users)
        | ClientPacket::Lookup(users) => (users.len(), 0),
        ClientPacket::Block { add, remove } => (add.len() + remove.len(), 0),
        ClientPacket::JoinGame(join) => (0, join.invite.len()),
        _ => (0, 0),
    }
}

/// The error for a command that names too many users, or invites them.
fn too_often(what: &str, packet: &ClientPacket, limit: Limit, retry_ms: u64) -> ErrorBody {
    let message = format!("too many {what} by the clients of your address; wait retry_ms");
    let error = ErrorBody::new(ErrorCode::RateLimited, message).of(packet.name());
    error.with("retry_ms", retry_ms).by(limit)
}

impl Gateway {
    /// Takes what a command needs of the share of its session's address. Returns
    /// whether the command changes what the session holds.
    ///
    /// # Errors
    /// `too_many` or `rate_limited`, where the address has no more.
    pub(crate) fn take_share(
        &mut self,
        session: SessionSlot,
        packet: &ClientPacket,
        now_ms: u64,
    ) -> Result<bool, ErrorBody> {
        let Some(added) = added(packet) else {
            return Ok(false);
        };
        let settings = self.settings.clone();
        let listed = match packet {
            ClientPacket::Block { .. } => self.blocked_len(session),
            _ => 0,
        };
        let (mut users, invites) = named(packet);
        // All of a block list is sorted, written and answered.
        users += listed;
        self.intake.names(users + invites);
        let Some(share) = self.share(session) else {
            return Ok(true);
        };
        let max = settings.session.subscriptions_per_address_max;
        if added > 0 && share.total() + added > max {
            let message = "the clients of your address watch too many users, are in too many rooms \
                           and channels, and provide too many services; leave some";
            let error = ErrorBody::new(ErrorCode::TooMany, message).of(packet.name());
            return Err(error.with("max", max as u64).by(Limit::Subscriptions));
        }
        let limits = &settings.limits;
        share
            .take_users(users, limits.address_users, now_ms)
            .map_err(|ms| too_often("users are named", packet, Limit::AddressUsers, ms))?;
        share
            .take_invites(invites, limits.address_invites, now_ms)
            .map_err(|ms| too_often("users are invited", packet, Limit::AddressInvites, ms))?;
        Ok(true)
    }

    fn blocked_len(&self, session: SessionSlot) -> usize {
        let entry = self.sessions.get(session);
        entry.map_or(0, |entry| self.shared.blocked.len(&entry.session.user))
    }

    /// Takes what others get of a command from what they may get of its session's address.
    /// A listener that is on several channels gets the sum of what they send.
    ///
    /// # Errors
    /// `rate_limited`, where the address has no more.
    pub(crate) fn take_published(
        &mut self,
        session: SessionSlot,
        packet: &ClientPacket,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let entry = self.sessions.get(session);
        let bytes = entry.map_or(0, |entry| published_bytes(packet, &entry.session.user));
        self.take_published_bytes(session, bytes, now_ms)
            .map_err(|error| error.of(packet.name()))
    }

    /// The same of what is sent without a command.
    ///
    /// # Errors
    /// `rate_limited`, where the address has no more.
    pub(crate) fn take_published_bytes(
        &mut self,
        session: SessionSlot,
        bytes: usize,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        if bytes == 0 {
            return Ok(());
        }
        let limit = self.settings.limits.address_publish;
        let share = self.share(session);
        let taken = share.map_or(Ok(()), |share| share.take_published(bytes, limit, now_ms));
        taken.map_err(|retry_ms| {
            let message = "the clients of your address publish too much; wait retry_ms";
            ErrorBody::new(ErrorCode::RateLimited, message)
                .with("retry_ms", retry_ms)
                .by(Limit::AddressPublish)
        })
    }

    /// The address of a session's client, as owners charge it; of a command that took a
    /// share of what the address may.
    pub(crate) fn address(&mut self, session: SessionSlot) -> Option<Address> {
        self.share_address(session).map(Address::of)
    }

    /// The address whose share a session has.
    pub(super) fn share_address(&mut self, session: SessionSlot) -> Option<IpAddr> {
        self.share(session).map(AddressShare::address)
    }

    /// A session is about to leave its avatar.
    pub(crate) fn leaves_avatar(&self, session: SessionSlot) {
        if let Some(entry) = self.sessions.get(session) {
            let share = entry.share.as_ref();
            let share = share.filter(|_| entry.session.is_provisional);
            let from = share.map(AddressShare::address);
            self.shared.store.session_ends(&entry.session.user, from);
        }
    }

    /// The share of its address that a session has.
    pub(super) fn share(&mut self, session: SessionSlot) -> Option<&AddressShare> {
        let connection = self.sessions.get(session)?.session.connection();
        let permit = connection.and_then(|key| self.connections.permit(key));
        let begun = permit.map(|permit| permit.share());
        let entry = self.sessions.get_mut(session)?;
        if entry.share.is_none() {
            let detached = entry.detached.as_ref();
            entry.share = begun.or_else(|| detached.map(|detached| detached.share()));
        }
        entry.share.as_ref()
    }

    /// A session may hold more or less than before.
    pub(crate) fn settle_share(&mut self, session: SessionSlot) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let session = &entry.session;
        let services = entry.providing.as_ref().map_or(0, |all| all.count());
        let holds = session.watching.len()
            + CHANNEL * session.channels().len()
            + ROOM * session.rooms().count()
            + SERVICE * services;
        if let Some(share) = &mut entry.share {
            share.set(holds);
        }
    }
}
