//! What every new connection has to pass, whatever its transport: the connection
//! limits, in all and by address. Sessions that lost their connection are counted by
//! its address as well.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Connections of the whole process, counted against their limits.
#[derive(Debug, Default)]
pub struct ConnectionLimits {
    total: AtomicU64,
    detached: AtomicU64,
    by_address: Mutex<HashMap<IpAddr, Arc<AddressCount>>>,
}

/// The connections of one address.
#[derive(Debug)]
struct AddressCount {
    limits: Arc<ConnectionLimits>,
    address: IpAddr,
    /// Changed under the lock of the table alone.
    count: AtomicU32,
    /// Its sessions without a connection; changed under that lock, too.
    detached: AtomicU32,
}

/// Which limit is reached, by its name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// `server.connections_max`.
    Connections,
    /// `server.connections_per_address_max`.
    Address,
}

impl Full {
    /// The name in the configuration, which is also the label of the metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections_max",
            Self::Address => "connections_per_address_max",
        }
    }
}

impl Full {
    /// The error for the client.
    #[must_use]
    pub fn error(self) -> ErrorBody {
        match self {
            Self::Connections => ErrorBody::new(
                ErrorCode::Unavailable,
                "the server is full (server.connections_max); try again later",
            ),
            Self::Address => ErrorBody::new(
                ErrorCode::TooMany,
                "your address is full (server.connections_per_address_max); close a connection first",
            ),
        }
    }
}

/// One counted connection; dropping it counts it out. It is a word, as every
/// connection has one.
#[derive(Debug)]
pub struct Permit(Arc<AddressCount>);

/// One counted session without a connection; dropping it counts the session out.
#[derive(Debug)]
pub struct DetachedPermit(Arc<AddressCount>);

impl ConnectionLimits {
    /// Counts one more connection from `address`, unless a limit is reached.
    ///
    /// # Errors
    /// The limit.
    pub fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        max: usize,
        per_address_max: usize,
    ) -> Result<Permit, Full> {
        if self.total.fetch_add(1, Ordering::Relaxed) >= max as u64 {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Connections);
        }
        let mut by_address = self.by_address.lock();
        let known = by_address.entry(address).or_insert_with(|| {
            Arc::new(AddressCount {
                limits: self.clone(),
                address,
                count: AtomicU32::new(0),
                detached: AtomicU32::new(0),
            })
        });
        let count = known.count.load(Ordering::Relaxed);
        if count as usize >= per_address_max {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Address);
        }
        known.count.store(count + 1, Ordering::Relaxed);
        Ok(Permit(known.clone()))
    }

    /// Connections now.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Sessions without a connection now.
    #[must_use]
    pub fn detached(&self) -> u64 {
        self.detached.load(Ordering::Relaxed)
    }

    /// Counts one of an address less.
    fn uncount(&self, known: &AddressCount, total: &AtomicU64, count: &AtomicU32) {
        total.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = self.by_address.lock();
        let less = count.load(Ordering::Relaxed).saturating_sub(1);
        count.store(less, Ordering::Relaxed);
        let is_in_use = |count: &AtomicU32| count.load(Ordering::Relaxed) > 0;
        if !is_in_use(&known.count) && !is_in_use(&known.detached) {
            by_address.remove(&known.address);
        }
    }
}

impl Permit {
    /// Counts one more session of this address that loses its connection, unless
    /// there are `max`.
    #[must_use]
    pub fn detach(&self, max: usize) -> Option<DetachedPermit> {
        let Self(known) = self;
        let _lock = known.limits.by_address.lock();
        let count = known.detached.load(Ordering::Relaxed);
        if count as usize >= max {
            return None;
        }
        known.detached.store(count + 1, Ordering::Relaxed);
        known.limits.detached.fetch_add(1, Ordering::Relaxed);
        Some(DetachedPermit(known.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let limits = &self.0.limits;
        limits.uncount(&self.0, &limits.total, &self.0.count);
    }
}

impl Drop for DetachedPermit {
    fn drop(&mut self) {
        let limits = &self.0.limits;
        limits.uncount(&self.0, &limits.detached, &self.0.detached);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_counted_in_all_and_by_address() {
        let limits = Arc::new(ConnectionLimits::default());
        let [one, other]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let first = limits.admit(one, 3, 2).unwrap();
        let _second = limits.admit(one, 3, 2).unwrap();
        assert_eq!(limits.admit(one, 3, 2).unwrap_err(), Full::Address);
        let _third = limits.admit(other, 3, 2).unwrap();
        assert_eq!(limits.admit(other, 3, 2).unwrap_err(), Full::Connections);
        drop(first);
        assert_eq!(limits.total(), 2);
        assert!(limits.admit(one, 3, 2).is_ok(), "the place is free again");
        assert_eq!(limits.by_address.lock().len(), 2);
        assert_eq!(size_of::<Permit>(), 8);
    }

    #[test]
    fn sessions_without_a_connection_are_counted_by_its_address() {
        let limits = Arc::new(ConnectionLimits::default());
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        let permit = limits.admit(address, 3, 2).unwrap();
        let first = permit.detach(1).unwrap();
        assert!(permit.detach(1).is_none());
        drop(permit);
        assert_eq!((limits.total(), limits.detached()), (0, 1));
        let permit = limits.admit(address, 3, 2).unwrap();
        assert!(permit.detach(1).is_none(), "it is the same address");
        drop(first);
        assert!(permit.detach(1).is_some());
        drop(permit);
        assert_eq!((limits.total(), limits.detached()), (0, 0));
        assert!(limits.by_address.lock().is_empty());
        assert_eq!(size_of::<Option<DetachedPermit>>(), 8);
    }
}
