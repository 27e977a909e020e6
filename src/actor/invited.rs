//! How many invites reach each user, from all users together.
//!
//! An invite needs no consent, and every session of the invited user gets it: many
//! inviters together could send one user more than it can read. One address has a part of
//! the rate only, and when the rest is used up, addresses that have not invited the user
//! lately have as much again: so few addresses do not keep others from inviting it. The
//! buckets are the node's and not the avatar's, as the room knows who is invited.

use std::collections::HashMap;

use parking_lot::Mutex;

use turntable_core::address::Address;
use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::{Bucket, BucketSettings};
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// How often users that got no invite lately are forgotten, in ms.
const SWEEP_MS: u64 = 10_000;
/// One address has this part of the rate.
const SHARE: u32 = 4;

/// The invited users of a node.
#[derive(Debug, Default)]
pub struct Invited(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_user: HashMap<UserId, Buckets>,
    swept_ms: u64,
}

/// What one user gets.
#[derive(Debug, Default)]
struct Buckets {
    all: Bucket,
    /// For addresses that have not invited the user lately, when the others take all.
    reserve: Bucket,
    /// The shares of addresses; those that are not known have one together.
    addresses: HashMap<Option<Address>, Share>,
}

#[derive(Debug, Default)]
struct Share {
    bucket: Bucket,
    /// Whether the last invite came from the reserve.
    is_reserve: bool,
}

/// Invites that are not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooOften {
    /// To whom.
    pub(super) users: Vec<UserId>,
    /// How long until all of them could be, in ms.
    wait_ms: u64,
}

fn share(settings: BucketSettings) -> BucketSettings {
    BucketSettings {
        per_second: settings.per_second.div_ceil(SHARE),
        burst: settings.burst.div_ceil(SHARE),
    }
}

impl Buckets {
    /// Takes an invite from an address.
    fn take(
        &mut self,
        from: Option<Address>,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), u64> {
        let of_one = share(settings);
        let known = self.addresses.get(&from);
        let mut bucket = known.map_or_else(Bucket::default, |known| known.bucket);
        let is_new = bucket.is_full(of_one, now_ms);
        bucket.take(of_one, now_ms)?;
        let mut is_reserve = false;
        if let Err(wait_ms) = self.all.take(settings, now_ms) {
            if !is_new || self.reserve.take(settings, now_ms).is_err() {
                return Err(wait_ms);
            }
            is_reserve = true;
        }
        self.addresses.insert(from, Share { bucket, is_reserve });
        Ok(())
    }

    fn give_back(&mut self, from: Option<Address>) {
        if let Some(known) = self.addresses.get_mut(&from) {
            known.bucket.give_back(1);
            match known.is_reserve {
                true => self.reserve.give_back(1),
                false => self.all.give_back(1),
            }
        }
    }

    /// Whether nothing of it matters any more.
    fn is_full(&mut self, settings: BucketSettings, now_ms: u64) -> bool {
        let of_one = share(settings);
        self.addresses
            .retain(|_, known| !known.bucket.is_full(of_one, now_ms));
        self.addresses.give_back();
        let own = [&self.all, &self.reserve];
        self.addresses.is_empty() && own.iter().all(|bucket| bucket.is_full(settings, now_ms))
    }
}

impl Invited {
    /// An invite for each of `users`, none of them twice, from an address.
    ///
    /// # Errors
    /// Those that get more than `room.invites_to_user`; the others are taken.
    pub(super) fn take(
        &self,
        users: &[UserId],
        from: Option<Address>,
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), TooOften> {
        if users.is_empty() || settings.per_second == 0 {
            return Ok(());
        }
        let mut table = self.0.lock();
        let (mut refused, mut longest_ms) = (Vec::new(), 0);
        for user in users {
            let buckets = table.by_user.entry(user.clone()).or_default();
            if let Err(wait_ms) = buckets.take(from, settings, now_ms) {
                refused.push(user.clone());
                longest_ms = wait_ms.max(longest_ms);
            }
        }
        match refused.is_empty() {
            true => Ok(()),
            false => Err(TooOften {
                users: refused,
                wait_ms: longest_ms,
            }),
        }
    }

