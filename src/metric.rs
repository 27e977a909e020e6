//! The metrics of the server.
//!
//! One set of counters for the whole process. Gateways count per turn and add the sums
//! once, so that a delivery needs no atomic operation. The management listener encodes
//! them (`metric/registry.rs`); `docs/metrics.md` lists them.

mod label;
mod latency;
pub mod past;
mod registry;
mod service;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use turntable_core::key::WorkerId;
use turntable_core::limit::Limit;
use turntable_core::reason::{CloseReason, ErrorCode};

pub use latency::{Calls, Latency, LatencyBy, RoundTrips, Work};
pub use service::{ServiceErrorLabel, ServiceLabel, ServiceMetrics};

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

/// The label of a listener's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ListenerLabel {
    /// `server` or `management`.
    pub listener: &'static str,
}

/// The labels of a failed handshake.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HandshakeLabel {
    /// `server` or `management`.
    pub listener: &'static str,
    /// The class of reasons.
    pub name: &'static str,
}

/// The label of what has a result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabel {
    /// The label values.
    pub result: &'static str,
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
    /// Handshakes of TLS that failed, by listener and reason.
    pub tls_failed: Family<HandshakeLabel, Counter>,
    /// When the certificate of a listener expires, in seconds of Unix time.
    pub certificate_expires_s: Family<ListenerLabel, Gauge>,
    /// 1 while the files of a listener's certificate are refused.
    pub certificate_refused: Family<ListenerLabel, Gauge>,
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
    /// Sessions of the process before, by what became of them at the start.
    pub restored: Family<ResultLabel, Gauge>,
    /// How long their restoration took, in ms.
    pub restore_ms: Gauge,
    /// From when they were saved until clients came in, in ms.
    pub restart_gap_ms: Gauge,
    /// Saved states that were not restored, and were renamed.
    pub states_set_aside: Counter,
    /// Commands accepted, by name.
    pub commands: Family<Label, Counter>,
    /// Errors sent, by code.
    pub errors: Family<Label, Counter>,
    /// What a limit refused or closed, by the key of the limit.
    pub limits: Family<Label, Counter>,
    /// Messages put into outboxes.
    pub deliveries: Counter,
    /// The same, by the names of the messages.
    pub sent: Family<Label, Counter>,
    /// Changes of presence that were put into outboxes, in one message or in several.
    pub presence_changes: Counter,
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
    /// Memory of the kernel for what clients have not acknowledged; updated every few seconds.
    pub send_buffer_bytes: Gauge,
    /// About memory: 0 nothing, 1 sessions are removed, 2 new clients are refused, too.
    pub memory_pressure: Gauge,
    /// Calls that wait at a worker, by worker.
    pub waiting_calls: Family<Worker, Gauge>,
    /// Deliveries that wait at a worker, by worker.
    pub waiting_deliveries: Family<Worker, Gauge>,
    /// How long workers have not answered, in ms, by worker; 0 for those that answer.
    pub silent: Family<Worker, Gauge>,
    /// How long calls wait for a worker's directory.
    pub call_lag: LatencyBy<Worker>,
    /// How long deliveries wait for a worker's gateway.
    pub delivery_lag: LatencyBy<Worker>,
    /// How late the ticks of rooms are, by worker.
    pub tick_late: LatencyBy<Worker>,
    /// Actions that were sent by ticks.
    pub tick_actions: Counter,
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
    /// How long calls to services took, by service.
    pub service_duration: LatencyBy<ServiceLabel, Calls>,
    /// Avatars, rooms and channels now.
    pub actors: Family<Label, Gauge>,
    /// Invites that can be answered, as their limits count them.
    pub invites: Gauge,
    /// Bytes of the messages that channels retain.
    pub history_bytes: Gauge,
    /// Bytes of the states that rooms retain.
    pub state_bytes: Gauge,
    /// How many bytes these may have; 0 without a bound.
    pub state_bytes_max: Gauge,
    /// Users that are watched and have no avatar.
    pub absent_watched: Gauge,
    /// Bytes that a store in memory has of absent users.
    pub store_memory_bytes: Gauge,
    /// How long commits of the store took.
    pub store_commit: Latency,
    /// What waits for the thread of the store.
    pub store_waiting: Gauge,
    /// How many bytes that has.
    pub store_waiting_bytes: Gauge,
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
    /// Attempts to put a configuration in force, by their result.
    pub config_reloads: Family<ResultLabel, Counter>,
    /// The version of the configuration in force.
    pub config_version: Gauge,
    /// Actors that failed and were replaced.
    pub actors_lost: Counter,
    /// Replacements that know again what gateways have of them.
    pub actors_recovered: Counter,
    /// Round trips of the pings to clients in rooms.
    pub ping_round_trip: Latency<RoundTrips>,
    /// The kernel's round trips of the same clients.
    pub kernel_round_trip: Latency<RoundTrips>,
    /// How far back their timestamps may lie.
    pub credit: Latency<RoundTrips>,
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
        debug_assert!(label::REFUSALS.contains(&name), "{name}");
        self.refused.get_or_create(&Label { name }).inc();
    }

    /// Counts a handshake of TLS that failed.
    pub fn fail_handshake(&self, listener: &'static str, name: &'static str) {
        let label = HandshakeLabel { listener, name };
        self.tls_failed.get_or_create(&label).inc();
    }

    /// The gauge of the certificate of a listener.
    #[must_use]
    pub fn certificate(&self, listener: &'static str) -> Gauge {
        let label = ListenerLabel { listener };
        self.certificate_expires_s.get_or_create(&label).clone()
    }

    /// The gauge of refused files of a listener's certificate.
    #[must_use]
    pub fn refused_certificate(&self, listener: &'static str) -> Gauge {
        let label = ListenerLabel { listener };
        self.certificate_refused.get_or_create(&label).clone()
    }

    /// Counts a refusal because the limit of this key is reached.
    pub fn reach(&self, name: &'static str) {
        debug_assert!(label::is_limit(name), "{name}");
        self.limits.get_or_create(&Label { name }).inc();
    }

    /// Sets how many sessions of the process before were restored, of so many.
    pub fn count_restored(&self, restored: usize, of: usize) {
        let lost = of.saturating_sub(restored);
        for (result, number) in [("restored", restored), ("lost", lost)] {
            let gauge = self.restored.get_or_create(&ResultLabel { result });
            gauge.set(number as i64);
        }
    }

    /// Counts an attempt to put a configuration in force.
    pub fn count_reload(&self, result: &'static str) {
        debug_assert!(label::RELOADS.contains(&result), "{result}");
        let label = ResultLabel { result };
        self.config_reloads.get_or_create(&label).inc();
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

    /// The gauge of the bytes of the answers that a worker retains.
    #[must_use]
    pub fn answers(&self, worker: WorkerId) -> Gauge {
        self.answer_bytes
            .get_or_create(&Worker { worker: worker.0 })
            .clone()
    }

    /// The gauge of how long a worker has not answered.
    #[must_use]
    pub fn silent(&self, worker: WorkerId) -> Gauge {
        self.silent
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
}
