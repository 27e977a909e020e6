//! The rooms and channels of a session.

use serde::{Deserialize, Serialize};

use crate::id::ChannelId;
use crate::limit::Limit;
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;
use crate::session::Session;

/// A room that a session is in, or may be in once its joins are answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMembership {
    /// The room.
    pub room: ChannelId,
    /// Joins that the room has not answered. While there are any the session
    /// may turn out to be in the room, whatever earlier answers said.
    pub joins: u32,
}

/// A channel that a session is subscribed to, or is joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelMembership {
    /// The channel.
    pub channel: ChannelId,
    /// Whether with everything below it.
    pub subpaths: bool,
}

/// Where a session is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Memberships {
    pub(super) rooms: Vec<RoomMembership>,
    pub(super) channels: Vec<ChannelMembership>,
}

impl<F> Session<F> {
    /// The rooms it is in or is joining.
    pub fn rooms(&self) -> impl Iterator<Item = &ChannelId> {
        let rooms = self.memberships.iter().flat_map(|all| &all.rooms);
        rooms.map(|membership| &membership.room)
    }

    /// Whether there are such rooms.
    #[must_use]
    pub fn has_rooms(&self) -> bool {
        self.rooms().next().is_some()
    }

    /// The channels it is subscribed to or is joining.
    #[must_use]
    pub fn channels(&self) -> &[ChannelMembership] {
        self.memberships.as_ref().map_or(&[], |all| &all.channels)
    }

    pub(super) fn enter_room(&mut self, room: &ChannelId, max: usize) -> Result<(), ErrorBody> {
        if let Some(membership) = self.room_mut(room) {
            membership.joins = membership.joins.saturating_add(1);
            return Ok(());
        }
        let rooms = &mut self.memberships.get_or_insert_default().rooms;
        if rooms.len() >= max {
            return Err(too_many("rooms at one time", max).by(Limit::Rooms));
        }
        rooms.push(RoomMembership {
            room: room.clone(),
            joins: 1,
        });
        Ok(())
    }

    /// The room answered a join, with yes or no.
    pub fn join_answered(&mut self, room: &ChannelId) {
        if let Some(membership) = self.room_mut(room) {
            membership.joins = membership.joins.saturating_sub(1);
        }
    }

    /// The session is not in `room` (any more), unless a join is on its way.
    pub fn left_room(&mut self, room: &ChannelId) {
        if let Some(all) = &mut self.memberships {
            all.rooms
                .retain(|membership| membership.room != *room || membership.joins > 0);
        }
    }

    fn room_mut(&mut self, room: &ChannelId) -> Option<&mut RoomMembership> {
        let rooms = &mut self.memberships.as_mut()?.rooms;
        rooms.iter_mut().find(|membership| membership.room == *room)
    }

    /// The session subscribes to `channel`, with subpaths or without. Returns
    /// how it was subscribed before; `None` where it was not.
    ///
    /// # Errors
    /// `too_many` over `max` channels.
    pub fn enter_channel(
        &mut self,
        channel: &ChannelId,
        subpaths: bool,
        max: usize,
    ) -> Result<Option<bool>, ErrorBody> {
        let channels = &mut self.memberships.get_or_insert_default().channels;
        let known = channels.iter_mut().find(|known| known.channel == *channel);
        if let Some(known) = known {
            return Ok(Some(std::mem::replace(&mut known.subpaths, subpaths)));
        }
        if channels.len() >= max {
            return Err(too_many("channels at one time", max).by(Limit::Channels));
        }
        channels.push(ChannelMembership {
            channel: channel.clone(),
            subpaths,
        });
        Ok(None)
    }

    /// The session is not subscribed to `channel` (any more). Returns whether
    /// it was with subpaths; `None` where it was not subscribed.
    pub fn left_channel(&mut self, channel: &ChannelId) -> Option<bool> {
        let channels = &mut self.memberships.as_mut()?.channels;
        let at = channels
            .iter()
            .position(|known| known.channel == *channel)?;
        Some(channels.swap_remove(at).subpaths)
    }
}

fn too_many(what: &str, max: usize) -> ErrorBody {
    ErrorBody::new(ErrorCode::TooMany, format!("at most {max} {what}")).with("max", max as u64)
}
