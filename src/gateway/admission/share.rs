//! The share of its address that a session has: what it holds. And the rates that all
//! clients of the address share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use turntable_core::rate::BucketSettings;

use super::{AddressCount, DetachedPermit, Permit};

/// What one session holds of the share of its address, in watched users. Dropping it
/// gives it back.
#[derive(Debug)]
pub struct AddressShare {
    address: Arc<AddressCount>,
    units: usize,
}

impl AddressShare {
    fn nothing(address: &Arc<AddressCount>) -> Self {
        Self {
            address: address.clone(),
            units: 0,
        }
    }

    /// The address, as it is counted.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address.address
    }

    /// What all sessions of the address hold.
    #[must_use]
    pub fn total(&self) -> usize {
        self.address.shared_units.load(Ordering::Relaxed)
    }

    /// The session holds so much now.
    pub fn set(&mut self, units: usize) {
        self.address
            .shared_units
            .fetch_add(units, Ordering::Relaxed);
        self.address
            .shared_units
            .fetch_sub(self.units, Ordering::Relaxed);
        self.units = units;
    }

    /// The session's client comes from the address of this permit now: what it holds is of that
    /// address's share, where there is room for it.
    pub fn follow(&mut self, permit: &Permit, max: usize) {
        let mut share = permit.share();
        let is_elsewhere = !Arc::ptr_eq(&self.address, &share.address);
        if is_elsewhere && share.total().saturating_add(self.units) <= max {
            share.set(self.units);
            *self = share;
        }
    }

    /// The rates of the address.
    #[must_use]
    pub fn rates(&self) -> AddressRates<'_> {
        AddressRates(&self.address)
    }
}

impl Drop for AddressShare {
    fn drop(&mut self) {
        // An address that nothing else is known of is forgotten with the next others.
        self.set(0);
    }
}

/// What all clients of one address may do together in a time.
#[derive(Debug, Clone, Copy)]
pub struct AddressRates<'a>(&'a AddressCount);

impl AddressRates<'_> {
    /// The address, as it is counted.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.address
    }

    /// Takes so many users that the address's commands name, or none.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub fn take_users(
        self,
        count: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.0.users.take(count, settings, now_ms)
    }

    /// Takes so many bytes of what clients of the address send to others, or none.
    ///
    /// # Errors
    /// The time until there is room for them, in ms.
    pub fn take_published(
        self,
        bytes: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.0.published.take(bytes, settings, now_ms)
    }

    /// Gives such bytes back: nothing is sent.
    pub fn give_published_back(self, bytes: usize, settings: BucketSettings) {
        self.0.published.give_back(bytes, settings);
    }

    /// Takes so many messages that others get of what clients of the address send, or none.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub fn take_deliveries(
        self,
        count: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.0.deliveries.take(count, settings, now_ms)
    }

    /// Gives such messages back: nothing is sent.
    pub fn give_deliveries_back(self, count: usize, settings: BucketSettings) {
        self.0.deliveries.give_back(count, settings);
    }

    /// Pays for so many messages that others get and that could not be refused.
    pub fn pay_deliveries(self, count: usize, settings: BucketSettings, now_ms: u64) {
        self.0.deliveries.pay(count, settings, now_ms);
    }

    /// How long the address owes such messages, in ms.
    pub fn owes_deliveries_ms(self, settings: BucketSettings, now_ms: u64) -> u64 {
        self.0.deliveries.owes_ms(settings, now_ms)
    }

    /// Takes so many bytes of what clients of the address may send and receive, or none.
    ///
    /// # Errors
    /// The time until there is room for them, in ms.
    pub fn take_bytes(
        self,
        bytes: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.0.bytes.take(bytes, settings, now_ms)
    }

    /// Pays for so many bytes that a client of the address got.
    pub fn pay_bytes(self, bytes: usize, settings: BucketSettings, now_ms: u64) {
        self.0.bytes.pay(bytes, settings, now_ms);
    }

    /// Takes so many invites of the address, or none.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub fn take_invites(
        self,
        count: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.0.invites.take(count, settings, now_ms)
    }

    /// Gives so many back.
    pub fn give_invites_back(self, count: usize, settings: BucketSettings) {
        self.0.invites.give_back(count, settings);
    }
}

impl Permit {
    /// A session of this address that holds nothing yet.
    #[must_use]
    pub fn share(&self) -> AddressShare {
        AddressShare::nothing(&self.address)
    }

    /// The rates of the address.
    #[must_use]
    pub fn rates(&self) -> AddressRates<'_> {
        AddressRates(&self.address)
    }
}

impl DetachedPermit {
    /// The session of this address, which holds nothing yet.
    #[must_use]
    pub fn share(&self) -> AddressShare {
        AddressShare::nothing(&self.0)
    }

    /// The rates of the address.
    #[must_use]
    pub fn rates(&self) -> AddressRates<'_> {
        AddressRates(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::ConnectionLimits;
    use super::*;

    #[test]
    fn what_a_session_has_moves_to_an_address_with_room_for_it() {
        let limits = Arc::new(ConnectionLimits::default());
        let [first, second] = [1, 2].map(|host| limits.admit([10, 0, 0, host].into(), 9, 9));
        let (first, second) = (first.unwrap(), second.unwrap());
        let mut share = first.share();
        share.set(60);
        let mut other = second.share();
        other.set(50);
        share.follow(&second, 100);
        assert_eq!((share.address(), share.total()), (first.address(), 60));
        other.set(40);
        share.follow(&second, 100);
        assert_eq!((share.address(), share.total()), (second.address(), 100));
        assert_eq!(first.share().total(), 0);
        // It has room for what is its own.
        share.follow(&second, 100);
        drop(share);
        assert_eq!(other.total(), 40);
    }
}
