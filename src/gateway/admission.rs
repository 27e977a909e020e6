//! What every new connection has to pass, whatever its transport: the connection
//! limits, in all and by address; and what all connections of an address share: a
//! rate of bytes. Sessions that lost their connection are counted by its address as
//! well.

mod incomplete;
mod share;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::clock;
use turntable_core::even_share::has_share;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::BucketSettings;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

use crate::gateway::shared_bucket::SharedBucket;
use crate::gateway::unidentified::{SocketMark, UnidentifiedPermit};
pub use incomplete::{Incomplete, IncompleteFull, IncompleteLimits, IncompleteShare};
pub use share::{AddressRates, AddressShare};

/// Connections of the whole process, counted against their limits.
#[derive(Debug, Default)]
pub struct ConnectionLimits {
    total: AtomicU64,
    detached: AtomicU64,
    by_address: Mutex<Addresses>,
}

/// The addresses with connections, and those whose bytes are not refilled.
#[derive(Debug, Default)]
struct Addresses {
    known: HashMap<IpAddr, Arc<AddressCount>>,
    /// How many there may be before those without connections are looked at.
    purge_at: usize,
}

/// So many connections an address may have whatever its share: of one household, with several tabs.
pub const FEW: u32 = 16;

/// The fewest addresses that are worth a look at each.
const PURGE_MIN: usize = 1_024;

/// The connections of one address.
#[derive(Debug)]
struct AddressCount {
    limits: Arc<ConnectionLimits>,
    address: IpAddr,
    /// Changed under the lock of the table alone.
    count: AtomicU32,
    /// Its sessions without a connection; changed under that lock, too.
    detached: AtomicU32,
    /// Its connections that have a socket now ([`Permit::open_file`]).
    files: AtomicU32,
    /// What its sessions hold ([`AddressShare`]).
    shared_units: AtomicUsize,
    bytes: SharedBucket,
    published: SharedBucket,
    deliveries: SharedBucket,
    users: SharedBucket,
    invites: SharedBucket,
}

impl AddressCount {
    fn is_in_use(&self) -> bool {
        let is_any = |count: &AtomicU32| count.load(Ordering::Relaxed) > 0;
        is_any(&self.count)
            || is_any(&self.detached)
            || is_any(&self.files)
            || self.shared_units.load(Ordering::Relaxed) > 0
    }

    /// Whether nothing of it has to be remembered.
    fn is_forgotten(&self, now_ms: u64) -> bool {
        let buckets = [
            &self.bytes,
            &self.published,
            &self.deliveries,
            &self.users,
            &self.invites,
        ];
        !self.is_in_use() && buckets.iter().all(|bucket| bucket.is_full(now_ms))
    }
}

/// Which limit is reached, by its name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// `server.connections_max`.
    Connections,
    /// `server.connections_per_address_max`.
    Address,
    /// The even share of the address, with nearly `server.connections_max`.
    Share,
}

impl Full {
    /// The name in the configuration, which is also the label of the metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections | Self::Share => "connections_max",
            Self::Address => "connections_per_address_max",
        }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(self) -> Limit {
        match self {
            Self::Connections | Self::Share => Limit::Connections,
            Self::Address => Limit::ConnectionsPerAddress,
        }
    }

    /// The error for the client.
    #[must_use]
    pub fn error(self) -> ErrorBody {
        match self {
            Self::Connections => ErrorBody::new(
                ErrorCode::Unavailable,
                "the server is full (server.connections_max); try again later",
            ),
            Self::Share => ErrorBody::new(
                ErrorCode::TooMany,
                "the server is nearly full (server.connections_max), and your address has more than \
                 an even share of its connections; close one first",
            ),
            Self::Address => ErrorBody::new(
                ErrorCode::TooMany,
                "your address is full (server.connections_per_address_max); close a connection first",
            ),
        }
    }
}

/// One counted connection; dropping it counts it out. It is two words, as every
/// connection has one.
#[derive(Debug)]
pub struct Permit {
    address: Arc<AddressCount>,
    /// Its place among those that have not identified, until its client has.
    unidentified: Option<UnidentifiedPermit>,
}

impl Permit {
    /// Counts the connection among those that have not identified.
    pub(crate) fn await_identification(&mut self, place: UnidentifiedPermit) {
        self.unidentified = Some(place);
    }

    /// Its place among the connections that have not identified, until its client has.
    pub(crate) fn unidentified(&self) -> Option<&UnidentifiedPermit> {
        self.unidentified.as_ref()
    }

    /// The request that began the connection had this login cookie. It is forgotten when
    /// the client has identified.
    pub(crate) fn bring_login(&mut self, login: Option<Box<str>>) {
        if let Some(place) = &mut self.unidentified {
            place.bring_login(login);
        }
    }

