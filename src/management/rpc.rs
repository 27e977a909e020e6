//! Calls of the operator's services: `POST /rpc/SERVICE/METHOD` with a JSON object of
//! named parameters, or `GET /SERVICE/METHOD/ARG1/ARG2` with the arguments in their order.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Management;
use crate::gateway::session::ending::Ending;
use crate::http::fault;
use crate::portal::{NotSet, SESSION_ID_BYTES_MAX};
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The longest body of a call, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 65_536;

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    AuthSet,
    AuthCheck,
    AuthRemove,
    AuthListAll,
    UserKick,
}

/// Service, name and parameters of each method.
const METHODS: [(&str, &str, &[&str], Method); 5] = [
    ("auth", "set", &["userId", "sessionId"], Method::AuthSet),
    ("auth", "check", &["sessionId"], Method::AuthCheck),
    ("auth", "remove", &["userId"], Method::AuthRemove),
    ("auth", "listAll", &[], Method::AuthListAll),
    ("user", "kick", &["userId"], Method::UserKick),
];

/// A call: its method, and the arguments in their order.
type Call = (Method, Vec<String>);

fn find(service: &str, name: &str) -> Result<(&'static [&'static str], Method), ErrorBody> {
    let found = METHODS
        .iter()
        .find(|(of, known, ..)| (*of, *known) == (service, name));
    found
        .map(|(_, _, parameters, method)| (*parameters, *method))
        .ok_or_else(|| {
            let all = METHODS.map(|(service, name, ..)| format!("{service}/{name}"));
            let message = format!("there is no such method; accepted are {}", all.join(", "));
            ErrorBody::new(ErrorCode::NotFound, message)
        })
}

fn wrong(message: impl Into<Box<str>>) -> ErrorBody {
    ErrorBody::new(ErrorCode::BadMessage, message)
}

/// A call with named parameters. A number is accepted where a text is, as ids may be
/// numbers elsewhere.
fn named(service: &str, name: &str, body: &[u8]) -> Result<Call, ErrorBody> {
    let (parameters, method) = find(service, name)?;
    let mut given: Map<String, Value> = match body.is_empty() {
        true => Map::new(),
        false => serde_json::from_slice(body)
            .map_err(|_| wrong("the body must be a JSON object of named parameters"))?,
    };
    let argument = |parameter: &&str| match given.remove(*parameter) {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(wrong(format!("{parameter} must be a string"))),
        None => Err(wrong(format!("{parameter} is missing"))),
    };
    let arguments = parameters.iter().map(argument).collect::<Result<_, _>>()?;
    match given.keys().next() {
        Some(unknown) => Err(wrong(format!("there is no parameter {unknown:?}"))),
        None => Ok((method, arguments)),
    }
}

/// A call with the arguments in the path, each percent-encoded.
fn in_path(service: &str, name: &str, path: &str) -> Result<Call, ErrorBody> {
    let (parameters, method) = find(service, name)?;
    let arguments: Vec<&str> = match path.is_empty() {
        true => Vec::new(),
        false => path.split('/').collect(),
    };
    if arguments.len() != parameters.len() {
        return Err(wrong(format!(
            "the arguments are {}",
            parameters.join(", ")
        )));
    }
    let decode = |text: &str| {
        let bytes = decoded(text);
        String::from_utf8(bytes).map_err(|_| wrong("an argument is not UTF-8"))
    };
    let arguments = arguments
        .into_iter()
        .map(decode)
        .collect::<Result<_, _>>()?;
    Ok((method, arguments))
}

/// The bytes of a percent-encoded text; what is no escape stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    out
}

