//! Owners as values, for the process that follows this one.
//!
//! A directory asks its actors for what they are and lets them end: nothing changes after that.
//! The next process makes them again before any session comes. Then gateways announce the
//! sessions that they have, as after a loss of owners, and at last all learn that this is over
//! (`Restored`): sessions that did not come are forgotten, and time goes on.

use std::marker::PhantomData;

use actix::Message;
use serde::{Deserialize, Serialize};

use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::GatewayId;
use turntable_core::model::avatar::AvatarSnapshot;
use turntable_core::model::channel::ChannelSnapshot;
use turntable_core::model::room::RoomSnapshot;

/// Owners as values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedOwners {
    /// Users.
    pub avatars: Vec<(UserId, SavedAvatar)>,
    /// Game rooms.
    pub rooms: Vec<(ChannelId, SavedRoom)>,
    /// Channels.
    pub channels: Vec<(ChannelId, SavedChannel)>,
}

impl SavedOwners {
    /// Adds those of another directory.
    pub fn extend(&mut self, other: Self) {
        self.avatars.extend(other.avatars);
        self.rooms.extend(other.rooms);
        self.channels.extend(other.channels);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.avatars.len() + self.rooms.len() + self.channels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An avatar, and what its actor knows beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedAvatar {
    pub(super) model: AvatarSnapshot,
    pub(super) is_known: bool,
    pub(super) is_made: bool,
    pub(super) is_unloaded: bool,
    pub(super) is_reported: bool,
    pub(super) added: Vec<Box<str>>,
}

impl SavedAvatar {
    /// Of a user that has no avatar.
    pub(super) const fn of_absent(model: AvatarSnapshot) -> Self {
        Self {
            model,
            is_known: false,
            is_made: false,
            is_unloaded: false,
            is_reported: false,
            added: Vec::new(),
        }
    }
}

/// A room, and what its actor knows beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedRoom {
    pub(super) model: RoomSnapshot,
    pub(super) created_by: Option<UserId>,
    /// How long ago it began, in ms.
    pub(super) age_ms: u64,
    /// How long ago the backend was notified of it, in ms.
    pub(super) reported_ago_ms: Option<u64>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedChannel {
    pub(super) model: ChannelSnapshot,
}

/// Saves an actor, which ends. `None` where there is nothing to save, or where it waits for the
/// store: then it begins anew with what gateways and the store have.
#[derive(Debug)]
pub(super) struct Save<T>(PhantomData<T>);

impl<T> Default for Save<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Send + 'static> Message for Save<T> {
    type Result = Option<T>;
}

/// Saves the rooms of a directory. They act on others, so they come first.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SavedOwners")]
pub struct SaveRooms;

/// Saves the users and channels of a directory.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SavedOwners")]
pub struct SaveOthers;

/// Makes owners of values. Returns how many.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct RestoreOwners(pub SavedOwners);

/// Absent users that the sessions of a gateway watch, which know already that they are absent. Is
/// over when the store has answered what it has of them.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RestoreWatched {
    /// The gateway.
    pub gateway: GatewayId,
    /// The users, of one directory.
    pub users: Vec<UserId>,
}

/// All sessions have come.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Restored;
