//! A backend that answers a POST for each call.
//!
//! The body is a poll entry, `{"f", "args", "user", "id"}`; so is the answer,
//! `{"r": RESULT}` or `{"error": {"code", "message"}}`. A backend that does not answer
//! several times in a row has a pause, in which the service is down; the first call
//! after it is a trial.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::runtime::Handle;

use super::{DEPTH_MAX, Reporter, down, nonsense};
use crate::clock;
use crate::http_client::breaker::{Admitted, Breaker, BreakerSettings};
use crate::http_client::endpoint::Endpoint;
use crate::http_client::{self, AnswerLimits, Failure, HttpClient};
use crate::log_limit::LogLimit;
use crate::service::{Answer, LocalService, ServiceCaller};
use turntable_core::id::UserId;
use turntable_core::model::service::answer::failure;
use turntable_core::model::service::{Outcome, ServiceSettings};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1::{DecodeLimits, decode_parts};

/// A backend may be down for long.
static PAUSED: LogLimit = LogLimit::new();
/// Each call may find it so.
static UNREACHABLE: LogLimit = LogLimit::new();

/// The backend.
pub(super) struct HttpBackend(Arc<Backend>);

struct Backend {
    settings: ServiceSettings,
    endpoint: Endpoint,
    headers: Vec<(HeaderName, HeaderValue)>,
    client: HttpClient,
    breaker: Breaker,
    is_paused: AtomicBool,
    reporter: Reporter,
    thread: Handle,
}

#[derive(Serialize)]
struct Request<'a> {
    f: String,
    args: Option<&'a RawValue>,
    user: Option<&'a str>,
    id: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    r: Option<&'a RawValue>,
    error: Option<EntryError>,
}

#[derive(Deserialize)]
struct EntryError {
    code: String,
    message: String,
}

impl HttpBackend {
    /// The backend of a service.
    ///
    /// # Errors
    /// What is wrong with its URL or its token.
    pub(super) fn new(
        reporter: Reporter,
        settings: &ServiceSettings,
        client: HttpClient,
        thread: Handle,
    ) -> Result<Self, String> {
        let endpoint = Endpoint::parse(&settings.url)?;
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        if !settings.token.is_empty() {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", settings.token));
            let mut bearer = bearer.map_err(|_| "the token has characters that no header has")?;
            bearer.set_sensitive(true);
            headers.push((AUTHORIZATION, bearer));
        }
        Ok(Self(Arc::new(Backend {
            settings: settings.clone(),
            endpoint,
            headers,
            client,
            breaker: Breaker::default(),
            is_paused: AtomicBool::new(false),
            reporter,
            thread,
        })))
    }
}

impl LocalService for HttpBackend {
    fn functions(&self) -> Vec<Box<str>> {
        if self.0.is_paused.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let functions = self.0.settings.functions.iter();
        functions.map(|name| name.as_str().into()).collect()
    }

    fn call(&self, caller: ServiceCaller, function: &str, args: Option<Payload>) -> Answer {
        let backend = self.0.clone();
        let f = format!("{}:{function}", backend.reporter.name);
        Box::pin(async move {
            let Some(attempt) = Attempt::begin(&backend) else {
                return Err(down("the service has not answered lately; try again later"));
            };
            let args = args.and_then(|args| RawValue::from_string(args.as_json().into()).ok());
            let request = Request {
                f,
                args: args.as_deref(),
                user: caller.user.as_ref().map(UserId::as_str),
                id: caller.number.to_string(),
            };
            let body = serde_json::to_vec(&request).unwrap_or_default();
            let limits = AnswerLimits {
                timeout: Duration::from_millis(backend.settings.timeout_ms),
                bytes_max: backend.settings.answer_bytes_max,
            };
            let (client, to) = (&backend.client, &backend.endpoint);
            let answer = client.post(to, &backend.headers, body.into(), limits).await;
            let (outcome, is_answer) = match answer {
                Ok(answer) => read(&answer),
                Err(failure) => {
                    note(&backend, &failure);
                    (Err(error(&failure)), false)
                }
            };
            if is_answer {
                attempt.succeed();
            }
            outcome
        })
    }
}

/// The operator learns why there is no connection, as of a certificate that is refused;
/// callers do not.
fn note(backend: &Backend, failure: &Failure) {
    if let Failure::Connection(why) = failure
        && let Some(left_out) = UNREACHABLE.admit(clock::now_ms())
    {
        let (name, endpoint) = (&backend.reporter.name, &backend.endpoint);
        log::warn!("service {name}: {endpoint} cannot be reached: {why}{left_out}");
    }
}

/// What a failure means for the caller.
fn error(failure: &Failure) -> ErrorBody {
    match failure {
        Failure::Connection(_) => down("the service cannot be reached"),
        Failure::Timeout(_) => {
            ErrorBody::new(ErrorCode::Timeout, "the service did not answer in time")
        }
        Failure::TooLarge(_) => nonsense(failure),
    }
}

