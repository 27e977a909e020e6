//! Failed logins, limited by address, and by user and address: a user is not locked
//! out of its own address by failures elsewhere.
//!
//! A claim that is being checked counts as a failure until it is decided, so claims that
//! are made together pass no more than claims one behind the other. Those that have to
//! wait for that are not refused: they are checked when the others are decided.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

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

/// The address that pages of the operator count for; no client has it.
const OPERATOR: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A look at an old password that has begun.
#[derive(Debug)]
pub(super) struct OperatorsGuess((IpAddr, UserId));

/// The table.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    addresses: HashMap<IpAddr, Bucket>,
    users: HashMap<(IpAddr, UserId), Bucket>,
    pending: HashMap<IpAddr, Pending>,
}

/// Claims of an address that are being checked.
#[derive(Debug, Default)]
struct Pending {
    count: u32,
    of_users: HashMap<UserId, u32>,
    /// One of them was decided.
    decided: Arc<Notify>,
}

/// Whether a claim may be checked.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may.
    Admitted(Guess),
    /// Too many others of its address are being checked: until one is decided.
    Later(OwnedNotified),
    /// Too many were refused.
    Refused(ErrorBody),
}

/// A claim that is being checked; dropping it is its end.
#[derive(Debug)]
pub(super) struct Guess {
    attempts: Arc<Attempts>,
    of: Option<(IpAddr, Option<UserId>)>,
}