    /// The login cookie of the request that began the connection.
    pub(crate) fn login(&self) -> Option<&str> {
        self.unidentified.as_ref()?.login()
    }

    /// The connection's client has identified, or never has to.
    pub(crate) fn identified(&mut self) {
        self.unidentified = None;
    }

    /// The HTTP connection that began it, until its client has identified, where others
    /// may begin on it too.
    pub(crate) fn socket(&self) -> Option<&SocketMark> {
        self.unidentified
            .as_ref()
            .and_then(UnidentifiedPermit::socket)
    }

    /// The address by which it is counted.
    pub(crate) fn address(&self) -> IpAddr {
        self.address.address
    }
}

/// The address by which a client is counted: an IPv6 client has a whole /64.
#[must_use]
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

/// One counted session without a connection; dropping it counts the session out.
#[derive(Debug)]
pub struct DetachedPermit(Arc<AddressCount>);

impl ConnectionLimits {
    /// Counts one more connection from `address`, unless a limit is reached. The last quarter is
    /// for addresses that have few, or less than an even share.
    ///
    /// # Errors
    /// The limit.
    pub fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        max: usize,
        per_address_max: usize,
    ) -> Result<Permit, Full> {
        let total = self.total.fetch_add(1, Ordering::Relaxed);
        if total >= max as u64 {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Connections);
        }
        let address = counted(address);
        let mut by_address = self.by_address.lock();
        by_address.purge();
        let known = by_address.known.entry(address).or_insert_with(|| {
            Arc::new(AddressCount {
                limits: self.clone(),
                address,
                count: AtomicU32::new(0),
                bytes: SharedBucket::default(),
                published: SharedBucket::default(),
                deliveries: SharedBucket::default(),
                users: SharedBucket::default(),
                invites: SharedBucket::default(),
                detached: AtomicU32::new(0),
                files: AtomicU32::new(0),
                shared_units: AtomicUsize::new(0),
            })
        });
        let known = known.clone();
        let count = known.count.load(Ordering::Relaxed);
        // Where one address may have all, there are no shares.
        let is_bounded = count >= FEW && per_address_max < max;
        let is_beyond = is_bounded && !has_share(count as usize, 1, total as usize, max);
        let is_full = count as usize >= per_address_max;
        if is_full || is_beyond {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(if is_full { Full::Address } else { Full::Share });
        }
        known.count.store(count + 1, Ordering::Relaxed);
        Ok(Permit {
            address: known,
            unidentified: None,
        })
    }

    /// Connections of an address now.
    #[must_use]
    pub fn count(&self, address: IpAddr) -> u32 {
        let by_address = self.by_address.lock();
        let known = by_address.known.get(&counted(address));
        known.map_or(0, |known| known.count.load(Ordering::Relaxed))
    }

    /// Connections of an address that have a socket now.
    #[must_use]
    pub fn files(&self, address: IpAddr) -> u32 {
        let by_address = self.by_address.lock();
        let known = by_address.known.get(&counted(address));
        known.map_or(0, |known| known.files.load(Ordering::Relaxed))
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
        if self.total() == 0 && self.detached() == 0 {
            // Nobody is left to be protected.
            by_address.known.clear();
            by_address.known.give_back();
        } else if known.is_forgotten(clock::now_ms()) {
            // Another one of the address may have taken its place.
            let found = by_address.known.get(&known.address);
            if found.is_some_and(|found| std::ptr::eq(&**found, known)) {
                by_address.known.remove(&known.address);
                by_address.known.give_back();
            }
        }
    }
}

impl Addresses {
    /// Forgets addresses without connections whose bytes were refilled since: each
    /// time that there are twice as many, so that it costs little for each.
    fn purge(&mut self) {
        if self.known.len() < self.purge_at.max(PURGE_MIN) {
            return;
        }
        let now_ms = clock::now_ms();
        self.known.retain(|_, known| !known.is_forgotten(now_ms));
        self.purge_at = 2 * self.known.len();
        self.known.give_back();
    }
}

impl Permit {
    /// Takes so many bytes of what the connection's address may send, or none.
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

    /// Pays for so many bytes that a client of the address got, with those that it may
    /// send.
    pub fn pay_bytes(&self, bytes: usize, settings: BucketSettings, now_ms: u64) {
        self.address.bytes.pay(bytes, settings, now_ms);
    }

    /// How long the address owes bytes that its clients got, in ms.
    pub fn owes_bytes_ms(&self, settings: BucketSettings, now_ms: u64) -> u64 {
        self.address.bytes.owes_ms(settings, now_ms)
    }

