//! A room as a value: everything that decides how it behaves from now on, with
//! remaining times in place of absolute ones.
//!
//! Game and settings are configuration: the value names the game, and the rules
//! are made anew by it and given what they remembered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::invitation::InvitationSnapshot;
use super::member::MemberSnapshot;
use super::result::{ResultRate, ResultRateSnapshot};
use super::tick::TickSnapshot;
use super::{Room, RoomSettings};
use crate::id::{ChannelId, UserId};
use crate::model::game::Game;
use crate::model::remaining;
use crate::model::room::invitation::Invitations;
use crate::model::room::member::Members;
use crate::model::room::tick::Tick;
use crate::model::rule::RuleState;
use crate::payload::Payload;
use crate::rate::{Bucket, BucketExport};

/// A room's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomSnapshot {
    game: Box<str>,
    members: Vec<MemberSnapshot>,
    rules: Vec<RuleState>,
    invitations: Vec<InvitationSnapshot>,
    tick: TickSnapshot,
    state: Option<Payload>,
    /// Members that left, and how long ago their last stamp was.
    left: Vec<(UserId, u64)>,
    empty_ms: Option<u64>,
    bytes: BucketExport,
    result_rate: ResultRateSnapshot,
    has_ended: bool,
}

impl RoomSnapshot {
    /// The name of the game; empty for a generic one.
    #[must_use]
    pub fn game(&self) -> &str {
        &self.game
    }
}

impl Room {
    /// The room as a value.
    #[must_use]
    pub fn save(&self, now_ms: u64) -> RoomSnapshot {
        let left = self.left.iter();
        RoomSnapshot {
            game: self.game.name().into(),
            members: self.members.save(now_ms),
            rules: self
                .rules
                .iter()
                .filter_map(|rule| rule.save(now_ms))
                .collect(),
            invitations: self.invitations.save(now_ms),
            tick: self.tick.save(now_ms),
            state: self.state.clone(),
            left: left
                .map(|(user, last_ms)| (user.clone(), remaining::since(*last_ms, now_ms)))
                .collect(),
            empty_ms: self
                .empty_until_ms
                .map(|until_ms| remaining::until(until_ms, now_ms)),
            bytes: self.bytes.export(now_ms),
            result_rate: self.result_rate.save(now_ms),
            has_ended: self.ended,
        }
    }

    /// The room of a value, which behaves like the one that was saved. `game` is
    /// the one that the value names.
    #[must_use]
    pub fn restore(
        channel: ChannelId,
        game: Arc<Game>,
        settings: Arc<RoomSettings>,
        snapshot: RoomSnapshot,
        now_ms: u64,
    ) -> Self {
        let mut rules = game.rules();
        for rule in &mut rules {
            for state in &snapshot.rules {
                rule.restore(state, now_ms);
            }
        }
        let left = snapshot.left.into_iter();
        Self {
            channel,
            game,
            settings,
            members: Members::restore(snapshot.members, now_ms),
            rules,
            invitations: Invitations::restore(snapshot.invitations, now_ms),
            tick: Tick::restore(snapshot.tick, now_ms),
            state: snapshot.state,
            left: left
                .map(|(user, age_ms)| (user, remaining::ago(age_ms, now_ms)))
                .collect(),
            empty_until_ms: snapshot.empty_ms.map(|ms| remaining::from_now(ms, now_ms)),
            bytes: Bucket::import(snapshot.bytes, now_ms),
            result_rate: ResultRate::restore(snapshot.result_rate, now_ms),
            ended: snapshot.has_ended,
        }
    }
}
