//! The routes of the public listener: transports by their paths, everything else
//! is a page.
//!
//! A transport that is switched off answers as if it did not exist. That is looked
//! at for every request, so switching it needs no restart.

use std::convert::Infallible;

use actix_http::header;
use actix_http::{Request, RequestHead, h1};
use actix_web::guard::{self, Guard};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::HandshakeError;

use crate::http::admission::{Admission, is_tls};
use crate::http::handshake::Fault;
use crate::http::settings::TransportSettings;
use crate::http::takeable::Takeable;
use crate::http::websocket::{Opening, Refused};
use crate::http::{poll, socketio, tunnel, tunnel_send};

/// Adds the routes of transports that are not upgrades.
pub fn configure(config: &mut web::ServiceConfig, admission: Option<Admission>) {
    let Some(admission) = admission else {
        return;
    };
    let own = admission.clone();
    let websocket = move |request: HttpRequest| {
        let own = own.clone();
        async move {
            let taken_over = upgrade_listed(&request, &own).await;
            taken_over.unwrap_or_else(|| not_upgraded(&request, &own))
        }
    };
    config
        .route("/ws", web::route().to(websocket.clone()))
        .route("/echo", web::route().to(websocket));
    for path in ["/socket.io", "/socket.io/", "/engine.io", "/engine.io/"] {
        let (own, guarding) = (admission.clone(), admission.clone());
        let exists = guard::fn_guard(move |context| {
            let path = context.head().uri.path();
            guarding.engine_purpose(path).is_some()
        });
        let handler = move |request: HttpRequest, body| {
            let own = own.clone();
            async move {
                match upgrade_listed(&request, &own).await {
                    Some(answer) => answer,
                    None => socketio::serve(request, body, own).await,
                }
            }
        };
        config.route(path, web::route().guard(exists).to(handler));
    }
    let own = admission.clone();
    config.route(
        "/poll",
        web::route()
            .guard(on(&admission, |transports| transports.poll))
            .to(move |request, body| poll::poll(request, body, own.clone())),
    );
    let (open, send) = (admission.clone(), admission.clone());
    config
        .route(
            "/tunnel",
            web::route()
                .guard(on(&admission, |transports| transports.tunnel))
                .to(move |request| tunnel::open(request, open.clone())),
        )
        .route(
            "/tunnel/send",
            web::route()
                .guard(on(&admission, |transports| transports.tunnel))
                .to(move |request, body| tunnel_send::send(request, body, send.clone())),
        );
}

/// Lets requests pass while a transport is switched on.
fn on(admission: &Admission, is_on: fn(&TransportSettings) -> bool) -> impl Guard + use<> {
    let settings = admission.settings.clone();
    guard::fn_guard(move |_| is_on(&settings.get().transports))
}

/// A request that wants to upgrade, with its socket.
pub type Upgrade = (Request, actix_codec::Framed<Takeable, h1::Codec>);

/// Takes a socket over whose request wants to upgrade.
///
/// # Errors
/// None: a refusal is an answer.
pub async fn upgrade(
    admission: Option<Admission>,
    (request, framed): Upgrade,
) -> Result<(), Infallible> {
    let Some(admission) = admission else {
        return Ok(());
    };
    // The dispatcher's buffers go with `parts`, before anything is awaited.
    let parts = framed.into_parts();
    let (socket, input) = (parts.io.clone(), parts.read_buf.to_vec());
    drop(parts);
    take_over(admission, request.head(), &socket, input).await;
    Ok(())
}

/// Takes a socket over on which this was read behind the head.
async fn take_over(
    admission: Admission,
    head: &RequestHead,
    socket: &Takeable,
    mut input: Vec<u8>,
) {
    input.extend_from_slice(&socket.take_buffered());
    let opening = Opening {
        peer: socket.peer(),
        full: socket.refused(),
        input,
    };
    if let Some(stream) = socket.take() {
        // The socket keeps its place until the gateway has it, or it is closed.
        admission.upgrade(head, stream, opening).await;
    }
}

/// Takes a socket over whose request names WebSocket among other protocols in one line of
/// `Upgrade` (RFC 9110, section 7.8). The HTTP server takes only a line with nothing else for an
/// upgrade, so such a request comes to a route. Returns an answer that is not sent, where it did.
async fn upgrade_listed(request: &HttpRequest, admission: &Admission) -> Option<HttpResponse> {
    // What is wrong is answered as without an upgrade.
    if !request.headers().contains_key(header::UPGRADE)
        || admission.check(request.head(), is_tls(request)).is_err()
    {
        return None;
    }
    let socket = request.conn_data::<Takeable>()?;
    take_over(admission.clone(), request.head(), socket, Vec::new()).await;
    Some(HttpResponse::Ok().force_close().finish())
}

/// Answers a request for a WebSocket that does not upgrade.
fn not_upgraded(request: &HttpRequest, admission: &Admission) -> HttpResponse {
    let refused = match admission.check(request.head(), is_tls(request)) {
        Ok(_) => Refused::handshake(Fault::Header(HandshakeError::NoWebsocketUpgrade)),
        Err(refused) => refused,
    };
    let mut answer = HttpResponse::build(refused.status());
    for header in refused.headers() {
        answer.insert_header(header);
    }
    // The request wanted an upgrade, so the answer would keep the connection.
    answer
        .force_close()
        .content_type("application/json")
        .body(refused.body())
}
