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
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8181)),
        }
    }
}
