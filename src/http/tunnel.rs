//! `GET /tunnel` (seed 001): a request whose answer goes on.
//!
//! ```text
//! GET /tunnel -> origin, format, tunnel, limits -> Attach -> gateway
//!                403     400     404/410  503
//! ```

use actix_http::header::HeaderMap;
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use crate::gateway::accept::Accept;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::tunnel::accept::Attach;
use crate::gateway::transport::tunnel::{Claim, Purpose, Refusal};
use crate::http::admission::{self, Admission, Cors};
use crate::http::fault;
use crate::http::takeable::Takeable;
use turntable_core::id::{MessageId, SessionId, UserId};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1::{self, DecodeLimits};
use turntable_wire::tunnel_format::{Format, is_callback};

/// The parameters of `GET /tunnel`; others are ignored.
#[derive(Debug, Deserialize)]
struct Query {
    new: Option<String>,
    id: Option<String>,
    format: Option<String>,
    after: Option<String>,
    received: Option<String>,
    attempt: Option<String>,
    user: Option<String>,
    credentials: Option<String>,
    callback: Option<String>,
}

/// A request that may become a tunnel.
struct Requested {
    id: SessionId,
    format: u8,
    callback: Option<Box<str>>,
    purpose: Purpose,
}

/// `GET /tunnel`
pub async fn open(request: HttpRequest, admission: Admission) -> HttpResponse {
    let cors = match admission.cors(&request) {
        Ok(cors) => cors,
        Err(error) => return admission::refuse(&error, &Cors::of_refused(request.headers())),
    };
    match *request.method() {
        Method::GET => {}
        Method::OPTIONS => return admission::preflight("GET", &cors),
        _ => return admission::wrong_method("GET", &cors),
    }
    match attach(&request, &admission, &cors) {
        // The answer is the gateway's to write; this one goes nowhere.
        Ok(()) => HttpResponse::Ok().force_close().finish(),
        Err(error) => admission::refuse(&error, &cors),
    }
}

fn attach(request: &HttpRequest, admission: &Admission, cors: &Cors) -> Result<(), ErrorBody> {
    let requested = requested(request, admission)?;
    let gateway = match requested.purpose {
        Purpose::New(_) => &admission.gateway,
        Purpose::Back(..) => match admission.locate(requested.id) {
            Some((_, gateway)) => gateway,
            // It says how the session ended.
            None if admission.shared.ended.get_final(requested.id).is_some() => &admission.gateway,
            None => return Err(expired()),
        },
    };
    let format = admission
        .shared
        .encodings
        .format(requested.format)
        .ok_or_else(|| ErrorBody::new(ErrorCode::Internal, "no format"))?;
    let login = admission.login(request);
    let lines = cors.lines() + &login.line();
    let head = head(format, requested.id, &lines);
    let mut permit = match requested.purpose {
        Purpose::New(_) => admission.admit(request)?,
        Purpose::Back(..) => admission.admit_back(request)?,
    };
    permit.bring_login(login.value);
    let socket = request.conn_data::<Takeable>();
    let is_proxied = socket.is_some_and(|socket| socket.peer().is_proxied);
    let io = socket
        .and_then(Takeable::take)
        .and_then(|stream| stream.into_io().ok());
    let Some(io) = io else {
        return Err(ErrorBody::new(
            ErrorCode::Internal,
            "this connection cannot become a tunnel",
        ));
    };
    gateway.do_send(Accept::new(Attach {
        io,
        permit,
        is_proxied,
        id: requested.id,
        format: requested.format,
        callback: requested.callback,
        head,
        refusal: Refusal {
            headers: cors.lines().into(),
            write: fault::answer,
        },
        purpose: requested.purpose,
    }));
    Ok(())
}

pub(super) fn wrong(message: impl Into<Box<str>>) -> ErrorBody {
    ErrorBody::new(ErrorCode::BadMessage, message)
}

pub(super) fn expired() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::SessionExpired,
        "this tunnel is over; open a new one and identify again",
    )
}

fn tunnel_id(text: &str) -> Result<SessionId, ErrorBody> {
    SessionId::parse(text).map_err(|_| {
        ErrorBody::new(
            ErrorCode::NotFound,
            "a tunnel's id is the one in its header",
        )
    })
}

