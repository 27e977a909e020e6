#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::mpsc;

use super::checker::{Checking, Refusal};
use super::*;
use crate::store::memory::MemoryStore;
use turntable_core::limit::Limit;
use turntable_core::payload::Payload;

/// A checker that does what its name says.
#[derive(Debug)]
struct Stub(&'static str);

impl CredentialChecker for Stub {
    fn name(&self) -> &'static str {
        self.0
    }

    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
        Box::pin(async move {
            match self.0 {
                "hangs" => std::future::pending().await,
                "panics" => panic!("as it should"),
                "errs" => Verdict::Fail("no database".to_owned()),
                "expires" => Verdict::Refuse(Refusal::new(Reason::Expired)),
                "yields" => {
                    tokio::task::yield_now().await;
                    Verdict::Accept(Identity::new(claim.user().unwrap().clone()))
                }
                other => panic!("{other}"),
            }
        })
    }
}

fn stubs() -> Vec<Arc<dyn CredentialChecker>> {
    ["hangs", "panics", "errs", "expires", "yields"]
        .map(|name| Arc::new(Stub(name)) as _)
        .into()
}

fn settings(checkers: &[&str], realms: &[&str]) -> PortalSettings {
    PortalSettings {
        checkers: checkers.iter().map(ToString::to_string).collect(),
        realms: realms.iter().map(ToString::to_string).collect(),
        checker_timeout_ms: 50,
        ..PortalSettings::default()
    }
}

fn with(settings: PortalSettings) -> Portal {
    let store = Arc::new(MemoryStore::new(0));
    Portal::new(settings, stubs(), store).unwrap()
}

fn portal(checkers: &[&str], realms: &[&str]) -> Arc<Portal> {
    Arc::new(with(settings(checkers, realms)))
}

fn claim(user: &str, credentials: Option<&str>) -> Claim {
    let credentials = credentials.map(Payload::from_json);
    Claim::new(UserId::parse(user).ok(), credentials.as_ref(), None)
}

fn decide(portal: &Arc<Portal>, claim: Claim) -> Decision {
    match portal.check(claim) {
        Ok(decision) => decision,
        Err(undecided) => {
            let (answer, answered) = mpsc::channel();
            let then = move |decision| answer.send(decision).unwrap();
            portal.decide(undecided, then).unwrap();
            answered.recv().unwrap()
        }
    }
}

fn code(portal: &Arc<Portal>, claim: Claim) -> (ErrorCode, Option<Reason>) {
    let error = decide(portal, claim).unwrap_err().error;
    (error.code, error.reason)
}

#[test]
fn clients_are_warned_while_claims_are_trusted() {
    let portal = portal(&["anonymous"], &[]);
    assert_eq!(portal.warnings(), [CLAIMS_ARE_TRUSTED]);
    apply(&portal, settings(&["session"], &[]));
    assert!(portal.warnings().is_empty());
    assert!(portal.prepare(settings(&["no such"], &[]), false).is_err());
    assert!(portal.warnings().is_empty());
}

/// Puts settings in force that differ from those before.
fn apply(portal: &Portal, settings: PortalSettings) {
    portal.apply(portal.prepare(settings, false).unwrap().unwrap());
}

#[test]
fn checkers_stay_unless_settings_differ_or_files_are_read_again() {
    let portal = portal(&["session"], &[]);
    let same = || settings(&["session"], &[]);
    assert!(portal.prepare(same(), false).unwrap().is_none());
    assert!(portal.prepare(same(), true).unwrap().is_some());
}