/// The outcome of an answer, and whether it is one of a backend that works.
fn read(answer: &http_client::Answer) -> (Outcome, bool) {
    let status = answer.status;
    let is_empty = answer.body.is_empty() && (200..300).contains(&status);
    let body = match is_empty {
        true => r#"{"r":null}"#.as_bytes(),
        false => &answer.body,
    };
    let Ok(entry) = serde_json::from_slice::<Entry<'_>>(body) else {
        let message = format!("status {status}, and the body is no entry of the protocol");
        return (Err(nonsense(message)), false);
    };
    match (entry.r, entry.error) {
        (Some(result), None) if (200..300).contains(&status) => {
            let limits = DecodeLimits {
                depth_max: DEPTH_MAX,
            };
            // As the reply of a session is checked, which has an id.
            let id = serde_json::from_str::<&RawValue>("0").ok();
            match decode_parts("reply", Some(result), id, &limits) {
                Ok(_) => (Ok(Payload::from_json(result.get())), true),
                Err(error) => (Err(nonsense(error.message)), false),
            }
        }
        (None, Some(error)) if status < 500 => (Err(failure(&error.code, &error.message)), true),
        // A `null` result is none to serde.
        (None, None) if (200..300).contains(&status) => (Ok(Payload::from_json("null")), true),
        _ => (Err(nonsense(format!("status {status}"))), false),
    }
}

/// A request that is under way. Dropped without a success it is a failure, which may be
/// one too many.
struct Attempt<'a> {
    backend: &'a Arc<Backend>,
    admitted: Option<Admitted>,
}

impl<'a> Attempt<'a> {
    fn begin(backend: &'a Arc<Backend>) -> Option<Self> {
        let settings = BreakerSettings {
            failures: backend.settings.failures_max,
            pause_ms: backend.settings.pause_ms,
        };
        let admitted = backend.breaker.admit(settings, clock::now_ms())?;
        Some(Self {
            backend,
            admitted: Some(admitted),
        })
    }

    fn succeed(mut self) {
        if let Some(admitted) = self.admitted.take() {
            admitted.succeed();
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.admitted.take().is_some() && self.backend.breaker.is_open() {
            pause(self.backend);
        }
    }
}

/// The service is down until the pause is over.
fn pause(backend: &Arc<Backend>) {
    if backend.is_paused.swap(true, Ordering::Relaxed) {
        return;
    }
    let pause_ms = backend.settings.pause_ms;
    if let Some(left_out) = PAUSED.admit(clock::now_ms()) {
        let name = &backend.reporter.name;
        log::warn!("service {name}: its backend fails, and has a pause of {pause_ms} ms{left_out}");
    }
    backend.reporter.changed();
    // A backend that is not configured any more is not waited for.
    let of = Arc::downgrade(backend);
    backend.thread.spawn(async move {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        if let Some(backend) = of.upgrade() {
            backend.is_paused.store(false, Ordering::Relaxed);
            backend.reporter.changed();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> (Result<String, (ErrorCode, String)>, bool) {
        let answer = http_client::Answer {
            status,
            headers: http::HeaderMap::new(),
            body: http_client::Bytes::copy_from_slice(body.as_bytes()),
        };
        let (outcome, is_answer) = read(&answer);
        let outcome = outcome.map(|result| result.as_json().to_owned());
        let outcome = outcome.map_err(|error| (error.code, error.message.into()));
        (outcome, is_answer)
    }

    #[test]
    fn answers_are_entries_of_a_poll() {
        for (status, body, result) in [
            (200, r#"{"r": {"post": 1.50}}"#, r#"{"post": 1.50}"#),
            (200, r#"{"id": 7, "r": [1], "more": 1}"#, "[1]"),
            (200, r#"{"r": null}"#, "null"),
            (204, "", "null"),
        ] {
            assert_eq!(outcome(status, body), (Ok(result.to_owned()), true));
        }
        for status in [200, 400, 422] {
            let (refused, is_answer) = outcome(
                status,
                r#"{"error": {"code": "conflict", "message": "no"}}"#,
            );
            assert_eq!(refused, Err((ErrorCode::Conflict, "no".to_owned())));
            assert!(is_answer);
        }
    }

    #[test]
    fn nonsense_is_a_failure() {
        let deep = format!(r#"{{"r": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        for (status, body) in [
            (200, "<html>"),
            (200, "[]"),
            (200, r#"{"r": "\ud800"}"#),
            (
                200,
                r#"{"r": 1, "error": {"code": "refused", "message": "no"}}"#,
            ),
            (200, &deep),
            (404, "not found"),
            (404, ""),
            (302, r#"{"r": 1}"#),
            (500, r#"{"error": {"code": "refused", "message": "no"}}"#),
        ] {
            let (outcome, is_answer) = outcome(status, body);
            assert!(outcome.is_err() && !is_answer, "{status} {body}");
            assert!(matches!(outcome, Err((ErrorCode::Internal, _))));
        }
    }
}
