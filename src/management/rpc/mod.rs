//! Calls of the operator's services: `POST /rpc/SERVICE/METHOD` with a JSON object of
//! named parameters, or `GET /SERVICE/METHOD/ARG1/ARG2` with the arguments in their order.
//!
//! The services are tables of methods (`method`), each with the types of its parameters:
//! a call is checked by them before the method runs. `GET /api` (`definitions`),
//! `GET /openapi.json` (`openapi`) and the clients (`command/client/`) are made from the
//! tables.

mod audit;
mod auth;
mod channel;
mod config;
pub(crate) mod definitions;
mod game;
mod kind;
pub(crate) mod method;
mod node;
mod openapi;
mod page;
mod parameter;
mod positional;
mod service;
mod session;
pub(crate) mod shape;
mod user;

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::value::RawValue;

use super::access::Caller;
use super::{Management, access};
use crate::http::decoded;
use crate::http::fault;
use crate::http::operator_connection::OperatorConnection;
use crate::slow;
use method::{Answer, Argument, Arguments, Kind, Method, Parameter, Type, wrong};
pub(crate) use positional::{named as named_of, of_texts};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The longest body of a call, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 65_536;

/// How long a call waits while sessions of the process before are restored.
const RESTORE_WAIT: Duration = Duration::from_secs(10);

/// How long a call waits for the workers, each of which answers within a moment.
const WORKERS_WAIT: Duration = Duration::from_secs(12);

/// The methods of each service.
pub(crate) const SERVICES: &[(&str, &[Method])] = &[
    ("auth", auth::METHODS),
    ("audit", audit::METHODS),
    ("channel", channel::METHODS),
    ("config", config::METHODS),
    ("game", game::METHODS),
    ("node", node::METHODS),
    ("user", user::METHODS),
    ("service", service::METHODS),
    ("session", session::METHODS),
];

/// What the services offer, as JSON.
static DEFINITIONS: LazyLock<String> = LazyLock::new(|| definitions::definitions().to_string());
/// The same as an OpenAPI document.
static OPENAPI: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());

/// The names of the services.
pub(super) fn services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

/// A call: its method, and its arguments.
type Call = (&'static Method, Arguments);

/// The method of this name.
///
/// # Errors
/// `not_found`, with the names of all.
pub(crate) fn find(service: &str, name: &str) -> Result<&'static Method, ErrorBody> {
    let methods = SERVICES.iter().find(|(of, _)| *of == service);
    let mut methods = methods.into_iter().flat_map(|(_, methods)| *methods);
    methods.find(|method| method.name == name).ok_or_else(|| {
        let all = SERVICES.iter().flat_map(|(service, methods)| {
            let methods = methods.iter();
            methods.map(move |method| format!("{service}/{}", method.name))
        });
        let all: Vec<String> = all.collect();
        let message = format!("there is no such method; accepted are {}", all.join(", "));
        ErrorBody::new(ErrorCode::NotFound, message)
    })
}

/// A call with named parameters.
fn named(service: &str, name: &str, body: &[u8], realm: &str) -> Result<Call, ErrorBody> {
    let method = find(service, name)?;
    let what = "the body must be a JSON object of named parameters";
    let mut given = match body.is_empty() {
        true => Vec::new(),
        false => method::object(std::str::from_utf8(body).map_err(|_| wrong(what))?, what)?,
    };
    let argument = |parameter: &Parameter| {
        let at = given.iter().position(|(name, _)| **name == *parameter.name);
        let value = at.map(|at| given.swap_remove(at).1);
        parameter.read(value.as_deref().map(RawValue::get), realm)
    };
    let arguments: Result<Vec<Argument>, _> = method.parameters.iter().map(argument).collect();
    let arguments = Arguments::new(arguments?);
    match given.first() {
        Some((unknown, _)) => Err(wrong(format!("there is no parameter {unknown:?}"))),
        None => Ok((method, arguments)),
    }
}

