//! The sections `[presence]`, `[attributes]` and `[channel]` of the configuration:
//! limits and retention times of users and channels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::attribute_rule::AttributeRule;
use crate::rate::BucketSettings;

/// What one channel or room sends to each listener by default: less than 10 Mbit/s
/// carry, and at once half of what may wait for a reader.
pub(crate) const FAN_OUT_BYTES: BucketSettings = BucketSettings::new(786_432, 524_288);

/// Who may watch the presence of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchPolicy {
    /// Everyone.
    #[default]
    Everyone,
    /// Users that watch each other.
    Mutual,
    /// Those whose roles say so: `roles.NAME.watch`.
    Rule,
    /// Those of which your backend says so.
    Backend,
}

/// The section `[presence]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceSettings {
    /// How long a user remains online after its last connection dropped, in ms.
    /// Other users do not see a reconnection within this time.
    pub grace_ms: u64,
    /// Whether a member of a game room is `busy` unless it has set a state itself.
    pub busy_in_game: bool,
    /// A user without commands for this long is `idle`, in ms; 0: never.
    pub idle_after_ms: u64,
    /// How long changes are collected for one `userchange`, in ms.
    pub coalesce_ms: u64,
    /// Who may watch whom.
    pub watch: WatchPolicy,
    /// The backend that decides, where `watch` is `backend`.
    pub watch_url: String,
    /// How long it may take for an answer, in ms.
    pub watch_timeout_ms: u64,
    /// How long its answers are remembered, in ms; then it is asked again.
    pub watch_cache_ms: u64,
    /// Maximum answers that are remembered.
    pub watch_cache_max: usize,
    /// Maximum users that one session subscribes to.
    pub watch_max: usize,
    /// Maximum users that have a session or something that waits for them.
    pub avatars_max: usize,
    /// Maximum users in one `lookup`.
    pub lookup_max: usize,
    /// Maximum users whose last presence is stored.
    pub last_seen_max: usize,
    /// Maximum size of a status's `note`, in bytes of JSON.
    pub note_bytes_max: usize,
    /// Maximum size of all attributes of one user, in bytes of JSON.
    pub attributes_bytes_max: usize,
    /// Maximum invites stored for one offline user; the oldest is removed first.
    pub invites_stored_max: usize,
    /// The attribute with the status of sessions that begin without one. Empty: none.
    pub status_attribute: Box<str>,
}

impl PresenceSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("grace_ms", 0, 3_600_000),
        ("idle_after_ms", 0, 86_400_000),
        ("coalesce_ms", 0, 10_000),
        ("watch_timeout_ms", 10, 60_000),
        ("watch_cache_ms", 100, 86_400_000),
        ("watch_cache_max", 0, 10_000_000),
        ("watch_max", 1, 1_000_000),
        ("avatars_max", 1, 100_000_000),
        ("lookup_max", 1, 100_000),
        ("last_seen_max", 0, 100_000_000),
        ("note_bytes_max", 0, 65_536),
        ("attributes_bytes_max", 0, 1_048_576),
        ("invites_stored_max", 0, 10_000),
    ];
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            grace_ms: 5_000,
            busy_in_game: true,
            idle_after_ms: 0,
            coalesce_ms: 20,
            watch: WatchPolicy::Everyone,
            watch_url: String::new(),
            watch_timeout_ms: 2_000,
            watch_cache_ms: 300_000,
            watch_cache_max: 100_000,
            watch_max: 1_000,
            avatars_max: 200_000,
            lookup_max: 100,
            last_seen_max: 100_000,
            note_bytes_max: 256,
            attributes_bytes_max: 4_096,
            invites_stored_max: 32,
            status_attribute: "status".into(),
        }
    }
}

/// The section `[attributes]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeSettings {
    /// Names of the attributes that those may read who watch the user's presence.
    pub public: Vec<Box<str>>,
    /// Names of the attributes whose `set` is answered when it is stored durably.
    pub durable: Vec<Box<str>>,
    /// Names of the attributes that clients may not set.
    pub server_only: Vec<Box<str>>,
    /// What values may be, by the names of their attributes.
    pub schema: BTreeMap<String, AttributeRule>,
}

