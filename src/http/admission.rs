//! What every request has to pass, whatever its transport: origin, connection
//! limits, size; and what all answers have in common.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_http::RequestHead;
use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use crate::clock;
use crate::cluster::request::Ticket;
use crate::gateway::admission::Permit;
use crate::gateway::peers::Target;
use crate::gateway::{Gateway, Shared};
use crate::http::origin::{Accepted, Foreign};
use crate::http::settings::HttpSettings;
use crate::http::takeable::{Peer, Takeable};
use crate::http::{fault, network, origin};
use crate::log_limit::LogLimit;
use crate::watched::Watched;
use turntable_core::id::SessionId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Every client may use a wrong name, and every page may try.
static HOSTS: LogLimit = LogLimit::new();
static ORIGINS: LogLimit = LogLimit::new();

/// Which attempt of its client to have its session a request belongs to, where it counts
/// them (parameter `attempt`).
///
/// # Errors
/// `bad_message` for anything but a number.
pub fn attempt(text: Option<&str>) -> Result<Option<u32>, ErrorBody> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| {
        let message = "attempt is a whole number below 4294967296";
        ErrorBody::new(ErrorCode::BadMessage, message)
    })
}

/// The header, cookie or parameter that names a session.
pub const SESSION_HEADER: &str = "Turntable-Session";

/// What the routes of a worker need. Each request has its own, so it is a pointer that no
/// other worker counts.
#[derive(Clone)]
pub struct Admission(Rc<AtWorker>);

impl Admission {
    /// That of a worker.
    #[must_use]
    pub fn new(at_worker: AtWorker) -> Self {
        Self(Rc::new(at_worker))
    }
}

impl Deref for Admission {
    type Target = AtWorker;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// What requests are admitted by and handed to.
pub struct AtWorker {
    /// The worker's gateway.
    pub gateway: Addr<Gateway>,
    /// What all gateways share.
    pub shared: Arc<Shared>,
    /// The settings in force.
    pub settings: Arc<Watched<HttpSettings>>,
}

/// The headers that let a page of another origin read an answer.
#[derive(Debug, Clone, Default)]
pub struct Cors(Vec<(HeaderName, HeaderValue)>);

/// What other origins' pages may read of an answer's headers.
const EXPOSED: &str = "Turntable-Session, Turntable-Tunnel, Turntable-Waiting";

impl Cors {
    /// The headers of an answer.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.0.iter().cloned()
    }

