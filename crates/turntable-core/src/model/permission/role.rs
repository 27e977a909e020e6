//! Roles: the sections `[roles.NAME]` of the configuration.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Permissions;
use crate::model::audience::Audience;
use crate::model::pattern::Pattern;

/// The name of the role of sessions that have no other.
const DEFAULT: &str = "default";

/// What patterns allow.
pub type Grants = Vec<Pattern>;

/// One entry `[roles.NAME]`. A key that is omitted allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleSettings {
    /// The functions of services: `SERVICE` or `SERVICE:FUNCTION`.
    #[serde(deserialize_with = "functions")]
    pub services: Grants,
    /// The games of rooms.
    pub games: Grants,
    /// Whose presence it may watch, where `presence.watch` is `rule`.
    pub watch: Audience,
    /// Attributes of the user itself.
    pub attributes: AttributeGrants,
    /// Channels.
    pub channels: ChannelGrants,
}

/// Attributes of the user that its sessions touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeGrants {
    /// Those that they get.
    pub get: Grants,
    /// Those that they set.
    pub set: Grants,
}

/// Channels that sessions touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelGrants {
    /// Those that they join.
    pub join: Grants,
    /// Those that they publish on.
    pub publish: Grants,
}

impl Default for RoleSettings {
    fn default() -> Self {
        Self {
            services: Grants::new(),
            games: Grants::new(),
            watch: Audience::Nobody,
            attributes: AttributeGrants::default(),
            channels: ChannelGrants::default(),
        }
    }
}

fn functions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Grants, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse = |text: &String| {
        Pattern::of_functions(text).map_err(|accepted| {
            D::Error::custom(format!("{text:?} is no pattern of functions; {accepted}"))
        })
    };
    texts.iter().map(parse).collect()
}

impl RoleSettings {
    /// Everything is allowed.
    #[must_use]
    pub fn everything() -> Self {
        // It is a pattern.
        let all = || Pattern::parse("**").into_iter().collect::<Grants>();
        Self {
            services: all(),
            games: all(),
            watch: Audience::Everyone,
            attributes: AttributeGrants {
                get: all(),
                set: all(),
            },
            channels: ChannelGrants {
                join: all(),
                publish: all(),
            },
        }
    }

    /// The sections of a server without a configuration: users without a role may do
    /// everything.
    #[must_use]
    pub fn embedded() -> BTreeMap<String, Self> {
        BTreeMap::from([(DEFAULT.to_owned(), Self::everything())])
    }

    /// Adds what another role allows.
    fn add(&mut self, other: &Self) {
        let add = |to: &mut Grants, from: &Grants| {
            for pattern in from {
                if !to.contains(pattern) {
                    to.push(pattern.clone());
                }
            }
        };
        add(&mut self.services, &other.services);
        add(&mut self.games, &other.games);
        add(&mut self.attributes.get, &other.attributes.get);
        add(&mut self.attributes.set, &other.attributes.set);
        add(&mut self.channels.join, &other.channels.join);
        add(&mut self.channels.publish, &other.channels.publish);
        self.watch.add(&other.watch);
    }
}

/// All roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles(BTreeMap<String, RoleSettings>);

impl Roles {
    /// These entries.
    #[must_use]
    pub const fn new(entries: BTreeMap<String, RoleSettings>) -> Self {
        Self(entries)
    }

    /// The roles among these names that have an entry, in their order and each once.
    /// `default` is no role that a session is given.
    pub fn known<'a>(&'a self, names: &[Box<str>]) -> Vec<&'a str> {
        let roles = self.0.keys().map(String::as_str);
        let is_named = |role: &&str| *role != DEFAULT && names.iter().any(|name| **name == **role);
        roles.filter(is_named).collect()
    }

    /// What sessions with these roles, each with an entry, may do together, and call
    /// beside it. Without a role they have `default`. `None`: everything.
    #[must_use]
    pub fn permissions(&self, roles: &[&str], added: &[Pattern]) -> Option<Permissions> {
        let names = match roles {
            [] => &[DEFAULT],
            roles => roles,
        };
        let mut grants = RoleSettings::default();
        for settings in names.iter().filter_map(|name| self.0.get(*name)) {
            grants.add(settings);
        }
        for pattern in added {
            if !grants.services.contains(pattern) {
                grants.services.push(pattern.clone());
            }
        }
        let is_plain = roles.is_empty() && added.is_empty();
        let is_free = is_plain && grants == RoleSettings::everything();
        (!is_free).then(|| Permissions {
            roles: roles.iter().map(|role| (*role).into()).collect(),
            added: added.into(),
            grants,
        })
    }
}