/// A call with the arguments in the path, each percent-encoded. Optional ones at the
/// end may be left out.
fn in_path(service: &str, name: &str, path: &str, realm: &str) -> Result<Call, ErrorBody> {
    let method = find(service, name)?;
    if let Some(secret) = method.parameters.iter().find(|of| of.of == Type::Secret) {
        let message = format!(
            "{} is no part of an address: call this by POST",
            secret.name
        );
        return Err(wrong(message));
    }
    let given: Vec<&str> = match path.is_empty() {
        true => Vec::new(),
        false => path.split('/').collect(),
    };
    if given.len() > method.parameters.len() {
        let names: Vec<&str> = method.parameters.iter().map(|known| known.name).collect();
        return Err(wrong(match names.is_empty() {
            true => "there are no arguments".to_owned(),
            false => format!(
                "the arguments are {} (a / within one is %2F)",
                names.join(", ")
            ),
        }));
    }
    let mut given = given.into_iter();
    let argument = |parameter: &Parameter| match given.next() {
        None => parameter.read(None, realm),
        Some(text) => {
            let text = String::from_utf8(decoded(text));
            parameter.read_text(&text.map_err(|_| wrong("an argument is not UTF-8"))?, realm)
        }
    };
    let arguments: Result<Vec<Argument>, _> = method.parameters.iter().map(argument).collect();
    Ok((method, Arguments::new(arguments?)))
}

/// The realm of users that are named without one.
fn default_realm(management: &Management) -> String {
    management.shared.portal.settings().default_realm.clone()
}

pub(super) async fn api(management: web::Data<Management>, request: HttpRequest) -> HttpResponse {
    document(&management, &request, &DEFINITIONS)
}

pub(super) async fn openapi(
    management: web::Data<Management>,
    request: HttpRequest,
) -> HttpResponse {
    document(&management, &request, &OPENAPI)
}

fn document(management: &Management, request: &HttpRequest, json: &'static str) -> HttpResponse {
    match management.caller(request) {
        Ok(_) => HttpResponse::Ok()
            .content_type("application/json")
            .body(json),
        Err(error) => refused(&error),
    }
}

pub(super) async fn post(
    management: web::Data<Management>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse {
    if let Some(connection) = request.conn_data::<OperatorConnection>() {
        connection.carries_out();
    }
    let body = match body {
        Ok(body) => body,
        Err(error) if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body of a call has at most {BODY_BYTES_MAX} bytes");
            return refused(&ErrorBody::new(ErrorCode::TooLarge, message));
        }
        Err(_) if request.headers().contains_key(CONTENT_ENCODING) => {
            return refused(&wrong("the body is not what Content-Encoding says it is"));
        }
        Err(error) => return refused(&wrong(format!("the body cannot be read: {error}"))),
    };
    let (service, name) = path.into_inner();
    let read = |realm: &str| named(&service, &name, &body, realm);
    respond(answer(&management, &request, (&service, &name), read).await)
}

pub(super) async fn get(management: web::Data<Management>, request: HttpRequest) -> HttpResponse {
    let mut parts = request.uri().path().splitn(4, '/').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let (service, name, path) = (next(), next(), next());
    if let Err(error) = check_navigation(&request, service, name) {
        return respond(Err(error));
    }
    let query = request.uri().query().unwrap_or_default();
    let read = |realm: &str| match query.is_empty() {
        true => in_path(service, name, path, realm),
        false => Err(wrong(
            "arguments are parts of the path, /SERVICE/METHOD/ARG1/ARG2; there is no query",
        )),
    };
    respond(answer(&management, &request, (service, name), read).await)
}

/// A change is not made by opening an address in a browser: a link in a mail or a chat opens one, too,
/// and the browser says of both that no page has sent it.
fn check_navigation(request: &HttpRequest, service: &str, name: &str) -> Result<(), ErrorBody> {
    let mode = request.headers().get("Sec-Fetch-Mode");
    let is_navigation = mode.is_some_and(|mode| mode.as_bytes() == b"navigate");
    if !is_navigation || find(service, name).is_ok_and(|method| method.kind == Kind::Look) {
        return Ok(());
    }
    let message = format!(
        "a browser that opens an address changes nothing: call {service}/{name} in the console, \
         or from a program"
    );
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}

/// Carries out a call, whose arguments are read once its caller may call the method.
async fn answer(
    management: &Management,
    request: &HttpRequest,
    (service, name): (&str, &str),
    read: impl FnOnce(&str) -> Result<Call, ErrorBody>,
) -> Answer {
    let caller = management.caller(request)?;
    caller.needs(find(service, name)?.role)?;
    let call = read(&default_realm(management))?;
    carry_out(management, caller, request.peer_addr(), service, call).await
}

