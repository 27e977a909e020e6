//! What the sessions of one address hold together: each has bounds of its own, but
//! one address may begin thousands of them, and what they hold takes the memory and
//! the totals of all.

use crate::gateway::Gateway;
use turntable_core::key::SessionSlot;
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::reason::ErrorCode;

/// What a channel counts for, in watched users: about as much memory.
const CHANNEL: usize = 16;
/// What a room counts for.
const ROOM: usize = 32;

/// What a command adds, at most, to what its session holds; `None` for a command that
/// changes nothing of it.
fn added(packet: &ClientPacket) -> Option<usize> {
    match packet {
        ClientPacket::Subscribe(users) => Some(users.len()),
        ClientPacket::JoinChannel { .. } => Some(CHANNEL),
        ClientPacket::JoinGame(_) => Some(ROOM),
        ClientPacket::Unsubscribe(_)
        | ClientPacket::Lookup(_)
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
        let connection = self.sessions.get(session);
        let connection = connection.and_then(|entry| entry.session.connection());
        let permit = connection.and_then(|key| self.permit(key));
        let begun = permit.map(|permit| permit.hold());
        let settings = &self.settings;
        let Some(entry) = self.sessions.get_mut(session) else {
            return Ok(false);
        };
        let detached = entry.detached.as_ref();
        let begin = || begun.or_else(|| detached.map(|detached| detached.hold()));
        if entry.held.is_none() {
            entry.held = begin();
        }
        let Some(held) = &entry.held else {
            return Ok(true);
        };
        let max = settings.session.held_per_address_max;
        if added > 0 && held.total() + added > max {
            let message = "the clients of your address watch too many users, and are in too many \
                           rooms and channels; leave some";
            let error = ErrorBody::new(ErrorCode::TooMany, message).of(packet.name());
            return Err(error.with("max", max as u64).by(Limit::Held));
        }
        let (users, invites) = named(packet);
        let limits = &settings.limits;
        held.take_users(users, limits.address_users, now_ms)
            .map_err(|ms| too_often("users are named", packet, Limit::AddressUsers, ms))?;
        held.take_invites(invites, limits.address_invites, now_ms)
            .map_err(|ms| too_often("users are invited", packet, Limit::AddressInvites, ms))?;
        Ok(true)
    }

    /// A session may hold more or less than before.
    pub(crate) fn settle_share(&mut self, session: SessionSlot) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let session = &entry.session;
        let holds = session.watching.len()
            + CHANNEL * session.channels().len()
            + ROOM * session.rooms().count();
        if let Some(held) = &mut entry.held {
            held.set(holds);
        }
    }
}
