//! The portal: who a client is.
//!
//! A claim goes through the checkers of `portal.checkers` in their order, and the first
//! that accepts it decides (`course`). One that cannot say is no success: where no other
//! accepts the claim, the answer is `unavailable`, so that nobody loses an identity to a
//! fault.

mod attempts;
mod auth_table;
pub mod ban;
pub mod checker;
pub mod claim;
mod course;
mod guest;
mod jwt;
mod key;
pub mod settings;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::clock;
use crate::portal::attempts::Attempts;
use crate::portal::auth_table::AuthTable;
pub use crate::portal::auth_table::NotSet;
pub(crate) use crate::portal::auth_table::SESSION_ID_BYTES_MAX;
use crate::portal::checker::{CredentialChecker, Identity, Verdict};
use crate::portal::claim::Claim;
use crate::portal::course::{Checker, Course, Outcome};
use crate::portal::guest::Guests;
use crate::portal::jwt::Jwt;
use crate::portal::key::Key;
use crate::portal::settings::PortalSettings;
use crate::watched::Watched;
use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::reason::ErrorCode;

/// What every client is told while claims are trusted.
const CLAIMS_ARE_TRUSTED: &str = "user ids are not checked (portal.checkers has anonymous): any client can identify as any user, also as a known one";

/// The names of the checkers that the server has.
pub const CHECKERS: [&str; 4] = ["anonymous", "guest", "jwt", "session"];

/// Threads that slow checkers run on.
const THREADS: usize = 2;

/// The checkers in force.
#[derive(Debug)]
struct Checkers {
    list: Vec<Checker>,
    guests: Guests,
    issues_guests: bool,
    is_anonymous: bool,
    timeout: Duration,
}

/// A claim that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The error for the client.
    pub error: ErrorBody,
    /// Whether its connection is closed at once.
    pub is_final: bool,
}

impl Refused {
    const fn again(error: ErrorBody) -> Self {
        Self {
            error,
            is_final: false,
        }
    }
}

/// What becomes of a claim.
pub type Decision = Result<Identity, Refused>;

/// A claim that is decided off the workers.
#[derive(Debug)]
pub(crate) struct Undecided(Course);

/// Decides about identifications.
#[derive(Debug)]
pub struct Portal {
    settings: Watched<PortalSettings>,
    checkers: Watched<Arc<Checkers>>,
    embedded: Vec<Arc<dyn CredentialChecker>>,
    /// Signs the tokens of guests where no file has a key.
    start_key: Key,
    auth: AuthTable,
    attempts: Attempts,
    checking: Arc<AtomicUsize>,
    threads: OnceLock<Mutex<Option<Runtime>>>,
}

impl Portal {
    /// A portal with these settings, and the checkers of a program that embeds the
    /// server. Warns if claims are accepted without credentials.
    ///
    /// # Errors
    /// An unknown checker, or a key file that cannot be read.
    pub fn new(
        settings: PortalSettings,
        embedded: Vec<Arc<dyn CredentialChecker>>,
    ) -> anyhow::Result<Self> {
        let start_key = Key::random()?;
        let checkers = Checkers::new(&settings, &embedded, &start_key)?;
        checkers.advise(&settings);
        Ok(Self {
            settings: Watched::new(settings),
            checkers: Watched::new(Arc::new(checkers)),
            embedded,
            start_key,
            auth: AuthTable::new(Key::random()?),
            attempts: Attempts::default(),
            checking: Arc::default(),
            threads: OnceLock::new(),
        })
    }

