//! Connections whose clients have not identified, and how fast sessions begin, by
//! address: the bound of what a client can have without being anyone.
//!
//! An address that is full makes room: its oldest connection whose client has made no
//! claim ends, so that silent clients shut nobody out who shares their address.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::gateway::shared_bucket::SharedBucket;
use turntable_core::key::{ConnKey, WorkerId};
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::{Bucket, BucketSettings};
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// So many addresses are known before those are forgotten that have nothing.
const SWEEP_MIN: usize = 1_024;

/// The limits of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnidentifiedLimits {
    /// Connections that have not identified.
    pub per_address_max: usize,
    /// The same, of those that one HTTP connection began.
    pub per_socket_max: usize,
    /// Sessions that begin.
    pub sessions: BucketSettings,
    /// The same, of one HTTP connection.
    pub socket_sessions: BucketSettings,
    /// Sessions that are resumed.
    pub resumes: BucketSettings,
}

/// What marks the connections that one HTTP connection began.
pub type SocketMark = Arc<SocketShare>;

/// What the sessions that begin on one HTTP connection share.
#[derive(Debug, Default)]
pub struct SocketShare {
    sessions: SharedBucket,
}

/// All addresses.
#[derive(Debug, Default)]
pub struct UnidentifiedConnections {
    table: Mutex<Addresses>,
}

#[derive(Debug, Default)]
struct Addresses {
    by_address: HashMap<IpAddr, Address>,
    /// The size at which the table is swept.
    sweep_at: usize,
    /// The number of the next place.
    next: u64,
}

/// What one address has.
#[derive(Debug, Default)]
struct Address {
    /// Its connections that have not identified, the oldest first.
    waiting: BTreeMap<u64, Standing>,
    sessions: Bucket,
    resumes: Bucket,
}

impl Address {
    /// Takes out the oldest connection whose client has made no claim.
    fn evict(&mut self) -> Option<Evicted> {
        let mut waiting = self.waiting.iter();
        let evicted = waiting.find_map(|(number, standing)| match standing {
            Standing::Silent(worker, connection) => Some(Evicted {
                worker: *worker,
                connection: *connection,
                number: *number,
            }),
            Standing::Arriving | Standing::Checked => None,
        })?;
        self.waiting.remove(&evicted.number);
        Some(evicted)
    }
}

/// How far a connection is that has not identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is on its way to a gateway.
    Arriving,
    /// It is there, and waits for its client's claim.
    Silent(WorkerId, ConnKey),
    /// Its client's claim is checked.
    Checked,
}

/// A connection that has to make room for another of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evicted {
    /// The worker that had it when it was counted.
    pub(crate) worker: WorkerId,
    /// The connection there.
    pub(crate) connection: ConnKey,
    /// Which place it is.
    pub(crate) number: u64,
}

/// One connection that has not identified; dropping it counts it out.
///
/// It is one word, because every connection has room for one; those that have
/// identified have none.
#[derive(Debug)]
pub struct UnidentifiedPermit(Box<Counted>);

/// What a connection that has not identified holds.
#[derive(Debug)]
struct Counted {
    unidentified: Arc<UnidentifiedConnections>,
    address: IpAddr,
    number: u64,
    /// The HTTP connection that began it, where others may begin on it too.
    socket: Option<SocketMark>,
    /// The login cookie of the request that began it.
    login: Option<Box<str>>,
}

impl UnidentifiedPermit {
    /// The login cookie of the request that began it.
    pub(super) fn login(&self) -> Option<&str> {
        self.0.login.as_deref()
    }

    /// The request that began it had this login cookie.
    pub(super) fn bring_login(&mut self, login: Option<Box<str>>) {
        self.0.login = login;
    }

    /// The HTTP connection that began it, where others may begin on it too.
    pub(super) fn socket(&self) -> Option<&SocketMark> {
        self.0.socket.as_ref()
    }

    /// Which place it is.
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// It is a connection of this worker, and waits for its client's claim. Returns
    /// whether it is still counted: otherwise it has to make room.
    #[must_use]
    pub(super) fn is_silent_at(&self, worker: WorkerId, connection: ConnKey) -> bool {
        self.set(Standing::Silent(worker, connection))
    }

    /// Its client's claim is checked. The answer says how it goes on.
    pub(super) fn is_checked(&self) {
        self.set(Standing::Checked);
    }

