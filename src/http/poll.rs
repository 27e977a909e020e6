//! The poll door (seed 000): remote calls in batches, and with their answers
//! whatever waits for the client.
//!
//! ```text
//! POST /poll -> origin, session, entries -> Poll -> gateway -> a list of entries
//!               403     404/410  400/413
//! ```

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::gateway::poll::{Poll, Refused};
use crate::transport::entrance::{self, Cors, Entrance, SESSION_HEADER};
use crate::transport::fault;
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody, RequestId};
use turntable_core::reason::ErrorCode;
use turntable_wire::remote_call::{self, Entry};

/// What the query may say; what else it says is ignored.
#[derive(Debug, Deserialize)]
struct Query {
    session: Option<String>,
    batch: Option<String>,
    received: Option<String>,
}

/// A request that was understood.
struct Asked {
    session: Option<SessionId>,
    batch: Option<u64>,
    received: Option<u64>,
    resume_id: Option<RequestId>,
    entries: Vec<Entry>,
}

/// `POST /poll`
pub async fn poll(request: HttpRequest, body: web::Payload, entrance: Entrance) -> HttpResponse {
    let cors = match entrance.cors(request.headers()) {
        Ok(cors) => cors,
        Err(error) => return entrance::refuse(&error, &Cors::default()),
    };
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS => return entrance::preflight("POST", &cors),
        _ => return entrance::wrong_method("POST", &cors),
    }
    if let Some(answer) = entrance::wrong_type(request.headers(), &cors) {
        return answer;
    }
    let asked = match entrance.body(body).await {
        Ok(body) => asked(&request, &body, &entrance),
        Err(error) => Err(error),
    };
    let carried_out = match asked {
        Ok(asked) => carry_out(&request, asked, &entrance).await,
        Err(error) => Err(Refused::Error(error)),
    };
    match carried_out {
        Ok((session, body)) => answer(session, body, &cors, entrance.context.settings.poll.cookie),
        Err(Refused::Error(error)) => entrance::refuse(&error, &cors),
        Err(Refused::Stale) => {
            let error = ErrorBody::new(
                ErrorCode::BadMessage,
                "a later batch of this session was answered already; numbers only go up",
            );
            let mut answer = entrance::prepare(HttpResponse::build(StatusCode::CONFLICT), &cors);
            answer.json(fault::body(&error))
        }
    }
}

fn asked(request: &HttpRequest, body: &str, entrance: &Entrance) -> Result<Asked, ErrorBody> {
    let wrong = |message: &str| ErrorBody::new(ErrorCode::BadMessage, message);
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| wrong("the query cannot be read; each parameter stands once"))?
        .into_inner();
    let number = |text: Option<String>, what: &str| match text {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| wrong(&format!("{what} has to be a whole number from 0"))),
    };
    let name = entrance::session_of(request.headers()).or(query.session);
    let session = match name.filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => Some(SessionId::parse(&name).map_err(|_| {
            ErrorBody::new(
                ErrorCode::NotFound,
                "a session is the 22 characters that the header Turntable-Session told",
            )
        })?),
    };
    let settings = &entrance.context.settings;
    let limits = remote_call::Limits {
        depth_max: settings.session.depth_max,
        batch_max: settings.poll.batch_max,
    };
    let mut asked = Asked {
        session,
        batch: number(query.batch, "batch")?,
        received: number(query.received, "received")?,
        resume_id: None,
        entries: remote_call::decode(body, &limits)?,
    };
    asked.take_resume();
    Ok(asked)
}

impl Asked {
    /// A first call that asks for a session names it as the header would.
    fn take_resume(&mut self) {
        if self.session.is_some() {
            return;
        }
        if let Some(Ok(message)) = self.entries.first()
            && let ClientPacket::Resume { session, received } = message.packet
        {
            self.session = Some(session);
            self.received = Some(received);
            self.resume_id = message.id.clone();
            drop(self.entries.remove(0));
        }
    }
}

async fn carry_out(
    request: &HttpRequest,
    asked: Asked,
    entrance: &Entrance,
) -> Result<(SessionId, Bytes), Refused> {
    let error = |code, message: &str| Refused::Error(ErrorBody::new(code, message));
    let expired = || {
        error(
            ErrorCode::SessionExpired,
            "there is no such session any more; begin a new one without naming any",
        )
    };
    let (id, place, gateway) = match asked.session {
        Some(id) => {
            let (place, gateway) = entrance.locate(id).ok_or_else(expired)?;
            (id, Some(place), gateway)
        }
        None => {
            let id =
                SessionId::random().ok_or_else(|| error(ErrorCode::Internal, "no randomness"))?;
            entrance.enter(request).map_err(Refused::Error)?;
            (id, None, &entrance.gateway)
        }
    };
    let (respond, answered) = oneshot::channel();
    gateway.do_send(Poll {
        id,
        place,
        address: entrance::address(request),
        received: asked.received,
        resume_id: asked.resume_id,
        commands: asked.entries,
        batch: asked.batch,
        respond,
    });
    match answered.await {
        Ok(body) => Ok((id, body?)),
        // The line was lost while the request waited.
        Err(_) => Err(expired()),
    }
}

fn answer(session: SessionId, body: Bytes, cors: &Cors, has_cookie: bool) -> HttpResponse {
    let mut answer = entrance::prepare(HttpResponse::Ok(), cors);
    answer.insert_header((SESSION_HEADER, session.secret()));
    if has_cookie {
        let cookie = format!(
            "{SESSION_HEADER}={}; Path=/poll; HttpOnly; SameSite=Lax",
            session.secret()
        );
        answer.insert_header((header::SET_COOKIE, cookie));
    }
    answer.content_type("application/json").body(body)
}
