//! The socket.io door: Engine.IO over requests. Its WebSockets come in by
//! `websocket`.
//!
//! ```text
//! GET  /socket.io/            -> origin, query, census -> Open     -> gateway
//! GET  /socket.io/?sid=S      -> origin, query, line   -> Exchange -> its gateway
//! POST /socket.io/?sid=S         403     400    400
//! ```

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use actix::Addr;
use actix_http::{RequestHead, StatusCode, header};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::gateway::Gateway;
use crate::gateway::adopt::Door;
use crate::gateway::engineio::polling::{Exchange, ExchangeKind, Open};
use crate::gateway::engineio::{Answer, Purpose};
use crate::transport::entrance::{self, Cors, Entrance};
use crate::transport::takeable::Takeable;
use turntable_core::id::SessionId;
use turntable_core::reason::ErrorCode;
use turntable_wire::engineio::{Action, Request, RequestError};

/// What is asked for over requests.
const METHODS: &str = "GET, POST";

/// The routes of the door.
pub fn routes(config: &mut web::ServiceConfig, entrance: &Entrance) {
    for path in ["/socket.io", "/socket.io/", "/engine.io", "/engine.io/"] {
        let Some(purpose) = entrance.engine_purpose(path) else {
            continue;
        };
        let entrance = entrance.clone();
        let handler = move |request, body| serve(request, body, entrance.clone(), purpose);
        config.route(path, web::route().to(handler));
    }
}

/// The status of a refusal.
#[must_use]
pub fn status(error: RequestError) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST)
}

impl Entrance {
    /// What Engine.IO is for at this path; `None` where it is not.
    #[must_use]
    pub fn engine_purpose(&self, path: &str) -> Option<Purpose> {
        if !self.doors.socketio {
            return None;
        }
        let is_conformance = self.context.settings.socketio.conformance;
        match path.strip_suffix('/').unwrap_or(path) {
            "/socket.io" if is_conformance => Some(Purpose::Echo),
            "/socket.io" => Some(Purpose::Sessions),
            "/engine.io" if is_conformance => Some(Purpose::Raw),
            _ => None,
        }
    }

    /// What a WebSocket is for that comes to Engine.IO.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn engine_door(&self, purpose: Purpose, head: &RequestHead) -> Result<Door, RequestError> {
        let query = head.uri.query().unwrap_or_default();
        match Request::parse(query)?.action(head.method.as_str(), true)? {
            Action::OpenWebSocket => Ok(Door::Engine(purpose)),
            Action::Upgrade(sid) => {
                let id = SessionId::parse(sid).map_err(|_| RequestError::UnknownSession)?;
                match self.context.peers.line(id) {
                    Some(_) => Ok(Door::Upgrade(id)),
                    None => Err(RequestError::UnknownSession),
                }
            }
            _ => Err(RequestError::BadRequest),
        }
    }
}

/// `GET`, `POST` and `OPTIONS` of `/socket.io/`.
async fn serve(
    request: HttpRequest,
    body: web::Payload,
    entrance: Entrance,
    purpose: Purpose,
) -> HttpResponse {
    let cors = match entrance.cors(request.headers()) {
        Ok(cors) => cors,
        Err(_) => return refuse(RequestError::Forbidden, &Cors::default()),
    };
    if *request.method() == Method::OPTIONS {
        return entrance::preflight(METHODS, &cors);
    }
    let action = Request::parse(request.query_string())
        .and_then(|query| query.action(request.method().as_str(), false));
    match action {
        Ok(Action::OpenPolling) => open(&request, &entrance, purpose, &cors).await,
        Ok(Action::Poll(sid)) => match line(sid, &entrance) {
            Ok((id, gateway)) => poll(&request, id, gateway, &cors).await,
            Err(error) => refuse(error, &cors),
        },
        Ok(Action::Push(sid)) => push(&request, body, sid, &entrance, &cors).await,
        Ok(Action::OpenWebSocket | Action::Upgrade(_)) => refuse(RequestError::BadRequest, &cors),
        Err(error) => refuse(error, &cors),
    }
}

fn refuse(error: RequestError, cors: &Cors) -> HttpResponse {
    entrance::prepare(HttpResponse::build(status(error)), cors)
        .content_type("application/json")
        .body(error.body())
}

