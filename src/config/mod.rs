//! The configuration of a server, section by section.
//!
//! Each layer owns the struct of its section and the ranges of its numbers; this module
//! composes them. `entry` parses a file or a variable, `check` defines the accepted
//! values, `load` merges defaults, file and environment, `games` compiles games, `channels`
//! reads patterns, `roles` checks roles, `whole` runs all checks, `problem` reports an error
//! and its position.
//!
//! While a server runs: `source` has the texts of all layers, `api` the layer that calls
//! set, `diff` what differs, `restart` which keys wait for a restart, `version` the versions
//! and `saved` both as they are saved beside the store, `saved_file` how a server writes that.

mod admission;
pub mod api;
pub mod channels;
pub mod check;
pub mod diff;
pub mod entry;
pub mod formats;
pub mod games;
pub mod key;
pub mod load;
pub mod problem;
pub mod restart;
mod roles;
pub mod saved;
pub mod saved_file;
pub mod secret;
mod services;
pub mod source;
#[cfg(test)]
mod testing;
mod urls;
pub mod version;
pub mod watch;
mod whole;

pub use urls::{Warned, certificate_problems, warnings};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gateway::inspection::settings::InspectionSettings;
use crate::gateway::transport::engineio::settings::SocketIoSettings;
use crate::gateway::transport::poll::settings::PollSettings;
use crate::gateway::transport::tunnel::settings::TunnelSettings;
use crate::http::settings::{ServerSettings, TransportSettings};
use crate::log_filter::LogSettings;
use crate::management::settings::ManagementSettings;
use crate::portal::settings::{AvatarSettings, PortalSettings};
use crate::store::settings::StoreSettings;
use crate::webhook::settings::WebhookSettings;
use turntable_core::model::game::GameSettings;
use turntable_core::model::namespace::NamespaceSettings;
use turntable_core::model::permission::RoleSettings;
use turntable_core::model::room::RoomSettings;
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::settings::{AttributeSettings, ChannelSettings, PresenceSettings};
use turntable_core::session::clock::settings::TimeSettings;
use turntable_core::session::settings::{LimitSettings, SessionSettings};

/// A complete configuration. Its default is used without a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The public listener.
    pub server: ServerSettings,
    /// The operator's listener.
    pub management: ManagementSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The enabled transports.
    pub transports: TransportSettings,
    /// Tunnels and their formats.
    pub tunnel: TunnelSettings,
    /// Polls.
    pub poll: PollSettings,
    /// Engine.IO and Socket.IO.
    pub socketio: SocketIoSettings,
    /// Who may connect.
    pub portal: PortalSettings,
    /// What avatars begin with.
    pub avatar: AvatarSettings,
    /// Events for a backend.
    pub webhooks: WebhookSettings,
    /// What users with a role may do, by the name of the role.
    pub roles: BTreeMap<String, RoleSettings>,
    /// Timeouts and limits of a session.
    pub session: SessionSettings,
    /// What is retained of sessions for the operator.
    pub inspection: InspectionSettings,
    /// Rate limits of a session's commands.
    pub limits: LimitSettings,
    /// Clocks of clients, and how far their timestamps are trusted.
    pub time: TimeSettings,
    /// Users and their friends.
    pub presence: PresenceSettings,
    /// Live attributes of users.
    pub attributes: AttributeSettings,
    /// Where attributes are stored.
    pub store: StoreSettings,
    /// Channels.
    pub channel: ChannelSettings,
    /// The namespaces of channels, by pattern.
    pub channels: BTreeMap<String, NamespaceSettings>,
    /// Limits of every room.
    pub room: RoomSettings,
    /// The games of rooms, by name.
    pub games: BTreeMap<String, GameSettings>,
    /// The services, by name.
    pub services: BTreeMap<String, ServiceSettings>,
    /// Functions that ordinary clients offer.
    pub functions: FunctionSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerSettings::default(),
            management: ManagementSettings::default(),
            log: LogSettings::default(),
            transports: TransportSettings::default(),
            tunnel: TunnelSettings::default(),
            poll: PollSettings::default(),
            socketio: SocketIoSettings::default(),
            portal: PortalSettings::default(),
            avatar: AvatarSettings::default(),
            webhooks: WebhookSettings::default(),
            roles: RoleSettings::embedded(),
            session: SessionSettings::default(),
            inspection: InspectionSettings::default(),
            limits: LimitSettings::default(),
            time: TimeSettings::default(),
            presence: PresenceSettings::default(),
            attributes: AttributeSettings::embedded(),
            store: StoreSettings::default(),
            channel: ChannelSettings::default(),
            channels: channels::embedded(),
            room: RoomSettings::default(),
            games: games::demos(),
            services: BTreeMap::new(),
            functions: FunctionSettings::default(),
        }
    }
}

