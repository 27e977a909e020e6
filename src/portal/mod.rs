//! The portal: who a client is.
//!
//! A claim goes through the checkers of `portal.checkers` in their order, and the first
//! that accepts it decides (`course`). One that cannot say is no success: where no other
//! accepts the claim, the answer is `unavailable`, so that nobody loses an identity to a
//! fault.

mod attempts;
mod auth_table;
mod backend;
pub mod ban;
pub mod blocked;
pub mod checker;
mod checkers;
pub mod claim;
mod cookie;
mod course;
mod erased;
pub mod factory;
mod guest;
mod http;
mod in_force;
mod jwt;
mod key;
pub mod operator_call;
pub(crate) mod password;
pub mod permission;
mod place;
mod refusal;
pub mod revocation;
pub mod settings;
pub(crate) mod watch;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::clock;
use crate::portal::attempts::{Admission, Attempts, Guess};
use crate::portal::auth_table::AuthTable;
pub use crate::portal::auth_table::NotSet;
pub(crate) use crate::portal::auth_table::SESSION_ID_BYTES_MAX;
use crate::portal::checker::{CredentialChecker, Identity, Verdict};
pub use crate::portal::checkers::problems;
use crate::portal::checkers::{Checkers, Persistent};
use crate::portal::claim::Claim;
use crate::portal::course::{Checker, Course, Outcome};
use crate::portal::erased::Erased;
use crate::portal::in_force::InForce;
use crate::portal::key::Key;
use crate::portal::password::table::Passwords;
use crate::portal::place::{PlaceMaxima, Places};
use crate::portal::revocation::{Revocation, Revocations, Since};
use crate::portal::settings::PortalSettings;
use crate::portal::watch::WatchBackend;
use crate::store::Store;
use crate::watched::Watched;
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::reason::ErrorCode;

/// What every client is sent while claims are trusted.
const CLAIMS_ARE_TRUSTED: &str = "user ids are not checked (portal.checkers has anonymous): any client can identify as any user, also as a known one";

/// The names of the checkers that the server has.
pub const CHECKERS: [&str; 7] = [
    "anonymous",
    "cookie",
    "guest",
    "http",
    "jwt",
    "password",
    "session",
];

/// What the file with the key of guests is called, behind the path of the store.
const GUEST_KEY: &str = ".guest-key";

/// Threads that slow checkers run on.
const THREADS: usize = 2;

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
pub(crate) struct Undecided {
    course: Course,
    begun: Begun,
}

/// When a claim began, in revocations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun(u64);

impl Undecided {
    /// When it began, for [`Portal::confirm`].
    pub(crate) const fn begun(&self) -> Begun {
        self.begun
    }
}

/// Settings that can be put in force.
#[derive(Debug)]
pub struct Prepared(InForce);

/// Decides about identifications.
#[derive(Debug)]
pub struct Portal {
    in_force: Watched<InForce>,
    /// What checkers use that outlives the settings.
    persistent: Persistent,
    auth: Arc<AuthTable>,
    attempts: Arc<Attempts>,
    revocations: Arc<Revocations>,
    checking: Arc<Places>,
    watch_backend: WatchBackend,
    threads: OnceLock<Mutex<Option<Runtime>>>,
}

impl Portal {
    /// A portal with these settings, the checkers of a program that embeds the server,
    /// and the users of a store. Warns if claims are accepted without credentials.
    ///
    /// # Errors
    /// An unknown checker, a key file or a store that cannot be read.
    pub fn new(
        settings: PortalSettings,
        embedded: Vec<Arc<dyn CredentialChecker>>,
        store: Arc<dyn Store>,
    ) -> anyhow::Result<Self> {
        let revocations = Arc::<Revocations>::default();
        let key_file = store.path().map(|path| {
            let mut file = path.as_os_str().to_owned();
            file.push(GUEST_KEY);
            file.into()
        });
        let passwords =
            Passwords::new(store.clone(), revocations.clone()).map_err(anyhow::Error::msg)?;
        let erased = Erased::open(store.clone()).map_err(anyhow::Error::msg)?;
        erased.expire(&settings, clock::now_ms());
        let persistent = Persistent {
            embedded,
            start_key: Key::random()?,
            key_file,
            auth: Arc::new(AuthTable::open(store)?),
            erased: Arc::new(erased),
            passwords: Arc::new(passwords),
            sign_ups: Arc::default(),
            jwks: Mutex::default(),
        };
        let checkers = Checkers::new(&settings, &persistent)?;
        checkers.advise();
        Ok(Self {
            in_force: Watched::new(InForce::new(settings, checkers)),
            auth: persistent.auth.clone(),
            persistent,
            attempts: Arc::default(),
            revocations,
            checking: Arc::default(),
            watch_backend: WatchBackend::default(),
            threads: OnceLock::new(),
        })
    }

