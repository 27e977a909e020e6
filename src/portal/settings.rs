//! The section `[portal]` of the configuration: authentication.

use serde::{Deserialize, Serialize};

/// The section `[portal]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortalSettings {
    /// Whether claimed user ids are accepted without credentials. The log contains a
    /// warning at start, and the first `welcome` of each session.
    pub anonymous: bool,
    /// Realms (`1` in `1:12345`) whose users are accepted. Empty: any.
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
