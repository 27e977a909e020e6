//! The metrics under their public names.

use prometheus_client::registry::Registry;

use crate::metric::Metrics;

impl Metrics {
    /// Registers all of them under their public names.
    #[must_use]
    pub fn registry(&self) -> Registry {
        self.registry_of(|_| true)
    }

    /// Registers those of these names.
    pub(super) fn registry_of(&self, is_chosen: impl Fn(&str) -> bool) -> Registry {
        let mut registry = Registry::with_prefix("turntable");
        let mut add = |name: &str, help: &str, metric: &dyn Registered| {
            if is_chosen(name) {
                metric.register(&mut registry, name, help);
            }
        };
        add("connections", "Connections now", &self.connections);
        add("service_calls", "Calls to services", &self.service_calls);
        add(
            "service_errors",
            "Calls to services that were answered with an error",
            &self.service_errors,
        );
        add(
            "service_call_ms",
            "How long calls to services took",
            &self.service_duration.0,
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
        add(
            "tls_handshakes_failed",
            "Handshakes of TLS that failed",
            &self.tls_failed,
        );
        add(
            "tls_certificate_expires_seconds",
            "When the certificate of a listener expires, in Unix time",
            &self.certificate_expires_s,
        );
        add(
            "tls_certificate_refused",
            "1 while the files of a listener's certificate are refused and the one before is in force",
            &self.certificate_refused,
        );
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
        add(
            "restored_sessions",
            "Sessions of the process before, by what became of them",
            &self.restored,
        );
        add(
            "restore_ms",
            "How long their restoration took",
            &self.restore_ms,
        );
        add(
            "restart_gap_ms",
            "From when they were saved until clients came in",
            &self.restart_gap_ms,
        );
        add(
            "states_set_aside",
            "Saved states that were not restored",
            &self.states_set_aside,
        );
        add("commands", "Commands taken", &self.commands);
        add("errors", "Errors answered", &self.errors);
        add(
            "limits_reached",
            "Commands and connections that a limit refused or closed",
            &self.limits,
        );
        add("deliveries", "Messages put into outboxes", &self.deliveries);
        add(
            "messages_sent",
            "Messages put into outboxes, by name",
            &self.sent,
        );
        add(
            "presence_changes",
            "Changes of presence put into outboxes",
            &self.presence_changes,
        );
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
            "Memory of the kernel for what clients have not acknowledged",
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
            "worker_silent_ms",
            "How long a worker has not answered; 0 while it does",
            &self.silent,
        );
        add(
            "call_lag_ms",
            "How long calls wait for a worker's directory",
            &self.call_lag.0,
        );
        add(
            "delivery_lag_ms",
            "How long deliveries wait for a worker's gateway",
            &self.delivery_lag.0,
        );
        add(
            "tick_late_ms",
            "How late the ticks of rooms are",
            &self.tick_late.0,
        );
        add(
            "tick_actions",
            "Actions sent by ticks of rooms",
            &self.tick_actions,
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
            "room_state_bytes",
            "Bytes of the states that rooms retain",
            &self.state_bytes,
        );
        add(
            "room_state_bytes_max",
            "How many bytes the states of rooms may have; 0: no bound",
            &self.state_bytes_max,
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
            "store_commit_ms",
            "How long commits of the store took",
            &self.store_commit.0,
        );
        add(
            "store_waiting",
            "Loads and saves that wait for the store",
            &self.store_waiting,
        );
        add(
            "store_waiting_bytes",
            "Bytes of the saves that wait for the store",
            &self.store_waiting_bytes,
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
            "config_reloads",
            "Attempts to put a configuration in force",
            &self.config_reloads,
        );
        add(
            "config_version",
            "The version of the configuration in force",
            &self.config_version,
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
    use turntable_core::limit::Limit;
    use turntable_core::reason::ErrorCode;

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
