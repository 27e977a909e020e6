//! Rooms: which there are, what is known of one, its last actions, and the end of a member's
//! stay or of the room.

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gateway::Shared;
use crate::gateway::inspection::in_time;
use crate::gateway::question::unexpected;
use turntable_core::call::{Call, Requester, RoomCall};
use turntable_core::delivery::Answer;
use turntable_core::frame::SharedFrame;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::ShardId;
use turntable_core::model::room::RoomReport;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// A room as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomInfo {
    /// What it is and has.
    pub report: RoomReport,
    /// Unix ms when it began.
    pub since_ms: u64,
    /// Its actions so far.
    pub actions: u64,
    /// Unix ms when the last ones were sent; `None` before the first.
    pub last_action_ms: Option<u64>,
}

/// The first rooms of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Rooms {
    /// Each with what is known of it; `None` where it did not answer in time.
    pub rooms: Vec<(ChannelId, Option<RoomInfo>)>,
    /// The workers that did not answer in time.
    pub unanswered: Vec<u32>,
}

/// The last actions of a room.
#[derive(Debug)]
pub struct RecentActions {
    /// How many there were so far.
    pub total: u64,
    /// Each with its number, as members got it.
    pub actions: Vec<(u64, Box<RawValue>)>,
}

impl Shared {
    /// The first `max` rooms in the order of their ids, behind one where it is given; and one
    /// more without anything known of it, where there are more.
    pub(crate) async fn rooms(&self, after: Option<&str>, max: usize) -> Rooms {
        let enough = max.saturating_add(1);
        let shards = 0..self.owners.shards() as u32;
        let asked = shards.map(|shard| {
            let after = after.map(Into::into);
            let max = u32::try_from(enough).unwrap_or(u32::MAX);
            let call = move |requester: Requester| Call::Rooms {
                shard: ShardId(shard),
                requester,
                after,
                max,
            };
            async move { (shard, in_time(self.ask(call)).await) }
        });
        let (mut rooms, mut unanswered) = (Vec::new(), Vec::new());
        for (shard, answer) in join_all(asked).await {
            match answer {
                Some(Ok(Answer::Channels(of_shard))) => rooms.extend(of_shard),
                _ => unanswered.push(shard),
            }
        }
        rooms.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        rooms.truncate(enough);
        let more = (rooms.len() > max).then(|| rooms.pop()).flatten();
        let inspected = rooms.into_iter().map(|room| async move {
            match in_time(self.inspect_room(&room)).await {
                Some(Ok(info)) => Some((room, Some(info))),
                // It ended meanwhile.
                Some(Err(error)) if error.code == ErrorCode::NotFound => None,
                Some(Err(_)) | None => Some((room, None)),
            }
        });
        let mut rooms: Vec<_> = join_all(inspected).await.into_iter().flatten().collect();
        rooms.extend(more.map(|room| (room, None)));
        Rooms { rooms, unanswered }
    }

    /// What is known of a room.
    ///
    /// # Errors
    /// `not_found`; `unavailable` where it does not answer in time.
    pub(crate) async fn inspect_room(&self, room: &ChannelId) -> Result<RoomInfo, ErrorBody> {
        let room = room.clone();
        let call = |requester| Call::Room(room, RoomCall::Inspect { requester });
        match self.ask(call).await? {
            Answer::Room {
                report,
                since_ms,
                actions,
                last_action_ms,
            } => Ok(RoomInfo {
                report: *report,
                since_ms,
                actions,
                last_action_ms,
            }),
            _ => Err(unexpected()),
        }
    }

    /// The last actions of a room behind one, by its number; all that are retained without.
    ///
    /// # Errors
    /// As [`Self::inspect_room`].
    pub(crate) async fn recent_actions(
        &self,
        room: &ChannelId,
        behind: Option<u64>,
    ) -> Result<RecentActions, ErrorBody> {
        let room = room.clone();
        let call = move |requester| Call::Room(room, RoomCall::Recent { requester, behind });
        let Answer::Actions { total, messages } = self.ask(call).await? else {
            return Err(unexpected());
        };
        let mut actions = Vec::new();
        for (first, message) in &messages {
            actions.extend((*first..).zip(actions_of(message)?));
        }
        actions.retain(|(number, _)| behind.is_none_or(|behind| *number > behind));
        Ok(RecentActions { total, actions })
    }

    /// Sends a member away. The members get the reason.
    ///
    /// # Errors
    /// `not_found` without such a room or member; `unavailable`.
    pub(crate) async fn kick_member(
        &self,
        room: &ChannelId,
        user: &UserId,
        reason: Option<Box<str>>,
    ) -> Result<(), ErrorBody> {
        let (room, user) = (room.clone(), user.clone());
        let call = |requester| {
            let kick = RoomCall::Kick {
                requester,
                user,
                reason,
            };
            Call::Room(room, kick)
        };
        self.ask(call).await.map(|_| ())
    }

    /// Ends a room. Its members get the reason.
    ///
    /// # Errors
    /// As [`Self::inspect_room`].
    pub(crate) async fn end_room(
        &self,
        room: &ChannelId,
        reason: Option<Box<str>>,
    ) -> Result<(), ErrorBody> {
        let room = room.clone();
        let call = |requester| Call::Room(room, RoomCall::End { requester, reason });
        self.ask(call).await.map(|_| ())
    }
}

/// The actions of a `game`, with all digits of their numbers.
fn actions_of(frame: &SharedFrame) -> Result<Vec<Box<RawValue>>, ErrorBody> {
    #[derive(Deserialize)]
    struct Game {
        actions: Vec<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Message {
        data: Game,
    }
    let message: Result<Message, _> = serde_json::from_str(frame.text());
    message
        .map(|message| message.data.actions)
        .map_err(|_| unexpected())
}