    /// Those that let a page read why it is refused, and nothing of its user's.
    #[must_use]
    pub fn of_refused(headers: &HeaderMap) -> Self {
        let mut origins = headers.get_all(header::ORIGIN);
        let origin = origins.next().cloned();
        let is_one = origins.next().is_none();
        let origin = origin.filter(|page| is_one && !page.is_empty());
        let origin = origin.map(|page| (header::ACCESS_CONTROL_ALLOW_ORIGIN, page));
        let vary = (header::VARY, HeaderValue::from_static("Origin"));
        Self(origin.into_iter().chain([vary]).collect())
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

impl Admission {
    /// Checks the page that sends a request, over any transport, and the name by
    /// which it calls the server.
    ///
    /// # Errors
    /// Why the page may not connect.
    pub fn check_page(&self, head: &RequestHead, is_tls: bool) -> Result<(), Foreign> {
        let server = &self.settings.get().server;
        let accepted = Accepted {
            origins: &server.allowed_origins,
            hosts: &server.hosts,
            is_tls,
        };
        accepted
            .check(&head.uri, head.headers())
            .inspect_err(|foreign| {
                self.shared.metrics.refuse(foreign.label());
                advise(foreign);
            })
    }

    /// Checks the origin of a request. Returns the headers of its answer.
    ///
    /// # Errors
    /// `forbidden` for a page of another origin that is not allowed.
    pub fn cors(&self, request: &HttpRequest) -> Result<Cors, ErrorBody> {
        let (head, is_tls) = (request.head(), is_tls(request));
        self.check_page(head, is_tls)
            .map_err(|foreign| foreign.error())?;
        let Some(page) = head.headers().get(header::ORIGIN) else {
            return Ok(Cors::default());
        };
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

    /// Counts one more connection from a request's address.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where a limit is reached.
    pub fn admit(&self, request: &HttpRequest) -> Result<Permit, ErrorBody> {
        let socket = request.conn_data::<Takeable>();
        let mark = socket.and_then(Takeable::mark);
        self.shared.admit(self.address(request), mark)
    }

    /// The same for a client that comes back to a session.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where a limit is reached.
    pub fn admit_back(&self, request: &HttpRequest) -> Result<Permit, ErrorBody> {
        let socket = request.conn_data::<Takeable>();
        let mark = socket.and_then(Takeable::mark);
        self.shared.admit_back(self.address(request), mark)
    }

    /// The address of the client.
    #[must_use]
    pub fn address(&self, request: &HttpRequest) -> IpAddr {
        let socket = request.conn_data::<Takeable>();
        let peer = socket.map(Takeable::peer);
        self.client(peer, request.headers())
    }

    /// The address of a client, directly or behind a proxy.
    #[must_use]
    pub fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> IpAddr {
        match peer {
            Some(peer) if peer.is_proxy => {
                let server = &self.settings.get().server;
                let (proxies, header) = (&server.trusted_proxies, server.forwarded_header);
                network::client(peer.address, headers, proxies, header)
            }
            Some(peer) => peer.address,
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// Whether the client's browser speaks TLS, with this server or the proxy in front: its
    /// page, or a trusted proxy, says so.
    #[must_use]
    pub fn is_https(&self, request: &HttpRequest) -> bool {
        let socket = request.conn_data::<Takeable>();
        self.is_https_head(request.headers(), socket.map(Takeable::peer))
    }

    /// Whether a request with these headers came over TLS.
    pub(super) fn is_https_head(&self, headers: &HeaderMap, peer: Option<Peer>) -> bool {
        let is_proxy = peer.is_some_and(|peer| peer.is_proxy);
        // A proxy may speak TLS with the server, and not with the browser.
        if !is_proxy && peer.is_some_and(|peer| peer.is_tls) {
            return true;
        }
        let page = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        if page.is_some_and(|page| page.starts_with(b"https://")) {
            return true;
        }
        let header = self.settings.get().server.forwarded_header;
        is_proxy && network::is_https(headers, header)
    }

    /// Waits while a worker is behind (`server.mailbox_max`), as sockets do, before commands
    /// that came in a request are handed over. The ticket is for the gateway to drop.
    ///
    /// # Errors
    /// `unavailable` where that takes too long.
    pub async fn ticket(&self, commands: usize) -> Result<Option<Ticket>, ErrorBody> {
        if commands == 0 {
            return Ok(None);
        }
        let settings = self.shared.settings.get();
        let paused = &self.shared.metrics.requests_paused;
        let mailboxes = &self.shared.mailboxes;
        let ticket = mailboxes.ticket(commands, settings.mailbox_max, paused);
        let limit = Duration::from_millis(settings.session.answer_timeout_ms);
        timeout(limit, ticket).await.map(Some).map_err(|_| {
            self.shared.metrics.refuse("mailbox_max");
            let message = "the server is behind (server.mailbox_max); try again later";
            ErrorBody::new(ErrorCode::Unavailable, message)
        })
    }

    /// Applies the limit of a body to what came in place of one.
    ///
    /// # Errors
    /// `too_large`.
    pub fn bounded(&self, text: String) -> Result<String, ErrorBody> {
        if text.len() > self.settings.get().server.max_message_bytes {
            return Err(self.too_large());
        }
        Ok(text)
    }

    pub(super) fn too_large(&self) -> ErrorBody {
        let max = self.settings.get().server.max_message_bytes;
        ErrorBody::new(
            ErrorCode::TooLarge,
            format!("the body of a request may have {max} bytes (server.max_message_bytes)"),
        )
        .with("max", max as u64)
    }

    /// Why a gateway dropped a request that it was handed: the server ends and may be saving its
    /// sessions, or what the request was for is over.
    #[must_use]
    pub fn dropped(&self, over: ErrorBody) -> ErrorBody {
        match self.shared.phase.is_ending() {
            true => self.shared.phase.refusal(),
            false => over,
        }
    }

    /// Where a name leads, and the gateway there.
    #[must_use]
    pub fn locate(&self, id: SessionId) -> Option<(Target, &Addr<Gateway>)> {
        let target = self.shared.peers.locate(id)?;
        Some((target, self.shared.peers.gateway_of(target)?))
    }
}

/// Whether a request came on a connection of its client with TLS.
#[must_use]
pub fn is_tls(request: &HttpRequest) -> bool {
    let socket = request.conn_data::<Takeable>();
    socket.is_some_and(|socket| socket.peer().is_tls)
}

/// Logs which key of the configuration admits a client that was refused for the name that it
/// used, or for the origin of its page.
pub fn advise(foreign: &Foreign) {
    let limit = match foreign {
        Foreign::Host(_) => &HOSTS,
        Foreign::Origin(_) => &ORIGINS,
        _ => return,
    };
    let Some(left_out) = limit.admit(clock::now_ms()) else {
        return;
    };
    match foreign {
        Foreign::Host(host) => log::info!(
            "refused a request for another host; if that is this server, add to [server]: \
             hosts = [{:?}]{left_out}",
            origin::name_of(host)
        ),
        Foreign::Origin(origin) if origin == "null" => log::info!(
            "refused a request of a page without an origin (a file, or a sandboxed frame); serve \
             the page over HTTP{left_out}"
        ),
        Foreign::Origin(origin) => log::info!(
            "refused a request of a page of another origin; if that may connect, add to \
             [server]: allowed_origins = [{:?}]{left_out}",
            &**origin
        ),
        _ => {}
    }
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
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// An answer with the headers that all transports' answers have.
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
    log::debug!("a request is refused: {}", error.message);
    let mut builder = prepare(HttpResponse::build(fault::status(error.code)), cors);
    if let Some(seconds) = fault::retry_after(error.code) {
        builder.insert_header((header::RETRY_AFTER, seconds));
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
        format!("the methods of this path are {allowed}"),
    );
    prepare(HttpResponse::MethodNotAllowed(), cors)
        .insert_header((header::ALLOW, allowed))
        .json(fault::body(&error))
}

/// The answer to a preflight request of a page of another origin.
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

/// Whether a body is encoded in any way.
#[must_use]
pub fn is_compressed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING);
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The answer to a body of a wrong type (415); `None` for JSON and for the types
/// as which plain tools send it.
#[must_use]
pub fn wrong_type(headers: &HeaderMap, cors: &Cors) -> Option<HttpResponse> {
    if is_compressed(headers) {
        let message = "the body must not be compressed; leave Content-Encoding out";
        let error = ErrorBody::new(ErrorCode::BadMessage, message);
        let mut answer = prepare(HttpResponse::UnsupportedMediaType(), cors);
        return Some(
            answer
                .insert_header((header::ACCEPT_ENCODING, "identity"))
                .json(fault::body(&error)),
        );
    }
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
        "the body must be JSON; accepted types are application/json and text/plain, \
         and application/x-www-form-urlencoded as curl -d says",
    );
    Some(prepare(HttpResponse::UnsupportedMediaType(), cors).json(fault::body(&error)))
}