    /// Puts other settings in force. Warns as [`Portal::new`] does, unless claims
    /// were accepted before.
    ///
    /// # Errors
    /// Those of [`Portal::new`]; then nothing has changed.
    pub fn apply(&self, settings: PortalSettings) -> anyhow::Result<()> {
        let checkers = Checkers::new(&settings, &self.embedded, &self.start_key)?;
        if !self.trusts_claims() {
            checkers.advise(&settings);
        }
        self.checkers.set(Arc::new(checkers));
        self.settings.set(settings);
        Ok(())
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<PortalSettings> {
        self.settings.get()
    }

    /// What a client should know about this server before it relies on it; a
    /// sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        match self.trusts_claims() {
            true => vec![CLAIMS_ARE_TRUSTED],
            false => Vec::new(),
        }
    }

    /// Whether a client may connect before it identifies.
    #[must_use]
    pub fn trusts_claims(&self) -> bool {
        self.checkers.get().is_anonymous
    }

    /// Begins to decide about a claim. What takes time is returned, for
    /// [`Portal::decide`].
    pub(crate) fn check(&self, claim: Claim) -> Result<Decision, Undecided> {
        let (settings, now_ms) = (self.settings.get(), clock::now_ms());
        if let Some(user) = claim.user()
            && let Err(error) = accept_realm(&settings, user)
        {
            return Ok(Err(Refused::again(error)));
        }
        if let Err(error) = self.attempts.admit(&claim, &settings, now_ms) {
            return Ok(Err(Refused::again(error)));
        }
        let mut course = Course::new(claim, self.checkers.get().as_ref().clone());
        match course.ask(self) {
            Some(outcome) => Ok(self.conclude(course.claim(), outcome)),
            None => Err(Undecided(course)),
        }
    }

    /// Decides about a claim off the workers. `then` is called on a thread of the portal.
    ///
    /// # Errors
    /// `unavailable` where too many are being checked, or the system gives no thread.
    pub(crate) fn decide(
        self: &Arc<Self>,
        undecided: Undecided,
        then: impl FnOnce(Decision) + Send + 'static,
    ) -> Result<(), ErrorBody> {
        let max = self.settings.get().checking_max;
        let place = Place::take(&self.checking, max).ok_or_else(|| {
            ErrorBody::new(
                ErrorCode::Unavailable,
                "too many clients are identifying (portal.checking_max); try again",
            )
            .by(Limit::Checking)
        })?;
        let portal = self.clone();
        self.spawn(async move {
            let (claim, outcome) = undecided.0.finish(portal.clone()).await;
            drop(place);
            then(portal.conclude(&claim, outcome));
        })
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), ErrorBody> {
        let threads = self.threads.get_or_init(|| {
            let threads = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("portal")
                .enable_all()
                .build();
            Mutex::new(threads.ok())
        });
        match &*threads.lock() {
            Some(threads) => {
                threads.spawn(work);
                Ok(())
            }
            None => Err(unknown()),
        }
    }

    /// How long a claim may be checked at the longest, in ms.
    pub(crate) fn checking_ms(&self) -> u64 {
        let (checkers, settings) = (self.checkers.get(), self.settings.get());
        let slow = checkers.list.iter();
        let slow = slow.filter(|checker| matches!(checker, Checker::Slow(_)));
        settings.checker_timeout_ms * slow.count() as u64
    }

    /// The decision about a user that provides a service, of which `verdict` is what its
    /// token says. Wrong tokens count as other credentials that are wrong.
    pub(crate) fn decide_of_service(
        &self,
        claim: &Claim,
        user: UserId,
        verdict: Result<(), ErrorBody>,
    ) -> Decision {
        let (settings, now_ms) = (self.settings.get(), clock::now_ms());
        self.attempts
            .admit(claim, &settings, now_ms)
            .map_err(Refused::again)?;
        match verdict {
            Ok(()) => Ok(Identity::new(user)),
            Err(error) => {
                self.attempts.fail(claim, &settings, now_ms);
                Err(Refused::again(error.because(Reason::Invalid)))
            }
        }
    }

    fn conclude(&self, claim: &Claim, outcome: Outcome) -> Decision {
        let settings = self.settings.get();
        match outcome {
            Outcome::Accepted(identity) => {
                accept_realm(&settings, &identity.user).map_err(Refused::again)?;
                Ok(identity)
            }
            Outcome::Refused(refusal) => {
                // Who had a valid one guesses nothing.
                if refusal.reason == Reason::Invalid {
                    self.attempts.fail(claim, &settings, clock::now_ms());
                }
                Err(Refused {
                    error: refused(refusal.reason, claim),
                    is_final: refusal.is_final,
                })
            }
            Outcome::Unknown => Err(Refused::again(unknown())),
        }
    }

    /// `anonymous`: clients without credentials, unless the user is known to need some.
    fn check_anonymous(&self, claim: &Claim, checkers: &Checkers) -> Verdict {
        match claim.user() {
            Some(user) if !claim.has_credentials() => {
                let is_guest = checkers.issues_guests && checkers.guests.is_guest(user);
                match is_guest || self.auth.has(user) {
                    true => Verdict::invalid(),
                    false => Verdict::Accept(Identity::new(user.clone())),
                }
            }
            _ => Verdict::Pass,
        }
    }

    /// `auth.set`: this is the user's session from now on.
    ///
    /// # Errors
    /// [`NotSet`].
    pub fn set_session(&self, user: UserId, session_id: &str) -> Result<(), NotSet> {
        let max = self.settings.get().sessions_max;
        self.auth.set(user, session_id, max)
    }

    /// `auth.check`: whose session this is.
    #[must_use]
    pub fn session_user(&self, session_id: &str) -> Option<UserId> {
        self.auth.user(session_id)
    }

    /// `auth.remove`: the user has no session any more. Returns whether it had one.
    pub fn remove_session(&self, user: &UserId) -> bool {
        self.auth.remove(user)
    }

    /// `auth.listAll`: the users with a session.
    #[must_use]
    pub fn session_users(&self) -> Vec<UserId> {
        self.auth.users()
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        // Checks that are under way must not hold the end up.
        if let Some(threads) = self.threads.take().and_then(Mutex::into_inner) {
            threads.shutdown_background();
        }
    }
}

