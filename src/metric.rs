//! The metrics of the server.
//!
//! One set of counters for the whole process. Gateways count per turn and add the sums
//! once, so that a delivery needs no atomic operation. The management listener encodes
//! them; `docs/metrics.md` lists them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use turntable_core::key::WorkerId;
use turntable_core::limit::Limit;
use turntable_core::reason::{CloseReason, ErrorCode};

/// A label with one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Label {
    /// The label values.
    pub name: &'static str,
}

/// The label of a worker's metrics.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Worker {
    /// Its number.
    pub worker: u16,
}

/// The label of a service's metrics. Services are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServiceLabel {
    /// Its name.
    pub service: String,
}

/// The label of the errors of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServiceErrorLabel {
    /// The name of the service.
    pub service: String,
    /// The error code.
    pub code: &'static str,
}

/// What is counted of one service.
#[derive(Debug)]
pub struct ServiceMetrics {
    name: String,
    /// Calls.
    pub calls: Counter,
    /// Calls that were not answered yet.
    pub open: Gauge,
    /// Answers to no open call.
    pub discarded: Counter,
    errors: Family<ServiceErrorLabel, Counter>,
}

impl ServiceMetrics {
    /// A call was answered with an error.
    pub fn fail(&self, code: ErrorCode) {
        let (service, code) = (self.name.clone(), code.name());
        let label = ServiceErrorLabel { service, code };
        self.errors.get_or_create(&label).inc();
    }
}

/// All counters and gauges.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections now.
    pub connections: Gauge,
    /// HTTP connections now: those that did not become a WebSocket or a tunnel.
    pub http_connections: Gauge,
    /// Connections now, by transport. Namespaces of Socket.IO count separately, although
    /// they share a connection.
    pub connections_by_transport: Family<Label, Gauge>,
    /// Connections accepted.
    pub accepted: Counter,
    /// Handshakes refused, by reason.
    pub refused: Family<Label, Counter>,
    /// Connections closed, by the name of the close reason.
    pub closed: Family<Label, Counter>,
    /// Sessions now, including those without a connection.
    pub sessions: Gauge,
    /// Sessions without a connection now; updated every second.
    pub detached: Gauge,
    /// Sessions without a connection that were removed to free memory.
    pub evicted: Counter,
    /// Sessions resumed.
    pub resumed: Counter,
    /// Commands accepted, by name.
    pub commands: Family<Label, Counter>,
    /// Errors sent, by code.
    pub errors: Family<Label, Counter>,
    /// What a limit refused or closed, by the key of the limit.
    pub limits: Family<Label, Counter>,
    /// Messages put into outboxes.
    pub deliveries: Counter,
    /// Bytes read from clients.
    pub received_bytes: Counter,
    /// Bytes written to clients.
    pub sent_bytes: Counter,
    /// Calls to write to a socket.
    pub writes: Counter,
    /// Bytes that wait in outboxes, by worker; updated every few seconds.
    pub outbox_bytes: Family<Worker, Gauge>,
    /// Bytes of answers that are retained for a repeated request, by worker; updated
    /// every few seconds.
    pub answer_bytes: Family<Worker, Gauge>,
    /// Resident memory of the process, in bytes; updated every second.
    pub resident_bytes: Gauge,
    /// Memory of the kernel for clients that do not read; updated every few seconds.
    pub send_buffer_bytes: Gauge,
    /// About memory: 0 nothing, 1 sessions are removed, 2 new clients are refused, too.
    pub memory_pressure: Gauge,
    /// Calls that wait at a worker, by worker.
    pub waiting_calls: Family<Worker, Gauge>,
    /// Deliveries that wait at a worker, by worker.
    pub waiting_deliveries: Family<Worker, Gauge>,
    /// How often a gateway stopped reading because a worker was behind.
    pub reading_paused: Counter,
    /// HTTP requests that waited because a worker was behind.
    pub requests_paused: Counter,
    /// Calls to services, by service.
    pub service_calls: Family<ServiceLabel, Counter>,
    /// Calls to services that were answered with an error, by service and code.
    pub service_errors: Family<ServiceErrorLabel, Counter>,
    /// Calls to services that were not answered yet, by service.
    pub service_open: Family<ServiceLabel, Gauge>,
    /// Answers to no open call, by service.
    pub service_discarded: Family<ServiceLabel, Counter>,
    /// Avatars, rooms and channels now.
    pub actors: Family<Label, Gauge>,
    /// Invites that can be answered, as their limits count them.
    pub invites: Gauge,
    /// Bytes of the messages that channels retain.
    pub history_bytes: Gauge,
    /// Users that are watched and have no avatar.
    pub absent_watched: Gauge,
    /// Bytes that a store in memory has of absent users.
    pub store_memory_bytes: Gauge,
    /// Loads and commits of the store that failed, or did not fit its queue.
    pub store_failures: Counter,
    /// Avatars whose factory failed.
    pub factory_failures: Counter,
    /// Webhooks, by what became of them.
    pub webhooks: Family<Label, Counter>,
    /// Webhooks that wait or are under way.
    pub webhooks_waiting: Gauge,
    /// Bytes that they take.
    pub webhooks_bytes: Gauge,
    /// Actors that failed and were replaced.
    pub actors_lost: Counter,
    /// Replacements that know again what gateways have of them.
    pub actors_recovered: Counter,
    /// Round trips of the pings to clients in rooms.
    pub ping_round_trip: Durations,
    /// The kernel's round trips of the same clients.
    pub kernel_round_trip: Durations,
    /// How far back their timestamps may lie.
    pub credit: Durations,
}

