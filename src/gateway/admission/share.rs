//! The share of its address that a session has: what it holds, and the rates that all
//! sessions of the address share.

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

    /// Takes so many users that the address's commands name, or none.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub fn take_users(
        &self,
        count: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.address.users.take(count, settings, now_ms)
    }

    /// Takes so many bytes of what clients of the address send to others, or none.
    ///
    /// # Errors
    /// The time until there is room for them, in ms.
    pub fn take_published(
        &self,
        bytes: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.address.published.take(bytes, settings, now_ms)
    }

    /// How long the address owes deliveries of what its clients published, in ms.
    pub fn owes_deliveries_ms(&self, settings: BucketSettings, now_ms: u64) -> u64 {
        self.address.deliveries.owes_ms(settings, now_ms)
    }

    /// Takes so many bytes of what clients of the address may send and receive, or none.
    ///
    /// # Errors
    /// The time until there is room for them, in ms.
    pub fn take_bytes(
        &self,
        bytes: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.address.bytes.take(bytes, settings, now_ms)
    }

    /// Pays for so many bytes that a client of the address got.
    pub fn pay_bytes(&self, bytes: usize, settings: BucketSettings, now_ms: u64) {
        self.address.bytes.pay(bytes, settings, now_ms);
    }

    /// Takes so many invites of the address, or none.
    ///
    /// # Errors
    /// The time until there are enough, in ms.
    pub fn take_invites(
        &self,
        count: usize,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        self.address.invites.take(count, settings, now_ms)
    }
}

impl Drop for AddressShare {
    fn drop(&mut self) {
        // An address that nothing else is known of is forgotten with the next others.
        self.set(0);
    }
}

impl Permit {
    /// A session of this address that holds nothing yet.
    #[must_use]
    pub fn share(&self) -> AddressShare {
        AddressShare::nothing(&self.address)
    }
}

impl DetachedPermit {
    /// The session of this address, which holds nothing yet.
    #[must_use]
    pub fn share(&self) -> AddressShare {
        AddressShare::nothing(&self.0)
    }
}
