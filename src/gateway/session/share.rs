//! What the sessions of one address hold together: each has bounds of its own, but
//! one address may begin thousands of them, and what they hold takes the memory and
//! the totals of all.

mod charged;
mod cost;
mod receivers;

use std::net::IpAddr;

use crate::gateway::Gateway;
use crate::gateway::admission::{AddressRates, AddressShare, DetachedPermit, Permit, counted};
use crate::gateway::session::SessionEntry;
pub(crate) use charged::Charged;
use cost::Cost;
use turntable_core::address::Address;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::session::published_bytes;

/// What a command is to the share of its session's address.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shared {
    /// Whether it changes what the session holds.
    pub(crate) changes: bool,
    /// What it gets back where it is refused.
    pub(crate) taken: Charged,
}

impl SessionEntry {
    /// What it holds, in watched users.
    pub(in crate::gateway) fn units(&self) -> usize {
        let services = self.providing().map_or(0, |all| all.count());
        let later = self.queue.as_ref().map_or(0, |queue| queue.watched_later());
        cost::units(&self.session, services) + later
    }

    /// The share of its address that it has: from its first connection on, or from the one
    /// that it had, until another address has room for it ([`Gateway::move_share`]).
    fn share_of(&mut self, permit: Option<&Permit>) -> Option<&AddressShare> {
        if self.share.is_none() {
            let detached = self.detached.as_ref();
            let detached = || detached.map(DetachedPermit::share);
            self.share = permit.map(Permit::share).or_else(detached);
        }
        self.share.as_ref()
    }
}

impl Gateway {
    /// Takes what a command needs of the share of its session's address, and what others get of
    /// it from what they may get of the address: its bytes, as a listener that is on several
    /// channels gets the sum of what they send, and one delivery for each subscriber, member or
    /// watcher. All of it before it is sent, so that a thousand at once take no more than one
    /// after the other.
    ///
    /// # Errors
    /// `too_many` or `rate_limited`, where the address has no more.
    pub(crate) fn take_share(
        &mut self,
        session: SessionSlot,
        packet: &ClientPacket,
        now_ms: u64,
    ) -> Result<Shared, ErrorBody> {
        let Some(entry) = self.sessions.get(session) else {
            return Ok(Shared::default());
        };
        let user = &entry.session.user;
        let cost = Cost::of(packet, || self.shared.blocked.len(user));
        let bytes = published_bytes(packet, user);
        let deliveries = self.receivers(&entry.session, packet);
        let taken = Charged::of(bytes, deliveries, Cost::invites(packet));
        if let Some(cost) = &cost {
            let settings = self.settings.clone();
            self.intake.names(cost.at_once());
            let share = self.share(session);
            share.map_or(Ok(()), |share| cost.check(share.total(), &settings))?;
            let rates = self.rates(session);
            rates.map_or(Ok(()), |rates| cost.take(rates, &settings, now_ms))?;
        }
        let rates = self.rates(session).filter(|_| taken != Charged::NOTHING);
        let taken = rates.map_or(Ok(Charged::NOTHING), |rates| {
            taken.take(rates, &self.settings.limits, now_ms)
        });
        Ok(Shared {
            changes: cost.is_some(),
            taken: taken.map_err(|error| error.of(packet.name()))?,
        })
    }

    /// Gives back what a command has taken that is refused.
    pub(crate) fn give_back(&self, session: SessionSlot, taken: Charged) {
        if let Some(rates) = self.rates(session).filter(|_| taken != Charged::NOTHING) {
            taken.give_back(rates, &self.settings.limits);
        }
    }

    /// Takes the bytes of what is sent without a command.
    ///
    /// # Errors
    /// `rate_limited`, where the address has no more.
    pub(crate) fn take_published_bytes(
        &self,
        session: SessionSlot,
        bytes: usize,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        if bytes == 0 {
            return Ok(());
        }
        let limit = self.settings.limits.address_publish;
        let rates = self.rates(session);
        rates.map_or(Ok(()), |rates| {
            cost::take_published(rates, bytes, limit, now_ms)
        })
    }

