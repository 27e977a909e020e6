//! Input that is not whole, or waits for its turn: what has come of it, by address and in all.
//!
//! A client may send a part of a request, of a message, or of a packet with attachments,
//! and never the rest; or many messages at once, which take turns with those of others, or
//! wait behind an identification. Each layer counts what it has of such input here, as a
//! share of the client's address, until it is taken or its connection is gone. Input that
//! is whole and taken when it is read is never counted.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::counted;
use turntable_core::address::Address;
use turntable_core::even_share::EvenShares;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::{CloseReason, ErrorCode};

/// Less of one connection is not counted, in bytes: it is not more than the connection
/// itself costs, and a short message that the network divides is never refused.
const UNCOUNTED_BYTES: usize = 1_024;

/// The limits of what is not whole, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncompleteLimits {
    /// In all: `server.incomplete_bytes_max`, or its share of the memory.
    pub total: usize,
    /// Of one address: `server.incomplete_bytes_per_address_max`.
    pub per_address: usize,
}

/// Which of the two is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncompleteFull {
    /// All together.
    Total,
    /// That of one address.
    Address,
}

impl IncompleteFull {
    /// The key of the limit in the configuration, which is also the label of the metric.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Total => "server.incomplete_bytes_max",
            Self::Address => "server.incomplete_bytes_per_address_max",
        }
    }

    /// The code of the error for an HTTP client.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Total => ErrorCode::Unavailable,
            Self::Address => ErrorCode::TooMany,
        }
    }

    /// A sentence for the client.
    #[must_use]
    pub fn message(self) -> String {
        let whose = match self {
            Self::Total => "all clients together",
            Self::Address => "the clients of your address",
        };
        let key = self.key();
        format!("{whose} have sent too much that is not whole or waits ({key}); try again later")
    }

    /// The error for an HTTP client.
    #[must_use]
    pub fn error(self, limits: IncompleteLimits) -> ErrorBody {
        let max = match self {
            Self::Total => limits.total,
            Self::Address => limits.per_address,
        };
        ErrorBody::new(self.code(), self.message()).with("max", max as u64)
    }

    /// Why a connection is closed that has no error of its own.
    #[must_use]
    pub const fn close_reason(self) -> CloseReason {
        CloseReason::RateLimited
    }
}

/// What is not whole, of all connections of the process.
#[derive(Debug, Default)]
pub struct Incomplete(Mutex<EvenShares>);

impl Incomplete {
    /// The share of a connection from `address`, which has nothing yet.
    #[must_use]
    pub fn share(self: &Arc<Self>, address: IpAddr) -> IncompleteShare {
        IncompleteShare {
            all: self.clone(),
            address: counted(address),
            bytes: 0,
        }
    }
}

/// Counts `to` bytes of an address in the place of `from`.
fn change(
    all: &mut EvenShares,
    address: IpAddr,
    (from, to): (usize, usize),
    limits: Option<IncompleteLimits>,
) -> Result<(), IncompleteFull> {
    let address = Address::of(address);
    all.remove(Some(address), from);
    let checked = limits.filter(|_| to > from);
    let checked = checked.map_or(Ok(()), |limits| check(all, address, to, limits));
    let now = if checked.is_ok() { to } else { from };
    all.add(Some(address), now);
    checked
}

/// Whether an address may have so many bytes more. The last quarter of all is for addresses with
/// less than an even share, unless one may have all.
fn check(
    all: &EvenShares,
    address: Address,
    more: usize,
    limits: IncompleteLimits,
) -> Result<(), IncompleteFull> {
    if all.of(address).saturating_add(more) > limits.per_address {
        return Err(IncompleteFull::Address);
    }
    let is_full = all.total().saturating_add(more) > limits.total;
    let has_share = limits.per_address >= limits.total || all.has_room(address, more, limits.total);
    match is_full || !has_share {
        true => Err(IncompleteFull::Total),
        false => Ok(()),
    }
}

/// What one connection has of such input. Dropping it counts it out.
#[derive(Debug)]
pub struct IncompleteShare {
    all: Arc<Incomplete>,
    address: IpAddr,
    bytes: usize,
}

impl IncompleteShare {
    /// The connection has so many bytes now.
    ///
    /// # Errors
    /// The limit that they would exceed; then what was counted before stays counted.
    pub fn set(&mut self, bytes: usize, limits: IncompleteLimits) -> Result<(), IncompleteFull> {
        let bytes = match bytes {
            0..=UNCOUNTED_BYTES => 0,
            _ => bytes,
        };
        if bytes == self.bytes {
            return Ok(());
        }
        let mut all = self.all.0.lock();
        change(&mut all, self.address, (self.bytes, bytes), Some(limits))?;
        self.bytes = bytes;
        Ok(())
    }

    /// The connection has no more than so many bytes now.
    pub fn reduce(&mut self, bytes: usize) {
        let before = self.bytes;
        if bytes < before {
            self.bytes = bytes;
            // Less is never refused.
            let mut all = self.all.0.lock();
            let _ = change(&mut all, self.address, (before, bytes), None);
        }
    }

    /// The connection has nothing any more.
    pub fn clear(&mut self) {
        self.reduce(0);
    }
}

impl Drop for IncompleteShare {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_not_whole_has_a_total_and_a_bound_of_each_address() {
        let all = Arc::new(Incomplete::default());
        let limits = IncompleteLimits {
            total: 100_000,
            per_address: 60_000,
        };
        let share = |host| all.share([10, 0, 0, host].into());
        let [mut first, mut second, mut third] = [1, 2, 3].map(share);
        let mut beside = share(1);
        assert_eq!(first.set(58_000, limits), Ok(()));
        assert_eq!(beside.set(2_001, limits), Err(IncompleteFull::Address));
        assert_eq!(beside.set(2_000, limits), Ok(()));
        // The last quarter is for all that come: each has as much as is left behind it.
        assert_eq!(second.set(20_001, limits), Err(IncompleteFull::Total));
        assert_eq!(second.set(20_000, limits), Ok(()));
        assert_eq!(third.set(10_001, limits), Err(IncompleteFull::Total));
        assert_eq!(third.set(1_024, limits), Ok(()), "it is too little");
        // More is refused, and what was counted stays.
        assert_eq!(first.set(58_001, limits), Err(IncompleteFull::Address));
        assert_eq!(first.set(20_000, limits), Ok(()));
        assert_eq!(third.set(33_001, limits), Err(IncompleteFull::Total));
        assert_eq!(third.set(33_000, limits), Ok(()));
        drop((first, beside, third));
        second.clear();
        assert!(all.0.lock().is_empty());
    }

    #[test]
    fn less_is_counted_under_lower_limits_too() {
        let all = Arc::new(Incomplete::default());
        let limits = |max| IncompleteLimits {
            total: max,
            per_address: max,
        };
        let mut share = all.share([10, 0, 0, 1].into());
        assert_eq!(share.set(50_000, limits(50_000)), Ok(()));
        assert_eq!(share.set(40_000, limits(30_000)), Ok(()));
        assert_eq!(all.0.lock().total(), 40_000);
    }
}