pub(super) async fn post(
    management: web::Data<Management>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> HttpResponse {
    let (service, name) = path.into_inner();
    answer(&management, named(&service, &name, &body)).await
}

pub(super) async fn get(management: web::Data<Management>, request: HttpRequest) -> HttpResponse {
    let mut parts = request.uri().path().splitn(4, '/').skip(1);
    let (service, name) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let call = in_path(service, name, parts.next().unwrap_or_default());
    answer(&management, call).await
}

async fn answer(management: &Management, call: Result<Call, ErrorBody>) -> HttpResponse {
    let result = match call {
        Ok((method, arguments)) => run(management, method, arguments).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => {
            let status = StatusCode::from_u16(fault::status(error.code).as_u16());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            HttpResponse::build(status).json(fault::body(&error))
        }
    }
}

async fn run(
    management: &Management,
    method: Method,
    arguments: Vec<String>,
) -> Result<Value, ErrorBody> {
    let shared = &management.shared;
    let portal = &shared.portal;
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().unwrap_or_default();
    match method {
        Method::AuthSet => {
            let user = user(management, &next())?;
            let session_id = session_id(next())?;
            portal
                .set_session(user, &session_id)
                .map_err(|error| match error {
                    NotSet::Full => ErrorBody::new(
                        ErrorCode::TooMany,
                        "as many users have a session as may (portal.sessions_max)",
                    ),
                    NotSet::Taken => {
                        ErrorBody::new(ErrorCode::Conflict, "another user has this sessionId")
                    }
                })?;
            Ok(Value::Bool(true))
        }
        Method::AuthCheck => {
            let user = portal.session_user(&session_id(next())?);
            Ok(user.map_or(Value::Null, |user| user.as_str().into()))
        }
        Method::AuthRemove => {
            let user = user(management, &next())?;
            let was_there = portal.remove_session(&user);
            if was_there {
                shared.end_user(&user, Ending::Revoked).await;
            }
            Ok(Value::Bool(was_there))
        }
        Method::AuthListAll => {
            let users = portal.session_users();
            let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
            Ok(json!(users))
        }
        Method::UserKick => {
            let user = user(management, &next())?;
            Ok(shared.end_user(&user, Ending::Kicked).await.into())
        }
    }
}

/// A user, of the default realm where it has none.
fn user(management: &Management, text: &str) -> Result<UserId, ErrorBody> {
    let realm = &management.shared.portal.settings().default_realm;
    let parsed = match text.contains(':') {
        true => UserId::parse(text),
        false => UserId::parse(&format!("{realm}:{text}")),
    };
    parsed.map_err(|error| ErrorBody::new(ErrorCode::InvalidId, format!("userId: {error}")))
}

fn session_id(text: String) -> Result<String, ErrorBody> {
    match text.len() {
        1..=SESSION_ID_BYTES_MAX => Ok(text),
        _ => Err(wrong(format!(
            "a sessionId has 1 to {SESSION_ID_BYTES_MAX} bytes"
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn call(arguments: &[&str]) -> Call {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        (Method::AuthSet, arguments)
    }

    #[test]
    fn both_forms_are_the_same_call() {
        let body = br#"{"sessionId": "a/b", "userId": 7}"#;
        assert_eq!(named("auth", "set", body).unwrap(), call(&["7", "a/b"]));
        let path = in_path("auth", "set", "7/a%2fb");
        assert_eq!(path.unwrap(), call(&["7", "a/b"]));
        let odd = in_path("auth", "set", "%/%4").unwrap();
        assert_eq!(odd, call(&["%", "%4"]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let code = |call: Result<Call, ErrorBody>| call.unwrap_err().code;
        assert_eq!(code(named("auth", "no", b"")), ErrorCode::NotFound);
        for body in [
            "",
            "[]",
            "{}",
            r#"{"userId":"1","sessionId":[]}"#,
            r#"{"userId":"1","sessionId":"2","x":1}"#,
        ] {
            assert_eq!(
                code(named("auth", "set", body.as_bytes())),
                ErrorCode::BadMessage
            );
        }
        for path in ["", "1", "1/2/3", "1/%ff"] {
            assert_eq!(code(in_path("auth", "set", path)), ErrorCode::BadMessage);
        }
    }
}
