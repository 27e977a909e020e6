//! The section `[socketio]`.

use serde::{Deserialize, Serialize};

use turntable_wire::socketio::MAIN_NAMESPACE;

/// The section `[socketio]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketIoSettings {
    /// How often a client is pinged, in ms.
    pub ping_interval_ms: u64,
    /// How long its answer may take, in ms.
    pub ping_timeout_ms: u64,
    /// How long a connection may carry no namespace, in ms.
    pub connect_timeout_ms: u64,
    /// Namespaces beside the main one.
    pub namespaces: Vec<String>,
    /// Whether socket.io's own recovery works, for which each event has one
    /// more argument.
    pub recovery: bool,
    /// Packets in one request.
    pub packets_max: usize,
    /// Attachments of one packet.
    pub attachments_max: usize,
    /// Bytes that wait for one connection below the outboxes of its sessions.
    pub queue_bytes_max: usize,
    /// Whether everything is only sent back, for conformance suites.
    pub conformance: bool,
}

impl SocketIoSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("ping_interval_ms", 100, 600_000),
        ("ping_timeout_ms", 100, 600_000),
        ("connect_timeout_ms", 100, 600_000),
        ("packets_max", 1, 10_000),
        ("attachments_max", 0, 1_000),
        ("queue_bytes_max", 1_024, 16_777_216),
    ];

    /// The namespace that conformance suites connect to, beside the main one.
    const CONFORMANCE: &str = "/custom";

    /// All namespaces, the main one first.
    #[must_use]
    pub fn all_namespaces(&self) -> Vec<Box<str>> {
        let own = self.namespaces.iter().map(String::as_str);
        let conformance = self.conformance.then_some(Self::CONFORMANCE);
        let mut all: Vec<Box<str>> = vec![MAIN_NAMESPACE.into()];
        for name in own.chain(conformance) {
            if !all.iter().any(|known| **known == *name) {
                all.push(name.into());
            }
        }
        all
    }
}

impl Default for SocketIoSettings {
    fn default() -> Self {
        Self {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 45_000,
            namespaces: Vec::new(),
            recovery: false,
            packets_max: 1_024,
            attachments_max: 64,
            queue_bytes_max: 65_536,
            conformance: false,
        }
    }
}
