//! The section `[store]` of the configuration.

use serde::{Deserialize, Serialize};

/// The section `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The file; empty: memory.
    pub path: String,
    /// Whether sessions, rooms and channels are saved beside the file when the server stops, for
    /// the next start.
    pub save_sessions: bool,
    /// Sessions that were saved longer ago are not restored, in ms.
    pub sessions_age_max_ms: u64,
    /// How long saves that nobody waits for are collected for one commit, in ms.
    pub write_ms: u64,
    /// Loads and saves that may wait for the file.
    pub queue_max: usize,
    /// Bytes of what they write.
    pub queue_bytes_max: usize,
    /// A file of at most so many bytes is looked through at each start.
    pub check_bytes_max: u64,
    /// Users whose attributes are stored, in a file besides those with a password.
    pub users_max: usize,
    /// Bytes of the absent users in memory; 0: an eighth of `server.memory_bytes_max`.
    pub memory_bytes_max: u64,
    /// Channels whose histories are in the file.
    pub channels_max: usize,
    /// Bytes of their messages.
    pub channels_bytes_max: u64,
}

impl StoreSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("sessions_age_max_ms", 0, 86_400_000),
        ("write_ms", 0, 60_000),
        ("queue_max", 100, 10_000_000),
        ("queue_bytes_max", 1_048_576, 17_179_869_184),
        ("check_bytes_max", 0, 1_099_511_627_776),
        ("users_max", 0, 100_000_000),
        ("memory_bytes_max", 0, 1_099_511_627_776),
        ("channels_max", 0, 10_000_000),
        ("channels_bytes_max", 0, 1_099_511_627_776),
    ];
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: String::new(),
            save_sessions: true,
            sessions_age_max_ms: 600_000,
            write_ms: 100,
            queue_max: 100_000,
            queue_bytes_max: 67_108_864,
            check_bytes_max: 268_435_456,
            users_max: 100_000,
            memory_bytes_max: 0,
            channels_max: 10_000,
            channels_bytes_max: 268_435_456,
        }
    }
}
