//! The section `[management]` of the configuration: the operator's listener.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The section `[management]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementSettings {
    /// Address of metrics and health. Port 0 selects a free port. Only a loopback address
    /// is accepted, because there is no authentication.
    pub listen: SocketAddr,
    /// Entries of one answer that lists, as `listAll`.
    pub list_max: usize,
}

impl ManagementSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[("list_max", 1, 1_000_000)];
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8181)),
            list_max: 10_000,
        }
    }
}
