//! How a client connects, and as whom.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::http::Uri;

use turntable_core::id::UserId;
use turntable_core::payload::Payload;

pub use crate::backoff::Reconnect;
use crate::client::Client;
use crate::error::Error;

/// How long a command waits for its answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Commands that wait to be sent, and events that wait to be taken.
const QUEUE_MAX: usize = 1_000;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// JSON, `turntable.v1.json`.
    #[default]
    Json,
    /// MessagePack, `turntable.v2.msgpack`: fewer bytes.
    MessagePack,
}

/// An error of a program's own function.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Requested = Pin<Box<dyn Future<Output = Result<Value, BoxError>> + Send>>;

/// The credentials of a claim.
#[derive(Clone, Default)]
pub(crate) enum Credentials {
    #[default]
    None,
    /// Those of a guest that the server issues.
    Guest,
    /// The same each time.
    Fixed(Value),
    /// Requested before each identification, and before they expire.
    Requested(Arc<dyn Fn() -> Requested + Send + Sync>),
}

/// Whether credentials can be requested again.
impl Credentials {
    pub(crate) const fn is_renewable(&self) -> bool {
        matches!(self, Self::Requested(_))
    }

    pub(crate) const fn is_guest(&self) -> bool {
        matches!(self, Self::Guest)
    }

    /// The server accepted others, by hand. Those that are requested are requested again.
    pub(crate) fn replace(&mut self, accepted: &Payload) {
        if self.is_renewable() {
            return;
        }
        if let Ok(value) = serde_json::from_str::<Value>(accepted.as_json()) {
            *self = Self::Fixed(lasting(value));
        }
    }

    /// The server accepted these.
    pub(crate) fn accepted(&mut self) {
        if let Self::Fixed(value) = self {
            *value = lasting(value.take());
        }
    }

    /// The credentials now.
    pub(crate) async fn get(&self) -> Result<Option<Payload>, String> {
        let value = match self {
            Self::None => return Ok(None),
            Self::Guest => serde_json::json!({ "guest": true }),
            Self::Fixed(value) => value.clone(),
            Self::Requested(ask) => ask().await.map_err(|error| error.to_string())?,
        };
        Ok(Some(value.into()))
    }
}

/// What accepted credentials are at later identifications: of a change of the password the
/// new one, and a user that was made is not made again.
fn lasting(mut credentials: Value) -> Value {
    if let Some(all) = credentials.as_object_mut() {
        all.remove("sign_up");
        if let Some(password) = all.remove("new_password") {
            all.insert("password".to_owned(), password);
        }
    }
    credentials
}

/// Makes a [`Client`]. Begins with [`Client::builder`].
#[must_use]
#[derive(Clone)]
pub struct ClientBuilder {
    pub(crate) url: String,
    pub(crate) user: Option<String>,
    pub(crate) credentials: Credentials,
    pub(crate) attributes: Vec<(Box<str>, Payload)>,
    pub(crate) encoding: Encoding,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) reconnect: Option<Reconnect>,
    pub(crate) timeout: Duration,
    pub(crate) queue_max: usize,
}

impl std::fmt::Debug for ClientBuilder {
    /// Without the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            user: None,
            credentials: Credentials::None,
            attributes: Vec::new(),
            encoding: Encoding::default(),
            tls: None,
            reconnect: Some(Reconnect::default()),
            timeout: TIMEOUT,
            queue_max: QUEUE_MAX,
        }
    }

    /// The user to identify as, as `service:forum`; it may be omitted where the
    /// credentials say it.
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user = Some(id.into());
        self
    }

    /// The credential of a service, `{"token": TOKEN}` (`services.NAME.token` of the
    /// server's configuration), or of another checker that takes a token.
    pub fn token(self, token: impl Into<String>) -> Self {
        self.credentials(serde_json::json!({ "token": token.into() }))
    }

    /// A guest: the server issues the user. The client comes back as the same one, and
    /// [`Client::token`] is what another client needs for that.
    pub fn guest(mut self) -> Self {
        self.credentials = Credentials::Guest;
        self
    }

    /// Credentials of any form: `{"password": ...}`, `{"sessionId": ...}`.
    pub fn credentials(mut self, credentials: Value) -> Self {
        self.credentials = Credentials::Fixed(credentials);
        self
    }

    /// A function that returns credentials before each identification, and before
    /// those that expire do.
    pub fn credentials_from<F, R>(mut self, ask: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, BoxError>> + Send + 'static,
    {
        self.credentials = Credentials::Requested(Arc::new(move || Box::pin(ask())));
        self
    }

    /// An attribute that the user has from its identification on.
    ///
    /// # Errors
    /// [`Error::Encode`] if it cannot be written as JSON.
    pub fn attribute(mut self, name: &str, value: &impl Serialize) -> Result<Self, Error> {
        self.attributes.push((name.into(), encode(value)?));
        Ok(self)
    }

    /// How messages are written; JSON by default.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The settings of TLS for `wss://`; without them the certificates that the system trusts
    /// are trusted.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// The bounds of the delays between two attempts to connect, 0.2 to 20 s by default;
    /// `None`: the first lost connection ends the client.
    pub fn reconnect(mut self, reconnect: impl Into<Option<Reconnect>>) -> Self {
        self.reconnect = reconnect.into();
        self
    }

    /// How long a command waits for its answer, while there is no connection too; 10 s by
    /// default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many commands may wait to be sent, and how many events to be taken; 1,000 by
    /// default. Further commands wait in their callers, and further events replace the
    /// oldest ([`Event::Missed`](crate::Event::Missed)).
    pub fn queue_max(mut self, max: usize) -> Self {
        self.queue_max = max.max(1);
        self
    }

    /// Begins to connect, within a Tokio runtime. Commands wait for the connection.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::InvalidId`], [`Error::Tls`].
    pub fn start(mut self) -> Result<Client, Error> {
        let uri: Uri = self.url.parse().map_err(|_| self.invalid())?;
        if !matches!(uri.scheme_str(), Some("ws" | "wss")) || uri.host().is_none() {
            return Err(self.invalid());
        }
        if self.tls.is_none() && uri.scheme_str() == Some("wss") {
            self.tls = Some(trusted()?);
        }
        let user = self.user.as_deref().map(UserId::parse).transpose()?;
        Ok(Client::begin(self, uri, user))
    }

    /// Connects, and waits until the server has accepted the client. A server that
    /// cannot be reached is tried again and again.
    ///
    /// # Errors
    /// As [`ClientBuilder::start`]; [`Error::Ended`] if the server refuses the client.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.start()?;
        client.online().await?;
        Ok(client)
    }

    fn invalid(&self) -> Error {
        Error::InvalidUrl(self.url.clone())
    }
}

/// Settings of TLS that trust what the system trusts.
fn trusted() -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    // Some that cannot be read are no reason to trust none of the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// A value as opaque data.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Payload, Error> {
    let text = serde_json::to_string(value).map_err(Error::encode)?;
    Ok(Payload::from_json(&text))
}
