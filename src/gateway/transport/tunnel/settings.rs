//! The section `[tunnel]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use turntable_wire::tunnel_format::FormatSettings;

/// The section `[tunnel]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TunnelSettings {
    /// An open tunnel that was quiet this long gets a keepalive, in ms.
    pub keepalive_ms: u64,
    /// How long an answer of a format that ends with its first batch waits
    /// for one, in ms.
    pub longpoll_ms: u64,
    /// How long such a tunnel may take to come back before it counts as lost,
    /// in ms.
    pub gap_ms: u64,
    /// Datagrams in one request.
    pub batch_max: usize,
    /// More formats, and others under the names of those there are.
    pub formats: BTreeMap<String, FormatSettings>,
}

impl TunnelSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("keepalive_ms", 100, 600_000),
        ("longpoll_ms", 100, 600_000),
        ("gap_ms", 100, 600_000),
        ("batch_max", 1, 10_000),
    ];
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self {
            keepalive_ms: 15_000,
            longpoll_ms: 25_000,
            gap_ms: 5_000,
            batch_max: 256,
            formats: BTreeMap::new(),
        }
    }
}
