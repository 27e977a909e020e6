//! Users whose sessions were ended while a claim of theirs was being decided.
//!
//! A claim that is decided off the workers carries the number of the last revocation
//! before it began. When the decision arrives, it is compared with those since: what
//! ends the sessions of a user also ends the claims that are under way.
//!
//! Where the portal itself learns that sessions have to end, as with a password that has
//! changed, it reports them to the gateways, which end them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::portal::checker::Identity;
use crate::portal::operator_call::OperatorCall;
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;

/// So many are remembered. A claim that is older than all of them has to be made again.
const REMEMBERED_MAX: usize = 10_000;

/// Which sessions end, and which claims that are under way with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Those of this user.
    pub user: UserId,
    /// Whether only those whose clients have shown nothing that says who they are.
    pub is_provisional: bool,
    /// The one that stays.
    pub except: Option<SessionKey>,
    /// The call of an operator that ends them.
    pub operator: Option<Arc<OperatorCall>>,
}

impl Revocation {
    /// All sessions of a user.
    #[must_use]
    pub const fn all(user: UserId) -> Self {
        Self {
            user,
            is_provisional: false,
            except: None,
            operator: None,
        }
    }

    /// Whether it is about a claim of this identity, made for this session.
    fn ends(&self, identity: &Identity, session: Option<SessionKey>) -> bool {
        self.user == identity.user
            && (identity.is_provisional || !self.is_provisional)
            && (session.is_none() || self.except != session)
    }
}

/// Ends the sessions of a revocation.
type Listener = Box<dyn Fn(Revocation) + Send + Sync>;

#[derive(Debug, Default)]
struct Recent {
    /// The number of the last one.
    last: u64,
    /// The last ones, the oldest first.
    revocations: VecDeque<Revocation>,
}

/// The last revocations.
#[derive(Default)]
pub(super) struct Revocations {
    recent: Mutex<Recent>,
    listener: OnceLock<Listener>,
}

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
    /// Sessions are being ended.
    pub(super) fn note(&self, revocation: Revocation) {
        let recent = &mut *self.recent.lock();
        recent.last += 1;
        // Claims do not need the call.
        recent.revocations.push_back(Revocation {
            operator: None,
            ..revocation
        });
        if recent.revocations.len() > REMEMBERED_MAX {
            recent.revocations.pop_front();
        }
    }

    /// Has sessions ended.
    pub(super) fn end(&self, revocation: Revocation) {
        self.note(revocation.clone());
        if let Some(listener) = self.listener.get() {
            listener(revocation);
        }
    }

    /// What ends them; the first that is set stays.
    pub(super) fn listen(&self, listener: impl Fn(Revocation) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.recent.lock().last
    }

    /// What has happened to the user of a claim since the revocation of this number.
    /// `session` is the one that the claim was made for.
    pub(super) fn since(
        &self,
        number: u64,
        identity: &Identity,
        session: Option<SessionKey>,
    ) -> Since {
        let recent = self.recent.lock();
        let newer = usize::try_from(recent.last.saturating_sub(number)).unwrap_or(usize::MAX);
        if newer > recent.revocations.len() {
            return Since::Unknown;
        }
        let mut newer = recent.revocations.iter().rev().take(newer);
        match newer.any(|revocation| revocation.ends(identity, session)) {
            true => Since::Revoked,
            false => Since::Nothing,
        }
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn since(revocations: &Revocations, number: u64, of: usize) -> Since {
        revocations.since(number, &Identity::new(user(of)), None)
    }

    #[test]
    fn only_what_came_since_counts() {
        let revocations = Revocations::default();
        revocations.note(Revocation::all(user(1)));
        let begun = revocations.last();
        assert_eq!(since(&revocations, begun, 1), Since::Nothing);
        revocations.note(Revocation::all(user(2)));
        assert_eq!(since(&revocations, begun, 1), Since::Nothing);
        assert_eq!(since(&revocations, begun, 2), Since::Revoked);
        for n in 0..REMEMBERED_MAX {
            revocations.note(Revocation::all(user(10 + n)));
        }
        assert_eq!(since(&revocations, begun, 1), Since::Unknown);
        assert_eq!(
            since(&revocations, begun + 1, 1),
            Since::Nothing,
            "all of them are remembered"
        );
    }

    #[test]
    fn claims_end_with_the_sessions_that_they_are_like() {
        let revocations = Revocations::default();
        let shown = Identity::new(user(1));
        let provisional = Identity {
            is_provisional: true,
            ..shown.clone()
        };
        let [own, other] = [1, 2].map(|number| Some(SessionKey::from_number(number)));
        revocations.note(Revocation {
            user: user(1),
            is_provisional: true,
            except: None,
            operator: None,
        });
        assert_eq!(revocations.since(0, &shown, None), Since::Nothing);
        assert_eq!(revocations.since(0, &provisional, None), Since::Revoked);
        revocations.note(Revocation {
            user: user(1),
            is_provisional: false,
            except: own,
            operator: None,
        });
        assert_eq!(revocations.since(1, &shown, own), Since::Nothing);
        for session in [other, None] {
            assert_eq!(revocations.since(1, &shown, session), Since::Revoked);
        }
    }
}
