//! The values that labels of counters have.
//!
//! Every series begins with 0 when the server starts: a series that began with its first
//! event would begin with 1, and an alert on its increase does not see the value that a series
//! begins with. The sets are fixed, so that no client can add to them.

use std::hash::Hash;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metric::{HandshakeLabel, Label, Metrics, ResultLabel};
use turntable_core::limit::Limit;
use turntable_core::reason::{CloseReason, ErrorCode};

/// Why handshakes and requests are refused.
pub(super) const REFUSALS: [&str; 21] = [
    "not_found",
    "origin",
    "host",
    "handshake",
    "engineio",
    "connections_max",
    "connections_per_address_max",
    "unidentified_max",
    "memory_bytes_max",
    "mailbox_max",
    "stopping",
    "registration",
    "invalid_request",
    "head_timeout",
    "head_too_long",
    "incomplete_bytes_max",
    "body_timeout",
    "body_too_long",
    "write_timeout",
    "proxy_protocol",
    "management",
];

/// Limits that are reached without an error of one session: beside [`Limit::ALL`].
pub(super) const REACHED: [&str; 18] = [
    "server.memory_bytes_max",
    "server.overload_wait_ms",
    "server.incomplete_bytes_max",
    "server.incomplete_bytes_per_address_max",
    "session.detached_per_address_max",
    "presence.avatars_max",
    "room.rooms_max",
    "room.rooms_per_address_max",
    "room.rooms_per_user_max",
    "room.invites_total_max",
    "room.invites_per_user_max",
    "room.state_total_bytes_max",
    "room.state_bytes_per_address_max",
    "channel.channels_max",
    "channel.channels_per_address_max",
    "functions.services_max",
    "store.users_max",
    "store.memory_bytes_max",
];

/// What became of attempts to put a configuration in force.
pub(super) const RELOADS: [&str; 3] = ["applied", "unchanged", "refused"];

/// Whether this is the key of a limit that is counted.
pub(super) fn is_limit(name: &str) -> bool {
    let mut limits = Limit::ALL.iter().map(|limit| limit.key()).chain(REACHED);
    limits.any(|key| key == name)
}

/// A series begins with 0.
pub(super) fn begin<L: Clone + Eq + Hash>(counters: &Family<L, Counter>, label: &L) {
    drop(counters.get_or_create(label));
}

impl Metrics {
    /// Those of a whole server, whose series begin with 0.
    #[must_use]
    pub fn begun() -> Self {
        let metrics = Self::default();
        for name in REFUSALS {
            begin(&metrics.refused, &Label { name });
        }
        for reason in CloseReason::ALL {
            let name = reason.name();
            begin(&metrics.closed, &Label { name });
        }
        for code in ErrorCode::ALL {
            let name = code.name();
            begin(&metrics.errors, &Label { name });
        }
        let limits = Limit::ALL.iter().map(|limit| limit.key());
        for name in limits.chain(REACHED) {
            begin(&metrics.limits, &Label { name });
        }
        for result in RELOADS {
            begin(&metrics.config_reloads, &ResultLabel { result });
        }
        metrics
    }

    /// The series of failed handshakes of a listener begin with 0.
    pub fn begin_handshakes(&self, listener: &'static str, names: &[&'static str]) {
        for name in names {
            let label = HandshakeLabel { listener, name };
            begin(&self.tls_failed, &label);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_value_is_listed_once() {
        let keys: Vec<&str> = Limit::ALL.iter().map(|limit| limit.key()).collect();
        for names in [&REFUSALS[..], &[&keys[..], &REACHED[..]].concat()] {
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn series_begin_with_0() {
        let mut text = String::new();
        let registry = Metrics::begun().registry();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for series in [
            "handshakes_refused_total{name=\"origin\"}",
            "connections_closed_total{name=\"too_slow\"}",
            "errors_total{name=\"internal\"}",
            "limits_reached_total{name=\"limits.publish\"}",
            "limits_reached_total{name=\"room.rooms_max\"}",
            "config_reloads_total{result=\"refused\"}",
        ] {
            assert!(
                text.contains(&format!("turntable_{series} 0\n")),
                "{series}"
            );
        }
    }
}
