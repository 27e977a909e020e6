//! Places among the claims that are checked off the workers: a total, and a share of each
//! address, so that claims of one address that wait keep no others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceMaxima {
    pub(super) total: usize,
    pub(super) per_address: usize,
}

/// The claims that are checked.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl Places {
    /// A place for a claim of a client with this address.
    ///
    /// # Errors
    /// `unavailable` where all of them, or those of the address, are taken.
    pub(super) fn take(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        maxima: PlaceMaxima,
    ) -> Result<Place, ErrorBody> {
        let taken = &mut *self.0.lock();
        let of_address = address.and_then(|address| taken.by_address.get(&address));
        if of_address.is_some_and(|count| *count >= maxima.per_address) {
            return Err(full(
                "of your address are identifying (portal.checking_per_address_max)",
                Limit::CheckingPerAddress,
            ));
        }
        if taken.count >= maxima.total {
            return Err(full(
                "are identifying (portal.checking_max)",
                Limit::Checking,
            ));
        }
        taken.count += 1;
        if let Some(address) = address {
            *taken.by_address.entry(address).or_default() += 1;
        }
        Ok(Place {
            places: self.clone(),
            address,
        })
    }
}

fn full(which: &str, limit: Limit) -> ErrorBody {
    let message = format!("too many clients {which}; try again");
    ErrorBody::new(ErrorCode::Unavailable, message).by(limit)
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = &mut *self.places.0.lock();
        taken.count -= 1;
        if let Some(address) = self.address
            && let Some(count) = taken.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
                taken.by_address.give_back();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_one_address_leave_places_to_others() {
        let places = Arc::<Places>::default();
        let maxima = PlaceMaxima {
            total: 4,
            per_address: 2,
        };
        let take = |last| places.take(Some(IpAddr::from([127, 0, 0, last])), maxima);
        let limit = |last| take(last).unwrap_err().limit;
        let one = take(1).unwrap();
        let _two = take(1).unwrap();
        assert_eq!(limit(1), Some(Limit::CheckingPerAddress));
        let other = take(2).unwrap();
        drop(one);
        let _three = take(1).unwrap();
        let _program = places.take(None, maxima).unwrap();
        assert_eq!(limit(2), Some(Limit::Checking));
        drop(other);
        drop(take(3).unwrap());
        assert_eq!(places.0.lock().by_address.len(), 1);
    }
}
