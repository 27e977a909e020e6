//! The sections `[session]` and `[limits]` of the configuration: how long a
//! session waits, how much it keeps, and how fast its client may send.

use serde::{Deserialize, Serialize};

/// The section `[session]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Time for a new connection to say who it is, in ms; then close 4001.
    pub identify_timeout_ms: u64,
    /// A connection that was silent this long is pinged, in ms; after another
    /// such time without an answer it is closed with 4008.
    pub heartbeat_ms: u64,
    /// How long a session outlives its connection, in ms.
    pub resume_ms: u64,
    /// Messages kept for a resume, in bytes per session.
    pub replay_bytes_max: usize,
    /// Bytes that wait for one connection; a reader that is further behind is
    /// closed with 4003.
    pub outbox_bytes_max: usize,
    /// Sessions (devices, tabs) of one user at one time.
    pub sessions_per_user_max: usize,
    /// Rooms that one session is in at one time.
    pub rooms_max: usize,
    /// Channels that one session is on at one time.
    pub channels_max: usize,
    /// Arrays and hashes within each other in one message.
    pub depth_max: usize,
    /// Errors a client may cause at once before close 4006.
    pub error_burst: u32,
    /// Errors a second that are forgiven.
    pub errors_per_second: u32,
    /// How long an owner (an avatar, room or channel) may take to answer a
    /// command, in ms; then the client gets the error `unavailable`.
    pub answer_timeout_ms: u64,
    /// Time between two pings that measure the client's clock while it is in
    /// a room, in ms.
    pub clock_ping_ms: u64,
}

impl SessionSettings {
    /// The error budget as a bucket.
    #[must_use]
    pub const fn error_budget(&self) -> BucketSettings {
        BucketSettings::new(self.errors_per_second, self.error_burst)
    }

    /// Least and greatest value of each number in the section.
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
        ("clock_ping_ms", 100, 600_000),
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
            clock_ping_ms: 5_000,
        }
    }
}

/// One token bucket: `burst` commands at once, refilled at `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Commands a second; 0 sets no limit.
    pub per_second: u32,
    /// Commands at once.
    pub burst: u32,
}

impl BucketSettings {
    /// Least and greatest value of each number in a bucket.
    pub const RANGES: &[(&str, u64, u64)] =
        &[("per_second", 0, 1_000_000), ("burst", 1, 1_000_000)];

    /// A bucket of these two numbers.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// The section `[limits]`: a bucket per class of commands and per session. A
/// command over its bucket is refused with `rate_limited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// `subscribe`, `unsubscribe`, `status`, `lookup`, and each user that a
    /// `joingame` invites.
    pub presence: BucketSettings,
    /// `joingame`, `leavegame`, `declineinvite`.
    pub room: BucketSettings,
    /// `game`.
    pub game: BucketSettings,
    /// `joinchannel`, `leavechannel`.
    pub channel: BucketSettings,
    /// `publish`.
    pub publish: BucketSettings,
    /// `call`, `reply`, `set`, `provide`, `authenticate`.
    pub call: BucketSettings,
    /// `time`.
    pub time: BucketSettings,
    /// Refused commands that are forgiven before close 4007.
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