    /// The same of what others get of a client that identifies on this connection: the bytes of
    /// its attributes, and `deliveries`.
    ///
    /// # Errors
    /// `rate_limited`, where the address has no more.
    pub(super) fn take_claimed(
        &self,
        connection: ConnKey,
        bytes: usize,
        deliveries: usize,
        now_ms: u64,
    ) -> Result<Charged, ErrorBody> {
        let permit = self.connections.permit(connection);
        permit.map_or(Ok(Charged::NOTHING), |permit| {
            let taken = Charged::of(bytes, deliveries, 0);
            taken.take(permit.rates(), &self.settings.limits, now_ms)
        })
    }

    /// Gives that back: the client does not identify.
    pub(super) fn give_claimed_back(&self, connection: ConnKey, taken: Charged) {
        if let Some(permit) = self.connections.permit(connection) {
            taken.give_back(permit.rates(), &self.settings.limits);
        }
    }

    /// The address of a session's client, as owners charge it.
    pub(crate) fn address(&self, session: SessionSlot) -> Option<Address> {
        self.client_address(session).map(Address::of)
    }

    /// The address that pays for a session.
    pub(super) fn client_address(&self, session: SessionSlot) -> Option<IpAddr> {
        self.rates(session).map(AddressRates::address)
    }

    /// The rates that pay for what a session's client sends and gets: those of the address of
    /// the connection that carries it, or that did last.
    pub(super) fn rates(&self, session: SessionSlot) -> Option<AddressRates<'_>> {
        let entry = self.sessions.get(session)?;
        let connection = entry.session.connection();
        let permit = connection.and_then(|key| self.connections.permit(key));
        let detached = entry.detached.as_ref();
        let lost = || detached.map(DetachedPermit::rates);
        let before = || entry.share.as_ref().map(AddressShare::rates);
        permit.map(Permit::rates).or_else(lost).or_else(before)
    }

    /// A connection carries a session that another one did before: what it holds is of the
    /// share of that address.
    pub(super) fn move_share(&mut self, session: SessionSlot, connection: ConnKey) {
        let max = self.settings.session.subscriptions_per_address_max;
        let Some(permit) = self.connections.permit(connection) else {
            return;
        };
        let entry = self.sessions.get_mut(session);
        if let Some(share) = entry.and_then(|entry| entry.share.as_mut()) {
            share.follow(permit, max);
        }
    }

    /// A session is about to leave its avatar.
    pub(crate) fn leaves_avatar(&self, session: SessionSlot) {
        if let Some(entry) = self.sessions.get(session) {
            let (user, is_provisional) = (&entry.session.user, entry.session.is_provisional);
            let share = entry.share.as_ref();
            let share = share.filter(|_| self.shared.portal.is_unconfirmed(user, is_provisional));
            let from = share.map(AddressShare::address);
            self.shared.store.session_ends(user, from);
        }
    }

    /// The share of its address that a session has.
    pub(super) fn share(&mut self, session: SessionSlot) -> Option<&AddressShare> {
        let entry = self.sessions.get_mut(session)?;
        let connection = entry.session.connection();
        entry.share_of(connection.and_then(|key| self.connections.permit(key)))
    }

    /// A request of a connection that needs no socket came from this address, which the
    /// connection is counted by from now on: who sends it pays for it.
    ///
    /// # Errors
    /// `too_many`, where the address has no room for one more connection.
    pub(crate) fn comes_from(&mut self, key: ConnKey, address: IpAddr) -> Result<(), ErrorBody> {
        let Some(connection) = self.connections.get_mut(key) else {
            return Ok(());
        };
        let session = connection.session();
        let Some(permit) = connection.permit.as_mut() else {
            return Ok(());
        };
        // One that has not identified has its place among those of its first address, and one
        // that has a socket again is of the other end of that.
        let is_its_first = permit.unidentified().is_some() || connection.io.is_some();
        if is_its_first || permit.address() == counted(address) {
            return Ok(());
        }
        *permit = self.shared.count_again(address)?;
        if let Some(session) = session {
            self.move_share(session, key);
        }
        Ok(())
    }

    /// A session may hold more or less than before.
    pub(crate) fn settle_share(&mut self, session: SessionSlot) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let units = entry.units();
        if let Some(share) = &mut entry.share {
            share.set(units);
        }
    }
}
