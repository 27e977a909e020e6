//! One claim on its way through the checkers.
//!
//! Checkers that compute something answer on the worker. The first that takes time
//! sends the claim to threads of the portal, where the rest is asked. Each checker has
//! a deadline there, and a task of its own: one that panics has failed, no more.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::log_limit::LogLimit;
use crate::opaque;
use crate::portal::Portal;
use crate::portal::checker::{CredentialChecker, Identity, Refusal, Verdict};
use crate::portal::checkers::Checkers;
use crate::portal::claim::Claim;
use turntable_core::packet::{ErrorBody, Reason};

/// Each claim may fail so.
static CHECKER_FAILED: LogLimit = LogLimit::new();

/// The last time at which credentials expire, Unix ms: numbers of clients are doubles.
const EXPIRES_MS_MAX: u64 = 1 << 53;

/// What the checkers decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// One of them accepted the claim.
    Accepted(Identity),
    /// None of them did.
    Refused(Refusal),
    /// One of them decided that it is refused so.
    Denied(ErrorBody),
    /// None of them did, and at least one could not say.
    Unknown,
}

/// A checker in its place.
#[derive(Debug, Clone)]
pub(super) enum Checker {
    /// `anonymous`.
    Anonymous,
    /// `cookie`.
    Cookie,
    /// `guest`.
    Guest,
    /// `session`.
    Session,
    /// One that takes time.
    Slow(Arc<dyn CredentialChecker>),
}

/// A claim that is being checked.
#[derive(Debug)]
pub(super) struct Course {
    claim: Arc<Claim>,
    checkers: Arc<Checkers>,
    next: usize,
    refusal: Option<Refusal>,
    has_failed: bool,
    /// Whether a checker found credentials that are wrong, whatever others say.
    has_guessed: bool,
}

impl Course {
    pub(super) fn new(claim: Claim, checkers: Arc<Checkers>) -> Self {
        Self {
            claim: Arc::new(claim),
            checkers,
            next: 0,
            refusal: None,
            has_failed: false,
            has_guessed: false,
        }
    }

    /// Whether the claim is a guess: credentials in it are wrong, and nothing else in it
    /// was accepted. What further checkers said of it does not hide that.
    pub(super) fn is_guess(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Accepted(_) => false,
            // Who had a valid one guesses nothing.
            Outcome::Refused(refusal) => self.has_guessed || refusal.reason == Reason::Invalid,
            Outcome::Denied(_) | Outcome::Unknown => self.has_guessed,
        }
    }

    /// The claim.
    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Asks checkers as long as they answer at once. `None` where the next takes time.
    pub(super) fn ask(&mut self, portal: &Portal) -> Option<Outcome> {
        loop {
            let verdict = match self.checkers.list.get(self.next) {
                None => return Some(self.end()),
                Some(Checker::Slow(_)) => return None,
                Some(Checker::Anonymous) => {
                    provisional(portal.check_anonymous(&self.claim, &self.checkers))
                }
                Some(Checker::Cookie) => match &self.checkers.cookies {
                    Some(cookies) => cookies.check(&self.claim, clock::now_ms()),
                    None => Verdict::Pass,
                },
                Some(Checker::Guest) => {
                    provisional(portal.check_guest(&self.claim, &self.checkers))
                }
                Some(Checker::Session) => portal.auth.check(&self.claim),
            };
            if let Some(outcome) = self.note(verdict) {
                return Some(outcome);
            }
        }
    }

    /// Asks the rest.
    pub(super) async fn finish(&mut self, portal: &Portal) -> Outcome {
        loop {
            if let Some(outcome) = self.ask(portal) {
                return outcome;
            }
            let Some(Checker::Slow(checker)) = self.checkers.list.get(self.next) else {
                return self.end();
            };
            let verdict = verdict(checker.clone(), self.claim.clone(), self.checkers.timeout).await;
            if let Verdict::Fail(why) = &verdict
                && let Some(more) = CHECKER_FAILED.admit(clock::now_ms())
            {
                let name = checker.name();
                log::warn!("the credential checker {name} failed: {why}{more}");
            }
            if let Some(outcome) = self.note(verdict) {
                return outcome;
            }
        }
    }

    fn note(&mut self, verdict: Verdict) -> Option<Outcome> {
        self.next += 1;
        match verdict {
            Verdict::Accept(mut identity) => {
                identity.expires_ms = identity.expires_ms.map(|at_ms| at_ms.min(EXPIRES_MS_MAX));
                let roles = self.checkers.roles.get(self.next - 1);
                identity.roles.extend(roles.into_iter().flatten().cloned());
                return Some(Outcome::Accepted(identity));
            }
            Verdict::Refuse(refusal) => {
                self.has_guessed |= refusal.reason == Reason::Invalid;
                self.refusal.get_or_insert(refusal);
            }
            Verdict::Deny(error) => return Some(Outcome::Denied(error)),
            Verdict::Pass => {}
            Verdict::Fail(_) => self.has_failed = true,
        }
        None
    }

    /// No checker is left.
    fn end(&self) -> Outcome {
        match self.refusal {
            _ if self.has_failed => Outcome::Unknown,
            Some(refusal) => Outcome::Refused(refusal),
            None => Outcome::Refused(Refusal::new(Reason::Invalid)),
        }
    }
}

/// The verdict of a checker that asks for nothing that says who a client is.
fn provisional(mut verdict: Verdict) -> Verdict {
    if let Verdict::Accept(identity) = &mut verdict {
        identity.is_provisional = true;
    }
    verdict
}

/// A checker has failed that gives attributes which clients cannot read.
fn readable(verdict: Verdict) -> Verdict {
    let checked = match &verdict {
        Verdict::Accept(identity) => {
            let attributes = identity.attributes.iter();
            opaque::check_attributes(attributes.map(|(name, value)| (&**name, value)))
        }
        _ => Ok(()),
    };
    match checked {
        Ok(()) => verdict,
        Err(why) => Verdict::Fail(why),
    }
}

async fn verdict(
    checker: Arc<dyn CredentialChecker>,
    claim: Arc<Claim>,
    timeout: Duration,
) -> Verdict {
    let mut task = tokio::spawn(async move { checker.check(&claim).await });
    match tokio::time::timeout(timeout, &mut task).await {
        Ok(Ok(verdict)) => readable(verdict),
        Ok(Err(_)) => Verdict::Fail("it panicked".to_owned()),
        Err(_) => {
            task.abort();
            Verdict::Fail("it did not answer within portal.checker_timeout_ms".to_owned())
        }
    }
}
