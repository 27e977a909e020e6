//! Keeps pages of other sites from the operator's listener: a browser on the same
//! machine reaches it for every page.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;

use crate::http::admission::{self, Cors};
use crate::http::operator_connection::OperatorConnection;
use crate::http::origin::{Accepted, Foreign};
use crate::http::settings::HttpSettings;
use crate::metric::Metrics;
use crate::watched::Watched;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Lets a request pass that its own pages sent, or no page. `is_open`: whether it needs no token.
///
/// # Errors
/// Those of the service.
pub async fn guard(
    (settings, is_open): (Arc<Watched<HttpSettings>>, bool),
    metrics: Arc<Metrics>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let connection = request.conn_data::<OperatorConnection>().cloned();
    let checked = {
        // With any name, a page could give its own name the address of this listener (DNS
        // rebinding), and call as the programs of the machine do.
        let mut hosts = settings.get().server.hosts.clone();
        if is_open {
            hosts.retain(|name| name != "*");
        }
        let accepted = Accepted {
            origins: &[],
            hosts: &hosts,
            is_tls: connection.as_ref().is_some_and(OperatorConnection::is_tls),
        };
        accepted.check(request.uri(), request.headers())
    };
    if let Some(connection) = connection.as_ref().filter(|_| !has_body(&request)) {
        connection.carries_out();
    }
    let answer = match checked {
        Ok(()) if upgrades_body(&request) => {
            let mut refused = admission::refuse(&no_upgrade(), &Cors::default());
            // What follows on the connection would be read as its body.
            let head = refused.head_mut();
            head.set_connection_type(ConnectionType::Close);
            Ok(request.into_response(refused))
        }
        Ok(()) => next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body),
        // The page has nothing of this server, and calls from itself.
        Err(Foreign::Origin(_) | Foreign::Site) if opens_page(&request) => next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body),
        Err(foreign) => {
            metrics.refuse("management");
            let error = match &foreign {
                // The origins that the configuration lists are those of the other listener.
                Foreign::Origin(_) | Foreign::Site => other_site(),
                foreign => {
                    admission::advise(foreign);
                    foreign.error()
                }
            };
            Ok(request.into_response(admission::refuse(&error, &Cors::default())))
        }
    };
    if let Some(connection) = connection {
        connection.answers();
    }
    answer
}

/// Whether a browser opens the console in a tab of its own, by a link of another page. A frame of
/// that page, and what its scripts fetch, have other headers.
fn opens_page(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    let is = |name, value: &str| {
        let mut all = headers.get_all(name);
        all.next()
            .is_some_and(|of| of.as_bytes() == value.as_bytes())
            && all.next().is_none()
    };
    *request.method() == Method::GET
        && request.path() == "/"
        && !headers.contains_key(header::ORIGIN)
        && is("Sec-Fetch-Mode", "navigate")
        && is("Sec-Fetch-Dest", "document")
}

fn other_site() -> ErrorBody {
    let message = "pages of other sites may not call this listener; the console, at its path /, \
                   may, and so may programs";
    ErrorBody::new(ErrorCode::Forbidden, message)
}

/// Whether the HTTP server takes all that follows on the connection as the body: it does
/// so for an upgrade to WebSocket, and a call would wait for an end that does not come.
fn upgrades_body(request: &ServiceRequest) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut upgrades = request.headers().get_all(header::UPGRADE);
    let is_websocket = |value: &HeaderValue| {
        let value = value.as_bytes().trim_ascii();
        value.eq_ignore_ascii_case(b"websocket")
    };
    !is_read && upgrades.any(is_websocket)
}

fn no_upgrade() -> ErrorBody {
    let message = "this listener has no WebSockets: send the request without the header Upgrade";
    ErrorBody::new(ErrorCode::BadMessage, message)
}

/// Whether a part of the request is still to come.
fn has_body(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}
