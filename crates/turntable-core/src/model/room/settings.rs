//! The section `[room]` of the configuration: bounds of every room, whatever
//! it plays.

use serde::{Deserialize, Serialize};

use crate::model::game::SettingError;
use crate::model::settings::FAN_OUT_BYTES;
use crate::rate::BucketSettings;

/// The section `[room]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoomSettings {
    /// How far back the corrected timestamp of an action may lie, in ms.
    pub max_lag_ms: u64,
    /// How long a dropped member keeps its seat, in ms.
    pub seat_ms: u64,
    /// How long a room without members lasts, in ms.
    pub empty_ms: u64,
    /// How long an invite can be answered, in ms.
    pub invite_ttl_ms: u64,
    /// Members of one room.
    pub members_max: usize,
    /// Actions in one `game` message.
    pub actions_max: usize,
    /// Users invited by one `joingame`.
    pub invites_max: usize,
    /// Invites of one room that wait for an answer.
    pub invites_waiting_max: usize,
    /// Invites of one user that can be answered, in all rooms.
    pub invites_per_user_max: usize,
    /// Invites of all users that can be answered.
    pub invites_total_max: usize,
    /// Rooms of one server.
    pub rooms_max: usize,
    /// Rooms that began because of the clients of one address.
    pub rooms_per_address_max: usize,
    /// Bytes of the states of all rooms; 0: an eighth of what the process may use.
    pub state_total_bytes_max: usize,
    /// Those that clients of one address wrote; 0: a quarter of those of all.
    pub state_bytes_per_address_max: usize,
    /// Rooms that one user created.
    pub rooms_per_user_max: usize,
    /// Rooms that begin because of the clients of one address.
    pub new_by_address: BucketSettings,
    /// Bytes of actions that wait for a tick; when they are reached the tick
    /// comes early.
    pub tick_bytes_max: usize,
    /// Invites that one user gets, of all users.
    pub invites_to_user: BucketSettings,
    /// Bytes that a room sends to each of its members.
    pub bytes: BucketSettings,
    /// Results that a room reports.
    pub results: BucketSettings,
    /// Bytes of one of them.
    pub result_bytes_max: usize,
    /// Bytes of the last actions that a room retains for the operator.
    pub recent_bytes_max: usize,
    /// The same of all rooms together.
    pub recent_total_bytes_max: usize,
}

impl RoomSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&'static str, u64, u64)] = &[
        ("max_lag_ms", 0, 60_000),
        ("seat_ms", 0, 86_400_000),
        ("empty_ms", 0, 86_400_000),
        ("invite_ttl_ms", 1_000, 604_800_000),
        ("members_max", 1, 10_000),
        ("actions_max", 1, 10_000),
        ("invites_max", 0, 1_000),
        ("invites_waiting_max", 0, 10_000),
        ("invites_per_user_max", 0, 1_000_000),
        ("invites_total_max", 0, 100_000_000),
        ("rooms_max", 1, 10_000_000),
        ("rooms_per_address_max", 1, 10_000_000),
        ("state_total_bytes_max", 0, 1_099_511_627_776),
        ("state_bytes_per_address_max", 0, 1_099_511_627_776),
        ("rooms_per_user_max", 1, 1_000_000),
        ("tick_bytes_max", 1_024, 1_048_576),
        ("result_bytes_max", 1, 16_777_216),
        ("recent_bytes_max", 0, 16_777_216),
        ("recent_total_bytes_max", 0, 1_099_511_627_776),
    ];

    /// Checks every value.
    ///
    /// # Errors
    /// The first key whose value is not accepted, and what is.
    pub fn validate(&self) -> Result<(), SettingError> {
        SettingError::check_ranges(
            Self::RANGES,
            &[
                ("max_lag_ms", self.max_lag_ms),
                ("seat_ms", self.seat_ms),
                ("empty_ms", self.empty_ms),
                ("invite_ttl_ms", self.invite_ttl_ms),
                ("members_max", self.members_max as u64),
                ("actions_max", self.actions_max as u64),
                ("invites_max", self.invites_max as u64),
                ("invites_waiting_max", self.invites_waiting_max as u64),
                ("invites_per_user_max", self.invites_per_user_max as u64),
                ("invites_total_max", self.invites_total_max as u64),
                ("rooms_max", self.rooms_max as u64),
                ("rooms_per_address_max", self.rooms_per_address_max as u64),
                ("state_total_bytes_max", self.state_total_bytes_max as u64),
                (
                    "state_bytes_per_address_max",
                    self.state_bytes_per_address_max as u64,
                ),
                ("rooms_per_user_max", self.rooms_per_user_max as u64),
                ("tick_bytes_max", self.tick_bytes_max as u64),
                ("result_bytes_max", self.result_bytes_max as u64),
                ("recent_bytes_max", self.recent_bytes_max as u64),
                ("recent_total_bytes_max", self.recent_total_bytes_max as u64),
            ],
        )
    }
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            max_lag_ms: 1_000,
            seat_ms: 30_000,
            empty_ms: 10_000,
            invite_ttl_ms: 600_000,
            members_max: 64,
            actions_max: 64,
            invites_max: 32,
            invites_waiting_max: 256,
            invites_per_user_max: 1_000,
            invites_total_max: 100_000,
            rooms_max: 100_000,
            rooms_per_address_max: 50_000,
            state_total_bytes_max: 0,
            state_bytes_per_address_max: 0,
            rooms_per_user_max: 64,
            new_by_address: BucketSettings::new(100, 5_000),
            tick_bytes_max: 65_536,
            invites_to_user: BucketSettings::new(2, 64),
            bytes: FAN_OUT_BYTES,
            results: BucketSettings::new(1, 64),
            result_bytes_max: 4_096,
            recent_bytes_max: 8_192,
            recent_total_bytes_max: 33_554_432,
        }
    }
}