/// How many durations were how long.
#[derive(Debug, Clone)]
pub struct Durations(Histogram);

impl Durations {
    /// The upper limits of the buckets, in ms.
    const BUCKETS_MS: [f64; 10] = [
        5.0, 10.0, 20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0,
    ];

    /// Counts one, in ms.
    pub fn observe(&self, ms: f64) {
        self.0.observe(ms);
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new(Self::BUCKETS_MS))
    }
}

impl Metrics {
    /// Counts an error that was sent to a client, and the limit that it comes from.
    pub fn error(&self, code: ErrorCode, limit: Option<Limit>) {
        self.errors
            .get_or_create(&Label { name: code.name() })
            .inc();
        if let Some(limit) = limit {
            self.limit(limit);
        }
    }

    /// Counts something that a limit refused or closed.
    pub fn limit(&self, limit: Limit) {
        self.limits
            .get_or_create(&Label { name: limit.key() })
            .inc();
    }

    /// Counts a closed connection, and the limit where it is always the same one.
    pub fn close(&self, reason: CloseReason) {
        if let Some(limit) = Limit::of_close(reason) {
            self.limit(limit);
        }
        self.closed
            .get_or_create(&Label {
                name: reason.name(),
            })
            .inc();
    }

    /// Counts a refused handshake.
    pub fn refuse(&self, name: &'static str) {
        self.refused.get_or_create(&Label { name }).inc();
    }

    /// Counts a refusal because the limit of this key is reached.
    pub fn reach(&self, name: &'static str) {
        self.limits.get_or_create(&Label { name }).inc();
    }

    /// The gauge of the connections of one transport.
    #[must_use]
    pub fn connections_of(&self, transport: &'static str) -> Gauge {
        let label = Label { name: transport };
        self.connections_by_transport.get_or_create(&label).clone()
    }

    /// The gauge of one kind of actor.
    #[must_use]
    pub fn actors(&self, name: &'static str) -> Gauge {
        self.actors.get_or_create(&Label { name }).clone()
    }

    /// What is counted of one service.
    #[must_use]
    pub fn service(&self, name: &str) -> ServiceMetrics {
        let label = ServiceLabel {
            service: name.to_owned(),
        };
        ServiceMetrics {
            name: name.to_owned(),
            calls: self.service_calls.get_or_create(&label).clone(),
            open: self.service_open.get_or_create(&label).clone(),
            discarded: self.service_discarded.get_or_create(&label).clone(),
            errors: self.service_errors.clone(),
        }
    }

    /// The gauge of the waiting bytes in a worker's outboxes.
    #[must_use]
    pub fn waiting(&self, worker: WorkerId) -> Gauge {
        self.outbox_bytes
            .get_or_create(&Worker { worker: worker.0 })
            .clone()
    }

    /// The gauge of the bytes of the answers that a worker retains.
    #[must_use]
    pub fn answers(&self, worker: WorkerId) -> Gauge {
        self.answer_bytes
            .get_or_create(&Worker { worker: worker.0 })
            .clone()
    }

    /// The gauges of the calls and of the deliveries that wait at a worker.
    #[must_use]
    pub fn mailboxes(&self, worker: WorkerId) -> (Gauge, Gauge) {
        let label = Worker { worker: worker.0 };
        let gauge = |family: &Family<Worker, Gauge>| family.get_or_create(&label).clone();
        (gauge(&self.waiting_calls), gauge(&self.waiting_deliveries))
    }

