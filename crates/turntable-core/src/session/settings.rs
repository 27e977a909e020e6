//! The sections `[session]` and `[limits]` of the configuration: timeouts,
//! retention and rate limits of a session.

use serde::{Deserialize, Serialize};

pub use crate::rate::BucketSettings;

/// The section `[session]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Time for a new connection to identify, in ms; then close 4001.
    pub identify_timeout_ms: u64,
    /// Connections of one address that have not identified; another one is refused.
    pub unidentified_per_address_max: usize,
    /// Connections that have not identified, of one HTTP connection.
    pub unidentified_per_socket_max: usize,
    /// A connection that was silent this long is pinged, in ms; after another such time
    /// without an answer it is closed with 4008.
    pub heartbeat_ms: u64,
    /// How long a session exists without a connection, in ms.
    pub resume_ms: u64,
    /// The same of one whose client probably never got its `welcome`, in ms.
    pub unheard_ms: u64,
    /// Maximum size of the messages retained for a resume, in bytes per session.
    pub replay_bytes_max: usize,
    /// Maximum bytes that wait for one connection; a slower reader is closed with
    /// 4003.
    pub outbox_bytes_max: usize,
    /// Maximum sessions (devices, tabs) of one user.
    pub sessions_per_user_max: usize,
    /// Maximum sessions without a connection, by the address of the connection that
    /// they lost.
    pub detached_per_address_max: usize,
    /// Sessions that ended and whose clients are sent the reason when they come back.
    pub ended_max: usize,
    /// Subscriptions of the sessions of one address: a watched user is 1, a channel
    /// or a service that is provided 16, a room 32.
    pub subscriptions_per_address_max: usize,
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
        ("unidentified_per_address_max", 1, 10_000_000),
        ("unidentified_per_socket_max", 1, 10_000_000),
        ("heartbeat_ms", 100, 600_000),
        ("resume_ms", 0, 86_400_000),
        ("unheard_ms", 0, 86_400_000),
        ("replay_bytes_max", 0, 67_108_864),
        ("outbox_bytes_max", 4_096, 1_073_741_824),
        ("sessions_per_user_max", 1, 10_000),
        ("detached_per_address_max", 0, 10_000_000),
        ("ended_max", 0, 10_000_000),
        ("subscriptions_per_address_max", 1, 1_000_000_000),
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
            unidentified_per_address_max: 1_000,
            unidentified_per_socket_max: 16,
            heartbeat_ms: 25_000,
            resume_ms: 60_000,
            unheard_ms: 2_000,
            replay_bytes_max: 262_144,
            outbox_bytes_max: 1_048_576,
            sessions_per_user_max: 32,
            detached_per_address_max: 20_000,
            ended_max: 10_000,
            subscriptions_per_address_max: 1_000_000,
            rooms_max: 16,
            channels_max: 256,
            depth_max: 64,
            error_burst: 100,
            errors_per_second: 5,
            answer_timeout_ms: 10_000,
        }
    }
}

/// The section `[limits]`: buckets of one session, each charged by the work that a
/// command makes. A command over its limit is refused with `rate_limited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// `subscribe`, `unsubscribe`, `status`, `lookup`, and each user invited by a
    /// `joingame`.
    pub presence: BucketSettings,
    /// Each user that a `subscribe`, `unsubscribe` or `lookup` names.
    pub users: BucketSettings,
    /// `joingame`, `leavegame`, `declineinvite`.
    pub room: BucketSettings,
    /// Each action of a `game`.
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
    /// Frames and packets of one connection that carry no message: pings, pongs,
    /// fragments without content.
    pub control: BucketSettings,
    /// Bytes of everything that the client of one session sends.
    pub bytes: BucketSettings,
    /// Bytes of everything that the clients of one address send.
    pub address_bytes: BucketSettings,
    /// Bytes that others get of the `publish` and `game` of the clients of one address.
    pub address_publish: BucketSettings,
    /// Messages that the channels send of what the clients of one address `publish`: one for
    /// each subscriber.
    pub address_deliveries: BucketSettings,
    /// Users that the `subscribe`, `unsubscribe`, `lookup` and `block` of the clients of one
    /// address name.
    pub address_users: BucketSettings,
    /// Invites of the clients of one address.
    pub address_invites: BucketSettings,
    /// Refused commands, and KiB of commands refused for their bytes, before close
    /// 4007.
    pub flood: BucketSettings,
    /// Sessions that begin, of one address.
    pub session: BucketSettings,
    /// The same, of one HTTP connection.
    pub connection_session: BucketSettings,
    /// Sessions that are resumed, of one address.
    pub resume: BucketSettings,
    /// Handshakes of TLS that begin at one listener, of one address.
    pub tls_handshake: BucketSettings,
}

impl LimitSettings {
    /// The buckets of one session by their names in the section, which its client can
    /// respect. A client that keeps to them is not refused for its rate.
    #[must_use]
    pub const fn of_session(&self) -> [(&'static str, BucketSettings); 9] {
        [
            ("presence", self.presence),
            ("users", self.users),
            ("room", self.room),
            ("game", self.game),
            ("channel", self.channel),
            ("publish", self.publish),
            ("call", self.call),
            ("time", self.time),
            ("bytes", self.bytes),
        ]
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            presence: BucketSettings::new(50, 200),
            users: BucketSettings::new(200, 2_000),
            room: BucketSettings::new(20, 60),
            game: BucketSettings::new(200, 400),
            channel: BucketSettings::new(50, 300),
            publish: BucketSettings::new(500, 1_000),
            call: BucketSettings::new(50, 100),
            time: BucketSettings::new(20, 60),
            control: BucketSettings::new(20, 200),
            bytes: BucketSettings::new(262_144, 262_144),
            address_bytes: BucketSettings::new(33_554_432, 67_108_864),
            address_publish: BucketSettings::new(786_432, 524_288),
            address_deliveries: BucketSettings::new(200_000, 200_000),
            address_users: BucketSettings::new(20_000, 50_000),
            address_invites: BucketSettings::new(50, 5_000),
            flood: BucketSettings::new(50, 500),
            session: BucketSettings::new(100, 2_000),
            connection_session: BucketSettings::new(10, 100),
            resume: BucketSettings::new(200, 5_000),
            tls_handshake: BucketSettings::new(200, 5_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_that_may_be_resumed_has_a_handshake() {
        let limits = LimitSettings::default();
        assert!(limits.tls_handshake.per_second >= limits.resume.per_second);
        assert!(limits.tls_handshake.burst >= limits.resume.burst);
    }
}
