//! `POST /poll` (seed 000): remote calls in batches, and with their answers
//! everything that waits for the client.
//!
//! ```text
//! POST /poll -> origin, session, entries -> PollCall -> gateway -> a list of entries
//!               403     404/410  400/413
//! ```

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::gateway::accept::Accept;
use crate::gateway::session::memory::RequestAnswer;
use crate::gateway::transport::poll::Refused;
use crate::gateway::transport::poll::accept::{Destination, PollCall};
use crate::http::admission::{self, Admission, Cors, SESSION_HEADER};
use crate::http::fault;
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody, RequestId};
use turntable_core::reason::ErrorCode;
use turntable_wire::remote_call::{self, Entry};

/// How many messages wait behind an answer that has as many bytes as one may.
const WAITING_HEADER: &str = "Turntable-Waiting";

/// The parameters of the query; others are ignored.
#[derive(Debug, Deserialize)]
struct Query {
    session: Option<String>,
    batch: Option<String>,
    received: Option<String>,
    attempt: Option<String>,
}

/// A request that was understood.
struct Requested {
    session: Option<SessionId>,
    batch: Option<u64>,
    received: Option<u64>,
    attempt: Option<u32>,
    resume_id: Option<RequestId>,
    entries: Vec<Entry>,
    /// Length of the body, in bytes.
    bytes: usize,
}

/// `POST /poll`
pub async fn poll(request: HttpRequest, body: web::Payload, admission: Admission) -> HttpResponse {
    let cors = match admission.cors(&request) {
        Ok(cors) => cors,
        Err(error) => return admission::refuse(&error, &Cors::of_refused(request.headers())),
    };
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS => return admission::preflight("POST", &cors),
        _ => return admission::wrong_method("POST", &cors),
    }
    if let Some(answer) = admission::wrong_type(request.headers(), &cors) {
        return answer;
    }
    let requested = match admission.body(&request, body).await {
        Ok(body) => requested(&request, &body, &admission),
        Err(error) => Err(error),
    };
    let carried_out = match requested {
        Ok(requested) => {
            let session = requested.session;
            let carried_out = carry_out(&request, requested, &admission).await;
            carried_out.or_else(|refused| or_its_end(session, refused, &admission))
        }
        Err(error) => Err(Refused::Error(error)),
    };
    match carried_out {
        Ok((session, polled)) => {
            let has_cookie = admission.shared.settings.get().transport.poll.cookie;
            let cookie = has_cookie.then(|| admission.is_https(&request));
            let renewed = admission.login(&request).renewed;
            answer(session, polled, &cors, cookie, renewed)
        }
        Err(Refused::Error(error)) => admission::refuse(&error, &cors),
        Err(Refused::Stale) => {
            let error = ErrorBody::new(
                ErrorCode::BadMessage,
                "a later batch of this session was answered already; numbers only go up",
            );
            let mut answer = admission::prepare(HttpResponse::build(StatusCode::CONFLICT), &cors);
            answer.json(fault::body(&error))
        }
    }
}

fn requested(
    request: &HttpRequest,
    body: &str,
    admission: &Admission,
) -> Result<Requested, ErrorBody> {
    let wrong = |message: &str| ErrorBody::new(ErrorCode::BadMessage, message);
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| wrong("the query cannot be read: give each parameter once"))?
        .into_inner();
    let number = |text: Option<String>, what: &str| match text {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| wrong(&format!("{what} must be a whole number from 0"))),
    };
    let name = admission::session_of(request.headers()).or(query.session);
    let session = match name.filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => Some(SessionId::parse(&name).map_err(|_| {
            ErrorBody::new(
                ErrorCode::NotFound,
                "a session is the value of the header Turntable-Session of the first answer",
            )
        })?),
    };
    let settings = admission.shared.settings.get();
    let limits = remote_call::Limits {
        depth_max: settings.session.depth_max,
        batch_max: settings.transport.poll.batch_max,
    };
    let mut requested = Requested {
        session,
        batch: number(query.batch, "batch")?,
        received: number(query.received, "received")?,
        attempt: admission::attempt(query.attempt.as_deref())?,
        resume_id: None,
        entries: remote_call::decode(body, &limits)?,
        bytes: body.len(),
    };
    requested.take_resume();
    Ok(requested)
}