impl AttributeSettings {
    /// Whether an attribute of this name is public.
    #[must_use]
    pub fn is_public(&self, name: &str) -> bool {
        self.public.iter().any(|known| **known == *name)
    }

    /// The section of a server without a configuration, which serves the demos: who
    /// writes in their chat is public, too.
    #[must_use]
    pub fn embedded() -> Self {
        let mut settings = Self::default();
        settings.public.push("typing".into());
        settings
    }

    /// Whether an attribute of this name is stored before its `set` is answered.
    #[must_use]
    pub fn is_durable(&self, name: &str) -> bool {
        self.durable.iter().any(|known| **known == *name)
    }

    /// Whether clients may not set an attribute of this name.
    #[must_use]
    pub fn is_server_only(&self, name: &str) -> bool {
        self.server_only.iter().any(|known| **known == *name)
    }
}

impl Default for AttributeSettings {
    fn default() -> Self {
        let public = ["name", "colour", "note", "score", "playing"];
        Self {
            public: public.map(Box::from).into(),
            durable: Vec::new(),
            server_only: Vec::new(),
            schema: BTreeMap::new(),
        }
    }
}

/// How long an empty channel is remembered at most near the limit, in ms.
const CROWDED_EMPTY_MS: u64 = 1_000;

/// The section `[channel]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSettings {
    /// How long a channel without subscribers keeps its epoch and offset, in ms.
    pub empty_ms: u64,
    /// Bytes that a channel sends to each of its subscribers.
    pub bytes: BucketSettings,
    /// Channels that begin because of one user.
    pub new_by_user: BucketSettings,
    /// Channels that begin because of the clients of one address.
    pub new_by_address: BucketSettings,
    /// Maximum channels of one server.
    pub channels_max: usize,
    /// Maximum channels that began because of the clients of one address.
    pub channels_per_address_max: usize,
    /// Maximum paths below a channel whose past messages a join with subpaths gets.
    pub below_max: usize,
    /// Maximum users that the operator subscribes to channels.
    pub operator_users_max: usize,
    /// Maximum bytes of the messages that all channels retain.
    pub history_total_bytes_max: usize,
}

impl ChannelSettings {
    /// Whether there are nearly as many channels as there may be: then those without
    /// subscribers retain nothing.
    #[must_use]
    pub const fn is_crowded(&self, channels: usize) -> bool {
        channels >= self.channels_max - self.channels_max / 4
    }

    /// How long a channel without subscribers is remembered while there are so many
    /// channels, in ms: at most a second once three quarters of the limit exist, so
    /// that empty ones do not keep others out.
    #[must_use]
    pub fn remembered_ms(&self, channels: usize) -> u64 {
        if self.is_crowded(channels) {
            self.empty_ms.min(CROWDED_EMPTY_MS)
        } else {
            self.empty_ms
        }
    }

    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("empty_ms", 0, 86_400_000),
        ("channels_max", 1, 10_000_000),
        ("channels_per_address_max", 1, 10_000_000),
        ("below_max", 0, 10_000),
        ("operator_users_max", 0, 10_000_000),
        ("history_total_bytes_max", 0, 1_099_511_627_776),
    ];
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            empty_ms: 60_000,
            bytes: FAN_OUT_BYTES,
            new_by_user: BucketSettings::new(50, 500),
            new_by_address: BucketSettings::new(100, 5_000),
            channels_max: 100_000,
            channels_per_address_max: 50_000,
            below_max: 100,
            operator_users_max: 100_000,
            history_total_bytes_max: 67_108_864,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_channels_are_forgotten_sooner_near_the_limit() {
        let settings = ChannelSettings {
            empty_ms: 60_000,
            channels_max: 100,
            ..ChannelSettings::default()
        };
        let remembered = [0, 74, 75, 100].map(|channels| settings.remembered_ms(channels));
        assert_eq!(remembered, [60_000, 60_000, 1_000, 1_000]);
        let short = ChannelSettings {
            empty_ms: 10,
            ..settings
        };
        assert_eq!(short.remembered_ms(100), 10);
    }
}
