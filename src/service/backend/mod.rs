//! Backends: services with a `url`, which the server calls.
//!
//! A backend is a local service to its owner. While it cannot be called it offers no
//! functions; the owner is notified whenever that changes, and clients get it.

mod http;
mod socketio;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::cluster::owners::Owners;
use crate::http_client::HttpClient;
use crate::opaque::DEPTH_MAX;
use crate::service::{LocalService, LocalServices};
use turntable_core::call::ServiceCall;
use turntable_core::model::service::{Protocol, ServiceSettings};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Tells the owner of a service that its backend is up or down.
#[derive(Debug, Clone)]
struct Reporter {
    name: Box<str>,
    owners: Arc<dyn Owners>,
}

impl Reporter {
    fn changed(&self) {
        self.owners.service(&self.name, ServiceCall::Look);
    }
}

/// A backend that runs.
struct Running {
    settings: ServiceSettings,
    service: Arc<dyn LocalService>,
}

/// The backends of the configuration in force.
pub struct Backends {
    owners: Arc<dyn Owners>,
    client: Mutex<Option<HttpClient>>,
    running: Mutex<BTreeMap<String, Running>>,
}

impl std::fmt::Debug for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = self.running.lock();
        f.debug_set().entries(running.keys()).finish()
    }
}

impl Backends {
    /// None; `owners` hear of those that [`Backends::beside`] begins.
    #[must_use]
    pub fn new(owners: Arc<dyn Owners>) -> Self {
        Self {
            owners,
            client: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// The backends of these settings, beside the services of the program. One whose
    /// settings are as before goes on; the others begin anew, and those that are not
    /// named any more end.
    ///
    /// # Errors
    /// A URL that is none, or TLS that cannot be set up.
    pub fn beside(
        &self,
        own: &LocalServices,
        services: &BTreeMap<String, ServiceSettings>,
    ) -> anyhow::Result<LocalServices> {
        let mut all = own.clone();
        let mut running = self.running.lock();
        let mut next = BTreeMap::new();
        for (name, settings) in services.iter().filter(|(_, s)| !s.url.is_empty()) {
            let service = match running.get(name) {
                Some(known) if known.settings == *settings => known.service.clone(),
                _ => self.begin(name, settings, &mut all)?,
            };
            all.insert(name.as_str(), service.clone());
            let settings = settings.clone();
            next.insert(name.clone(), Running { settings, service });
        }
        *running = next;
        Ok(all)
    }

    fn begin(
        &self,
        name: &str,
        settings: &ServiceSettings,
        all: &mut LocalServices,
    ) -> anyhow::Result<Arc<dyn LocalService>> {
        let thread = all.thread()?;
        let reporter = Reporter {
            name: name.into(),
            owners: self.owners.clone(),
        };
        Ok(match settings.protocol {
            Protocol::Http => {
                let client = self.client()?;
                let backend = http::HttpBackend::new(reporter, settings, client, thread);
                Arc::new(backend.map_err(anyhow::Error::msg)?)
            }
            Protocol::SocketIo => {
                let backend = socketio::SocketIoBackend::begin(reporter, settings, &thread);
                Arc::new(backend.map_err(anyhow::Error::msg)?)
            }
        })
    }

    fn client(&self) -> anyhow::Result<HttpClient> {
        let mut client = self.client.lock();
        if client.is_none() {
            *client = Some(HttpClient::new()?);
        }
        let made = client.as_ref().map(HttpClient::clone);
        made.ok_or_else(|| anyhow::anyhow!("there is no HTTP client"))
    }

    /// Has the owners of these services look at what the server provides.
    pub fn look(&self, services: &BTreeMap<String, ServiceSettings>) {
        for name in services.keys() {
            self.owners.service(name, ServiceCall::Look);
        }
    }
}

/// The address of a backend in the configuration.
///
/// # Errors
/// A sentence with what is wrong and what is accepted.
pub fn check_url(settings: &ServiceSettings) -> Result<(), String> {
    match settings.protocol {
        Protocol::Http => crate::http_client::endpoint::Endpoint::parse(&settings.url).map(drop),
        Protocol::SocketIo => socketio::address::Address::parse(&settings.url).map(drop),
    }
}

fn down(message: impl Into<Box<str>>) -> ErrorBody {
    ErrorBody::new(ErrorCode::ServiceDown, message)
}

fn nonsense(message: impl std::fmt::Display) -> ErrorBody {
    let message = format!("the answer of the service could not be read: {message}");
    ErrorBody::new(ErrorCode::Internal, message)
}
