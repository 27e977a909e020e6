//! Calls the operator's services by their names: those of this server, from the program that
//! embeds it, or those of a server elsewhere, by HTTP. `turntable call` is made of it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Management, rpc};
use crate::http::fault;
use crate::http_client::endpoint::Endpoint;
use crate::http_client::{AnswerLimits, Bytes, Failure, HttpClient};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;

const ACCEPTED: &str = "accepted is a URL like http://127.0.0.1:8181";

/// Calls of the services of one server.
#[derive(Debug, Clone)]
pub struct Client(Target);

#[derive(Debug, Clone)]
enum Target {
    /// This program's server.
    Here(Box<Management>),
    Listener(Box<Listener>),
}

/// A management listener.
#[derive(Debug, Clone)]
struct Listener {
    client: HttpClient,
    /// The URL without a slash at its end.
    base: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// The status of the answer; 0 where there is none.
    pub status: u16,
    /// The code, as `not_found`. Without an answer it is `unreachable` or `timeout`, and
    /// `bad_answer` for one that is not turntable's.
    pub code: String,
    /// A sentence.
    pub message: String,
}

impl CallError {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

impl From<ErrorBody> for CallError {
    fn from(error: ErrorBody) -> Self {
        let status = fault::status(error.code).as_u16();
        Self::new(status, error.code.name(), &*error.message)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        let code = match failure {
            Failure::Connection(_) => "unreachable",
            Failure::Timeout(_) => "timeout",
            Failure::TooLarge(_) => "bad_answer",
        };
        Self::new(0, code, failure.to_string())
    }
}

impl Client {
    /// Calls this program's server.
    pub(crate) fn here(management: Management) -> Self {
        Self(Target::Here(Box::new(management)))
    }

    /// Calls a management listener by its URL, which may have a path, as behind a proxy.
    ///
    /// # Errors
    /// A sentence with what is wrong with the URL or the token.
    pub fn at(url: &str, token: Option<&str>, timeout: Duration) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/');
        Endpoint::parse(base).map_err(|error| {
            let fault = error.strip_suffix(Endpoint::ACCEPTED).unwrap_or(&error);
            anyhow::anyhow!("{fault}{ACCEPTED}")
        })?;
        ensure!(
            !base.contains(['?', '#']),
            "{url:?} has a query or a fragment; {ACCEPTED}"
        );
        let authorization = token.map(|token| {
            let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
            ensure!(is_token, "a token is of visible ASCII characters");
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let listener = Listener {
            client: HttpClient::new().context("TLS cannot be set up")?,
            base: base.to_owned(),
            authorization: authorization.transpose()?,
            timeout,
        };
        Ok(Self(Target::Listener(Box::new(listener))))
    }

    /// Calls a method, as `user` and `kick`. The arguments are a JSON object of named parameters,
    /// or a list in the order of the parameters.
    ///
    /// ```no_run
    /// # async fn kick(client: turntable::management::client::Client) -> anyhow::Result<()> {
    /// use serde_json::json;
    /// client.call("user", "kick", json!({"userId": "1:mel", "reason": "rude"})).await?;
    /// client.call("user", "kick", json!(["1:mel", "rude"])).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of the method; of a server elsewhere also that there is no answer.
    pub async fn call(
        &self,
        service: &str,
        method: &str,
        arguments: impl Into<Payload>,
    ) -> Result<Payload, CallError> {
        let arguments = arguments.into();
        let arguments = arguments.as_json();
        match &self.0 {
            Target::Here(management) => {
                let result = rpc::call(management, (service, method), arguments).await?;
                Ok(result.into())
            }
            Target::Listener(listener) => {
                let known = rpc::find(service, method);
                // Another version may have other methods.
                let named = known.map_or(Ok(arguments.into()), |known| {
                    rpc::named_of(known, arguments)
                })?;
                listener.post(service, method, &named).await
            }
        }
    }
}

impl Listener {
    async fn post(&self, service: &str, method: &str, body: &str) -> Result<Payload, CallError> {
        let wrong = |what: String| CallError::new(0, "bad_message", what);
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name(service) || !is_name(method) {
            return Err(wrong(format!("{service}/{method} is no name of a method")));
        }
        let to = format!("{}/rpc/{service}/{method}", self.base);
        let to = Endpoint::parse(&to).map_err(wrong)?;
        let json = HeaderValue::from_static("application/json");
        let mut headers: Vec<(HeaderName, HeaderValue)> = vec![(CONTENT_TYPE, json)];
        let authorization = self.authorization.iter();
        headers.extend(authorization.map(|value| (AUTHORIZATION, value.clone())));
        let limits = AnswerLimits {
            timeout: self.timeout,
            bytes_max: ANSWER_BYTES_MAX,
        };
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = self.client.post(&to, &headers, body, limits).await;
        let answer = answer.map_err(|failure| {
            let mut error = CallError::from(failure);
            error.message = format!("{}: {}", self.base, error.message);
            error
        })?;
        read(answer.status, &answer.body)
    }
}

/// The result, or the error, that an answer is.
fn read(status: u16, body: &[u8]) -> Result<Payload, CallError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Refused,
    }
    #[derive(Deserialize)]
    struct Refused {
        code: String,
        message: String,
    }
    let refusal = || serde_json::from_slice::<Refusal>(body).ok();
    match (status, serde_json::from_slice::<Box<RawValue>>(body)) {
        (200, Ok(result)) => Ok(result.into()),
        (200, Err(_)) => Err(CallError::new(
            status,
            "bad_answer",
            "the answer is no JSON",
        )),
        _ => Err(match refusal() {
            Some(Refusal { error }) => CallError::new(status, &error.code, error.message),
            None => {
                let message = format!("the status is {status}, and the answer none of turntable");
                CallError::new(status, "bad_answer", message)
            }
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn url_may_have_a_path_and_no_query() {
        let at = |url| Client::at(url, None, Duration::from_secs(1));
        for url in ["http://[::1]:8181", "https://ops.example/turntable/"] {
            assert!(at(url).is_ok(), "{url}");
        }
        for url in [
            "127.0.0.1:8181",
            "http://a.example/?x=1",
            "ftp://a.example",
            "http://a#b",
        ] {
            assert!(at(url).is_err(), "{url}");
        }
        let of_token = |token| Client::at("http://a.example", Some(token), Duration::ZERO);
        assert!(of_token("0123456789abcdef").is_ok());
        for token in ["", "a b", "a\n", "é"] {
            assert!(of_token(token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn answer_is_a_result_or_an_error() {
        assert_eq!(read(200, b"1.50").unwrap(), Payload::from_json("1.50"));
        let error = br#"{"error": {"code": "not_found", "message": "no", "details": {}}}"#;
        assert_eq!(
            read(404, error),
            Err(CallError::new(404, "not_found", "no"))
        );
        for (status, body) in [(200, "<html>"), (502, "<html>"), (302, ""), (500, "{}")] {
            let error = read(status, body.as_bytes()).unwrap_err();
            assert_eq!(
                (error.status, &*error.code),
                (status, "bad_answer"),
                "{body}"
            );
        }
    }
}
