//! The section `[time]` of the configuration: how the path to a client is measured,
//! and how far its timestamps are trusted.

use serde::{Deserialize, Serialize};

/// The section `[time]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeSettings {
    /// Mean interval of the pings that measure a client in a room, in ms.
    pub ping_ms: u64,
    /// The same while the client acts, in ms.
    pub ping_acting_ms: u64,
    /// How far beyond half the measured round trip a timestamp may lie, in ms.
    pub allowance_ms: u64,
    /// What the kernel's own round trip is used for.
    pub kernel_rtt: KernelRtt,
}

/// What the kernel's own round trip (`TCP_INFO`) is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelRtt {
    /// Nothing; it is not read.
    Off,
    /// It is reported, and measures transports without pings.
    Report,
    /// Also, no ping counts as slower than it.
    Bound,
}

impl TimeSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("ping_ms", 100, 600_000),
        ("ping_acting_ms", 100, 600_000),
        ("allowance_ms", 0, 60_000),
    ];
}

impl Default for TimeSettings {
    fn default() -> Self {
        Self {
            ping_ms: 5_000,
            ping_acting_ms: 500,
            allowance_ms: 8,
            kernel_rtt: KernelRtt::Report,
        }
    }
}
