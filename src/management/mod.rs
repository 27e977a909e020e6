//! The operator's interface: the console, metrics, health and calls of services, on a
//! separate listener.
//!
//! Each page answers GET and HEAD: load balancers and uptime checks send either.

pub mod access;
pub mod audit_log;
pub mod client;
pub mod configuration;
pub mod in_force;
pub mod role;
pub(crate) mod rpc;
pub mod settings;

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::ALLOW;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::clock;
use crate::cluster::mailbox::Silent;
use crate::gateway::Shared;
use crate::http::pages;
use crate::metric::Metrics;
use crate::metric::past::Past;
use crate::store::Store;
use crate::store::health::Health;
use crate::watched::Watched;
use access::Caller;
use audit_log::{AuditLog, Change};
use configuration::Configuration;
use in_force::OperatorSettings;
use turntable_core::packet::ErrorBody;

/// The media type of OpenMetrics, which Prometheus reads.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The state of the listener.
#[derive(Debug, Clone)]
pub struct Management {
    registry: Arc<Registry>,
    /// What some metrics were in the last minutes.
    past: Arc<Past>,
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    /// The configuration of the server.
    configuration: Arc<dyn Configuration>,
    /// What of it is in force here.
    in_force: Arc<Watched<OperatorSettings>>,
    /// What operators changed.
    audit_log: Arc<AuditLog>,
    /// Entries of one answer that lists, for this request.
    list_max: usize,
    /// Where clients reach this server, as a URL, for this request.
    url: Arc<str>,
}

impl Management {
    /// The listener of a server with these metrics, users and configuration.
    #[must_use]
    pub fn new(
        registry: Registry,
        (shared, store): (Arc<Shared>, Arc<dyn Store>),
        configuration: Arc<dyn Configuration>,
        in_force: Arc<Watched<OperatorSettings>>,
    ) -> Self {
        let now = in_force.get();
        Self {
            registry: Arc::new(registry),
            past: Arc::new(Past::new(&shared.metrics)),
            shared,
            store,
            configuration,
            audit_log: Arc::default(),
            list_max: now.list_max,
            url: now.url.clone(),
            in_force,
        }
    }

    /// The metrics of the server.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        self.shared.metrics.clone()
    }

    /// What they were in the last minutes. It has what is sampled.
    #[must_use]
    pub fn past(&self) -> Arc<Past> {
        self.past.clone()
    }

    /// What of the configuration is in force here.
    #[must_use]
    pub fn in_force(&self) -> Arc<Watched<OperatorSettings>> {
        self.in_force.clone()
    }

    /// The same with the settings that are in force now, for one request.
    fn now(&self) -> Self {
        let now = self.in_force.get();
        Self {
            list_max: now.list_max,
            url: now.url.clone(),
            ..self.clone()
        }
    }

    /// An operator changed something.
    fn add_change(&self, change: Change) {
        let max = self.in_force.get().audit_entries_max;
        self.audit_log.add(change, max);
    }

    /// The caller of a request.
    fn caller(&self, request: &HttpRequest) -> Result<Caller, ErrorBody> {
        self.in_force.get().access.caller(request)
    }

    /// Adds the routes to an application.
    pub fn routes(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.clone()))
            .service(page("/metrics", metrics))
            .service(page("/health", ready))
            .service(page("/health/live", live))
            .service(page("/health/ready", ready))
            .service(page("/api", rpc::api))
            .service(page("/openapi.json", rpc::openapi))
            .app_data(web::PayloadConfig::new(rpc::BODY_BYTES_MAX))
            .service(
                web::resource("/rpc/{service}/{method}")
                    .route(web::post().to(rpc::post))
                    .default_service(web::to(takes_post)),
            )
            .configure(|config| {
                for path in pages::console_paths() {
                    config.service(page(&path, pages::console));
                }
                for name in rpc::services() {
                    config.service(service(&format!("/{name}/{{rest:.*}}")));
                }
            })
            .default_service(web::to(not_found));
    }
}