    /// Other settings, with what they need: all that can fail. Those in force do, where they
    /// are the same and no file has to be read again (`reads_files`): what their checkers
    /// have of backends goes on.
    ///
    /// # Errors
    /// Those of [`Portal::new`].
    pub fn prepare(
        &self,
        settings: PortalSettings,
        reads_files: bool,
    ) -> anyhow::Result<Option<Prepared>> {
        if !reads_files && *self.settings() == settings {
            return Ok(None);
        }
        let checkers = Checkers::new(&settings, &self.persistent)?;
        Ok(Some(Prepared(InForce::new(settings, checkers))))
    }

    /// What is wrong with other settings, a sentence each, without any effect on those in
    /// force.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn problems(&self, settings: &PortalSettings) -> anyhow::Result<Vec<String>> {
        checkers::problems_with(settings, self.persistent.embedded.clone())
    }

    /// Puts prepared settings in force. Warns as [`Portal::new`] does, unless claims
    /// were accepted before.
    pub fn apply(&self, Prepared(in_force): Prepared) {
        if !self.trusts_claims() {
            in_force.checkers.advise();
        }
        self.in_force.set(in_force);
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<PortalSettings> {
        self.in_force.get().settings.clone()
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

    /// Whether claims are accepted without credentials.
    #[must_use]
    pub fn trusts_claims(&self) -> bool {
        self.checkers().is_anonymous
    }

    /// Begins to decide about a claim. What takes time is returned, for
    /// [`Portal::decide`].
    pub(crate) fn check(&self, claim: Claim) -> Result<Decision, Undecided> {
        let (in_force, now_ms) = (self.in_force.get(), clock::now_ms());
        let settings = &in_force.settings;
        let begun = Begun(self.revocations.last());
        if let Some(user) = claim.user()
            && let Err(error) = accept_realm(settings, user)
        {
            return Ok(Err(Refused::again(error)));
        }
        if let Err(error) = self.attempts.admit(&claim, settings, now_ms) {
            return Ok(Err(Refused::again(error)));
        }
        let mut course = Course::new(claim, in_force.checkers.clone());
        match course.ask(self) {
            Some(outcome) => Ok(self.conclude(&course, outcome)),
            None => Err(Undecided { course, begun }),
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
        let settings = self.settings();
        let maxima = PlaceMaxima {
            total: settings.checking_max,
            per_address: settings.checking_per_address_max,
        };
        let address = undecided.course.claim().address();
        let place = self.checking.take(address, maxima)?;
        let portal = self.clone();
        self.spawn(async move {
            let decision = portal.finish(undecided.course).await;
            drop(place);
            then(decision);
        })
    }

    async fn finish(&self, mut course: Course) -> Decision {
        let guess = self.begin(course.claim()).await?;
        let outcome = course.finish(self).await;
        let decision = self.conclude(&course, outcome);
        // A failure is noted before its place is free.
        drop(guess);
        decision
    }

    /// Waits until a claim may be checked: as long as a checker may take.
    async fn begin(&self, claim: &Claim) -> Result<Guess, Refused> {
        let settings = self.settings();
        let timeout = Duration::from_millis(settings.checker_timeout_ms);
        let begun = async {
            loop {
                match self.attempts.begin(claim, &settings, clock::now_ms()) {
                    Admission::Admitted(guess) => return Ok(guess),
                    Admission::Refused(error) => return Err(Refused::again(error)),
                    Admission::Later(decided) => decided.await,
                }
            }
        };
        let begun = tokio::time::timeout(timeout, begun).await;
        begun.unwrap_or_else(|_| Err(Refused::again(unknown())))
    }

    /// Sessions are ended: claims that are under way and are like them end, too.
    pub(crate) fn revoke(&self, revocation: Revocation) {
        self.revocations.note(revocation);
    }

    /// What ends sessions when the portal learns that they have to, as with a password
    /// that has changed. It is called on any thread and must not wait.
    pub(crate) fn on_revoked(&self, end: impl Fn(Revocation) + Send + Sync + 'static) {
        self.revocations.listen(end);
    }

    /// What becomes of a decision when it arrives: its user may have been revoked since
    /// the claim began. `session` is the one that it was made for.
    ///
    /// # Errors
    /// That of the decision, or of the revocation.
    pub(crate) fn confirm(
        &self,
        decision: Decision,
        begun: Begun,
        session: Option<SessionKey>,
    ) -> Decision {
        let identity = decision?;
        match self.revocations.since(begun.0, &identity, session) {
            Since::Nothing => Ok(identity),
            Since::Revoked => {
                let message = "the sessions of this user were ended";
                let error = ErrorBody::new(ErrorCode::Unauthorized, message);
                Err(Refused::again(error.because(Reason::Revoked)))
            }
            Since::Unknown => Err(Refused::again(unknown())),
        }
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

    /// The name of the login cookie, while `cookie` is among the checkers.
    pub(crate) fn cookie_name(&self) -> Option<Box<str>> {
        let checkers = self.checkers();
        checkers
            .cookies
            .as_ref()
            .map(|cookies| cookies.name().into())
    }

    /// The header `Set-Cookie` that replaces a login cookie, where one has to.
    pub(crate) fn renew_cookie(
        &self,
        value: &str,
        is_https: impl FnOnce() -> bool,
    ) -> Option<String> {
        let checkers = self.checkers();
        let cookies = checkers.cookies.as_ref()?;
        cookies.renew(value, clock::now_ms(), is_https())
    }

    /// How long a claim may be checked at the longest, in ms.
    pub(crate) fn checking_ms(&self) -> u64 {
        let in_force = self.in_force.get();
        let slow = in_force.checkers.list.iter();
        let slow = slow.filter(|checker| matches!(checker, Checker::Slow(_)));
        // One more: the claim may wait for others of its address.
        in_force.settings.checker_timeout_ms * (slow.count() as u64 + 1)
    }

    /// The decision about a user that provides a service, of which `verdict` is what its
    /// token says. Wrong tokens count as other credentials that are wrong.
    pub(crate) fn decide_of_service(
        &self,
        claim: &Claim,
        user: UserId,
        verdict: Result<(), ErrorBody>,
    ) -> Decision {
        let (settings, now_ms) = (self.settings(), clock::now_ms());
        self.attempts
            .admit(claim, &settings, now_ms)
            .map_err(Refused::again)?;
        match verdict {
            Ok(()) => Ok(Identity {
                roles: settings.roles_of("service"),
                ..Identity::new(user)
            }),
            Err(error) => {
                self.attempts.fail(claim, &settings, now_ms);
                Err(Refused::again(error.because(Reason::Invalid)))
            }
        }
    }

    fn conclude(&self, course: &Course, outcome: Outcome) -> Decision {
        let (settings, claim) = (self.settings(), course.claim());
        if course.is_guess(&outcome) {
            self.attempts.fail(claim, &settings, clock::now_ms());
        }
        match outcome {
            Outcome::Accepted(identity) => {
                accept_realm(&settings, &identity.user).map_err(Refused::again)?;
                Ok(identity)
            }
            Outcome::Refused(refusal) => Err(Refused {
                error: refused(refusal.reason, claim),
                is_final: refusal.is_final,
            }),
            Outcome::Denied(error) => Err(Refused::again(error)),
            Outcome::Unknown => Err(Refused::again(unknown())),
        }
    }

    /// `anonymous`: clients without credentials, unless the user is known to need some.
    fn check_anonymous(&self, claim: &Claim, checkers: &Checkers) -> Verdict {
        match claim.user() {
            Some(user) if !claim.has_credentials() => {
                match self.needs_credentials(user, checkers) {
                    true => Verdict::invalid(),
                    false => Verdict::Accept(Identity::new(user.clone())),
                }
            }
            _ => Verdict::Pass,
        }
    }

    /// Whether `anonymous` accepts nobody as this user.
    fn needs_credentials(&self, user: &UserId, checkers: &Checkers) -> bool {
        let is_guest = checkers.issues_guests && checkers.guests.is_guest(user);
        is_guest || self.auth.has(user) || self.persistent.passwords.has(user)
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
        (Reason::Invalid, false) if claim.user().is_none() => "credentials are required, or a user",
        (Reason::Invalid, false) => "credentials are required for this user",
    };
    ErrorBody::new(ErrorCode::Unauthorized, message).because(reason)
}

fn unknown() -> ErrorBody {
    let message = "the credentials cannot be checked now; try again";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

#[cfg(test)]
mod tests;
