//! Requests to other servers: backends that check credentials or provide services, and
//! key sets.
//!
//! One client has a pool of connections, HTTP/1.1 over TCP or TLS. Redirects are not
//! followed and proxies of the environment are not used, so a request goes to the host
//! of the configuration or nowhere. Certificates are those that the system trusts; where
//! `SSL_CERT_FILE` names a file, those in it instead. Every answer is limited in time and in bytes.

pub mod breaker;
pub mod endpoint;

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

pub use bytes::Bytes;
use endpoint::Endpoint;

/// Idle connections to one host.
const IDLE_MAX: usize = 32;
/// How long a connection stays open for another request. Most servers close theirs later.
const IDLE: Duration = Duration::from_secs(30);

const AGENT: &str = concat!("turntable/", env!("CARGO_PKG_VERSION"));

/// What is spent on one answer at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// From the request to the last byte of the answer.
    pub timeout: Duration,
    /// Bytes of its body.
    pub bytes_max: usize,
}

/// The answer of a server, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, 200 for example.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no connection, or it ended before the answer did.
    #[error("{0}")]
    Connection(String),
    /// The answer took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer is too long.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// A client with its pool of connections. Its requests run on the tokio runtime that
/// awaits the first of them; a clone shares the pool.
#[derive(Debug, Clone)]
pub struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpClient {
    /// A client that trusts the certificates that the system trusts.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new() -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        // Some that cannot be read are no reason to trust none of the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = rustls::crypto::ring::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Ok(Self(client))
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&self, from: &Endpoint, limits: AnswerLimits) -> Result<Answer, Failure> {
        self.send(Method::GET, from, &[], Bytes::new(), limits)
            .await
    }

    /// Sends a document, with these headers beside the usual ones.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn post(
        &self,
        to: &Endpoint,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        limits: AnswerLimits,
    ) -> Result<Answer, Failure> {
        self.send(Method::POST, to, headers, body, limits).await
    }

    async fn send(
        &self,
        method: Method,
        to: &Endpoint,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        limits: AnswerLimits,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = to.uri().clone();
        let all = request.headers_mut();
        all.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in headers {
            all.insert(name, value.clone());
        }
        tokio::time::timeout(limits.timeout, self.answer(request, limits.bytes_max))
            .await
            .unwrap_or(Err(Failure::Timeout(limits.timeout)))
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let answer = self.0.request(request).await.map_err(connection)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, bytes_max).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => Failure::TooLarge(bytes_max),
            false => Failure::Connection(error.to_string()),
        })?;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

/// The error with its causes; the outermost says little.
fn connection(error: hyper_util::client::legacy::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    Failure::Connection(text)
}

#[cfg(test)]
mod tests;
