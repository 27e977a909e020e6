//! A room as its operator sees it.

use serde::{Deserialize, Serialize};

use super::Room;
use crate::id::UserId;
use crate::key::SessionKey;
use crate::model::timestamp::Lag;
use crate::payload::Payload;

/// What a room is and has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomReport {
    /// The game; empty for a generic one.
    pub game: Box<str>,
    /// The settings in force, as JSON.
    pub settings: Payload,
    /// The members, those that are away too.
    pub members: Vec<MemberReport>,
    /// Bytes of the state that the game retains.
    pub state_bytes: u64,
    /// Bytes of the actions that wait for the end of the tick.
    pub waiting_bytes: u64,
    /// Unix ms when it ends, while it has no members.
    pub ends_ms: Option<u64>,
    /// Unix ms of its clock.
    pub time_ms: u64,
}

/// A member in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// The user.
    pub user: UserId,
    /// Its team, where it has one.
    pub team: Option<Box<str>>,
    /// Unix ms when it joined.
    pub since_ms: u64,
    /// Unix ms when its seat is lost; `None` while it is there.
    pub seat_until_ms: Option<u64>,
    /// How late its messages are; `None` before its first action.
    pub lag: Option<Lag>,
    /// The corrected timestamp of its last action, Unix ms; 0 before the first.
    pub last_ms: u64,
    /// Its sessions, and whether each has a connection.
    pub sessions: Vec<(SessionKey, bool)>,
}

impl Room {
    /// The room as its operator sees it.
    #[must_use]
    pub fn inspect(&self, now_ms: u64) -> RoomReport {
        let member = |(user, member): (&UserId, &super::Member)| MemberReport {
            user: user.clone(),
            team: member.team.clone(),
            since_ms: member.since_ms,
            seat_until_ms: member.seat_until_ms,
            lag: member.lag,
            last_ms: member.corrector.last_ms(),
            sessions: member.seats().collect(),
        };
        RoomReport {
            game: self.game.name().into(),
            settings: self.settings_report(),
            members: self.members.iter().map(member).collect(),
            state_bytes: self.state.as_ref().map_or(0, |state| state.as_json().len()) as u64,
            waiting_bytes: self.tick.bytes() as u64,
            ends_ms: self.empty_until_ms,
            time_ms: now_ms,
        }
    }

    /// The settings of the game, with those of `[room]` where the game has none of its own.
    fn settings_report(&self) -> Payload {
        let game = self.game.settings();
        let mut settings = serde_json::to_value(game).unwrap_or_default();
        if let Some(settings) = settings.as_object_mut() {
            let members_max = game.members_max.unwrap_or(self.settings.members_max);
            settings.insert("members_max".to_owned(), members_max.into());
            settings.insert("seat_ms".to_owned(), self.seat_ms().into());
            settings.insert("empty_ms".to_owned(), self.settings.empty_ms.into());
            settings.insert("max_lag_ms".to_owned(), self.settings.max_lag_ms.into());
        }
        settings.into()
    }
}