/// A place among the claims that are checked off the workers.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let place = Self(count.clone());
        (count.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Checkers {
    fn new(
        settings: &PortalSettings,
        embedded: &[Arc<dyn CredentialChecker>],
        start_key: &Key,
    ) -> anyhow::Result<Self> {
        let has = |name: &str| settings.checkers.iter().any(|known| known == name);
        let jwt: Option<Arc<dyn CredentialChecker>> = match has(jwt::NAME) {
            true => Some(Arc::new(Jwt::new(settings)?)),
            false => None,
        };
        let checker = |name: &String| {
            Some(match name.as_str() {
                jwt::NAME => Checker::Slow(jwt.clone()?),
                "anonymous" => Checker::Anonymous,
                "guest" => Checker::Guest,
                "session" => Checker::Session,
                name => {
                    let known = embedded.iter().find(|checker| checker.name() == name)?;
                    Checker::Slow(known.clone())
                }
            })
        };
        let list = settings.checkers.iter().map(|name| {
            checker(name).with_context(|| format!("portal.checkers: there is no checker {name:?}"))
        });
        Ok(Self {
            list: list.collect::<anyhow::Result<_>>()?,
            guests: Guests::new(settings, start_key)?,
            issues_guests: has("guest"),
            is_anonymous: has("anonymous"),
            timeout: Duration::from_millis(settings.checker_timeout_ms),
        })
    }

    /// What an operator should know.
    fn advise(&self, settings: &PortalSettings) {
        if self.is_anonymous {
            log::warn!(
                "portal.checkers has \"anonymous\": a user id in `idme` is accepted without credentials, so any client can identify as any user, also as a known one; use this for demos only"
            );
        }
        if self.issues_guests && settings.guest_key_file.is_empty() {
            log::info!(
                "portal.guest_key_file is not set: guests of this start cannot come back after the next"
            );
        }
    }
}

fn accept_realm(settings: &PortalSettings, user: &UserId) -> Result<(), ErrorBody> {
    let realms = &settings.realms;
    if realms.is_empty() || realms.iter().any(|realm| realm == user.realm()) {
        return Ok(());
    }
    Err(ErrorBody::new(
        ErrorCode::Unauthorized,
        "users of this realm are not accepted (portal.realms)",
    )
    .because(Reason::Invalid))
}

fn refused(reason: Reason, claim: &Claim) -> ErrorBody {
    let message = match (reason, claim.has_credentials()) {
        (Reason::Expired, _) => "the credentials have expired; send new ones",
        (Reason::Revoked, _) => "the credentials were withdrawn",
        (Reason::Kicked | Reason::Banned, _) => "an operator removed this user",
        (Reason::Invalid, true) => "no checker accepts these credentials",
        (Reason::Invalid, false) => "credentials are required for this user",
    };
    ErrorBody::new(ErrorCode::Unauthorized, message).because(reason)
}

fn unknown() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "the credentials cannot be checked now; try again",
    )
}

#[cfg(test)]
mod tests;
