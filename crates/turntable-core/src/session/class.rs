//! Classes of work: what commands of one class do shares a rate limit.

use crate::limit::Limit;
use crate::packet::ClientPacket;
use crate::rate::{BucketSettings, tokens};
use crate::session::settings::LimitSettings;

/// A class of work that shares a token bucket.
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
    Users,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 8;

impl Class {
    /// Every class.
    pub(super) const ALL: [Self; CLASSES] = [
        Self::Presence,
        Self::Room,
        Self::Game,
        Self::Channel,
        Self::Publish,
        Self::Call,
        Self::Time,
        Self::Users,
    ];

    /// What a command takes from the buckets: one token for itself, and one for each
    /// user or action in it. `bye` is never limited, nor
    /// is `reply`: the gateway refuses one that answers no call.
    pub(super) fn charges(packet: &ClientPacket) -> [(Self, u32); 2] {
        let one = |class| [(class, 1), (class, 0)];
        match packet {
            ClientPacket::Subscribe(users)
            | ClientPacket::Unsubscribe(users)
            | ClientPacket::Lookup(users) => {
                [(Self::Presence, 1), (Self::Users, tokens(users.len()))]
            }
            ClientPacket::Block { add, remove } => [
                (Self::Presence, 1),
                (Self::Users, tokens(add.len().saturating_add(remove.len()))),
            ],
            ClientPacket::Status { .. } => one(Self::Presence),
            // An invite makes a message and takes memory for a user who may not even
            // exist.
            ClientPacket::JoinGame(join) => {
                [(Self::Room, 1), (Self::Presence, tokens(join.invite.len()))]
            }
            ClientPacket::LeaveGame(_) | ClientPacket::DeclineInvite(_) => one(Self::Room),
            ClientPacket::Game { actions, .. } => {
                let actions = tokens(actions.len());
                [(Self::Game, actions.max(1)), (Self::Game, 0)]
            }
            ClientPacket::JoinChannel(_) | ClientPacket::LeaveChannel(_) => one(Self::Channel),
            ClientPacket::Publish { .. } => one(Self::Publish),
            ClientPacket::Call { .. }
            | ClientPacket::Set(_)
            | ClientPacket::Provide(_)
            | ClientPacket::Authenticate { .. }
            | ClientPacket::IdMe { .. }
            | ClientPacket::Resume { .. } => one(Self::Call),
            ClientPacket::Time { .. } => one(Self::Time),
            ClientPacket::Bye | ClientPacket::Reply { .. } => [(Self::Call, 0), (Self::Call, 0)],
        }
    }

    /// The limit of the class.
    pub(super) const fn limit(self) -> Limit {
        match self {
            Self::Presence => Limit::Presence,
            Self::Room => Limit::Room,
            Self::Game => Limit::Game,
            Self::Channel => Limit::Channel,
            Self::Publish => Limit::Publish,
            Self::Call => Limit::Call,
            Self::Time => Limit::Time,
            Self::Users => Limit::Users,
        }
    }

    /// The name of its bucket, in `[limits]` and in `welcome.limits.rates`.
    const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Room => "room",
            Self::Game => "game",
            Self::Channel => "channel",
            Self::Publish => "publish",
            Self::Call => "call",
            Self::Time => "time",
            Self::Users => "users",
        }
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
            Self::Users => limits.users,
        }
    }
}

impl ClientPacket {
    /// What it takes from the buckets of its session: their names in
    /// `welcome.limits.rates`, and tokens. A client that waits until they are there is not
    /// refused for its rate.
    ///
    /// ```
    /// use turntable_core::packet::ClientPacket;
    /// let call = ClientPacket::Call { f: "forum:listPosts".into(), args: None, user: None };
    /// assert_eq!(call.charges().collect::<Vec<_>>(), [("call", 1)]);
    /// assert_eq!(ClientPacket::Bye.charges().count(), 0);
    /// ```
    pub fn charges(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let charges = Class::charges(self).into_iter();
        charges
            .filter(|(_, count)| *count > 0)
            .map(|(class, count)| (class.name(), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_after_the_buckets_of_a_session() {
        let limits = LimitSettings::default();
        for class in Class::ALL {
            let bucket = (class.name(), class.settings(&limits));
            assert!(limits.of_session().contains(&bucket), "{bucket:?}");
        }
    }
}