impl Attempts {
    /// Begins to check a claim.
    pub(super) fn begin(
        self: &Arc<Self>,
        claim: &Claim,
        settings: &PortalSettings,
        now_ms: u64,
    ) -> Admission {
        let guess = |of| Guess {
            attempts: self.clone(),
            of,
        };
        let Some(address) = claim.address().filter(|_| claim.has_credentials()) else {
            return Admission::Admitted(guess(None));
        };
        // One lock for both looks: between two, those that were pending could have failed.
        let tables = &mut *self.0.lock();
        if let Err(error) = tables.admit(claim, settings, now_ms) {
            return Admission::Refused(error);
        }
        let pending = tables.pending.entry(address).or_default();
        let user = claim.user().cloned();
        let of_user = user.as_ref().map(|user| (address, user.clone()));
        let (bucket, count) = (tables.addresses.get(&address), pending.count);
        let mut has_room = leaves_room(bucket, settings.address_failures, count, now_ms);
        if let Some(key) = &of_user {
            let count = pending.of_users.get(&key.1).copied().unwrap_or(0);
            let bucket = tables.users.get(key);
            has_room &= leaves_room(bucket, settings.user_failures, count, now_ms);
        }
        if !has_room {
            return Admission::Later(pending.decided.clone().notified_owned());
        }
        pending.count += 1;
        if let Some(user) = &user {
            *pending.of_users.entry(user.clone()).or_default() += 1;
        }
        Admission::Admitted(guess(Some((address, user))))
    }

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
        self.0.lock().admit(claim, settings, now_ms)
    }

    /// An old password of a user is about to be looked at, for a page of the operator. It
    /// counts as wrong until [`Attempts::was_right`] or [`Attempts::was_not_made`].
    ///
    /// # Errors
    /// `rate_limited`, with `details.retry_ms`.
    pub(super) fn guess(
        &self,
        user: &UserId,
        settings: &PortalSettings,
        now_ms: u64,
    ) -> Result<OperatorsGuess, ErrorBody> {
        let key = (OPERATOR, user.clone());
        let users = &mut self.0.lock().users;
        look(users.get(&key), settings.user_failures, now_ms)
            .map_err(|retry_ms| refused("for this user", retry_ms, Limit::UserFailures))?;
        note(users, key.clone(), settings.user_failures, now_ms);
        Ok(OperatorsGuess(key))
    }

    /// It was right: nothing counts against the user any more.
    pub(super) fn was_right(&self, guess: OperatorsGuess) {
        let users = &mut self.0.lock().users;
        users.remove(&guess.0);
        users.give_back();
    }

    /// It was not looked at, or it is not known whether it was right: it does not count, and
    /// those before still do.
    pub(super) fn was_not_made(
        &self,
        guess: OperatorsGuess,
        settings: &PortalSettings,
        now_ms: u64,
    ) {
        let users = &mut self.0.lock().users;
        let Some(bucket) = users.get_mut(&guess.0) else {
            return;
        };
        bucket.give_back(Failures::COST);
        if bucket.is_full(settings.user_failures.bucket(), now_ms) {
            users.remove(&guess.0);
            users.give_back();
        }
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

impl Tables {
    fn admit(
        &self,
        claim: &Claim,
        settings: &PortalSettings,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let Some(address) = claim.address().filter(|_| claim.has_credentials()) else {
            return Ok(());
        };
        let of_address = self.addresses.get(&address);
        if let Err(retry_ms) = look(of_address, settings.address_failures, now_ms) {
            return Err(refused(
                "from this address",
                retry_ms,
                Limit::AddressFailures,
            ));
        }
        let of_user = claim.user().map(|user| (address, user.clone()));
        let of_user = of_user.and_then(|key| self.users.get(&key));
        look(of_user, settings.user_failures, now_ms)
            .map_err(|retry_ms| refused("for this user", retry_ms, Limit::UserFailures))
    }
}

impl Drop for Guess {
    fn drop(&mut self) {
        let Some((address, user)) = self.of.take() else {
            return;
        };
        let tables = &mut *self.attempts.0.lock();
        let Some(pending) = tables.pending.get_mut(&address) else {
            return;
        };
        pending.count = pending.count.saturating_sub(1);
        if let Some(user) = user
            && let Some(count) = pending.of_users.get_mut(&user)
        {
            *count -= 1;
            if *count == 0 {
                pending.of_users.remove(&user);
            }
        }
        pending.decided.notify_waiters();
        if pending.count == 0 {
            tables.pending.remove(&address);
            tables.pending.give_back();
        }
    }
}

/// Whether one more claim may fail beside `count` that may.
fn leaves_room(bucket: Option<&Bucket>, failures: Failures, count: u32, now_ms: u64) -> bool {
    if failures.per_minute == 0 || count == 0 {
        return true;
    }
    let cost = Failures::COST.saturating_mul(count.saturating_add(1));
    let mut bucket = bucket.copied().unwrap_or_default();
    // A full bucket gives more than it has, to one that takes all at once.
    count < failures.burst && bucket.take_many(cost, failures.bucket(), now_ms).is_ok()
}

/// Whether another failure is accepted.
pub(super) fn look(bucket: Option<&Bucket>, failures: Failures, now_ms: u64) -> Result<(), u64> {
    // A copy: only failures take something.
    bucket.copied().map_or(Ok(()), |mut bucket| {
        bucket.take_many(Failures::COST, failures.bucket(), now_ms)
    })
}

/// Notes a failure.
pub(super) fn note<K: Eq + Hash>(
    table: &mut HashMap<K, Bucket>,
    key: K,
    failures: Failures,
    now_ms: u64,
) {
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
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use futures_util::FutureExt as _;

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

    #[test]
    fn guess_of_the_operators_page_that_is_not_made_counts_alone_for_nothing() {
        let (attempts, settings) = (Attempts::default(), PortalSettings::default());
        let user = UserId::parse("1:1").unwrap();
        let guess = || attempts.guess(&user, &settings, 1_000);
        attempts.was_not_made(guess().unwrap(), &settings, 1_000);
        assert!(attempts.0.lock().users.is_empty());
        for _ in 0..5 {
            attempts.was_not_made(guess().unwrap(), &settings, 1_000);
            guess().unwrap();
        }
        assert!(guess().is_err(), "five were wrong");
    }

    #[test]
    fn right_guess_of_the_operators_page_forgives_those_before() {
        let (attempts, settings) = (Attempts::default(), PortalSettings::default());
        let user = UserId::parse("1:1").unwrap();
        let guess = || attempts.guess(&user, &settings, 1_000).unwrap();
        (0..4).for_each(|_| drop(guess()));
        attempts.was_right(guess());
        (0..5).for_each(|_| drop(guess()));
    }

    #[test]
    fn claims_together_pass_no_more_than_one_behind_the_other() {
        let (attempts, settings) = (Arc::new(Attempts::default()), PortalSettings::default());
        let mallory = claim("1:1", 1);
        let begin = |claim: &Claim| attempts.begin(claim, &settings, 1_000);
        let admitted = |claim: &Claim| match begin(claim) {
            Admission::Admitted(guess) => Some(guess),
            _ => None,
        };
        let mut guesses: Vec<Guess> = (0..5).map(|_| admitted(&mallory).unwrap()).collect();
        let Admission::Later(decided) = begin(&mallory) else {
            panic!("the sixth waits");
        };
        assert!(admitted(&claim("1:2", 1)).is_some());
        assert!(admitted(&claim("1:1", 2)).is_some());
        // One that is accepted, or not decided, makes room again.
        drop(guesses.pop());
        assert!(decided.now_or_never().is_some());
        guesses.extend(admitted(&mallory));
        assert_eq!(guesses.len(), 5);
        // Those that fail do not.
        for guess in guesses {
            attempts.fail(&mallory, &settings, 1_000);
            drop(guess);
        }
        assert!(matches!(begin(&mallory), Admission::Refused(_)));
        assert!(attempts.0.lock().pending.is_empty());
    }
}
