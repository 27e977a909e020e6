//! The section `[management]` of the configuration: the operator's listener.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The section `[management]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementSettings {
    /// Where metrics and health are served. Port 0 takes a free one. Only a
    /// loopback address is accepted, for nobody is asked who they are here.
    pub listen: SocketAddr,
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8181)),
        }
    }
}
