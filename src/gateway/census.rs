//! How many connections there are, in all and by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Connections of the whole process, in all and by address, against their
/// bounds.
#[derive(Debug, Default)]
pub struct Census {
    total: AtomicU64,
    by_address: Mutex<HashMap<IpAddr, u32>>,
}

impl Census {
    /// Counts one more connection from `address`, unless that would be over
    /// one of the bounds; then says which.
    ///
    /// # Errors
    /// The name of the bound in the configuration.
    pub fn enter(
        &self,
        address: IpAddr,
        max: usize,
        per_address_max: usize,
    ) -> Result<(), &'static str> {
        if self.total.fetch_add(1, Ordering::Relaxed) >= max as u64 {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err("connections_max");
        }
        let mut by_address = self.by_address.lock();
        let count = by_address.entry(address).or_default();
        if *count as usize >= per_address_max {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err("connections_per_address_max");
        }
        *count += 1;
        Ok(())
    }

    /// A connection from `address` is gone.
    pub fn leave(&self, address: IpAddr) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = self.by_address.lock();
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }

    /// Connections now.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_census_holds_both_bounds() {
        let census = Census::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        let there = IpAddr::from([127, 0, 0, 2]);
        census.enter(here, 3, 2).unwrap();
        census.enter(here, 3, 2).unwrap();
        assert_eq!(census.enter(here, 3, 2), Err("connections_per_address_max"));
        census.enter(there, 3, 2).unwrap();
        assert_eq!(census.enter(there, 3, 2), Err("connections_max"));
        census.leave(here);
        census.enter(here, 3, 2).unwrap();
        assert_eq!(census.total(), 3);
    }
}
