//! The section `[poll]`.

use serde::{Deserialize, Serialize};

/// The section `[poll]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollSettings {
    /// How long a request waits for the answers to its calls, in ms; what is
    /// not answered by then comes with a later one.
    pub answer_ms: u64,
    /// A session without a request for this long counts as lost, in ms.
    pub gone_ms: u64,
    /// Entries in one request.
    pub batch_max: usize,
    /// Whether the session is also given as a cookie, which all tabs of a
    /// browser share.
    pub cookie: bool,
}

impl PollSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("answer_ms", 100, 600_000),
        ("gone_ms", 100, 86_400_000),
        ("batch_max", 1, 10_000),
    ];
}

impl Default for PollSettings {
    fn default() -> Self {
        Self {
            answer_ms: 5_000,
            gone_ms: 30_000,
            batch_max: 256,
            cookie: false,
        }
    }
}