    /// Counts a socket that the connection has from now on.
    pub fn open_file(&self) {
        self.address.files.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection does not have the socket any more.
    pub fn close_file(&self) {
        let less = |files: u32| files.checked_sub(1);
        let files = &self.address.files;
        // It was counted.
        let _ = files.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Counts one more session of this address that loses its connection, unless
    /// there are `max`.
    #[must_use]
    pub fn detach(&self, max: usize) -> Option<DetachedPermit> {
        let known = &self.address;
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
        let limits = &self.address.limits;
        limits.uncount(&self.address, &limits.total, &self.address.count);
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
        assert_eq!(limits.by_address.lock().known.len(), 2);
        assert_eq!(size_of::<Permit>(), 16);
    }

    #[test]
    fn few_addresses_do_not_take_all_connections() {
        let limits = Arc::new(ConnectionLimits::default());
        let admit = |last: u8| limits.admit([10, 0, 0, last].into(), 200, 150);
        let mut permits: Vec<_> = (0..150).map(|n| admit(n % 2).unwrap()).collect();
        assert_eq!(admit(0).unwrap_err(), Full::Share);
        permits.extend((0..50).map_while(|_| admit(2).ok()));
        assert_eq!(permits.len(), 175);
        assert_eq!(admit(2).unwrap_err(), Full::Share);
        permits.extend((3..6).flat_map(|last| (0..FEW).map_while(move |_| admit(last).ok())));
        assert_eq!(permits.len(), 200);
        assert_eq!(admit(7).unwrap_err(), Full::Connections);
        permits.truncate(160);
        assert_eq!((admit(1).unwrap_err(), limits.total()), (Full::Share, 160));
        permits.extend((0..FEW).map(|_| admit(3).unwrap()));
        drop(permits);
    }

    #[test]
    fn ipv6_client_is_its_network() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(counted(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(counted(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        let limits = Arc::new(ConnectionLimits::default());
        let _one = limits.admit(ip("2001:db8::1"), 9, 1).unwrap();
        assert_eq!(
            limits.admit(ip("2001:db8::2"), 9, 1).unwrap_err(),
            Full::Address
        );
        assert!(limits.admit(ip("2001:db8:0:1::2"), 9, 1).is_ok());
    }

    #[test]
    fn connections_of_one_address_share_its_bytes() {
        const RATE: BucketSettings = BucketSettings::new(1_000, 5_000);
        let limits = Arc::new(ConnectionLimits::default());
        let [one, other]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let admit = |address| limits.admit(address, 9, 9).unwrap();
        let (first, second, foreign) = (admit(one), admit(one), admit(other));
        let now_ms = clock::now_ms();
        assert_eq!(first.take_bytes(3_000, RATE, now_ms), Ok(()));
        assert_eq!(second.take_bytes(3_000, RATE, now_ms), Err(1_000));
        assert_eq!(second.take_bytes(2_000, RATE, now_ms), Ok(()));
        assert_eq!(first.take_bytes(1, RATE, now_ms), Err(1));
        assert_eq!(foreign.take_bytes(5_000, RATE, now_ms), Ok(()));
        assert_eq!(first.take_bytes(100, RATE, now_ms + 100), Ok(()));
        // More than a burst waits for a full bucket.
        assert_eq!(first.take_bytes(9_000, RATE, now_ms + 100), Err(5_000));
        assert_eq!(first.take_bytes(9_000, RATE, now_ms + 5_100), Ok(()));
        assert_eq!(first.take_bytes(1, RATE, now_ms + 5_100), Err(4_001));
        let none = BucketSettings::new(0, 1);
        assert_eq!(first.take_bytes(1 << 30, none, now_ms), Ok(()));
    }

    #[test]
    fn connecting_again_does_not_refill_the_bytes_of_an_address() {
        const RATE: BucketSettings = BucketSettings::new(1_000, 60_000);
        let limits = Arc::new(ConnectionLimits::default());
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        let other = limits.admit("10.0.0.2".parse().unwrap(), 9, 9).unwrap();
        let first = limits.admit(address, 9, 9).unwrap();
        assert!(first.take_bytes(60_000, RATE, clock::now_ms()).is_ok());
        drop(first);
        let again = limits.admit(address, 9, 9).unwrap();
        assert!(again.take_bytes(60_000, RATE, clock::now_ms()).is_err());
        drop((again, other));
        assert!(limits.by_address.lock().known.is_empty());
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
        assert!(limits.by_address.lock().known.is_empty());
        assert_eq!(size_of::<Option<DetachedPermit>>(), 8);
    }
}
