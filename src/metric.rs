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

/// All counters and gauges.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections now.
    pub connections: Gauge,
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
    /// Sessions resumed.
    pub resumed: Counter,
    /// Commands accepted, by name.
    pub commands: Family<Label, Counter>,
    /// Errors sent, by code.
    pub errors: Family<Label, Counter>,
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
    /// Avatars, rooms and channels now.
    pub actors: Family<Label, Gauge>,
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
    /// Counts an error that was sent to a client.
    pub fn error(&self, code: ErrorCode) {
        self.errors
            .get_or_create(&Label { name: code.name() })
            .inc();
    }

    /// Counts a closed connection.
    pub fn close(&self, reason: CloseReason) {
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

    /// The gauge of the waiting bytes in a worker's outboxes.
    #[must_use]
    pub fn waiting(&self, worker: WorkerId) -> Gauge {
        self.outbox_bytes
            .get_or_create(&Worker { worker: worker.0 })
            .clone()
    }

    /// Registers all of them under their public names.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("turntable");
        let mut add = |name: &str, help: &str, metric: &dyn Registered| {
            metric.register(&mut registry, name, help);
        };
        add("connections", "Connections now", &self.connections);
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
        add("sessions_resumed", "Sessions resumed", &self.resumed);
        add("commands", "Commands taken", &self.commands);
        add("errors", "Errors answered", &self.errors);
        add("deliveries", "Messages put into outboxes", &self.deliveries);
        add("received_bytes", "Bytes read", &self.received_bytes);
        add("sent_bytes", "Bytes written", &self.sent_bytes);
        add("socket_writes", "Calls to write to a socket", &self.writes);
        add(
            "outbox_bytes",
            "Bytes that wait in outboxes",
            &self.outbox_bytes,
        );
        add("actors", "Avatars, rooms and channels now", &self.actors);
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
        metrics.error(ErrorCode::BadJson);
        metrics.deliveries.inc_by(3);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        assert!(
            text.contains("turntable_errors_total{name=\"bad_json\"} 1"),
            "{text}"
        );
        assert!(text.contains("turntable_deliveries_total 3"), "{text}");
    }
}
