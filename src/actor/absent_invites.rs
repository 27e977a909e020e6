//! Invites of users that have no avatar.
//!
//! A user that is only invited needs no actor: an inviter could make as many as it can invite
//! users, each a hundred times what an invite takes. The directory stores the invites. An avatar
//! that starts takes those of its user from here, on the worker's thread, between two calls.

use std::collections::HashMap;

use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::avatar::{StoredInvite, StoredInvites};
use turntable_core::spare::Spare;

/// How often invites that are void are forgotten, in ms.
const SWEEP_MS: u64 = 10_000;

/// Invites by user, of one worker.
#[derive(Debug, Default)]
pub(super) struct AbsentInvites {
    by_user: HashMap<UserId, StoredInvites>,
    swept_ms: u64,
}

impl AbsentInvites {
    /// Stores an invite of a user, as its avatar would.
    pub(super) fn add(&mut self, user: UserId, invite: StoredInvite, stored_max: usize) {
        if stored_max > 0 {
            let invites = self.by_user.entry(user).or_default();
            invites.add(invite, stored_max);
        }
    }

    /// The invite of a user to `channel` is answered or void.
    pub(super) fn remove(&mut self, user: &UserId, channel: &ChannelId) {
        let Some(invites) = self.by_user.get_mut(user) else {
            return;
        };
        invites.remove(channel);
        if invites.is_empty() {
            self.take(user);
        }
    }

    /// Takes the invites of a user whose avatar starts.
    pub(super) fn take(&mut self, user: &UserId) -> StoredInvites {
        let Some(invites) = self.by_user.remove(user) else {
            return StoredInvites::default();
        };
        self.by_user.give_back();
        invites
    }

    /// Those of a user come from an earlier process.
    pub(super) fn put(&mut self, user: UserId, invites: StoredInvites) {
        self.by_user.insert(user, invites);
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&UserId, &StoredInvites)> {
        self.by_user.iter()
    }

    /// Forgets those that are void, now and then.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        if now_ms < self.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        self.swept_ms = now_ms;
        self.by_user.retain(|_, invites| {
            invites.expire(now_ms);
            !invites.is_empty()
        });
        self.by_user.give_back();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn channel(name: &str) -> ChannelId {
        ChannelId::parse(name).unwrap()
    }

    fn invite(name: &str, until_ms: u64) -> StoredInvite {
        StoredInvite {
            channel: channel(name),
            from: user(0),
            until_ms,
        }
    }

    fn names(invites: &StoredInvites) -> Vec<String> {
        let channels = invites.iter().map(|invite| invite.channel.to_string());
        channels.collect()
    }

    #[test]
    fn invites_are_those_that_an_avatar_would_store() {
        let mut invites = AbsentInvites::default();
        for name in ["a", "b", "a", "c"] {
            invites.add(user(1), invite(name, 100), 2);
        }
        invites.add(user(2), invite("a", 100), 0);
        assert_eq!(names(&invites.take(&user(1))), ["a", "c"]);
        assert!(invites.take(&user(1)).is_empty());
        invites.add(user(1), invite("a", 100), 2);
        invites.remove(&user(1), &channel("b"));
        invites.remove(&user(2), &channel("a"));
        assert_eq!(invites.iter().count(), 1);
        invites.remove(&user(1), &channel("a"));
        assert!(invites.by_user.is_empty());
    }

    #[test]
    fn void_invites_take_no_memory() {
        let mut invites = AbsentInvites::default();
        for number in 0..10_000 {
            invites.add(user(number), invite("a", SWEEP_MS), 2);
        }
        invites.add(user(1), invite("b", SWEEP_MS + 1), 2);
        invites.sweep(SWEEP_MS);
        assert!(invites.by_user.capacity() < 100);
        assert_eq!(names(&invites.take(&user(1))), ["b"]);
    }
}