    /// Registers all of them under their public names.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("turntable");
        let mut add = |name: &str, help: &str, metric: &dyn Registered| {
            metric.register(&mut registry, name, help);
        };
        add("connections", "Connections now", &self.connections);
        add("service_calls", "Calls to services", &self.service_calls);
        add(
            "service_errors",
            "Calls to services that were answered with an error",
            &self.service_errors,
        );
        add(
            "service_open",
            "Calls to services that were not answered yet",
            &self.service_open,
        );
        add(
            "service_discarded",
            "Answers of services to no open call",
            &self.service_discarded,
        );
        add(
            "http_connections",
            "HTTP connections now: those that did not become a WebSocket or a tunnel",
            &self.http_connections,
        );
        add(
            "connections_by_transport",
            "Connections now, by transport",
            &self.connections_by_transport,
        );
        add(
            "connections_accepted",
            "Connections accepted",
            &self.accepted,
        );
        add("handshakes_refused", "Handshakes refused", &self.refused);
        add("connections_closed", "Connections closed", &self.closed);
        add(
            "sessions",
            "Sessions now, including those without a connection",
            &self.sessions,
        );
        add(
            "sessions_detached",
            "Sessions without a connection now",
            &self.detached,
        );
        add(
            "sessions_evicted",
            "Sessions without a connection that were removed to free memory",
            &self.evicted,
        );
        add("sessions_resumed", "Sessions resumed", &self.resumed);
        add("commands", "Commands taken", &self.commands);
        add("errors", "Errors answered", &self.errors);
        add(
            "limits_reached",
            "Commands and connections that a limit refused or closed",
            &self.limits,
        );
        add("deliveries", "Messages put into outboxes", &self.deliveries);
        add("received_bytes", "Bytes read", &self.received_bytes);
        add("sent_bytes", "Bytes written", &self.sent_bytes);
        add("socket_writes", "Calls to write to a socket", &self.writes);
        add(
            "outbox_bytes",
            "Bytes that wait in outboxes",
            &self.outbox_bytes,
        );
        add(
            "answer_bytes",
            "Bytes of answers that are retained for a repeated request",
            &self.answer_bytes,
        );
        add(
            "resident_bytes",
            "Resident memory of the process",
            &self.resident_bytes,
        );
        add(
            "send_buffer_bytes",
            "Memory of the kernel for clients that do not read",
            &self.send_buffer_bytes,
        );
        add(
            "memory_pressure",
            "0: none, 1: sessions are removed, 2: new clients are refused, too",
            &self.memory_pressure,
        );
        add(
            "waiting_calls",
            "Calls that wait at a worker",
            &self.waiting_calls,
        );
        add(
            "waiting_deliveries",
            "Deliveries that wait at a worker",
            &self.waiting_deliveries,
        );
        add(
            "reading_paused",
            "How often a gateway stopped reading because a worker was behind",
            &self.reading_paused,
        );
        add(
            "requests_paused",
            "HTTP requests that waited because a worker was behind",
            &self.requests_paused,
        );
        add("actors", "Avatars, rooms and channels now", &self.actors);
        add("invites", "Invites that can be answered", &self.invites);
        add(
            "history_bytes",
            "Bytes of the messages that channels retain",
            &self.history_bytes,
        );
        add(
            "absent_watched",
            "Users that are watched and have no avatar",
            &self.absent_watched,
        );
        add(
            "store_memory_bytes",
            "Bytes of absent users in memory",
            &self.store_memory_bytes,
        );
        add(
            "store_failures",
            "Loads and commits of the store that failed",
            &self.store_failures,
        );
        add(
            "avatar_factory_failures",
            "Avatars whose factory failed",
            &self.factory_failures,
        );
        add(
            "webhooks",
            "Webhooks, by what became of them",
            &self.webhooks,
        );
        add(
            "webhooks_waiting",
            "Webhooks that wait or are under way",
            &self.webhooks_waiting,
        );
        add(
            "webhooks_waiting_bytes",
            "Bytes of the webhooks that wait or are under way",
            &self.webhooks_bytes,
        );
        add(
            "actors_lost",
            "Actors that failed and were replaced",
            &self.actors_lost,
        );
        add(
            "actors_recovered",
            "Replacements that know again what gateways have of them",
            &self.actors_recovered,
        );
        add(
            "ping_round_trip_ms",
            "Round trips of pings to clients in rooms",
            &self.ping_round_trip.0,
        );
        add(
            "kernel_round_trip_ms",
            "Round trips of clients in rooms, as the kernel measures them",
            &self.kernel_round_trip.0,
        );
        add(
            "timestamp_credit_ms",
            "How far back timestamps of clients in rooms may lie",
            &self.credit.0,
        );
        registry
    }
}

trait Registered {
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

impl<M> Registered for M
where
    M: prometheus_client::registry::Metric + Clone,
{
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.clone());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_encoded() {
        let metrics = Metrics::default();
        metrics.error(ErrorCode::BadJson, Some(Limit::Users));
        metrics.deliveries.inc_by(3);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        assert!(
            text.contains("turntable_errors_total{name=\"bad_json\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("turntable_limits_reached_total{name=\"limits.users\"} 1"),
            "{text}"
        );
        assert!(text.contains("turntable_deliveries_total 3"), "{text}");
    }
}