    fn set(&self, now: Standing) -> bool {
        let mut table = self.0.unidentified.table.lock();
        let known = table.by_address.get_mut(&self.0.address);
        let standing = known.and_then(|known| known.waiting.get_mut(&self.0.number));
        standing.is_some_and(|standing| {
            *standing = now;
            true
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut table = self.unidentified.table.lock();
        if let Some(known) = table.by_address.get_mut(&self.address) {
            known.waiting.remove(&self.number);
        }
    }
}

impl UnidentifiedConnections {
    /// Counts one more connection that has not identified. Where its address has as many
    /// as it may, another one of them makes room.
    ///
    /// # Errors
    /// `too_many` where the HTTP connection has as many as it may, or none of the
    /// address's can make room.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        socket: Option<SocketMark>,
        limits: &UnidentifiedLimits,
    ) -> Result<(UnidentifiedPermit, Option<Evicted>), ErrorBody> {
        // One mark is the HTTP connection's own, one is this.
        let begun = socket
            .as_ref()
            .map_or(0, |socket| Arc::strong_count(socket) - 2);
        if begun >= limits.per_socket_max {
            let max = limits.per_socket_max;
            return Err(full("this connection", Limit::SocketUnidentified, max));
        }
        let mut table = self.table.lock();
        table.sweep(limits);
        let number = table.next;
        table.next += 1;
        let known = table.by_address.entry(address).or_default();
        let mut evicted = None;
        if known.waiting.len() >= limits.per_address_max {
            evicted = known.evict();
            if evicted.is_none() {
                let max = limits.per_address_max;
                return Err(full("your address", Limit::Unidentified, max));
            }
        }
        known.waiting.insert(number, Standing::Arriving);
        let counted = Counted {
            unidentified: self.clone(),
            address,
            number,
            socket,
            login: None,
        };
        Ok((UnidentifiedPermit(Box::new(counted)), evicted))
    }

    /// A session begins at an address, on a connection of any age, which began on the
    /// HTTP connection of `socket` where others may begin on it too.
    ///
    /// # Errors
    /// `rate_limited` where too many begin there.
    pub fn begin_session(
        &self,
        address: IpAddr,
        socket: Option<&SocketMark>,
        limits: &UnidentifiedLimits,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        if let Some(socket) = socket {
            let taken = socket.sessions.take(1, limits.socket_sessions, now_ms);
            let message = "too many sessions begin on this connection \
                 (limits.connection_session); wait retry_ms";
            taken.map_err(|wait_ms| over(message, Limit::ConnectionSession, wait_ms))?;
        }
        let mut table = self.table.lock();
        table.sweep(limits);
        let known = table.by_address.entry(address).or_default();
        let taken = known.sessions.take(limits.sessions, now_ms);
        let message = "too many sessions begin at your address (limits.session); wait retry_ms";
        taken.map_err(|wait_ms| over(message, Limit::Session, wait_ms))
    }

    /// A session is resumed from an address.
    ///
    /// # Errors
    /// `rate_limited` where too many are.
    pub fn resume_session(
        &self,
        address: IpAddr,
        limits: &UnidentifiedLimits,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let mut table = self.table.lock();
        table.sweep(limits);
        let known = table.by_address.entry(address).or_default();
        let taken = known.resumes.take(limits.resumes, now_ms);
        let message = "too many sessions are resumed from your address (limits.resume); \
             wait retry_ms";
        taken.map_err(|wait_ms| over(message, Limit::Resume, wait_ms))
    }

    /// Addresses that are known.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.lock().by_address.len()
    }
}

impl Addresses {
    /// Forgets the addresses that have nothing, once as many as were there after
    /// the last time have come.
    fn sweep(&mut self, limits: &UnidentifiedLimits) {
        if self.by_address.len() < self.sweep_at.max(SWEEP_MIN) {
            return;
        }
        let now_ms = crate::clock::now_ms();
        self.by_address.retain(|_, address| {
            !address.waiting.is_empty()
                || !address.sessions.is_full(limits.sessions, now_ms)
                || !address.resumes.is_full(limits.resumes, now_ms)
        });
        self.sweep_at = self.by_address.len() * 2;
        self.by_address.give_back();
    }
}

fn over(message: &str, limit: Limit, wait_ms: u64) -> ErrorBody {
    ErrorBody::new(ErrorCode::RateLimited, message)
        .by(limit)
        .with("retry_ms", wait_ms)
}

