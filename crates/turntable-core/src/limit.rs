//! The limits that refuse something, by the keys of the configuration that set them.
//!
//! An error knows which limit it comes from, and the metrics count it under that
//! name: `rate_limited` alone does not say which key to raise.

use serde::{Deserialize, Serialize};

use crate::reason::CloseReason;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is named after its key")]
pub enum Limit {
    Connections,
    ConnectionsPerAddress,
    MessageBytes,
    SocketUnidentified,
    Unidentified,
    OutboxBytes,
    SessionsPerUser,
    Subscriptions,
    Rooms,
    Channels,
    Depth,
    ErrorBurst,
    Presence,
    Users,
    Room,
    Game,
    Channel,
    Publish,
    Call,
    Time,
    Control,
    Bytes,
    AddressBytes,
    AddressPublish,
    AddressDeliveries,
    AddressUsers,
    AddressInvites,
    Flood,
    Session,
    ConnectionSession,
    Resume,
    TlsHandshake,
    Watched,
    Lookup,
    NoteBytes,
    AttributesBytes,
    RoomMembers,
    RoomActions,
    RoomInvites,
    RoomInvitesWaiting,
    RoomBytes,
    ChannelBytes,
    ChannelRate,
    TeamMembers,
    ActionRate,
    ActionBytes,
    RoomInvitesToUser,
    RoomNewByAddress,
    ChannelNewByUser,
    ChannelNewByAddress,
    ServiceQueue,
    ServiceInstances,
    Checking,
    CheckingPerAddress,
    AddressFailures,
    UserFailures,
    SignUps,
    PasswordUsers,
    RoomResults,
    ResultBytes,
}

impl Limit {
    /// Every limit, in the order of config.toml.
    pub const ALL: [Self; 60] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::MessageBytes,
        Self::SocketUnidentified,
        Self::Checking,
        Self::CheckingPerAddress,
        Self::AddressFailures,
        Self::UserFailures,
        Self::SignUps,
        Self::PasswordUsers,
        Self::Unidentified,
        Self::OutboxBytes,
        Self::SessionsPerUser,
        Self::Subscriptions,
        Self::Rooms,
        Self::Channels,
        Self::Depth,
        Self::ErrorBurst,
        Self::Presence,
        Self::Users,
        Self::Room,
        Self::Game,
        Self::Channel,
        Self::Publish,
        Self::Call,
        Self::Time,
        Self::Control,
        Self::Bytes,
        Self::AddressBytes,
        Self::AddressPublish,
        Self::AddressDeliveries,
        Self::AddressUsers,
        Self::AddressInvites,
        Self::Flood,
        Self::Session,
        Self::ConnectionSession,
        Self::Resume,
        Self::TlsHandshake,
        Self::Watched,
        Self::Lookup,
        Self::NoteBytes,
        Self::AttributesBytes,
        Self::RoomMembers,
        Self::RoomActions,
        Self::RoomInvites,
        Self::RoomInvitesWaiting,
        Self::RoomInvitesToUser,
        Self::RoomNewByAddress,
        Self::RoomBytes,
        Self::RoomResults,
        Self::ResultBytes,
        Self::ChannelNewByUser,
        Self::ChannelNewByAddress,
        Self::ChannelBytes,
        Self::ChannelRate,
        Self::TeamMembers,
        Self::ActionRate,
        Self::ActionBytes,
        Self::ServiceQueue,
        Self::ServiceInstances,
    ];

    /// The key that sets it. An entry in `[games]` has its name in place of `NAME`, one in
    /// `[channels]` its pattern in place of `PATTERN`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Connections => "server.connections_max",
            Self::ConnectionsPerAddress => "server.connections_per_address_max",
            Self::MessageBytes => "server.max_message_bytes",
            Self::SocketUnidentified => "session.unidentified_per_socket_max",
            Self::Unidentified => "session.unidentified_per_address_max",
            Self::OutboxBytes => "session.outbox_bytes_max",
            Self::Checking => "portal.checking_max",
            Self::CheckingPerAddress => "portal.checking_per_address_max",
            Self::AddressFailures => "portal.address_failures",
            Self::UserFailures => "portal.user_failures",
            Self::SignUps => "portal.password.sign_ups",
            Self::PasswordUsers => "portal.password.users_max",
            Self::SessionsPerUser => "session.sessions_per_user_max",
            Self::Subscriptions => "session.subscriptions_per_address_max",
            Self::Rooms => "session.rooms_max",
            Self::Channels => "session.channels_max",
            Self::Depth => "session.depth_max",
            Self::ErrorBurst => "session.error_burst",
            Self::Presence => "limits.presence",
            Self::Users => "limits.users",
            Self::Room => "limits.room",
            Self::Game => "limits.game",
            Self::Channel => "limits.channel",
            Self::Publish => "limits.publish",
            Self::Call => "limits.call",
            Self::Time => "limits.time",
            Self::Control => "limits.control",
            Self::Bytes => "limits.bytes",
            Self::AddressBytes => "limits.address_bytes",
            Self::AddressPublish => "limits.address_publish",
            Self::AddressDeliveries => "limits.address_deliveries",
            Self::AddressUsers => "limits.address_users",
            Self::AddressInvites => "limits.address_invites",
            Self::Flood => "limits.flood",
            Self::Session => "limits.session",
            Self::ConnectionSession => "limits.connection_session",
            Self::Resume => "limits.resume",
            Self::TlsHandshake => "limits.tls_handshake",
            Self::Watched => "presence.watch_max",
            Self::Lookup => "presence.lookup_max",
            Self::NoteBytes => "presence.note_bytes_max",
            Self::AttributesBytes => "presence.attributes_bytes_max",
            Self::RoomMembers => "room.members_max",
            Self::RoomActions => "room.actions_max",
            Self::RoomInvites => "room.invites_max",
            Self::RoomInvitesWaiting => "room.invites_waiting_max",
            Self::RoomInvitesToUser => "room.invites_to_user",
            Self::RoomNewByAddress => "room.new_by_address",
            Self::ChannelNewByUser => "channel.new_by_user",
            Self::ChannelNewByAddress => "channel.new_by_address",
            Self::RoomBytes => "room.bytes",
            Self::RoomResults => "room.results",
            Self::ResultBytes => "room.result_bytes_max",
            Self::ChannelBytes => "channel.bytes",
            Self::ChannelRate => "channels.PATTERN.publish_rate",
            Self::TeamMembers => "games.NAME.team_members_max",
            Self::ActionRate => "games.NAME.actions_per_second",
            Self::ActionBytes => "games.NAME.action_bytes_max",
            Self::ServiceQueue => "services.NAME.queue_max",
            Self::ServiceInstances => "services.NAME.instances_max",
        }
    }

    /// The limit that closes a connection for this reason, where it is always the
    /// same one.
    #[must_use]
    pub const fn of_close(reason: CloseReason) -> Option<Self> {
        match reason {
            CloseReason::TooLarge => Some(Self::MessageBytes),
            CloseReason::TooSlow => Some(Self::OutboxBytes),
            CloseReason::TooManyErrors => Some(Self::ErrorBurst),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_limit_has_a_key_of_its_own() {
        let keys: BTreeSet<&str> = Limit::ALL.iter().map(|limit| limit.key()).collect();
        assert_eq!(keys.len(), Limit::ALL.len());
    }
}
