//! How many invites reach each user, from all users together.
//!
//! An invite needs no consent, and every session of the invited user gets it: many
//! inviters together could send one user more than it can read. The bucket is the
//! node's and not the avatar's, as a `joingame` over it is refused before anything
//! of it is carried out.

use std::collections::HashMap;

use parking_lot::Mutex;

use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::{Bucket, BucketSettings};
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// How often users that got no invite lately are forgotten, in ms.
const SWEEP_MS: u64 = 10_000;

/// The invited users of a node.
#[derive(Debug, Default)]
pub struct Invited(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_user: HashMap<UserId, Bucket>,
    swept_ms: u64,
}

impl Invited {
    /// An invite for each of `users`, none of them twice, or for none of them.
    ///
    /// # Errors
    /// `rate_limited` where one of them gets more than `room.invites_to_user`.
    pub(super) fn take(
        &self,
        users: &[UserId],
        settings: BucketSettings,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        if users.is_empty() || settings.per_second == 0 {
            return Ok(());
        }
        let mut table = self.0.lock();
        for (at, user) in users.iter().enumerate() {
            let bucket = table.by_user.entry(user.clone()).or_default();
            if let Err(wait_ms) = bucket.take(settings, now_ms) {
                table.give_back(users.get(..at).unwrap_or_default());
                return Err(refused(user, wait_ms));
            }
        }
        Ok(())
    }

    /// The invites that were taken last for `users` are not sent.
    pub(super) fn give_back(&self, users: &[UserId]) {
        self.0.lock().give_back(users);
    }

    /// Forgets users whose buckets are full again, now and then.
    pub(super) fn sweep(&self, settings: BucketSettings, now_ms: u64) {
        let mut table = self.0.lock();
        if now_ms < table.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        table.swept_ms = now_ms;
        let is_known = |bucket: &Bucket| !bucket.is_full(settings, now_ms);
        table.by_user.retain(|_, bucket| is_known(bucket));
        table.by_user.give_back();
    }
}

impl Table {
    fn give_back(&mut self, users: &[UserId]) {
        for user in users {
            if let Some(bucket) = self.by_user.get_mut(user) {
                bucket.give_back(1);
            }
        }
    }
}

fn refused(user: &UserId, wait_ms: u64) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::RateLimited,
        format!("{user} gets too many invites; wait retry_ms, or join without inviting it"),
    )
    .with("retry_ms", wait_ms)
    .by(Limit::RoomInvitesToUser)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATE: BucketSettings = BucketSettings::new(1, 2);
    const NOW: u64 = 1_700_000_000_000;

    fn users(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|id| UserId::parse(id).unwrap()).collect()
    }

    #[test]
    fn user_gets_invites_at_a_rate_and_others_are_not_charged() {
        let invited = Invited::default();
        let take = |ids: &[&str], now_ms| invited.take(&users(ids), RATE, now_ms);
        take(&["1:1"], NOW).unwrap();
        take(&["1:1", "1:2"], NOW).unwrap();
        let error = take(&["1:2", "1:1", "1:3"], NOW).unwrap_err();
        assert_eq!(error.code, ErrorCode::RateLimited);
        assert_eq!(error.limit, Some(Limit::RoomInvitesToUser));
        assert!(error.message.contains("1:1") && error.detail("retry_ms").is_some());
        take(&["1:2"], NOW).unwrap();
        assert!(take(&["1:2"], NOW).is_err(), "it has got two");
        take(&["1:1"], NOW + 1_000).unwrap();
        invited.give_back(&users(&["1:1"]));
        take(&["1:1"], NOW + 1_000).unwrap();
    }

    #[test]
    fn users_without_recent_invites_take_no_memory() {
        let invited = Invited::default();
        let user = |n: usize| UserId::parse(&format!("1:{n}")).unwrap();
        let all: Vec<UserId> = (0..10_000).map(user).collect();
        invited.take(&all, RATE, NOW).unwrap();
        invited.take(&[user(0)], RATE, NOW).unwrap();
        invited.sweep(RATE, NOW + 1_000);
        let table = invited.0.lock();
        assert_eq!(table.by_user.len(), 1);
        assert!(table.by_user.capacity() < 100);
    }
}
