//! What a credential checker is, for those who embed the server.

use std::fmt;
use std::pin::Pin;

use crate::portal::claim::Claim;
use turntable_core::id::UserId;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::payload::Payload;

/// The verdict on a claim, once it is there.
pub type Checking<'c> = Pin<Box<dyn Future<Output = Verdict> + Send + 'c>>;

/// Decides about claims. Checkers are asked in the order of `portal.checkers`, and the
/// first that accepts a claim decides.
///
/// The future runs on threads of the portal, beside the workers, and is dropped after
/// `portal.checker_timeout_ms`. One that panics, or is late, has failed: the claim is
/// not accepted by it, and the next checker is asked. What blocks a thread belongs into
/// `tokio::task::spawn_blocking`.
///
/// ```
/// use turntable::portal::checker::{Checking, CredentialChecker, Identity, Verdict};
/// use turntable::portal::claim::Claim;
///
/// #[derive(Debug)]
/// struct Sesame;
///
/// impl CredentialChecker for Sesame {
///     fn name(&self) -> &'static str {
///         "sesame"
///     }
///
///     fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
///         Box::pin(async move {
///             match (claim.user(), claim.text("password")) {
///                 (Some(user), Some("open sesame")) => Verdict::Accept(Identity::new(user.clone())),
///                 (_, Some(_)) => Verdict::invalid(),
///                 _ => Verdict::Pass,
///             }
///         })
///     }
/// }
/// ```
pub trait CredentialChecker: Send + Sync + fmt::Debug {
    /// Its name in `portal.checkers`.
    fn name(&self) -> &'static str;

    /// The verdict on a claim.
    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c>;
}

/// What a checker says about a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is who it claims to be.
    Accept(Identity),
    /// It is not. Later checkers are asked.
    Refuse(Refusal),
    /// It is refused for another reason than wrong credentials, with this error. No
    /// other checker is asked.
    Deny(ErrorBody),
    /// The claim does not concern this checker.
    Pass,
    /// The checker cannot say: a sentence for the log, without credentials.
    Fail(String),
}

impl Verdict {
    /// The refusal of credentials that are wrong.
    #[must_use]
    pub const fn invalid() -> Self {
        Self::Refuse(Refusal::new(Reason::Invalid))
    }
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// Attributes that the session begins with; they replace the client's own.
    pub attributes: Vec<(Box<str>, Payload)>,
    /// Its roles, beside those that `[portal.roles]` names for the checker. Those without
    /// an entry in `[roles]` do not count.
    pub roles: Vec<Box<str>>,
    /// Unix ms at which the credentials expire.
    pub expires_ms: Option<u64>,
    /// Credentials for the next identification, which the client gets in `welcome`.
    pub token: Option<Box<str>>,
    /// Whether the client has shown nothing that says who it is, as a guest: it may
    /// become another user with `authenticate`.
    pub is_provisional: bool,
}

impl Identity {
    /// A user without more.
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            attributes: Vec::new(),
            roles: Vec::new(),
            expires_ms: None,
            token: None,
            is_provisional: false,
        }
    }
}

/// Why a claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The reason that the client gets.
    pub reason: Reason,
    /// Whether the connection is closed at once.
    pub is_final: bool,
}

impl Refusal {
    /// A refusal after which the client may try again.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            is_final: false,
        }
    }
}
