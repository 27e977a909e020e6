//! The configuration of a server: what `config.toml` says, section by section.
//!
//! Each layer owns the struct of its section and the ranges of its numbers;
//! this module composes them.

use serde::{Deserialize, Serialize};

use crate::management::settings::ManagementSettings;
use crate::model::settings::{ChannelSettings, PresenceSettings};
use crate::portal::settings::PortalSettings;
use crate::session::settings::{LimitSettings, SessionSettings};
use crate::transport::settings::ServerSettings;

/// A whole configuration. Its default is what a server without a file runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The public listener.
    pub server: ServerSettings,
    /// The operator's listener.
    pub management: ManagementSettings,
    /// Who may come in.
    pub portal: PortalSettings,
    /// Lifetimes and bounds of a session.
    pub session: SessionSettings,
    /// Rates of a session's commands.
    pub limits: LimitSettings,
    /// Users and their friends.
    pub presence: PresenceSettings,
    /// Channels.
    pub channel: ChannelSettings,
}
