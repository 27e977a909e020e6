//! What every door of a worker needs, and what a request has to pass before
//! any of them looks at it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix::Addr;
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use crate::gateway::peers::Place;
use crate::gateway::{Gateway, GatewayContext};
use crate::transport::settings::{DoorSettings, ServerSettings};
use crate::transport::{fault, origin};
use turntable_core::id::SessionId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The header, cookie or parameter that names a session.
pub const SESSION_HEADER: &str = "Turntable-Session";

/// What every worker's doors need.
#[derive(Clone)]
pub struct Entrance {
    /// The worker's gateway.
    pub gateway: Addr<Gateway>,
    /// What is shared with it.
    pub context: Arc<GatewayContext>,
    /// The section `[server]`.
    pub settings: Arc<ServerSettings>,
    /// The section `[doors]`.
    pub doors: DoorSettings,
}

/// The headers that let a page of another origin read an answer.
#[derive(Debug, Clone, Default)]
pub struct Cors(Vec<(HeaderName, HeaderValue)>);

/// What other origins' pages may read of an answer's headers.
const EXPOSED: &str = "Turntable-Session, Turntable-Tunnel";

impl Cors {
    /// The headers of an answer.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.0.iter().cloned()
    }

    /// The same as lines, for an answer that is written by hand.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (name, value) in &self.0 {
            if let Ok(value) = value.to_str() {
                lines.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        lines
    }
}

impl Entrance {
    /// Whether the page that sends a request may use the doors.
    ///
    /// # Errors
    /// `forbidden` for a page of another origin that is not allowed.
    pub fn cors(&self, headers: &HeaderMap) -> Result<Cors, ErrorBody> {
        let Some(page) = headers.get(header::ORIGIN) else {
            return Ok(Cors::default());
        };
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let host = headers.get(header::HOST).and_then(text);
        let origin = text(page).unwrap_or_default();
        if !origin::is_allowed(
            Some(&origin),
            host.as_deref(),
            &self.settings.allowed_origins,
        ) {
            self.context.metrics.refuse("origin");
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "pages of this origin may not connect; see server.allowed_origins",
            ));
        }
        Ok(Cors(vec![
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, page.clone()),
            (
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            ),
            (
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED),
            ),
            (header::VARY, HeaderValue::from_static("Origin")),
        ]))
    }

    /// Counts one more line from a request's address.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where there are as many as may be.
    pub fn enter(&self, request: &HttpRequest) -> Result<IpAddr, ErrorBody> {
        let address = address(request);
        let settings = &self.settings;
        self.context
            .census
            .enter(
                address,
                settings.connections_max,
                settings.connections_per_address_max,
            )
            .map_err(|bound| {
                self.context.metrics.refuse(bound);
                let code = match bound {
                    "connections_max" => ErrorCode::Unavailable,
                    _ => ErrorCode::TooMany,
                };
                ErrorBody::new(
                    code,
                    "there are as many connections as may be; try again later",
                )
            })?;
        Ok(address)
    }

    /// Reads the body of a request whole.
    ///
    /// # Errors
    /// `too_large`, and `bad_json` for what is no text.
    pub async fn body(&self, payload: web::Payload) -> Result<String, ErrorBody> {
        let max = self.settings.max_message_bytes;
        let body = match payload.to_bytes_limited(max).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                return Err(ErrorBody::new(
                    ErrorCode::BadMessage,
                    "the body of the request did not come whole",
                ));
            }
            Err(_) => return Err(self.too_large()),
        };
        String::from_utf8(body.into())
            .map_err(|_| ErrorBody::new(ErrorCode::BadJson, "the body is not UTF-8"))
    }

    /// Holds what came in place of a body to a body's length.
    ///
    /// # Errors
    /// `too_large`.
    pub fn bounded(&self, text: String) -> Result<String, ErrorBody> {
        if text.len() > self.settings.max_message_bytes {
            return Err(self.too_large());
        }
        Ok(text)
    }

    fn too_large(&self) -> ErrorBody {
        let max = self.settings.max_message_bytes;
        ErrorBody::new(
            ErrorCode::TooLarge,
            format!("the body of a request may have {max} bytes (server.max_message_bytes)"),
        )
        .with("max", max as u64)
    }

    /// The place and the gateway of a name.
    #[must_use]
    pub fn locate(&self, id: SessionId) -> Option<(Place, &Addr<Gateway>)> {
        let place = self.context.peers.locate(id)?;
        Some((place, self.context.peers.gateway_of(place)?))
    }
}

/// Whose request it is.
#[must_use]
pub fn address(request: &HttpRequest) -> IpAddr {
    request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

/// The session that a request names by header or cookie.
#[must_use]
pub fn session_of(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(SESSION_HEADER) {
        return Some(value.to_str().unwrap_or_default().to_owned());
    }
    cookie(headers, SESSION_HEADER)
}

/// A cookie's value (RFC 6265 section 4.2).
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// An answer with the headers that all doors' answers have.
pub fn prepare(mut builder: HttpResponseBuilder, cors: &Cors) -> HttpResponseBuilder {
    builder
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    for header in cors.headers() {
        builder.insert_header(header);
    }
    builder
}

/// An error as an answer.
#[must_use]
pub fn refuse(error: &ErrorBody, cors: &Cors) -> HttpResponse {
    let mut builder = prepare(HttpResponse::build(fault::status(error.code)), cors);
    if matches!(error.code, ErrorCode::Unavailable | ErrorCode::TooMany) {
        builder.insert_header((header::RETRY_AFTER, "5"));
    }
    if error.code == ErrorCode::Unauthorized {
        builder.insert_header((header::WWW_AUTHENTICATE, fault::CHALLENGE));
    }
    builder.json(fault::body(error))
}

/// An answer to a request whose method is not one of `allowed`.
#[must_use]
pub fn wrong_method(allowed: &'static str, cors: &Cors) -> HttpResponse {
    let error = ErrorBody::new(
        ErrorCode::BadMessage,
        format!("this is for {allowed} requests"),
    );
    prepare(HttpResponse::MethodNotAllowed(), cors)
        .insert_header((header::ALLOW, allowed))
        .json(fault::body(&error))
}

/// The answer to a browser that asks what a page of another origin may do.
#[must_use]
pub fn preflight(allowed: &'static str, cors: &Cors) -> HttpResponse {
    prepare(HttpResponse::NoContent(), cors)
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, allowed))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type, Turntable-Session, Last-Event-ID",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}

/// The answer to a body of a wrong type (415); `None` for JSON, and for what
/// plain tools send it as.
#[must_use]
pub fn wrong_type(headers: &HeaderMap, cors: &Cors) -> Option<HttpResponse> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let essence = value.to_str().unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim();
    let known = [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ];
    if known
        .iter()
        .any(|known| known.eq_ignore_ascii_case(essence))
    {
        return None;
    }
    let error = ErrorBody::new(
        ErrorCode::BadMessage,
        "the body has to be JSON; accepted types are application/json and text/plain, \
         and application/x-www-form-urlencoded as curl -d says",
    );
    Some(prepare(HttpResponse::UnsupportedMediaType(), cors).json(fault::body(&error)))
}