impl Requested {
    /// A first call `resume` names the session as the header would.
    fn take_resume(&mut self) {
        if self.session.is_some() {
            return;
        }
        if let Some(Ok(message)) = self.entries.first()
            && let ClientPacket::Resume {
                session,
                received,
                attempt,
            } = message.packet
        {
            self.attempt = attempt.or(self.attempt);
            self.session = Some(session);
            self.received = Some(received);
            self.resume_id = message.id.clone();
            drop(self.entries.remove(0));
        }
    }
}

async fn carry_out(
    request: &HttpRequest,
    requested: Requested,
    admission: &Admission,
) -> Result<(SessionId, RequestAnswer), Refused> {
    let expired = || {
        ErrorBody::new(
            ErrorCode::SessionExpired,
            "this session is over; begin a new one without naming a session",
        )
    };
    let (id, destination, gateway) = match requested.session {
        Some(id) => {
            let located = admission.locate(id);
            let (target, gateway) = located.ok_or_else(|| Refused::Error(expired()))?;
            (id, Destination::Known(target), gateway)
        }
        None => {
            let no_id = || Refused::Error(ErrorBody::new(ErrorCode::Internal, "no randomness"));
            let id = SessionId::random().ok_or_else(no_id)?;
            let mut permit = admission.admit(request).map_err(Refused::Error)?;
            permit.bring_login(admission.login(request).value);
            (id, Destination::New(permit), &admission.gateway)
        }
    };
    // A session that is over, or an address over its limits, does not wait for others.
    let commands = requested.entries.len();
    let ticket = admission.ticket(commands).await;
    let ticket = ticket.map_err(Refused::Error)?;
    let (respond, answered) = oneshot::channel();
    gateway.do_send(Accept::new(PollCall {
        id,
        destination,
        address: admission.address(request),
        received: requested.received,
        attempt: requested.attempt,
        resume_id: requested.resume_id,
        commands: requested.entries,
        bytes: requested.bytes,
        batch: requested.batch,
        ticket,
        respond,
    }));
    match answered.await {
        Ok(polled) => Ok((id, polled?)),
        // The connection was lost while the request waited.
        Err(_) => Err(Refused::Error(admission.dropped(expired()))),
    }
}

/// A session that was ended has its end in place of the error that it is over.
fn or_its_end(
    session: Option<SessionId>,
    refused: Refused,
    admission: &Admission,
) -> Result<(SessionId, RequestAnswer), Refused> {
    let is_over = matches!(
        &refused,
        Refused::Error(error) if error.code == ErrorCode::SessionExpired
    );
    let known = session.filter(|_| is_over);
    let end = known.and_then(|id| Some((id, admission.shared.ended.get(id)?)));
    end.map_or(Err(refused), |(id, end)| {
        Ok((id, RequestAnswer::of_end(end)))
    })
}

/// `cookie` is whether one is set, and then whether it is for TLS alone; `renewed` replaces
/// the login cookie.
fn answer(
    session: SessionId,
    polled: RequestAnswer,
    cors: &Cors,
    cookie: Option<bool>,
    renewed: Option<String>,
) -> HttpResponse {
    let mut answer = admission::prepare(HttpResponse::Ok(), cors);
    answer.insert_header((SESSION_HEADER, session.secret()));
    if let Some(is_https) = cookie {
        // Without a path it is for the folder of the request: where the browser sees the
        // server, be it below a prefix that a proxy takes off.
        let secure = if is_https { "; Secure" } else { "" };
        let cookie = format!(
            "{SESSION_HEADER}={}; HttpOnly; SameSite=Lax{secure}",
            session.secret()
        );
        answer.insert_header((header::SET_COOKIE, cookie));
    }
    if let Some(login) = renewed {
        answer.append_header((header::SET_COOKIE, login));
    }
    if polled.waiting > 0 {
        answer.insert_header((WAITING_HEADER, polled.waiting));
    }
    answer.content_type("application/json").body(polled.body)
}
