//! Errors as HTTP answers: a fitting status, and `{"error": {...}}`.

use actix_http::StatusCode;

use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The challenge for an unauthorized client (RFC 9110 section 11.6.1): the
/// credentials of `idme`.
pub const CHALLENGE: &str = "Turntable realm=\"turntable\"";

/// The status of an error code.
#[must_use]
pub const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadJson
        | ErrorCode::BadMessage
        | ErrorCode::UnknownCommand
        | ErrorCode::InvalidId
        | ErrorCode::InvalidAction => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorCode::NotIdentified | ErrorCode::Forbidden | ErrorCode::NotMember => {
            StatusCode::FORBIDDEN
        }
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::RoomFull | ErrorCode::Conflict | ErrorCode::Refused => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::TooMany | ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::SessionExpired => StatusCode::GONE,
        ErrorCode::ServiceDown | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Seconds after which a client that was refused for a limit may come again;
/// `None` for an error that does not pass with time.
#[must_use]
pub const fn retry_after(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::Unavailable | ErrorCode::TooMany => Some("5"),
        _ => None,
    }
}

/// The body of an answer.
#[must_use]
pub fn body(error: &ErrorBody) -> serde_json::Value {
    let mut inner = serde_json::json!({"code": error.code.name(), "message": error.message});
    if let (true, Some(inner)) = (error.has_details(), inner.as_object_mut()) {
        let reason = error
            .reason
            .map(|reason| ("reason".to_owned(), reason.name().into()));
        let numbers = error.details.iter();
        let numbers =
            numbers.map(|(name, value)| (name.to_string(), serde_json::Value::from(*value)));
        let refusal = error.refusal.iter().flat_map(|refusal| {
            let texts = [("key", &refusal.key), ("reason", &refusal.reason)];
            texts.map(|(name, text)| (name.to_owned(), (&**text).into()))
        });
        let details = reason.into_iter().chain(refusal).chain(numbers);
        inner.insert(
            "details".to_owned(),
            details.collect::<serde_json::Map<_, _>>().into(),
        );
    }
    serde_json::json!({"error": inner})
}

/// A whole answer as bytes, for a socket that left the HTTP server. `headers`
/// are lines, each with its end.
#[must_use]
pub fn answer(error: &ErrorBody, headers: &str) -> Vec<u8> {
    let body = body(error).to_string();
    let mut advice = String::new();
    if error.code == ErrorCode::Unauthorized {
        advice.push_str(&format!("WWW-Authenticate: {CHALLENGE}\r\n"));
    }
    if let Some(seconds) = retry_after(error.code) {
        advice.push_str(&format!("Retry-After: {seconds}\r\n"));
    }
    format!(
        "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{advice}{headers}\
         Connection: close\r\n\r\n{body}",
        status(error.code),
        body.len()
    )
    .into_bytes()
}