fn payload(text: String, cors: &Cors) -> HttpResponse {
    entrance::prepare(HttpResponse::Ok(), cors)
        .content_type("text/plain; charset=UTF-8")
        .body(text)
}

/// The session of that name and the gateway that has it.
fn line<'e>(
    sid: &str,
    entrance: &'e Entrance,
) -> Result<(SessionId, &'e Addr<Gateway>), RequestError> {
    let id = SessionId::parse(sid).map_err(|_| RequestError::UnknownSession)?;
    let peers = &entrance.context.peers;
    let place = peers.line(id).ok_or(RequestError::UnknownSession)?;
    let gateway = peers
        .gateway_of(place)
        .ok_or(RequestError::UnknownSession)?;
    Ok((id, gateway))
}

async fn open(
    request: &HttpRequest,
    entrance: &Entrance,
    purpose: Purpose,
    cors: &Cors,
) -> HttpResponse {
    let address = match entrance.enter(request) {
        Ok(address) => address,
        Err(error) => return entrance::refuse(&error, cors),
    };
    let (respond, answer) = oneshot::channel();
    entrance.gateway.do_send(Open {
        address,
        purpose,
        respond,
    });
    answered(answer.await, cors)
}

fn answered(answer: Result<Answer, oneshot::error::RecvError>, cors: &Cors) -> HttpResponse {
    match answer {
        Ok(Ok(text)) => payload(text, cors),
        Ok(Err(error)) => refuse(error, cors),
        // The session ended without a word.
        Err(_) => refuse(RequestError::UnknownSession, cors),
    }
}

/// Tells the session when the request that waits for it ends by itself.
struct Watch<'g> {
    gateway: &'g Addr<Gateway>,
    id: SessionId,
    is_over: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.gateway.do_send(Exchange {
                id: self.id,
                kind: ExchangeKind::Gone,
                followed: 0,
            });
        }
    }
}

async fn poll(
    request: &HttpRequest,
    id: SessionId,
    gateway: &Addr<Gateway>,
    cors: &Cors,
) -> HttpResponse {
    // Dropped behind the receiver, by which the session sees that it is so.
    let mut watch = Watch {
        gateway,
        id,
        is_over: false,
    };
    let (respond, mut answer) = oneshot::channel();
    gateway.do_send(Exchange {
        id,
        kind: ExchangeKind::Poll(respond),
        followed: 0,
    });
    let socket = request.conn_data::<Takeable>();
    let answer = poll_fn(|cx| match Pin::new(&mut answer).poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        // The HTTP server waits with its answer for a client that has gone.
        Poll::Pending if socket.is_some_and(|socket| socket.is_gone(cx)) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let answer = answer.await;
    watch.is_over = answer.is_some();
    match answer {
        Some(answer) => answered(answer, cors),
        None => refuse(RequestError::BadRequest, cors),
    }
}

async fn push(
    request: &HttpRequest,
    body: web::Payload,
    sid: &str,
    entrance: &Entrance,
    cors: &Cors,
) -> HttpResponse {
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream")) {
        return refuse(RequestError::BadRequest, cors);
    }
    let text = entrance.body(body).await;
    let (id, gateway) = match line(sid, entrance) {
        Ok(line) => line,
        Err(error) => return refuse(error, cors),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if error.code == ErrorCode::TooLarge => {
            // As a frame that is too long ends a WebSocket.
            gateway.do_send(Exchange {
                id,
                kind: ExchangeKind::TooLarge,
                followed: 0,
            });
            return entrance::refuse(&error, cors);
        }
        Err(_) => return refuse(RequestError::BadRequest, cors),
    };
    let (respond, result) = oneshot::channel();
    gateway.do_send(Exchange {
        id,
        kind: ExchangeKind::Push(text, respond),
        followed: 0,
    });
    match result.await {
        Ok(Ok(())) => entrance::prepare(HttpResponse::Ok(), cors)
            .content_type("text/html")
            .body("ok"),
        Ok(Err(error)) => refuse(error, cors),
        Err(_) => refuse(RequestError::UnknownSession, cors),
    }
}
