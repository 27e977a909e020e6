//! What commands take of the share that the sessions of one address have together. Pure.

use crate::gateway::admission::AddressRates;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::settings::GatewaySettings;
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::rate::BucketSettings;
use turntable_core::reason::ErrorCode;
use turntable_core::session::Session;

/// What a channel counts for, in watched users: about as much memory.
const CHANNEL: usize = 16;
/// What a room counts for.
const ROOM: usize = 32;
/// What a service counts for that the session provides: each has an owner, of about 4 kB.
const SERVICE: usize = 64;

/// What a session holds that provides so many services, in watched users.
pub(super) fn units(session: &Session<Frame>, services: usize) -> usize {
    session.watching.len()
        + CHANNEL * session.channels().len()
        + ROOM * session.rooms().count()
        + SERVICE * services
}

/// What a command takes that changes what its session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    command: &'static str,
    /// What it adds, at most, to what the session holds.
    added: usize,
    /// The users that it names, or that are written for it.
    users: usize,
    /// Those of them that are taken in parts.
    in_parts: usize,
    /// Those that it invites.
    invites: usize,
}

impl Cost {
    /// What a command takes; `None` for one that changes nothing of what its session holds.
    /// `listed`: how many users the block list of its user has, all of which is sorted,
    /// written and answered with each change.
    pub(super) fn of(packet: &ClientPacket, listed: impl FnOnce() -> usize) -> Option<Self> {
        let (added, users, invites) = match packet {
            ClientPacket::Subscribe(users) => (users.len(), users.len(), 0),
            ClientPacket::Unsubscribe(users) | ClientPacket::Lookup(users) => (0, users.len(), 0),
            ClientPacket::Block { add, remove } => (0, add.len() + remove.len() + listed(), 0),
            ClientPacket::JoinChannel { .. } => (CHANNEL, 0, 0),
            ClientPacket::JoinGame(join) => (ROOM, 0, join.invite.len()),
            ClientPacket::Provide(services) => {
                let offered = services.iter();
                let count = offered.filter(|(_, functions)| !functions.is_empty());
                (SERVICE * count.count(), 0, 0)
            }
            ClientPacket::LeaveChannel { .. } | ClientPacket::LeaveGame { .. } => (0, 0, 0),
            _ => return None,
        };
        let in_parts = match packet {
            ClientPacket::Block { .. } => 0,
            _ => users,
        };
        Some(Self {
            command: packet.name(),
            added,
            users,
            in_parts,
            invites,
        })
    }

    /// How many users a command invites.
    pub(super) const fn invites(packet: &ClientPacket) -> usize {
        match packet {
            ClientPacket::JoinGame(join) => join.invite.len(),
            _ => 0,
        }
    }

    /// The users that are named, invited or written at once: each is work.
    pub(super) const fn at_once(&self) -> usize {
        self.users - self.in_parts + self.invites
    }

    /// Whether an address whose sessions hold so much together has room for what it adds.
    ///
    /// # Errors
    /// `too_many`, where it has none.
    pub(super) fn check(&self, total: usize, settings: &GatewaySettings) -> Result<(), ErrorBody> {
        let max = settings.session.subscriptions_per_address_max;
        if self.added > 0 && total + self.added > max {
            let message = "the clients of your address watch too many users, are in too many rooms \
                           and channels, and provide too many services; leave some";
            let error = ErrorBody::new(ErrorCode::TooMany, message).of(self.command);
            return Err(error.with("max", max as u64).by(Limit::Subscriptions));
        }
        Ok(())
    }

    /// Takes the users of the rates of an address, or refuses the command.
    ///
    /// # Errors
    /// `rate_limited`, where the address has no more.
    pub(super) fn take(
        &self,
        rates: AddressRates<'_>,
        settings: &GatewaySettings,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let limits = &settings.limits;
        let taken = rates.take_users(self.users, limits.address_users, now_ms);
        taken.map_err(|retry_ms| {
            too_often("users are named", Limit::AddressUsers, retry_ms).of(self.command)
        })
    }
}

/// The error for a command that names too many users, or invites them.
fn too_often(what: &str, limit: Limit, retry_ms: u64) -> ErrorBody {
    let message = format!("too many {what} by the clients of your address; wait retry_ms");
    let error = ErrorBody::new(ErrorCode::RateLimited, message);
    error.with("retry_ms", retry_ms).by(limit)
}

/// Takes so many users that the clients of an address may invite.
///
/// # Errors
/// `rate_limited`, where the address has no more.
pub(super) fn take_invites(
    rates: AddressRates<'_>,
    count: usize,
    limit: BucketSettings,
    now_ms: u64,
) -> Result<(), ErrorBody> {
    let taken = rates.take_invites(count, limit, now_ms);
    taken.map_err(|retry_ms| too_often("users are invited", Limit::AddressInvites, retry_ms))
}

/// Takes so many bytes of what the clients of an address may send to others.
///
/// # Errors
/// `rate_limited`, where the address has no more.
pub(super) fn take_published(
    rates: AddressRates<'_>,
    bytes: usize,
    limit: BucketSettings,
    now_ms: u64,
) -> Result<(), ErrorBody> {
    let taken = rates.take_published(bytes, limit, now_ms);
    taken.map_err(|retry_ms| {
        let message = "the clients of your address publish too much; wait retry_ms";
        ErrorBody::new(ErrorCode::RateLimited, message)
            .with("retry_ms", retry_ms)
            .by(Limit::AddressPublish)
    })
}

