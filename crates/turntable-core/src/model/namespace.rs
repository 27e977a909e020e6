//! Namespaces of channels: the sections `[channels."PATTERN"]` of the configuration.
//!
//! A pattern matches paths segment by segment. The most specific entry that matches
//! a path holds for it, alone: keys that it omits have their defaults, not the
//! values of a less specific entry.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::model::audience::{Audience, Named};
pub use crate::model::pattern::Pattern;

use crate::id::ChannelId;
use crate::model::history::Retention;
use crate::model::pattern::Reach;
use crate::model::permission::Who;
use crate::rate::BucketSettings;

/// What a user wants to do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Receive what is published on the path.
    Join,
    /// Receive what is published on the path and on all paths below it.
    JoinBelow,
    /// Publish.
    Publish,
}

/// Decides who may join channels and publish on them, beside the roles of sessions
/// ([`Permissions`](crate::model::permission::Permissions)). Called for each such
/// command, before any owner is.
pub trait ChannelPermissions: fmt::Debug + Send + Sync {
    /// Whether `who` may do this with `channel`.
    fn allow(&self, who: Who<'_>, channel: &ChannelId, access: Access) -> bool;
}

/// One entry of `[channels]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamespaceSettings {
    /// Maximum messages retained of one channel; 0: none.
    pub history_max: usize,
    /// How long a message is retained, in ms.
    pub history_ms: u64,
    /// Maximum bytes retained of one channel.
    pub history_bytes_max: usize,
    /// How long the last message is sent to those who join, in ms; 0: it is not.
    pub last_value_ms: u64,
    /// Whether what is retained outlives the process, in the file of the store.
    pub retained: bool,
    /// Who may join.
    pub join: Audience,
    /// Who may publish.
    pub publish: Audience,
    /// Messages that all publishers together publish on one channel.
    pub publish_rate: BucketSettings,
    /// Whether listeners are sent who is on the channel.
    pub members: bool,
    /// Maximum members whose names are sent; of more only their number is.
    pub members_max: usize,
}

impl NamespaceSettings {
    /// The range of each number in an entry.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("history_max", 0, 100_000),
        ("history_ms", 1_000, 604_800_000),
        ("history_bytes_max", 0, 67_108_864),
        ("last_value_ms", 0, 31_536_000_000),
        ("members_max", 0, 1_000),
    ];

    /// Of how many members listeners are sent the names; `None` where they are sent
    /// nothing of them.
    #[must_use]
    pub fn member_names(&self) -> Option<usize> {
        self.members.then_some(self.members_max)
    }

    /// What is retained of a channel.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        Retention {
            messages_max: self.history_max,
            age_ms: self.history_ms,
            bytes_max: self.history_bytes_max,
            last_value_ms: self.last_value_ms,
        }
    }
}

impl Default for NamespaceSettings {
    fn default() -> Self {
        Self {
            history_max: 0,
            history_ms: 300_000,
            history_bytes_max: 65_536,
            last_value_ms: 0,
            retained: false,
            join: Audience::Everyone,
            publish: Audience::Everyone,
            publish_rate: BucketSettings::new(0, 1_000),
            members: false,
            members_max: 100,
        }
    }
}

/// All entries, the most specific first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Namespaces {
    entries: Vec<(Pattern, NamespaceSettings)>,
    /// Of a path that no entry matches.
    none: NamespaceSettings,
}

impl Namespaces {
    /// These entries.
    #[must_use]
    pub fn new(mut entries: Vec<(Pattern, NamespaceSettings)>) -> Self {
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self {
            entries,
            none: NamespaceSettings::default(),
        }
    }

    /// Whether members are shown of any channel.
    #[must_use]
    pub fn any_shows_members(&self) -> bool {
        self.entries.iter().any(|(_, settings)| settings.members)
    }

    /// What holds for a path: the most specific entry. Of two patterns that match a
    /// path the one is more specific that has a name, or else `*`, in the first
    /// segment in which they differ.
    #[must_use]
    pub fn of(&self, path: &ChannelId) -> &NamespaceSettings {
        let mut entries = self.entries.iter();
        let found = entries.find(|(pattern, _)| pattern.matches(path));
        found.map_or(&self.none, |(_, settings)| settings)
    }
}

impl ChannelPermissions for Namespaces {
    fn allow(&self, who: Who<'_>, channel: &ChannelId, access: Access) -> bool {
        match access {
            Access::Publish => self.of(channel).publish.includes(who),
            Access::Join => self.of(channel).join.includes(who),
            // Who receives everything below a path has to have access to all of it.
            Access::JoinBelow => {
                for (pattern, settings) in &self.entries {
                    let reach = pattern.compare(channel.segments());
                    if reach != Reach::Nothing && !settings.join.includes(who) {
                        return false;
                    }
                    if reach == Reach::Path && pattern.has_rest() {
                        // It holds for all the others below.
                        return true;
                    }
                }
                true
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