#[test]
fn anonymous_accepts_bare_claims_alone() {
    let mel = || claim("fb:mel", None);
    assert!(decide(&portal(&["anonymous"], &[]), mel()).is_ok());
    assert!(decide(&portal(&["anonymous"], &["fb"]), mel()).is_ok());
    let invalid = (ErrorCode::Unauthorized, Some(Reason::Invalid));
    assert_eq!(code(&portal(&["anonymous"], &["1"]), mel()), invalid);
    assert_eq!(code(&portal(&[], &[]), mel()), invalid);
    let portal = portal(&["session", "guest", "anonymous"], &[]);
    assert_eq!(code(&portal, claim("fb:mel", Some("{}"))), invalid);
    assert_eq!(code(&portal, claim("guest:x", None)), invalid);
    portal
        .set_session(UserId::parse("fb:mel").unwrap(), "s")
        .unwrap();
    assert_eq!(code(&portal, mel()), invalid);
    assert!(decide(&portal, claim("fb:mel", Some(r#"{"sessionId":"s"}"#))).is_ok());
    let wrong = claim("fb:mel", Some(r#"{"sessionId":"t"}"#));
    assert!(decide(&portal, wrong).unwrap_err().is_final);
}

#[test]
fn first_success_wins_behind_checkers_that_fail() {
    let portal = portal(&["hangs", "panics", "errs", "expires", "yields"], &[]);
    let identity = decide(&portal, claim("1:1", Some("{}"))).unwrap();
    assert_eq!(identity.user.as_str(), "1:1");
}

#[test]
fn checker_that_fails_is_neither_success_nor_refusal() {
    let unknown = (ErrorCode::Unavailable, None);
    for failing in ["hangs", "panics", "errs"] {
        let portal = portal(&[failing, "expires"], &[]);
        assert_eq!(
            code(&portal, claim("1:1", Some("{}"))),
            unknown,
            "{failing}"
        );
    }
    let expired = (ErrorCode::Unauthorized, Some(Reason::Expired));
    assert_eq!(
        code(&portal(&["expires"], &[]), claim("1:1", Some("{}"))),
        expired
    );
}

#[test]
fn guess_counts_whatever_other_checkers_say() {
    let portal = portal(&["session", "errs"], &[]);
    portal
        .set_session(UserId::parse("fb:mel").unwrap(), "s")
        .unwrap();
    let credentials = Payload::from_json(r#"{"sessionId":"t"}"#);
    let user = UserId::parse("fb:mel").ok();
    let address = Some("192.0.2.7".parse().unwrap());
    let guess = || {
        code(
            &portal,
            Claim::new(user.clone(), Some(&credentials), address),
        )
    };
    for _ in 0..5 {
        assert_eq!(guess(), (ErrorCode::Unavailable, None));
    }
    assert_eq!(guess(), (ErrorCode::RateLimited, None));
}

#[test]
fn claims_that_are_checked_are_bounded() {
    let mut few = settings(&["hangs"], &[]);
    few.checking_max = 1;
    let portal = Arc::new(with(few));
    let undecided = || portal.check(claim("1:1", None)).unwrap_err();
    let (answer, answered) = mpsc::channel();
    portal
        .decide(undecided(), move |decision| answer.send(decision).unwrap())
        .unwrap();
    let error = portal.decide(undecided(), |_| {}).unwrap_err();
    assert_eq!(error.limit, Some(Limit::Checking));
    assert!(answered.recv().unwrap().is_err());
    assert!(portal.decide(undecided(), |_| {}).is_ok());
}

#[tokio::test]
async fn guest_of_the_realm_before_can_be_erased() {
    let portal = portal(&["guest"], &[]);
    let guest = |credentials: &str| {
        let claim = Claim::new(None, Some(&Payload::from_json(credentials)), None);
        decide(&portal, claim)
    };
    let Identity { user, token, .. } = guest(r#"{"guest":true}"#).unwrap();
    let token = format!(r#"{{"token":{:?}}}"#, token.unwrap());
    let other = PortalSettings {
        guest_realm: "visitor".to_owned(),
        ..settings(&["guest"], &[])
    };
    apply(&portal, other);
    assert_eq!(guest(&token).unwrap().user, user);
    portal.forget(&user).await.unwrap();
    let error = guest(&token).unwrap_err().error;
    assert_eq!(error.reason, Some(Reason::Invalid));
}
