//! What a command has taken of the rates of its address for what others get of it, so that it is
//! given back where the command is refused: nobody gets anything then.

use super::cost;
use crate::gateway::admission::AddressRates;
use turntable_core::packet::ErrorBody;
use turntable_core::session::settings::LimitSettings;

/// What was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Charged {
    /// Of `limits.address_publish`.
    bytes: u32,
    /// Of `limits.address_deliveries`.
    deliveries: u32,
    /// Of `limits.address_invites`.
    invites: u32,
}

impl Charged {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self {
        bytes: 0,
        deliveries: 0,
        invites: 0,
    };

    /// So many bytes that are sent to others, so many of whom get it, and users that are invited.
    pub(super) fn of(bytes: usize, deliveries: usize, invites: usize) -> Self {
        let part = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            bytes: part(bytes),
            deliveries: part(deliveries),
            invites: part(invites),
        }
    }

    /// Takes all of it, or nothing.
    ///
    /// # Errors
    /// `rate_limited`, where the address has no more.
    pub(super) fn take(
        self,
        rates: AddressRates<'_>,
        limits: &LimitSettings,
        now_ms: u64,
    ) -> Result<Self, ErrorBody> {
        let mut taken = Self::NOTHING;
        let mut parts = || {
            cost::take_invites(rates, self.invites as usize, limits.address_invites, now_ms)?;
            taken.invites = self.invites;
            cost::take_published(rates, self.bytes as usize, limits.address_publish, now_ms)?;
            taken.bytes = self.bytes;
            let deliveries = self.deliveries as usize;
            cost::take_deliveries(rates, deliveries, limits.address_deliveries, now_ms)
        };
        match parts() {
            Ok(()) => Ok(self),
            Err(error) => {
                taken.give_back(rates, limits);
                Err(error)
            }
        }
    }

    /// Gives it back.
    pub(super) fn give_back(self, rates: AddressRates<'_>, limits: &LimitSettings) {
        rates.give_invites_back(self.invites as usize, limits.address_invites);
        rates.give_published_back(self.bytes as usize, limits.address_publish);
        rates.give_deliveries_back(self.deliveries as usize, limits.address_deliveries);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::admission::{AddressShare, ConnectionLimits};
    use turntable_core::limit::Limit;
    use turntable_core::rate::BucketSettings;

    fn share() -> AddressShare {
        let limits = Arc::new(ConnectionLimits::default());
        let permit = limits.admit([127, 0, 0, 1].into(), 10, 10).unwrap();
        permit.share()
    }

    #[test]
    fn all_is_taken_or_nothing() {
        let share = share();
        let rates = share.rates();
        let limits = LimitSettings {
            address_publish: BucketSettings::new(1, 10),
            address_deliveries: BucketSettings::new(1, 10),
            address_invites: BucketSettings::new(1, 10),
            ..LimitSettings::default()
        };
        let take = |taken: Charged| {
            let taken = taken.take(rates, &limits, 1_000);
            taken.map_err(|error| error.limit.unwrap())
        };
        let most = Charged::of(10, 9, 10);
        assert_eq!(take(most), Ok(most));
        assert_eq!(take(Charged::of(0, 2, 0)), Err(Limit::AddressDeliveries));
        assert_eq!(take(Charged::of(1, 0, 0)), Err(Limit::AddressPublish));
        assert_eq!(take(Charged::of(0, 0, 1)), Err(Limit::AddressInvites));
        most.give_back(rates, &limits);
        // The first ones are there again where the last is refused.
        assert_eq!(take(Charged::of(0, 10, 0)), Ok(Charged::of(0, 10, 0)));
        for _ in 0..3 {
            assert_eq!(take(Charged::of(9, 9, 9)), Err(Limit::AddressDeliveries));
        }
        assert_eq!(take(Charged::of(10, 0, 10)), Ok(Charged::of(10, 0, 10)));
    }
}
