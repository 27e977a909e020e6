//! The names of owners, and where they are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, UserId};

/// An owner: the actor that alone decides about an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OwnerId {
    /// A user's avatar.
    Avatar(UserId),
    /// A game room.
    Room(ChannelId),
    /// A channel.
    Channel(ChannelId),
    /// A service, by its name.
    Service(Box<str>),
}

impl OwnerId {
    /// The id of the object, which decides about the shard.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Avatar(user) => user.as_str(),
            Self::Room(channel) | Self::Channel(channel) => channel.as_str(),
            Self::Service(name) => name,
        }
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Avatar(_) => "avatar",
            Self::Room(_) => "room",
            Self::Channel(_) => "channel",
            Self::Service(_) => "service",
        };
        write!(f, "{kind} {}", self.as_str())
    }
}
