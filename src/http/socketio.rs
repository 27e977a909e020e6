//! `/socket.io/`: Engine.IO over requests. Its WebSockets come in by
//! `websocket`.
//!
//! ```text
//! GET  /socket.io/            -> origin, query, limits -> Open     -> gateway
//! GET  /socket.io/?sid=S      -> origin, query, name   -> Exchange -> its gateway
//! POST /socket.io/?sid=S         403     400    400
//! ```

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use actix::Addr;
use actix_http::header::HeaderValue;
use actix_http::{RequestHead, StatusCode, header};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::gateway::Gateway;
use crate::gateway::accept::Accept;
use crate::gateway::transport::engineio::Purpose;
use crate::gateway::transport::engineio::accept::{Exchange, Open};
use crate::gateway::transport::engineio::request::{Answer, EngineRequest};
use crate::http::admission::{self, Admission, Cors};
use crate::http::takeable::Takeable;
use crate::http::websocket::Route;
use turntable_core::id::SessionId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_wire::engineio::{Action, Request, RequestError};

/// The methods of the path.
const METHODS: &str = "GET, POST";

/// Between the packets of a payload.
const SEPARATOR: char = '\u{1e}';

/// The status of a refusal.
#[must_use]
pub fn status(error: RequestError) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST)
}

impl Admission {
    /// What Engine.IO is for at this path; `None` where it is not.
    #[must_use]
    pub fn engine_purpose(&self, path: &str) -> Option<Purpose> {
        if !self.settings.get().transports.socketio {
            return None;
        }
        let is_conformance = self.shared.settings.get().transport.socketio.conformance;
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
    pub fn engine_route(
        &self,
        purpose: Purpose,
        head: &RequestHead,
    ) -> Result<Route, RequestError> {
        let query = head.uri.query().unwrap_or_default();
        match Request::parse(query)?.action(head.method.as_str(), true)? {
            Action::OpenWebSocket => Ok(Route::Engine(purpose)),
            Action::Upgrade(sid) => {
                let id = SessionId::parse(sid).map_err(|_| RequestError::UnknownSession)?;
                match self.shared.peers.connection(id) {
                    Some(_) => Ok(Route::Upgrade(id)),
                    None => Err(RequestError::UnknownSession),
                }
            }
            _ => Err(RequestError::BadRequest),
        }
    }
}

/// `GET`, `POST` and `OPTIONS` of `/socket.io/`.
pub async fn serve(request: HttpRequest, body: web::Payload, admission: Admission) -> HttpResponse {
    let purpose = admission.engine_purpose(request.path());
    let cors = match admission.cors(&request) {
        Ok(cors) => cors,
        Err(_) => {
            let cors = Cors::of_refused(request.headers());
            return refuse(RequestError::Forbidden, &cors);
        }
    };
    if *request.method() == Method::OPTIONS {
        return admission::preflight(METHODS, &cors);
    }
    let action = Request::parse(request.query_string())
        .and_then(|query| query.action(request.method().as_str(), false));
    match action {
        Ok(Action::OpenPolling) => match purpose {
            Some(purpose) => open(&request, &admission, purpose, &cors).await,
            None => refuse(RequestError::BadRequest, &cors),
        },
        Ok(Action::Poll(sid)) => match locate(sid, &admission) {
            Ok((id, gateway)) => poll(&request, id, gateway, &admission, &cors).await,
            Err(error) => refuse_session(error, &admission, &cors),
        },
        Ok(Action::Push(sid)) => push(&request, body, sid, &admission, &cors).await,
        Ok(Action::OpenWebSocket | Action::Upgrade(_)) => refuse(RequestError::BadRequest, &cors),
        Err(error) => refuse(error, &cors),
    }
}

fn refuse(error: RequestError, cors: &Cors) -> HttpResponse {
    admission::prepare(HttpResponse::build(status(error)), cors)
        .content_type("application/json")
        .body(error.body())
}

/// A request for a session that is over, or that is saved as the server ends.
fn refuse_session(error: RequestError, admission: &Admission, cors: &Cors) -> HttpResponse {
    let phase = &admission.shared.phase;
    match error {
        RequestError::UnknownSession if phase.is_ending() => {
            admission::refuse(&phase.refusal(), cors)
        }
        error => refuse(error, cors),
    }
}

fn payload(text: String, cors: &Cors) -> HttpResponse {
    admission::prepare(HttpResponse::Ok(), cors)
        .content_type("text/plain; charset=UTF-8")
        .body(text)
}

/// The session of that name and the gateway that has it.
fn locate<'a>(
    sid: &str,
    admission: &'a Admission,
) -> Result<(SessionId, &'a Addr<Gateway>), RequestError> {
    let id = SessionId::parse(sid).map_err(|_| RequestError::UnknownSession)?;
    let peers = &admission.shared.peers;
    let (worker, _) = peers.connection(id).ok_or(RequestError::UnknownSession)?;
    let gateway = peers.gateway(worker).ok_or(RequestError::UnknownSession)?;
    Ok((id, gateway))
}