/// Takes so many messages that others get of what the clients of an address send.
///
/// # Errors
/// `rate_limited`, where the address has no more.
pub(super) fn take_deliveries(
    rates: AddressRates<'_>,
    count: usize,
    limit: BucketSettings,
    now_ms: u64,
) -> Result<(), ErrorBody> {
    let taken = rates.take_deliveries(count, limit, now_ms);
    taken.map_err(too_many_receivers)
}

/// Whether the address owes no deliveries that could not be refused.
///
/// # Errors
/// `rate_limited`, until it does not.
pub(super) fn check_deliveries(
    rates: AddressRates<'_>,
    limit: BucketSettings,
    now_ms: u64,
) -> Result<(), ErrorBody> {
    match rates.owes_deliveries_ms(limit, now_ms) {
        0 => Ok(()),
        retry_ms => Err(too_many_receivers(retry_ms)),
    }
}

fn too_many_receivers(retry_ms: u64) -> ErrorBody {
    let message = "too many get what the clients of your address send; wait retry_ms";
    ErrorBody::new(ErrorCode::RateLimited, message)
        .with("retry_ms", retry_ms)
        .by(Limit::AddressDeliveries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::admission::{AddressShare, ConnectionLimits};
    use crate::gateway::testing::{self, Noted, path, user};
    use turntable_core::key::UserNumber;
    use turntable_core::packet::JoinGame;

    fn share() -> AddressShare {
        let limits = Arc::new(ConnectionLimits::default());
        let permit = limits.admit([127, 0, 0, 1].into(), 10, 10).unwrap();
        permit.share()
    }

    fn settings() -> GatewaySettings {
        let gateway = testing::gateway(0, &Arc::new(Noted::default()));
        let mut settings = (*gateway.settings).clone();
        settings.session.subscriptions_per_address_max = 100;
        settings.limits.address_users = BucketSettings::new(1, 10);
        settings.limits.address_invites = BucketSettings::new(1, 4);
        settings
    }

    fn cost(packet: &ClientPacket) -> Option<Cost> {
        Cost::of(packet, || 5)
    }

    #[test]
    fn command_costs_what_it_adds_names_and_invites() {
        let users = || vec![user("1:1"), user("1:2")];
        let join = JoinGame {
            channel: path("four/1"),
            member: user("1:1"),
            invite: users(),
            team: None,
            game: None,
        };
        let offer = vec![
            ("chat".into(), vec!["f".into()]),
            ("forum".into(), Vec::new()),
        ];
        let block = ClientPacket::Block {
            add: users(),
            remove: vec![user("1:3")],
        };
        for (packet, added, users, invites) in [
            (ClientPacket::Subscribe(users()), 2, 2, 0),
            (ClientPacket::Unsubscribe(users()), 0, 2, 0),
            (ClientPacket::Lookup(users()), 0, 2, 0),
            // With all that the list has.
            (block, 0, 8, 0),
            (ClientPacket::JoinGame(join), ROOM, 0, 2),
            (ClientPacket::Provide(offer), SERVICE, 0, 0),
        ] {
            let cost = cost(&packet).unwrap();
            let found = (cost.added, cost.users, cost.invites);
            assert_eq!(found, (added, users, invites), "{packet:?}");
            let at_once = match packet {
                ClientPacket::Block { .. } => users,
                _ => invites,
            };
            assert_eq!(cost.at_once(), at_once);
        }
        assert_eq!(cost(&ClientPacket::Bye), None);
    }

    #[test]
    fn address_has_a_sum_and_rates_for_all_its_sessions() {
        let (mut one, settings) = (share(), settings());
        let cost = |added, users, invites| Cost {
            command: "subscribe",
            added,
            users,
            in_parts: users,
            invites,
        };
        let take = |share: &AddressShare, cost: Cost, now_ms| {
            let checked = cost.check(share.total(), &settings);
            let taken = checked.and_then(|()| cost.take(share.rates(), &settings, now_ms));
            taken.map_err(|error| error.limit.unwrap())
        };
        one.set(90);
        assert_eq!(take(&one, cost(10, 0, 0), 1_000), Ok(()));
        assert_eq!(take(&one, cost(11, 0, 0), 1_000), Err(Limit::Subscriptions));
        // Without more of it, a session that holds a lot may leave, and others be named.
        one.set(200);
        assert_eq!(take(&one, cost(0, 10, 0), 1_000), Ok(()));
        assert_eq!(take(&one, cost(0, 1, 0), 1_000), Err(Limit::AddressUsers));
        let limit = settings.limits.address_invites;
        assert_eq!(take_invites(one.rates(), 4, limit, 1_000), Ok(()));
        let error = take_invites(one.rates(), 1, limit, 1_000).unwrap_err();
        assert_eq!(error.limit, Some(Limit::AddressInvites));
        let limit = BucketSettings::new(1, 100);
        assert_eq!(take_published(one.rates(), 100, limit, 1_000), Ok(()));
        let error = take_published(one.rates(), 10, limit, 1_000).unwrap_err();
        assert_eq!(error.limit, Some(Limit::AddressPublish));
        assert_eq!(error.detail("retry_ms"), Some(10_000));
    }

    #[test]
    fn session_holds_watched_users_channels_and_services() {
        let owners = Arc::new(Noted::default());
        let mut gateway = testing::gateway(0, &owners);
        let session = testing::begin(&mut gateway);
        let session = &mut testing::entry(&mut gateway, session).session;
        assert_eq!(units(session, 0), 0);
        session.watching.push(UserNumber::from_bits(1));
        session.enter_channel(&path("a"), false, 9).unwrap();
        assert_eq!(units(session, 2), 1 + CHANNEL + 2 * SERVICE);
    }
}
