//! Connections whose clients have not identified, and how fast sessions begin, by
//! address: the bound of what a client can have without being anyone.
//!
//! An address that is full makes room: its oldest connection whose client has made no
//! claim ends, so that silent clients shut nobody out who shares their address.

mod places;

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use self::places::{Places, Standing};
use crate::gateway::shared_bucket::SharedBucket;
use turntable_core::key::{ConnKey, WorkerId};
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::BucketSettings;
use turntable_core::reason::ErrorCode;

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
    places: Mutex<Places>,
}

/// A connection that has to make room for another of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evicted {
    /// The worker that had it when it was counted.
    pub(crate) worker: WorkerId,
    /// The connection there.
    pub(crate) connection: ConnKey,
    /// Which place it is.
    pub(crate) number: u32,
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
    /// Which place it is.
    number: u32,
    /// What began it, where that matters.
    origin: Option<Box<Origin>>,
}

/// What began a connection.
#[derive(Debug, Default)]
struct Origin {
    /// The HTTP connection, where others may begin on it too.
    socket: Option<SocketMark>,
    /// The login cookie of the request.
    login: Option<Box<str>>,
}

impl UnidentifiedPermit {
    /// The login cookie of the request that began it.
    pub(super) fn login(&self) -> Option<&str> {
        self.0.origin.as_ref()?.login.as_deref()
    }

    /// The request that began it had this login cookie.
    pub(super) fn bring_login(&mut self, login: Option<Box<str>>) {
        if login.is_some() || self.0.origin.is_some() {
            self.0.origin.get_or_insert_default().login = login;
        }
    }

    /// The HTTP connection that began it, where others may begin on it too.
    pub(super) fn socket(&self) -> Option<&SocketMark> {
        self.0.origin.as_ref()?.socket.as_ref()
    }

    /// Which place it is.
    pub(super) fn number(&self) -> u32 {
        self.0.number
    }

    /// It is a connection of this worker, and waits for its client's claim. Returns
    /// whether it is still counted: otherwise it has to make room.
    #[must_use]
    pub(super) fn is_silent_at(&self, worker: WorkerId, connection: ConnKey) -> bool {
        self.stand(Standing::Silent(worker, connection))
    }

    /// Its client's claim is checked. The answer says how it goes on.
    pub(super) fn is_checked(&self) {
        self.stand(Standing::Checked);
    }

    fn stand(&self, now: Standing) -> bool {
        let mut places = self.0.unidentified.places.lock();
        places.stand(self.0.number, now)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.unidentified.places.lock().release(self.number);
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
        let taken = self.places.lock().take(address, limits);
        let Some((number, evicted)) = taken else {
            let max = limits.per_address_max;
            return Err(full("your address", Limit::Unidentified, max));
        };
        let origin = socket.map(|socket| Origin {
            socket: Some(socket),
            login: None,
        });
        let counted = Counted {
            unidentified: self.clone(),
            number,
            origin: origin.map(Box::new),
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
        let mut places = self.places.lock();
        let Some(known) = places.address(address, limits) else {
            return Ok(());
        };
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
        let mut places = self.places.lock();
        let Some(known) = places.address(address, limits) else {
            return Ok(());
        };
        let taken = known.resumes.take(limits.resumes, now_ms);
        let message = "too many sessions are resumed from your address (limits.resume); \
             wait retry_ms";
        taken.map_err(|wait_ms| over(message, Limit::Resume, wait_ms))
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
    fn one_without_cookie_on_a_connection_of_its_own_is_small() {
        let bytes = size_of::<Counted>();
        assert!(bytes <= 24, "{bytes}");
    }
}
