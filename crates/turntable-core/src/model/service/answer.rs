//! The answer of a provider as its caller gets it.
//!
//! A provider refuses with `{"error": {"code", "message"}}`. Some codes are the
//! server's own: clients pause at `rate_limited`, log in again at `unauthorized`, and
//! repeat what is `unavailable`. A provider that uses one of those, or one that the
//! protocol does not have, is heard as `refused`, with its code in the message.

use serde::Deserialize;

use super::Outcome;
use crate::packet::ErrorBody;
use crate::payload::Payload;
use crate::reason::ErrorCode;

/// The codes that providers may use.
const OF_PROVIDERS: [ErrorCode; 9] = [
    ErrorCode::Refused,
    ErrorCode::NotFound,
    ErrorCode::Forbidden,
    ErrorCode::Conflict,
    ErrorCode::TooLarge,
    ErrorCode::TooMany,
    ErrorCode::InvalidId,
    ErrorCode::InvalidAction,
    ErrorCode::BadMessage,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    error: FailureBody,
}

#[derive(Deserialize)]
struct FailureBody {
    code: String,
    message: String,
}

/// The error of a provider.
///
/// ```
/// use turntable_core::model::service::answer::failure;
/// use turntable_core::reason::ErrorCode;
/// assert_eq!(failure("not_found", "no such post").code, ErrorCode::NotFound);
/// let wrapped = failure("rate_limited", "later");
/// assert_eq!((wrapped.code, &*wrapped.message), (ErrorCode::Refused, "rate_limited: later"));
/// ```
#[must_use]
pub fn failure(code: &str, message: &str) -> ErrorBody {
    if code == ErrorCode::Internal.name() {
        return ErrorBody::new(ErrorCode::Internal, message);
    }
    let mut known = OF_PROVIDERS.into_iter();
    match known.find(|known| known.name() == code) {
        Some(code) => ErrorBody::new(code, message),
        None => ErrorBody::new(ErrorCode::Refused, format!("{code}: {message}")),
    }
}

/// What a provider answered: `{"error": {"code", "message"}}` and nothing else is an
/// error, everything else a result.
pub fn outcome(result: Payload) -> Outcome {
    let text = result.as_json();
    if !text.contains("\"error\"") {
        return Ok(result);
    }
    match serde_json::from_str::<Failure>(text) {
        Ok(Failure { error }) => Err(failure(&error.code, &error.message)),
        Err(_) => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_of_one_error_is_an_error() {
        let code = |text: &str| outcome(Payload::from_json(text)).err().map(|e| e.code);
        let refused = r#"{"error":{"code":"refused","message":"no"}}"#;
        assert_eq!(code(refused), Some(ErrorCode::Refused));
        let own = r#"{ "error" : {"code":"internal","message":"no","more":1}}"#;
        assert_eq!(code(own), Some(ErrorCode::Internal));
        for result in [
            "1",
            r#"{"error":"text"}"#,
            r#"{"error":{"code":"refused","message":"no"},"posts":1}"#,
        ] {
            assert_eq!(code(result), None, "{result}");
        }
    }

    #[test]
    fn codes_of_the_server_are_wrapped() {
        for code in [
            "unauthorized",
            "rate_limited",
            "session_expired",
            "service_down",
            "timeout",
            "unavailable",
            "no_title",
        ] {
            let error = failure(code, "no");
            assert_eq!(error.code, ErrorCode::Refused);
            assert_eq!(*error.message, *format!("{code}: no"));
        }
        for code in OF_PROVIDERS {
            assert_eq!(failure(code.name(), "no").code, code);
        }
    }
}
