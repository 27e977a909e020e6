//! The section `[portal]` of the configuration: who may come in.

use serde::{Deserialize, Serialize};

/// The section `[portal]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortalSettings {
    /// Whether the user id that a client claims is believed without
    /// credentials. The log warns of it at start.
    pub anonymous: bool,
    /// Realms (`1` in `1:12345`) whose users may come in. Empty: any.
    pub realms: Vec<String>,
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            anonymous: true,
            realms: Vec::new(),
        }
    }
}