async fn open(
    request: &HttpRequest,
    admission: &Admission,
    purpose: Purpose,
    cors: &Cors,
) -> HttpResponse {
    let mut permit = match admission.admit(request) {
        Ok(permit) => permit,
        Err(error) => return admission::refuse(&error, cors),
    };
    let login = admission.login(request);
    permit.bring_login(login.value);
    let (respond, answer) = oneshot::channel();
    admission.gateway.do_send(Accept::new(Open {
        permit,
        purpose,
        respond,
    }));
    match answer.await {
        Ok(answer) => {
            let mut answer = answered(Ok(answer), admission, cors);
            let renewed = login.renewed.map(|value| HeaderValue::from_str(&value));
            if let Some(Ok(value)) = renewed {
                answer.headers_mut().append(header::SET_COOKIE, value);
            }
            answer
        }
        Err(_) => {
            let error = ErrorBody::new(ErrorCode::Unavailable, "the server is stopping");
            admission::refuse(&error, cors)
        }
    }
}

fn answered(
    answer: Result<Answer, oneshot::error::RecvError>,
    admission: &Admission,
    cors: &Cors,
) -> HttpResponse {
    match answer {
        Ok(Ok(text)) => payload(text, cors),
        Ok(Err(error)) => refuse_session(error, admission, cors),
        // The session was lost while the request waited.
        Err(_) => refuse_session(RequestError::UnknownSession, admission, cors),
    }
}

/// Reports to the session that the request which waits for it was dropped.
struct Watch<'g> {
    gateway: &'g Addr<Gateway>,
    id: SessionId,
    is_over: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.gateway.do_send(Accept::new(Exchange {
                id: self.id,
                from: None,
                request: EngineRequest::Gone,
            }));
        }
    }
}

async fn poll(
    request: &HttpRequest,
    id: SessionId,
    gateway: &Addr<Gateway>,
    admission: &Admission,
    cors: &Cors,
) -> HttpResponse {
    // Dropped behind the receiver, which the session looks at.
    let mut watch = Watch {
        gateway,
        id,
        is_over: false,
    };
    let (respond, mut answer) = oneshot::channel();
    gateway.do_send(Accept::new(Exchange {
        id,
        from: Some(admission.address(request)),
        request: EngineRequest::Poll(respond),
    }));
    let socket = request.conn_data::<Takeable>();
    let answer = poll_fn(|cx| match Pin::new(&mut answer).poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        // The HTTP server does not notice that a client has gone.
        Poll::Pending if socket.is_some_and(|socket| socket.is_gone(cx)) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let answer = answer.await;
    watch.is_over = answer.is_some();
    match answer {
        Some(answer) => answered(answer, admission, cors),
        None => refuse(RequestError::BadRequest, cors),
    }
}

async fn push(
    request: &HttpRequest,
    body: web::Payload,
    sid: &str,
    admission: &Admission,
    cors: &Cors,
) -> HttpResponse {
    if admission::is_compressed(request.headers()) {
        return refuse(RequestError::BadRequest, cors);
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream")) {
        return refuse(RequestError::BadRequest, cors);
    }
    let text = admission.body(request, body).await;
    let packets = text
        .as_ref()
        .map_or(0, |text| 1 + text.matches(SEPARATOR).count());
    // A session that is over does not wait for others.
    let (id, gateway) = match locate(sid, admission) {
        Ok(located) => located,
        Err(error) => return refuse_session(error, admission, cors),
    };
    let _ticket = match admission.ticket(packets).await {
        Ok(ticket) => ticket,
        Err(error) => return admission::refuse(&error, cors),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if error.code == ErrorCode::TooLarge => {
            // As a frame that is too long ends a WebSocket.
            gateway.do_send(Accept::new(Exchange {
                id,
                from: None,
                request: EngineRequest::TooLarge,
            }));
            return admission::refuse(&error, cors);
        }
        Err(_) => return refuse(RequestError::BadRequest, cors),
    };
    let (respond, result) = oneshot::channel();
    gateway.do_send(Accept::new(Exchange {
        id,
        from: Some(admission.address(request)),
        request: EngineRequest::Push(text, respond),
    }));
    match result.await {
        Ok(Ok(())) => admission::prepare(HttpResponse::Ok(), cors)
            .content_type("text/html")
            .body("ok"),
        Ok(Err(error)) => refuse_session(error, admission, cors),
        Err(_) => refuse_session(RequestError::UnknownSession, admission, cors),
    }
}
