//! The sections `[session]` and `[limits]` of the configuration: timeouts,
//! retention and rate limits of a session.

use serde::{Deserialize, Serialize};

/// The section `[session]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Time for a new connection to identify, in ms; then close 4001.
    pub identify_timeout_ms: u64,
    /// A connection that was silent this long is pinged, in ms; after another such time
    /// without an answer it is closed with 4008.
    pub heartbeat_ms: u64,
    /// How long a session exists without a connection, in ms.
    pub resume_ms: u64,
    /// Maximum size of the messages retained for a resume, in bytes per session.
    pub replay_bytes_max: usize,
    /// Maximum bytes that wait for one connection; a slower reader is closed with
    /// 4003.
    pub outbox_bytes_max: usize,
    /// Maximum sessions (devices, tabs) of one user.
    pub sessions_per_user_max: usize,
    /// Maximum rooms of one session.
    pub rooms_max: usize,
    /// Maximum channels of one session.
    pub channels_max: usize,
    /// Maximum nesting of arrays and objects in one message.
    pub depth_max: usize,
    /// Errors in a burst before close 4006.
    pub error_burst: u32,
    /// Errors per second without a close.
    pub errors_per_second: u32,
    /// Timeout of an owner (an avatar, room or channel) for answering a command, in ms;
    /// then the client gets the error `unavailable`.
    pub answer_timeout_ms: u64,
}

impl SessionSettings {
    /// The error budget as a bucket.
    #[must_use]
    pub const fn error_budget(&self) -> BucketSettings {
        BucketSettings::new(self.errors_per_second, self.error_burst)
    }

    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("identify_timeout_ms", 100, 600_000),
        ("heartbeat_ms", 100, 600_000),
        ("resume_ms", 0, 86_400_000),
        ("replay_bytes_max", 0, 67_108_864),
        ("outbox_bytes_max", 4_096, 1_073_741_824),
        ("sessions_per_user_max", 1, 10_000),
        ("rooms_max", 1, 10_000),
        ("channels_max", 1, 100_000),
        ("depth_max", 4, 1_024),
        ("error_burst", 1, 1_000_000),
        ("errors_per_second", 1, 1_000_000),
        ("answer_timeout_ms", 100, 600_000),
    ];
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            identify_timeout_ms: 10_000,
            heartbeat_ms: 25_000,
            resume_ms: 60_000,
            replay_bytes_max: 262_144,
            outbox_bytes_max: 1_048_576,
            sessions_per_user_max: 32,
            rooms_max: 16,
            channels_max: 256,
            depth_max: 64,
            error_burst: 100,
            errors_per_second: 5,
            answer_timeout_ms: 10_000,
        }
    }
}

/// One token bucket: `burst` commands at once, refilled at `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Commands per second; 0: no limit.
    pub per_second: u32,
    /// Commands in a burst.
    pub burst: u32,
}

impl BucketSettings {
    /// The range of each number in a bucket.
    pub const RANGES: &[(&str, u64, u64)] =
        &[("per_second", 0, 1_000_000), ("burst", 1, 1_000_000)];

    /// A bucket with these two numbers.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// The section `[limits]`: a bucket per class of commands and per session. A
/// command over its limit is refused with `rate_limited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// `subscribe`, `unsubscribe`, `status`, `lookup`, and each user invited by a
    /// `joingame`.
    pub presence: BucketSettings,
    /// `joingame`, `leavegame`, `declineinvite`.
    pub room: BucketSettings,
    /// `game`.
    pub game: BucketSettings,
    /// `joinchannel`, `leavechannel`.
    pub channel: BucketSettings,
    /// `publish`.
    pub publish: BucketSettings,
    /// `call`, `reply`, `set`, `provide`, `authenticate`; CONNECT to a namespace of
    /// Socket.IO.
    pub call: BucketSettings,
    /// `time`.
    pub time: BucketSettings,
    /// Refused commands before close 4007.
    pub flood: BucketSettings,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            presence: BucketSettings::new(50, 200),
            room: BucketSettings::new(20, 60),
            game: BucketSettings::new(200, 400),
            channel: BucketSettings::new(50, 300),
            publish: BucketSettings::new(500, 1_000),
            call: BucketSettings::new(50, 100),
            time: BucketSettings::new(20, 60),
            flood: BucketSettings::new(50, 500),
        }
    }
}
