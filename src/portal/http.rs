//! `http`: a backend decides about claims with credentials.
//!
//! ```text
//! POST URL  {"user": "1:mel"|null, "credentials": {...}, "address": "192.0.2.7"}
//!   200     {"user"?, "attributes"?, "roles"?, "expires_in"?}   accepted
//!   204                                                         another checker's claim
//!   401 403 {"reason"?: "invalid"|"expired"|"revoked"}          refused
//!   other, late, no connection                                  failed: `unavailable`
//! ```
//! A backend that fails several times in a row gets no request for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock;
use crate::http_client::breaker::{Breaker, BreakerSettings};
use crate::http_client::endpoint::Endpoint;
use crate::http_client::{Answer, AnswerLimits, HttpClient};
use crate::portal::backend;
use crate::portal::checker::{Checking, CredentialChecker, Identity, Refusal, Verdict};
use crate::portal::claim::Claim;
use crate::portal::settings::HttpCheckerSettings;
use turntable_core::id::UserId;
use turntable_core::packet::Reason;
use turntable_core::payload::Payload;

/// The name of the checker.
pub(super) const NAME: &str = "http";

/// The longest time until credentials expire that is understood, in s: 100 years.
const EXPIRES_S_MAX: f64 = 3_155_760_000.0;

/// The checker.
#[derive(Debug)]
pub(super) struct HttpChecker {
    endpoint: Endpoint,
    client: HttpClient,
    headers: Vec<(HeaderName, HeaderValue)>,
    limits: AnswerLimits,
    breaker: Breaker,
    breaking: BreakerSettings,
    realm: String,
}

/// What the backend is asked.
#[derive(Serialize)]
struct Question<'c> {
    user: Option<&'c str>,
    credentials: BTreeMap<&'c str, &'c Value>,
    address: Option<String>,
}

/// What it says about a claim that it accepts.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Accepted {
    user: Option<String>,
    attributes: BTreeMap<Box<str>, Box<RawValue>>,
    roles: Vec<Box<str>>,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Refused {
    reason: Option<String>,
}

impl HttpChecker {
    /// With the backend of these settings.
    ///
    /// # Errors
    /// What is missing in the settings, or wrong with the file of the token.
    pub(super) fn new(settings: &HttpCheckerSettings, realm: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !settings.url.is_empty(),
            "the checker http needs portal.http.url"
        );
        let endpoint = Endpoint::parse(&settings.url)
            .map_err(|fault| anyhow::anyhow!("portal.http.url: {fault}"))?;
        let json = HeaderValue::from_static("application/json");
        let mut headers = vec![(CONTENT_TYPE, json)];
        if !settings.token_file.is_empty() {
            let token = backend::bearer(&settings.token_file)
                .map_err(|fault| anyhow::anyhow!("portal.http.token_file: {fault}"))?;
            headers.push((AUTHORIZATION, token));
        }
        Ok(Self {
            endpoint,
            client: HttpClient::new()?,
            headers,
            limits: AnswerLimits {
                timeout: Duration::from_millis(settings.timeout_ms),
                bytes_max: settings.answer_bytes_max,
            },
            breaker: Breaker::default(),
            breaking: BreakerSettings {
                failures: settings.failures,
                pause_ms: settings.pause_ms,
            },
            realm: realm.to_owned(),
        })
    }

    async fn verdict(&self, claim: &Claim) -> Verdict {
        let Some(credentials) = claim.credentials() else {
            return Verdict::Pass;
        };
        let Some(admitted) = self.breaker.admit(self.breaking, clock::now_ms()) else {
            return Verdict::Fail("it gets no request for portal.http.pause_ms".to_owned());
        };
        let question = Question {
            user: claim.user().map(UserId::as_str),
            credentials: credentials.collect(),
            address: claim.address().map(|address| address.to_string()),
        };
        let body = match serde_json::to_vec(&question) {
            Ok(body) => body.into(),
            Err(error) => return Verdict::Fail(error.to_string()),
        };
        let sent = self
            .client
            .post(&self.endpoint, &self.headers, body, self.limits);
        match sent.await {
            Ok(answer) => {
                // What it answers to odd credentials says nothing about others: a client
                // could have a pause made for all.
                if answer.status < 500 {
                    admitted.succeed();
                }
                self.read(claim, &answer)
            }
            Err(failure) => Verdict::Fail(failure.to_string()),
        }
    }

    fn read(&self, claim: &Claim, answer: &Answer) -> Verdict {
        match answer.status {
            200 => match backend::object(&answer.body) {
                Some(accepted) => self.accept(claim, accepted),
                None => Verdict::Fail("the body of its answer 200 is none".to_owned()),
            },
            204 => Verdict::Pass,
            401 | 403 => {
                let refused: Option<Refused> = serde_json::from_slice(&answer.body).ok();
                let reason = refused.and_then(|refused| refused.reason);
                Verdict::Refuse(Refusal::new(match reason.as_deref() {
                    Some("expired") => Reason::Expired,
                    Some("revoked") => Reason::Revoked,
                    _ => Reason::Invalid,
                }))
            }
            status => Verdict::Fail(format!("the status of its answer is {status}")),
        }
    }

    fn accept(&self, claim: &Claim, accepted: Accepted) -> Verdict {
        let named = accepted.user.map(|text| match text.contains(':') {
            true => UserId::parse(&text),
            false => UserId::parse(&format!("{}:{text}", self.realm)),
        });
        let user = match named {
            Some(Ok(user)) => user,
            Some(Err(error)) => return Verdict::Fail(format!("user of its answer: {error}")),
            None => match claim.user() {
                Some(user) => user.clone(),
                None => return Verdict::Fail("its answer names no user".to_owned()),
            },
        };
        if !claim.may_be(&user) {
            return Verdict::invalid();
        }
        let expires_ms = match accepted.expires_in {
            None => None,
            Some(left_s) if (0.0..=EXPIRES_S_MAX).contains(&left_s) => {
                Some(clock::now_ms() + (left_s * 1_000.0) as u64)
            }
            Some(_) => return Verdict::Fail("expires_in of its answer is no time".to_owned()),
        };
        let attributes = accepted.attributes.into_iter();
        Verdict::Accept(Identity {
            // As in a token: null is no attribute.
            attributes: attributes
                .filter(|(_, value)| value.get() != "null")
                .map(|(name, value)| (name, Payload::from(value)))
                .collect(),
            roles: accepted.roles,
            expires_ms,
            ..Identity::new(user)
        })
    }
}

impl CredentialChecker for HttpChecker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
        Box::pin(self.verdict(claim))
    }
}
