//! The sections `[presence]` and `[channel]` of the configuration: what the
//! models of users and channels keep, and for how long.

use serde::{Deserialize, Serialize};

/// The section `[presence]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceSettings {
    /// How long a user whose last connection dropped still reads as before, in
    /// ms. A return within it is never seen by others.
    pub grace_ms: u64,
    /// Whether a member of a game room reads `busy` while it has set no state
    /// itself.
    pub busy_in_game: bool,
    /// A user that sent no command for this long reads `idle`, in ms; 0: never.
    pub idle_after_ms: u64,
    /// How long changes wait for others, to travel in one `userchange`, in ms.
    pub coalesce_ms: u64,
    /// Users that one session watches at one time.
    pub watch_max: usize,
    /// Users asked for in one `lookup`.
    pub lookup_max: usize,
    /// Users whose last time of presence is remembered.
    pub last_seen_max: usize,
    /// The longest `note` of a status, in bytes of JSON.
    pub note_bytes_max: usize,
    /// All attributes of one user together, in bytes of JSON.
    pub attributes_bytes_max: usize,
    /// Invites kept for one user that is offline; the oldest goes first.
    pub invites_kept_max: usize,
}

impl PresenceSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("grace_ms", 0, 3_600_000),
        ("idle_after_ms", 0, 86_400_000),
        ("coalesce_ms", 0, 10_000),
        ("watch_max", 1, 1_000_000),
        ("lookup_max", 1, 100_000),
        ("last_seen_max", 0, 100_000_000),
        ("note_bytes_max", 0, 65_536),
        ("attributes_bytes_max", 0, 1_048_576),
        ("invites_kept_max", 0, 10_000),
    ];
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            grace_ms: 5_000,
            busy_in_game: true,
            idle_after_ms: 0,
            coalesce_ms: 20,
            watch_max: 1_000,
            lookup_max: 100,
            last_seen_max: 100_000,
            note_bytes_max: 256,
            attributes_bytes_max: 4_096,
            invites_kept_max: 32,
        }
    }
}

/// The section `[channel]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSettings {
    /// A channel that nobody is on is kept this long, with its epoch and
    /// offset, in ms.
    pub empty_ms: u64,
}

impl ChannelSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[("empty_ms", 0, 86_400_000)];
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self { empty_ms: 60_000 }
    }
}