/// A page at `path`, for GET and HEAD.
fn page<P, F>(path: &str, of: F) -> Resource
where
    F: Handler<P>,
    F::Output: Responder + 'static,
    P: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(of.clone()))
        .route(web::head().to(of))
        .default_service(web::to(not_allowed))
}

/// A service whose methods are called with their arguments in the path.
fn service(path: &str) -> Resource {
    web::resource(path)
        .route(web::get().to(rpc::get))
        .default_service(web::to(not_allowed))
}

async fn takes_post() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, "POST"))
        .json(serde_json::json!({
            "error": {"code": "bad_message", "message": "calls are sent with POST"}
        }))
}

async fn metrics(management: web::Data<Management>, request: HttpRequest) -> HttpResponse {
    if let Err(error) = management.caller(&request) {
        return rpc::refused(&error);
    }
    management.shared.mailboxes.survey_silent(Instant::now());
    let mut text = String::new();
    match encode(&mut text, &management.registry) {
        Ok(()) => HttpResponse::Ok().content_type(OPENMETRICS).body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "live"}))
}

async fn ready(management: web::Data<Management>) -> HttpResponse {
    let shared = &management.shared;
    let health = management.store.health();
    let silent = shared.mailboxes.silent(Instant::now());
    let is_any_left = silent.len() < shared.mailboxes.workers();
    let refusing = refusing(shared, health, is_any_left);
    let mut status = serde_json::Map::new();
    status.insert("status".into(), refusing.unwrap_or("ready").into());
    if refusing.is_none() && health != Health::Sound {
        status.insert("store".into(), health.name().into());
    }
    if !silent.is_empty() {
        let silent = silent.into_iter().map(silent_worker).collect();
        status.insert("workers_silent".into(), silent);
    }
    match refusing {
        Some(_) => HttpResponse::ServiceUnavailable().json(status),
        None => HttpResponse::Ok().json(status),
    }
}

/// A worker that does not answer, and since when, Unix ms.
fn silent_worker(Silent { worker, time }: Silent) -> serde_json::Value {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let since_ms = clock::now_ms().saturating_sub(ms);
    serde_json::json!({"worker": worker.0, "since_ms": since_ms})
}

/// Why a server takes no clients, if it takes none. One that has workers that answer takes some:
/// clients of these have no use of an answer that sends new ones away.
fn refusing(shared: &Shared, health: Health, answers: bool) -> Option<&'static str> {
    match () {
        () if shared.phase.refuses_clients() => Some("draining"),
        () if !shared.gate.is_open() => Some("restoring"),
        () if shared.overload.is_refusing() => Some("overloaded"),
        () if health == Health::Closed => Some("store_closed"),
        () if !answers => Some("workers_silent"),
        () => None,
    }
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({
        "error": {
            "code": "not_found",
            "message": "unknown path; accepted are /, /metrics, /health, /health/live, /health/ready, /api, /openapi.json, /rpc/SERVICE/METHOD and /SERVICE/METHOD/ARG1/ARG2",
        }
    }))
}

async fn not_allowed(request: HttpRequest) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, "GET, HEAD"))
        .json(serde_json::json!({
            "error": {
                "code": "bad_message",
                "message": format!("{} takes GET and HEAD", request.path()),
            }
        }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::{Noted, gateway, shared_of};

    #[test]
    fn server_that_restores_sessions_is_not_ready() {
        let gateway = gateway(0, &Arc::new(Noted::default()));
        let shared = shared_of(&gateway);
        assert_eq!(refusing(shared, Health::Sound, true), None);
        shared.gate.close();
        assert_eq!(refusing(shared, Health::Sound, true), Some("restoring"));
        shared.gate.open();
        assert_eq!(refusing(shared, Health::Sound, true), None);
        let closed = refusing(shared, Health::Closed, true);
        assert_eq!(closed, Some("store_closed"));
        let silent = refusing(shared, Health::Sound, false);
        assert_eq!(silent, Some("workers_silent"));
    }
}
