//! Bodies of requests that are not whole: what has come of them, by address and in all.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{AddressCount, Permit};

/// Bytes of bodies that are not whole.
#[derive(Debug, Default)]
pub(super) struct Bodies(AtomicUsize);

/// How many of them there may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// In all.
    pub total: usize,
    /// Of one address; `None` for that of a proxy, whose clients share it.
    pub per_address: Option<usize>,
}

/// Which of the two is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodiesFull {
    /// All together.
    Total,
    /// Those of one address.
    Address,
}

impl Bodies {
    /// Counts so many more, unless there would be more than `max`.
    fn count(&self, bytes: usize, max: usize) -> bool {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before.saturating_add(bytes) <= max;
        if !has_room {
            self.forget(bytes);
        }
        has_room
    }

    fn forget(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl AddressCount {
    fn totals(&self) -> [&Bodies; 2] {
        [&self.bodies, &self.limits.bodies]
    }
}

impl Permit {
    /// Counts so many bytes more of a body that is not whole.
    ///
    /// # Errors
    /// The limit that they would exceed; then none of them is counted.
    pub fn count_body(&self, bytes: usize, limits: BodyLimits) -> Result<(), BodiesFull> {
        let [own, all] = self.address.totals();
        if !own.count(bytes, limits.per_address.unwrap_or(usize::MAX)) {
            return Err(BodiesFull::Address);
        }
        if !all.count(bytes, limits.total) {
            own.forget(bytes);
            return Err(BodiesFull::Total);
        }
        Ok(())
    }

    /// So many of them are not counted any more.
    pub fn forget_body(&self, bytes: usize) {
        for bodies in self.address.totals() {
            bodies.forget(bytes);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::admission::ConnectionLimits;

    #[test]
    fn bodies_of_all_addresses_have_a_total() {
        let connections = Arc::new(ConnectionLimits::default());
        let admit = |host| {
            let address = [10, 0, 0, host].into();
            connections.admit(address, 9, 9).unwrap()
        };
        let [first, second, proxy] = [1, 2, 3].map(admit);
        let limits = BodyLimits {
            total: 100,
            per_address: Some(60),
        };
        let of_proxy = BodyLimits {
            per_address: None,
            ..limits
        };
        assert_eq!(first.count_body(60, limits), Ok(()));
        assert_eq!(first.count_body(1, limits), Err(BodiesFull::Address));
        assert_eq!(second.count_body(41, limits), Err(BodiesFull::Total));
        assert_eq!(second.count_body(40, limits), Ok(()));
        assert_eq!(proxy.count_body(1, of_proxy), Err(BodiesFull::Total));
        first.forget_body(60);
        second.forget_body(40);
        assert_eq!(proxy.count_body(100, of_proxy), Ok(()));
        assert_eq!(second.count_body(1, limits), Err(BodiesFull::Total));
        proxy.forget_body(100);
        assert_eq!(second.count_body(60, limits), Ok(()));
    }
}
