//! Users whose sessions were ended while a claim of theirs was being decided.
//!
//! A claim that is decided off the workers carries the number of the last revocation
//! before it began. When the decision arrives, it is compared with those since: what
//! ends the sessions of a user also ends the claims that are under way.

use std::collections::VecDeque;

use parking_lot::Mutex;

use turntable_core::id::UserId;

/// So many are remembered. A claim that is older than all of them has to be made again.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Recent {
    /// The number of the last one.
    last: u64,
    /// The last ones, the oldest first.
    users: VecDeque<UserId>,
}

/// The last revocations.
#[derive(Debug, Default)]
pub(super) struct Revocations(Mutex<Recent>);

/// What has happened to a user since a claim began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing.
    Nothing,
    /// Its sessions were ended.
    Revoked,
    /// So much that it is not known any more.
    Unknown,
}

impl Revocations {
    /// The sessions of a user are ended.
    pub(super) fn note(&self, user: UserId) {
        let recent = &mut *self.0.lock();
        recent.last += 1;
        recent.users.push_back(user);
        if recent.users.len() > REMEMBERED_MAX {
            recent.users.pop_front();
        }
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.0.lock().last
    }

    /// What has happened to a user since the revocation of this number.
    pub(super) fn since(&self, number: u64, user: &UserId) -> Since {
        let recent = self.0.lock();
        let newer = usize::try_from(recent.last.saturating_sub(number)).unwrap_or(usize::MAX);
        if newer > recent.users.len() {
            return Since::Unknown;
        }
        match recent
            .users
            .iter()
            .rev()
            .take(newer)
            .any(|known| known == user)
        {
            true => Since::Revoked,
            false => Since::Nothing,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_since_counts() {
        let user = |n: usize| UserId::parse(&format!("1:{n}")).unwrap();
        let revocations = Revocations::default();
        revocations.note(user(1));
        let begun = revocations.last();
        assert_eq!(revocations.since(begun, &user(1)), Since::Nothing);
        revocations.note(user(2));
        assert_eq!(revocations.since(begun, &user(1)), Since::Nothing);
        assert_eq!(revocations.since(begun, &user(2)), Since::Revoked);
        for n in 0..REMEMBERED_MAX {
            revocations.note(user(10 + n));
        }
        assert_eq!(revocations.since(begun, &user(1)), Since::Unknown);
        assert_eq!(
            revocations.since(begun + 1, &user(1)),
            Since::Nothing,
            "all of them are remembered"
        );
    }
}
