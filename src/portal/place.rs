//! Places among the claims that are checked off the workers: a total, and a share of each
//! address, so that claims of one address that wait keep no others out. The last quarter is for
//! addresses with less than an even share, so that those of some addresses do not either.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use turntable_core::address::Address;
use turntable_core::even_share::EvenShares;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// So many claims an address may have whatever its share: users behind one address identify
/// at the same time after an outage.
const FEW: usize = 4;

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceMaxima {
    pub(super) total: usize,
    pub(super) per_address: usize,
}

/// The claims that are checked.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<EvenShares>);

/// A place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: Option<Address>,
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
        let address = address.map(Address::of);
        let of_address = address.map_or(0, |address| taken.of(address));
        if of_address >= maxima.per_address {
            return Err(full(
                "of your address are identifying (portal.checking_per_address_max)",
                Limit::CheckingPerAddress,
            ));
        }
        // Where one address may have all, there are no shares.
        let has_share = |address| {
            of_address < FEW
                || maxima.per_address >= maxima.total
                || taken.has_room(address, 1, maxima.total)
        };
        if taken.total() >= maxima.total || !address.is_none_or(has_share) {
            return Err(full(
                "are identifying (portal.checking_max)",
                Limit::Checking,
            ));
        }
        taken.add(address, 1);
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
        self.places.0.lock().remove(self.address, 1);
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
        assert_eq!(places.0.lock().addresses(), 1);
    }

    #[test]
    fn claims_of_few_addresses_leave_places_to_others() {
        let places = Arc::<Places>::default();
        let maxima = PlaceMaxima {
            total: 40,
            per_address: 20,
        };
        let take = |last| places.take(Some(IpAddr::from([127, 0, 0, last])), maxima);
        let mut taken: Vec<_> = (0..30).map(|number| take(number % 2).unwrap()).collect();
        for last in [0, 1] {
            assert_eq!(take(last).unwrap_err().limit, Some(Limit::Checking));
        }
        // Half of what is left, and a few.
        taken.extend((0..5).map(|_| take(3).unwrap()));
        assert!(take(3).is_err());
        taken.extend((0..4).map(|_| take(4).unwrap()));
        assert!(take(4).is_err());
        taken.push(take(5).unwrap());
        assert!(take(6).is_err(), "there are no more");
    }
}
