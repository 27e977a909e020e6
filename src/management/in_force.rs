//! What of the configuration is in force at the operator's listener.

use std::sync::Arc;

use super::access::Access;
use super::settings::ManagementSettings;

/// What is in force at the operator's listener. A request has one of them from its begin to
/// its end.
#[derive(Debug)]
pub struct OperatorSettings {
    /// Who may call.
    pub access: Access,
    /// Entries of one answer that lists.
    pub list_max: usize,
    /// Changes by operators that are listed.
    pub audit_entries_max: usize,
    /// Where clients reach this server, as a URL.
    pub url: Arc<str>,
}

impl OperatorSettings {
    /// Those of the section, and of a server that clients reach at `url`.
    #[must_use]
    pub fn new(section: &ManagementSettings, url: &str) -> Self {
        Self {
            access: Access::new(section),
            list_max: section.list_max,
            audit_entries_max: section.audit_entries_max,
            url: url.into(),
        }
    }
}