/// `config.toml` in the repository, which documents every key.
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config.toml");

    /// The keys of an entry in `[games]`, including those without a default.
    fn game_keys() -> Vec<String> {
        let error = toml::from_str::<GameSettings>("unknown = 1").unwrap_err();
        let keys = error.message().split('`').skip(3).step_by(2);
        keys.map(str::to_owned).collect()
    }

    #[test]
    fn the_shipped_file_is_the_defaults() {
        let config = load::compose(Some(("config.toml", SHIPPED)), &[], &|_| unreachable!());
        assert_eq!(config, Ok(Config::default()));
    }

    #[test]
    fn the_shipped_file_has_every_key() {
        fn compare(path: &str, expected: &toml::Table, found: &toml::Table) {
            for (key, value) in expected {
                let path = format!("{path}{key}");
                let there = found.get(key).expect(&path);
                assert_eq!(there.type_str(), value.type_str(), "{path}");
                if let Some(table) = value.as_table() {
                    compare(&format!("{path}."), table, there.as_table().unwrap());
                }
            }
        }
        let found: toml::Table = SHIPPED.parse().unwrap();
        compare("", &load::defaults(), &found);
        let keys = game_keys();
        assert!(keys.len() > 10 && keys.contains(&"schema".to_owned()));
        for key in keys {
            assert!(
                SHIPPED
                    .lines()
                    .any(|line| line.starts_with(&format!("# {key} = "))),
                "games.NAME.{key}"
            );
        }
    }

    #[test]
    fn the_shipped_file_documents_unit_and_range_of_each_number() {
        let mut section = String::new();
        let mut comment = String::new();
        let mut count = 0;
        for line in SHIPPED.lines() {
            if let Some(text) = line.strip_prefix('#') {
                comment += text;
            } else if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            } else if let Some((key, _)) = line.split_once(" = ") {
                if section.starts_with("games.") || section == "limits" {
                    continue;
                }
                assert!(!comment.is_empty(), "{section}.{key} has no comment");
                let names: Vec<&str> = section.split('.').chain([key]).collect();
                if let Some((least, greatest)) = check::range(&names) {
                    let range = format!("{least} to {greatest}");
                    assert!(comment.contains(&range), "{section}.{key}: {range}");
                    count += 1;
                }
                if key.ends_with("_ms") {
                    assert!(comment.contains("in ms"), "{section}.{key}");
                }
                if key.contains("_bytes") {
                    let comment = comment.to_lowercase();
                    assert!(comment.contains("bytes"), "{section}.{key}");
                }
            } else {
                comment.clear();
            }
        }
        assert!(count > 30, "{count}");
        for (key, least, greatest) in ServiceSettings::RANGES {
            let range = format!("{least} to {greatest}");
            let services = SHIPPED.split_once("# [services.NAME]").unwrap().1;
            let comment = services.split_once(&format!("# {key} = ")).unwrap().1;
            assert!(
                comment.get(..250).unwrap_or(comment).contains(&range),
                "services.NAME.{key}: {range}"
            );
        }
        for (key, least, greatest) in GameSettings::RANGES {
            let range = format!("{least} to {greatest}");
            let comment = SHIPPED.split_once(&format!("# {key} = ")).unwrap().1;
            assert!(comment[..250].contains(&range), "games.NAME.{key}: {range}");
        }
    }
}
