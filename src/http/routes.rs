//! The routes of the public listener: transports by their paths, everything else
//! is a page.
//!
//! A transport that is switched off answers as if it did not exist. That is looked
//! at for every request, so switching it needs no restart.

use std::convert::Infallible;

use actix_http::{Request, h1};
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
    let not_upgraded = move |request: HttpRequest| {
        let answer = not_upgraded(&request, &own);
        async { answer }
    };
    config
        .route("/ws", web::route().to(not_upgraded.clone()))
        .route("/echo", web::route().to(not_upgraded));
    for path in ["/socket.io", "/socket.io/", "/engine.io", "/engine.io/"] {
        let (own, guarding) = (admission.clone(), admission.clone());
        let exists = guard::fn_guard(move |context| {
            let path = context.head().uri.path();
            guarding.engine_purpose(path).is_some()
        });
        let handler = move |request, body| socketio::serve(request, body, own.clone());
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
    let mut input = parts.read_buf.to_vec();
    input.extend_from_slice(&parts.io.take_buffered());
    let opening = Opening {
        peer: parts.io.peer(),
        full: parts.io.refused(),
        input,
    };
    let socket = parts.io.clone();
    drop(parts);
    if let Some(stream) = socket.take() {
        // The socket keeps its place until the gateway has it, or it is closed.
        admission.upgrade(request.head(), stream, opening).await;
    }
    Ok(())
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