    /// The invites that were taken last for `users` are not sent.
    pub(super) fn give_back(&self, users: &[UserId], from: Option<Address>) {
        let mut table = self.0.lock();
        for user in users {
            if let Some(buckets) = table.by_user.get_mut(user) {
                buckets.give_back(from);
            }
        }
    }

    /// Forgets users whose buckets are full again, now and then.
    pub(super) fn sweep(&self, settings: BucketSettings, now_ms: u64) {
        let mut table = self.0.lock();
        if now_ms < table.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        table.swept_ms = now_ms;
        table
            .by_user
            .retain(|_, buckets| !buckets.is_full(settings, now_ms));
        table.by_user.give_back();
    }
}

impl TooOften {
    /// What the inviter gets beside the answer to its join.
    pub(super) fn error(&self) -> ErrorBody {
        let users: Vec<&str> = self.users.iter().map(UserId::as_str).collect();
        let users = users.join(", ");
        ErrorBody::new(
            ErrorCode::RateLimited,
            format!("not invited, as they get too many invites: {users}; wait retry_ms"),
        )
        .of("joingame")
        .with("retry_ms", self.wait_ms)
        .by(Limit::RoomInvitesToUser)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATE: BucketSettings = BucketSettings::new(4, 8);
    const NOW: u64 = 1_700_000_000_000;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    /// Whether one user may be invited from an address.
    fn takes(invited: &Invited, from: u64, now_ms: u64) -> bool {
        let from = Some(Address::from_number(from));
        invited.take(&[user("1:1")], from, RATE, now_ms).is_ok()
    }

    #[test]
    fn one_address_has_a_part_of_the_rate() {
        let invited = Invited::default();
        assert!(takes(&invited, 1, NOW) && takes(&invited, 1, NOW));
        assert!(!takes(&invited, 1, NOW));
        assert!(takes(&invited, 1, NOW + 1_000));
        for from in 2..5 {
            assert!(takes(&invited, from, NOW + 1_000));
        }
    }

    #[test]
    fn addresses_that_are_new_to_a_user_pass_when_others_use_up_the_rate() {
        let invited = Invited::default();
        for from in 0..4 {
            assert!(takes(&invited, from, NOW) && takes(&invited, from, NOW));
        }
        assert!(!takes(&invited, 1, NOW + 100));
        for from in 10..18 {
            assert!(takes(&invited, from, NOW));
            assert!(!takes(&invited, from, NOW), "it is not new any more");
        }
        assert!(!takes(&invited, 18, NOW), "the reserve has an end");
        assert!(takes(&invited, 18, NOW + 250));
    }

    #[test]
    fn those_that_get_too_many_are_named_and_the_others_invited() {
        let invited = Invited::default();
        let users = |ids: &[&str]| -> Vec<UserId> { ids.iter().map(|id| user(id)).collect() };
        let take = |ids: &[&str]| invited.take(&users(ids), None, RATE, NOW);
        take(&["1:1", "1:2"]).unwrap();
        take(&["1:1"]).unwrap();
        let too_often = take(&["1:1", "1:2"]).unwrap_err();
        assert_eq!(too_often.users, users(&["1:1"]));
        let error = too_often.error();
        assert_eq!(error.code, ErrorCode::RateLimited);
        assert_eq!(error.limit, Some(Limit::RoomInvitesToUser));
        assert!(error.message.contains("1:1") && !error.message.contains("1:2"));
        assert_eq!(error.detail("retry_ms"), Some(1_000));
        assert!(take(&["1:2"]).is_err(), "it has got two");
        invited.give_back(&users(&["1:2"]), None);
        take(&["1:2"]).unwrap();
    }

    #[test]
    fn users_without_recent_invites_take_no_memory() {
        let invited = Invited::default();
        let user = |n: usize| UserId::parse(&format!("1:{n}")).unwrap();
        let all: Vec<UserId> = (0..10_000).map(user).collect();
        invited.take(&all, None, RATE, NOW).unwrap();
        invited.take(&[user(0)], None, RATE, NOW).unwrap();
        invited.sweep(RATE, NOW + 1_000);
        let table = invited.0.lock();
        assert_eq!(table.by_user.len(), 1);
        assert!(table.by_user.capacity() < 100);
    }
}
