//! Classes of commands: those of one class share a rate limit.

use crate::packet::ClientPacket;
use crate::session::settings::{BucketSettings, LimitSettings};

/// A class of commands that shares a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Class {
    Presence,
    Room,
    Game,
    Channel,
    Publish,
    Call,
    Time,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 7;

impl Class {
    /// The class of a command; `None` for one that is never limited.
    pub(super) const fn of(packet: &ClientPacket) -> Option<Self> {
        Some(match packet {
            ClientPacket::Subscribe(_)
            | ClientPacket::Unsubscribe(_)
            | ClientPacket::Status { .. }
            | ClientPacket::Lookup(_) => Self::Presence,
            ClientPacket::JoinGame(_)
            | ClientPacket::LeaveGame(_)
            | ClientPacket::DeclineInvite(_) => Self::Room,
            ClientPacket::Game { .. } => Self::Game,
            ClientPacket::JoinChannel(_) | ClientPacket::LeaveChannel(_) => Self::Channel,
            ClientPacket::Publish { .. } => Self::Publish,
            ClientPacket::Call { .. }
            | ClientPacket::Reply { .. }
            | ClientPacket::Set(_)
            | ClientPacket::Provide(_)
            | ClientPacket::Authenticate { .. }
            | ClientPacket::IdMe { .. }
            | ClientPacket::Resume { .. } => Self::Call,
            ClientPacket::Time { .. } => Self::Time,
            ClientPacket::Bye => return None,
        })
    }

    /// The bucket of the class.
    pub(super) const fn settings(self, limits: &LimitSettings) -> BucketSettings {
        match self {
            Self::Presence => limits.presence,
            Self::Room => limits.room,
            Self::Game => limits.game,
            Self::Channel => limits.channel,
            Self::Publish => limits.publish,
            Self::Call => limits.call,
            Self::Time => limits.time,
        }
    }
}