fn requested(request: &HttpRequest, admission: &Admission) -> Result<Requested, ErrorBody> {
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| wrong("the query cannot be read: give each parameter once"))?
        .into_inner();
    let (format, known) = format(&query, &admission.shared.encodings.formats)?;
    let callback = match (&query.callback, known.needs_callback()) {
        (Some(name), true) if is_callback(name) => Some(name.as_str().into()),
        (_, false) => None,
        _ => {
            return Err(wrong(
                "callback must be the name of a function: letters, digits, _ and $, \
                 joined by dots, at most 64 bytes",
            ));
        }
    };
    let is_new = match query.new.as_deref() {
        None | Some("0" | "false") => false,
        Some("1" | "true" | "") => true,
        Some(_) => return Err(wrong("new is 1 for a new tunnel; else leave it out")),
    };
    let (id, purpose) = match (is_new, &query.id) {
        (true, Some(_)) => {
            return Err(wrong(
                "new=1 opens a tunnel and id=T comes back to one; not both",
            ));
        }
        (false, None) => return Err(wrong("give new=1 for a new tunnel, or id=T to come back")),
        (true, None) => {
            let id = SessionId::random()
                .ok_or_else(|| ErrorBody::new(ErrorCode::Internal, "no randomness"))?;
            (id, Purpose::New(claim(&query, admission)?))
        }
        (false, Some(id)) => (
            tunnel_id(id)?,
            Purpose::Back(
                resume_from(&query, request.headers())?,
                admission::attempt(query.attempt.as_deref())?,
            ),
        ),
    };
    Ok(Requested {
        id,
        format,
        callback,
        purpose,
    })
}

fn format<'f>(query: &Query, formats: &'f [Format]) -> Result<(u8, &'f Format), ErrorBody> {
    let name = query.format.as_deref();
    let found = (0..)
        .zip(formats)
        .find(|(_, format)| Some(format.name()) == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = formats.iter().map(Format::name).collect();
        wrong(format!("format is one of {}", names.join(", ")))
    })
}

fn claim(query: &Query, admission: &Admission) -> Result<Option<Claim>, ErrorBody> {
    // As on a WebSocket, its client identifies behind the opening: tokens do not
    // belong in addresses.
    if query.user.is_none() && query.credentials.is_none() {
        return Ok(None);
    }
    let user = query.user.as_deref().map(UserId::parse).transpose();
    let user =
        user.map_err(|error| ErrorBody::new(ErrorCode::InvalidId, format!("user: {error}")))?;
    let credentials = match &query.credentials {
        None => None,
        Some(text) => {
            let object: &serde_json::value::RawValue = serde_json::from_str(text)
                .ok()
                .filter(|object: &&serde_json::value::RawValue| object.get().starts_with('{'))
                .ok_or_else(|| wrong("credentials must be a JSON object"))?;
            let depth_max = admission.shared.settings.get().session.depth_max;
            json_v1::check_data(object.get(), &DecodeLimits { depth_max })?;
            Some(Payload::from_json(object.get()))
        }
    };
    Ok(Some(Claim { user, credentials }))
}

/// From where on. What a browser sends by itself is newer than the address that
/// its page wrote.
fn resume_from(query: &Query, headers: &HeaderMap) -> Result<ResumeFrom, ErrorBody> {
    let last = headers.get("Last-Event-ID").map(|id| id.to_str());
    let last = match last {
        None | Some(Ok("")) => query.after.as_deref().filter(|id| !id.is_empty()),
        Some(id) => Some(id.unwrap_or_default()),
    };
    if let Some(id) = last {
        return MessageId::from_string(id)
            .map(ResumeFrom::Message)
            .map_err(|_| {
                wrong("after (or Last-Event-ID) is the id of the last datagram that came")
            });
    }
    match &query.received {
        None => Ok(ResumeFrom::Retained),
        Some(received) => received
            .parse()
            .map(ResumeFrom::CountOnly)
            .map_err(|_| wrong("received is how many messages of the session have come")),
    }
}

/// The head of the answer: no proxy may store or hold back any of it.
fn head(format: &Format, id: SessionId, lines: &str) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: no-store, no-transform\r\n\
         X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nTurntable-Tunnel: {}\r\n",
        format.content_type(),
        id.secret()
    );
    if format.content_type().starts_with("text/html") {
        // A page of scripts that the templates wrote, for pages of this host.
        head.push_str(
            "Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; \
             frame-ancestors 'self'\r\n",
        );
    }
    head.push_str(lines);
    head.push_str("Connection: close\r\n\r\n");
    head.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_forbids_storing_and_buffering() {
        let formats = turntable_wire::tunnel_format::built_in();
        let sse = formats.iter().find(|format| format.name() == "sse");
        let head = sse.map(|sse| head(sse, SessionId::from_bits([0; 16]), ""));
        let head = String::from_utf8(head.unwrap_or_default()).unwrap_or_default();
        for line in [
            "Content-Type: text/event-stream",
            "Cache-Control: no-store, no-transform",
            "X-Accel-Buffering: no",
            "X-Content-Type-Options: nosniff",
            "Turntable-Tunnel: AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(head.contains(line), "{line}");
        }
        assert!(head.ends_with("\r\n\r\n"));
    }
}