/// Carries out a call of this program, with named parameters or with a list of arguments in
/// their order.
pub(super) async fn call(
    management: &Management,
    (service, name): (&str, &str),
    json: &str,
) -> Answer {
    let given = positional::named(find(service, name)?, json)?;
    let call = named(service, name, given.as_bytes(), &default_realm(management))?;
    carry_out(management, Caller::program(), None, service, call).await
}

async fn carry_out(
    management: &Management,
    caller: Caller,
    peer: Option<SocketAddr>,
    service: &str,
    (method, arguments): Call,
) -> Answer {
    // What a call does to owners that are not there yet, or are saved already, would be lost.
    management.shared.gate.passed_within(RESTORE_WAIT).await?;
    management.shared.phase.check_unsaved()?;
    let entry = audit::Entry::of(management, &caller, peer, (service, method), &arguments);
    let since = slow::begin();
    let now = management.now();
    let run = (method.run)(&now, arguments.of_call(caller, service, method));
    let answer = match (service, method.name) {
        // Clients answer, and files and programs are read: these have deadlines of their own.
        ("user", "call") | ("config" | "node", _) => run.await,
        _ => within(WORKERS_WAIT, run).await,
    };
    slow::end(since, slow::Kind::Management, || {
        format!("the call {service}/{}", method.name)
    });
    if let Some(entry) = entry {
        entry.end(answer.as_ref().err());
    }
    answer
}

/// The answer of a call, unless a worker that it needs does not answer.
async fn within(wait: Duration, call: method::Call<'_>) -> Answer {
    tokio::time::timeout(wait, call).await.unwrap_or_else(|_| {
        let message = format!(
            "a worker does not answer within {} s; the others may have carried the call out",
            wait.as_secs()
        );
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    })
}

fn respond(answer: Answer) -> HttpResponse {
    match answer {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => refused(&error),
    }
}

/// The answer to a request that is refused.
pub(super) fn refused(error: &ErrorBody) -> HttpResponse {
    let status = StatusCode::from_u16(fault::status(error.code).as_u16());
    let mut answer = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if error.code == ErrorCode::Unauthorized {
        answer.insert_header((WWW_AUTHENTICATE, access::CHALLENGE));
    }
    answer.json(fault::body(error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn arguments(call: Result<Call, ErrorBody>) -> Result<Arguments, ErrorCode> {
        call.map(|(_, arguments)| arguments)
            .map_err(|error| error.code)
    }

    #[test]
    fn both_forms_are_the_same_call() {
        let body = br#"{"sessionId": "a/b", "userId": 7}"#;
        let expected = arguments(named("auth", "set", body, "1"));
        assert!(expected.is_ok());
        assert_eq!(arguments(in_path("auth", "set", "7/a%2fb", "1")), expected);
        let mut odd = arguments(in_path("auth", "set", "%25/%4", "1")).unwrap();
        assert_eq!(odd.user().unwrap().as_str(), "1:%");
        assert_eq!(odd.text().unwrap(), "%4");
    }

    #[actix::test]
    async fn call_that_a_worker_does_not_answer_ends() {
        let call = Box::pin(std::future::pending());
        let error = within(Duration::from_millis(1), call).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        let done = within(WORKERS_WAIT, Box::pin(async { method::result(1) })).await;
        assert_eq!(done.unwrap().get(), "1");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |call| arguments(call).unwrap_err();
        assert_eq!(refused(named("auth", "no", b"", "1")), ErrorCode::NotFound);
        for body in [
            "",
            "[]",
            "{}",
            r#"{"userId":"1","sessionId":[]}"#,
            r#"{"userId":"1","sessionId":"2","x":1}"#,
            r#"{"userId":"1","sessionId":"2","userId":"3"}"#,
        ] {
            let call = named("auth", "set", body.as_bytes(), "1");
            assert_eq!(refused(call), ErrorCode::BadMessage, "{body}");
        }
        for path in ["", "1", "1/2/3", "1/%ff"] {
            let call = in_path("auth", "set", path, "1");
            assert_eq!(refused(call), ErrorCode::BadMessage, "{path}");
        }
    }
}