fn full(who: &str, limit: Limit, max: usize) -> ErrorBody {
    let key = limit.key();
    ErrorBody::new(
        ErrorCode::TooMany,
        format!("{who} is full ({max} of {max} sessions that have not identified, {key})"),
    )
    .by(limit)
    .with("max", max as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::key::SlotKey;

    const LIMITS: UnidentifiedLimits = UnidentifiedLimits {
        per_address_max: 3,
        per_socket_max: 2,
        sessions: BucketSettings::new(1, 2),
        socket_sessions: BucketSettings::new(1, 1),
        resumes: BucketSettings::new(1, 1),
    };

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// A connection of the first worker.
    fn key(number: u32) -> ConnKey {
        ConnKey::new(number, 0)
    }

    #[test]
    fn address_and_http_connection_have_bounds_of_their_own() {
        let unidentified = Arc::new(UnidentifiedConnections::default());
        let socket = SocketMark::default();
        let admit = |address, socket: Option<SocketMark>| {
            let admitted = unidentified.admit(address, socket, &LIMITS);
            admitted.map(|(place, _)| place)
        };
        let first = admit(ip(1), Some(socket.clone())).unwrap();
        let _second = admit(ip(1), Some(socket.clone())).unwrap();
        let error = admit(ip(1), Some(socket.clone())).unwrap_err();
        assert!(
            error
                .message
                .contains("session.unidentified_per_socket_max")
        );
        let _third = admit(ip(1), None).unwrap();
        let error = admit(ip(1), None).unwrap_err();
        assert!(
            error
                .message
                .contains("session.unidentified_per_address_max")
        );
        admit(ip(2), None).unwrap();
        drop(first);
        let _again = admit(ip(1), Some(socket.clone())).unwrap();
        assert!(admit(ip(1), None).is_err());
    }

    #[test]
    fn oldest_silent_connection_makes_room() {
        let unidentified = Arc::new(UnidentifiedConnections::default());
        let admit = || unidentified.admit(ip(1), None, &LIMITS);
        let at = |place: &UnidentifiedPermit, number| place.is_silent_at(WorkerId(0), key(number));
        let [checked, oldest, newest] = [(); 3].map(|()| admit().unwrap().0);
        assert!(admit().is_err(), "none of them has arrived");
        assert!(at(&checked, 0) && at(&oldest, 1) && at(&newest, 2));
        checked.is_checked();
        let (_, evicted) = admit().unwrap();
        let evicted = evicted.unwrap();
        assert_eq!(evicted.number, oldest.number());
        assert_eq!(evicted.connection, key(1));
        // The new one was dropped at once, and the oldest is not counted any more.
        assert_eq!(admit().unwrap().1, None);
        assert!(!at(&oldest, 1));
        assert!(at(&checked, 0));
    }

    #[test]
    fn sessions_of_one_address_begin_at_a_rate() {
        let unidentified = Arc::new(UnidentifiedConnections::default());
        let begin = |last, at| unidentified.begin_session(ip(last), None, &LIMITS, at);
        begin(1, 5_000).unwrap();
        begin(1, 5_000).unwrap();
        assert_eq!(begin(1, 5_000).unwrap_err().code, ErrorCode::RateLimited);
        begin(2, 5_000).unwrap();
        begin(1, 6_000).unwrap();
    }

    #[test]
    fn one_http_connection_does_not_take_what_its_address_has() {
        let unidentified = Arc::new(UnidentifiedConnections::default());
        let socket = SocketMark::default();
        let begin = |socket| unidentified.begin_session(ip(1), socket, &LIMITS, 5_000);
        begin(Some(&socket)).unwrap();
        let error = begin(Some(&socket)).unwrap_err();
        assert_eq!(error.limit, Some(Limit::ConnectionSession));
        begin(None).unwrap();
    }

    #[test]
    fn sessions_of_one_address_are_resumed_at_a_rate() {
        let unidentified = Arc::new(UnidentifiedConnections::default());
        let resume = |last, at| unidentified.resume_session(ip(last), &LIMITS, at);
        resume(1, 5_000).unwrap();
        let error = resume(1, 5_000).unwrap_err();
        assert_eq!(error.limit, Some(Limit::Resume));
        resume(2, 5_000).unwrap();
        resume(1, 6_000).unwrap();
        unidentified
            .begin_session(ip(1), None, &LIMITS, 6_000)
            .unwrap();
    }

    #[test]
    fn addresses_that_have_nothing_are_forgotten() {
        let unidentified = Arc::new(UnidentifiedConnections::default());
        let (one, _) = unidentified.admit(ip(1), None, &LIMITS).unwrap();
        for number in 0..SWEEP_MIN as u32 * 3 {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            unidentified.admit(address, None, &LIMITS).unwrap();
        }
        assert!(
            unidentified.len() <= SWEEP_MIN + 1,
            "{}",
            unidentified.len()
        );
        assert!(unidentified.table.lock().by_address.contains_key(&ip(1)));
        drop(one);
    }
}
