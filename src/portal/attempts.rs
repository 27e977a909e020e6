//! Failed logins, limited by address, and by user and address: a user is not locked
//! out of its own address by failures elsewhere.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::portal::claim::Claim;
use crate::portal::settings::{Failures, PortalSettings};
use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::Bucket;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// So many keys are remembered; beyond, those whose failures are forgiven go first,
/// then new ones are not noted.
const KEYS_MAX: usize = 100_000;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    addresses: HashMap<IpAddr, Bucket>,
    users: HashMap<(IpAddr, UserId), Bucket>,
}

impl Attempts {
    /// Whether a claim with credentials may be checked now.
    ///
    /// # Errors
    /// `rate_limited`, with `details.retry_ms`.
    pub(super) fn admit(
        &self,
        claim: &Claim,
        settings: &PortalSettings,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let Some(address) = claim.address().filter(|_| claim.has_credentials()) else {
            return Ok(());
        };
        let tables = self.0.lock();
        let of_address = tables.addresses.get(&address);
        if let Err(retry_ms) = look(of_address, settings.address_failures, now_ms) {
            return Err(refused(
                "from this address",
                retry_ms,
                Limit::AddressFailures,
            ));
        }
        let of_user = claim.user().map(|user| (address, user.clone()));
        let of_user = of_user.and_then(|key| tables.users.get(&key));
        look(of_user, settings.user_failures, now_ms)
            .map_err(|retry_ms| refused("for this user", retry_ms, Limit::UserFailures))
    }

    /// Notes that the credentials of a claim were refused.
    pub(super) fn fail(&self, claim: &Claim, settings: &PortalSettings, now_ms: u64) {
        let Some(address) = claim.address().filter(|_| claim.has_credentials()) else {
            return;
        };
        let tables = &mut *self.0.lock();
        note(
            &mut tables.addresses,
            address,
            settings.address_failures,
            now_ms,
        );
        if let Some(user) = claim.user() {
            let key = (address, user.clone());
            note(&mut tables.users, key, settings.user_failures, now_ms);
        }
    }
}

fn look(bucket: Option<&Bucket>, failures: Failures, now_ms: u64) -> Result<(), u64> {
    // A copy: only failures take something.
    bucket.copied().map_or(Ok(()), |mut bucket| {
        bucket.take_many(Failures::COST, failures.bucket(), now_ms)
    })
}

fn note<K: Eq + Hash>(table: &mut HashMap<K, Bucket>, key: K, failures: Failures, now_ms: u64) {
    if table.len() >= KEYS_MAX && !table.contains_key(&key) {
        table.retain(|_, bucket| !bucket.is_full(failures.bucket(), now_ms));
        table.give_back();
        if table.len() >= KEYS_MAX {
            return;
        }
    }
    let bucket = table.entry(key).or_default();
    bucket.pay(Failures::COST, failures.bucket(), now_ms);
}

fn refused(whose: &str, retry_ms: u64, limit: Limit) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::RateLimited,
        format!("too many refused credentials {whose}; wait retry_ms"),
    )
    .with("retry_ms", retry_ms)
    .by(limit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::payload::Payload;

    fn claim(user: &str, address: u8) -> Claim {
        let credentials = Payload::from_json(r#"{"token":"x"}"#);
        let address = IpAddr::from([10, 0, 0, address]);
        Claim::new(UserId::parse(user).ok(), Some(&credentials), Some(address))
    }

    #[test]
    fn user_is_locked_at_one_address_and_address_at_all_users() {
        let (attempts, settings) = (Attempts::default(), PortalSettings::default());
        let is_admitted = |claim: &Claim, now_ms| attempts.admit(claim, &settings, now_ms).is_ok();
        let mallory = claim("1:1", 1);
        for _ in 0..5 {
            assert!(is_admitted(&mallory, 1_000));
            attempts.fail(&mallory, &settings, 1_000);
        }
        let error = attempts.admit(&mallory, &settings, 1_000).unwrap_err();
        assert_eq!(error.limit, Some(Limit::UserFailures));
        assert!(error.detail("retry_ms").unwrap() <= 12_000);
        assert!(is_admitted(&claim("1:1", 2), 1_000));
        assert!(is_admitted(&claim("1:2", 1), 1_000));
        // After a fifth of a minute another try.
        assert!(is_admitted(&mallory, 13_001));
        for number in 0..25 {
            attempts.fail(&claim(&format!("1:{}", 10 + number), 1), &settings, 1_000);
        }
        assert!(!is_admitted(&claim("1:2", 1), 1_000));
        assert!(is_admitted(&claim("1:2", 2), 1_000));
        // A claim without credentials is no guess.
        let bare = Claim::new(UserId::parse("1:1").ok(), None, mallory.address());
        assert!(is_admitted(&bare, 1_000));
    }
}
