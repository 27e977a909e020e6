//! The messages from the server to a client (section 2.2 of the protocol).

use serde::{Deserialize, Serialize};

use super::{Action, ErrorBody, Presence};
use crate::id::{ChannelId, MessageId, SessionId, UserId};
use crate::model::avatar::AttributeChanges;
use crate::model::service::ServiceState;
use crate::payload::Payload;
use crate::rate::BucketSettings;

/// Server to client, section 2.2. The `id` of an answer is sent next to it.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "section 2.2 of the protocol is their documentation"
)]
pub enum ServerPacket {
    IdYou,
    Welcome(Box<Welcome>),
    UserChange(Vec<(UserId, Presence)>),
    Invite {
        channel: ChannelId,
        from: UserId,
    },
    InviteReply {
        channel: ChannelId,
        user: UserId,
        accepted: bool,
    },
    RoomJoined(Box<RoomJoined>),
    ChannelJoined {
        channel: ChannelId,
        epoch: Box<str>,
        offset: u64,
        recovered: bool,
        /// `None` where members are not shown.
        members: Option<MemberList>,
    },
    MemberChange {
        channel: ChannelId,
        members: Vec<(UserId, MemberChange)>,
        /// Why they left, where an operator sent them away.
        reason: Option<Box<str>>,
    },
    /// A `memberchange` of a channel. The epoch tells it from one of a room.
    ChannelMembers {
        channel: ChannelId,
        epoch: Box<str>,
        members: MemberUpdate,
    },
    Game {
        channel: ChannelId,
        actions: Vec<Action>,
    },
    Message(Box<ChannelMessage>),
    Call {
        f: Box<str>,
        args: Option<Payload>,
        /// The user that calls, where it is a call to a service.
        user: Option<UserId>,
        /// What no other call of the service has, and this one has again where it is given
        /// to another instance. Where that may be.
        key: Option<Box<str>>,
    },
    Service(Vec<(Box<str>, ServiceState)>),
    Reply(ReplyData),
    Error(Box<ErrorBody>),
    Attributes(Vec<(Box<str>, Option<Payload>)>),
    Profiles(Vec<(UserId, AttributeChanges)>),
    Time {
        t0: Payload,
        t1_ms: u64,
        t2_ms: u64,
    },
    GoAway {
        reason: &'static str,
        reconnect_ms: u64,
        url: Option<Box<str>>,
    },
}

/// The answer to `idme` and `resume`.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "section 2.2 of the protocol is their documentation"
)]
pub struct Welcome {
    /// `None` before the session has an identity.
    pub user: Option<UserId>,
    pub session: SessionId,
    pub resumed: bool,
    pub accepted: u64,
    pub time_ms: u64,
    pub heartbeat_ms: u64,
    pub attributes: Vec<(Box<str>, Payload)>,
    /// The services that the user may call.
    pub services: Vec<(Box<str>, ServiceState)>,
    /// Name and value of each limit that concerns clients.
    pub limits: Vec<(&'static str, u64)>,
    /// Name and bucket of each rate of the session.
    pub rates: Vec<(&'static str, BucketSettings)>,
    /// Name and version of the server.
    pub server: Box<str>,
    /// What the client should know before it relies on the server; a sentence each.
    /// Omitted if there is none.
    pub warnings: Vec<&'static str>,
    /// Over how long clients return that lost the server without a `goaway`, in ms. Omitted
    /// if that is short.
    pub reconnect_ms: Option<u64>,
    /// Seconds that are left of the credentials, if they expire.
    pub expires_in: Option<u64>,
    /// Credentials for the next identification, if the portal issues some.
    pub token: Option<Box<str>>,
}

/// A member of a room as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMember {
    /// The user.
    pub user: UserId,
    /// Its team, if the game has teams.
    pub team: Option<Box<str>>,
    /// Whether it is connected or only has a seat.
    pub state: MemberState,
}

/// Whether a member is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Connected; `joined` on the wire.
    Joined,
    /// Disconnected, with a reserved seat; `away` on the wire.
    Away,
}

impl MemberState {
    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Away => "away",
        }
    }
}

/// The answer to `joingame`.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "section 2.2 of the protocol is their documentation"
)]
pub struct RoomJoined {
    pub channel: ChannelId,
    pub member: UserId,
    pub team: Option<Box<str>>,
    pub members: Vec<RoomMember>,
    pub state: Option<Payload>,
    pub time_ms: u64,
}

/// A change of a member of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "self-explanatory names")]
pub enum MemberChange {
    Joined,
    Left,
    Away,
    Back,
}

impl MemberChange {
    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Away => "away",
            Self::Back => "back",
        }
    }
}

/// The members of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberList {
    /// Who they are.
    Names(Vec<UserId>),
    /// How many there are, of which no names are sent.
    Count(u64),
}

/// What listeners of a channel are sent of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberUpdate {
    /// Who joined and who left; behind a number, all members.
    Names(Vec<(UserId, MemberChange)>),
    /// How many there are.
    Count(u64),
}

/// A message of a channel.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "section 2.2 of the protocol is their documentation"
)]
pub struct ChannelMessage {
    pub channel: ChannelId,
    pub id: MessageId,
    pub offset: u64,
    /// With the first message of a life of the channel only: who listens above the
    /// channel gets no `joined` of it.
    pub epoch: Option<Box<str>>,
    /// `None`: the operator.
    pub from: Option<UserId>,
    pub time_ms: u64,
    pub data: Payload,
}

/// The data of a `reply`.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyData {
    /// Success; an empty object on the wire.
    Done,
    /// A message was published.
    Published {
        /// The message.
        id: MessageId,
        /// Its offset in the channel.
        offset: u64,
        /// The epoch of the channel, in which the offset counts.
        epoch: Box<str>,
    },
    /// The answer to `lookup`.
    Lookup(Vec<(UserId, LookupEntry)>),
    /// The answer to `block`: the users that the user blocks.
    Blocked(Vec<UserId>),
    /// An opaque result.
    Value(Payload),
}

/// One user in the answer to `lookup`; by default one that is absent and unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LookupEntry {
    /// The state that others see.
    pub state: Presence,
    /// Unix ms of its last presence; `None` if unknown. Omitted for a user that is
    /// present.
    pub last_seen_ms: Option<u64>,
    /// The number of its connected sessions; 0 for an invisible user.
    pub devices: u32,
    /// The note of the user's status.
    pub note: Option<Payload>,
    /// The user's public attributes. Omitted where there is none.
    pub profile: Vec<(Box<str>, Payload)>,
}

impl ServerPacket {
    /// Name and number of every message in the protocol's table.
    pub const MESSAGES: [(&'static str, u8); 17] = [
        ("idyou", 64),
        ("welcome", 65),
        ("userchange", 66),
        ("invite", 67),
        ("invitereply", 68),
        ("joined", 69),
        ("memberchange", 70),
        ("game", 71),
        ("message", 72),
        ("call", 73),
        ("reply", 74),
        ("error", 75),
        ("attributes", 76),
        ("service", 77),
        ("time", 78),
        ("goaway", 79),
        ("profiles", 84),
    ];

    /// Its name and number on the wire.
    #[must_use]
    pub const fn name(&self) -> (&'static str, u8) {
        match self {
            Self::IdYou => ("idyou", 64),
            Self::Welcome(_) => ("welcome", 65),
            Self::UserChange(_) => ("userchange", 66),
            Self::Invite { .. } => ("invite", 67),
            Self::InviteReply { .. } => ("invitereply", 68),
            Self::RoomJoined(_) | Self::ChannelJoined { .. } => ("joined", 69),
            Self::MemberChange { .. } | Self::ChannelMembers { .. } => ("memberchange", 70),
            Self::Game { .. } => ("game", 71),
            Self::Message(_) => ("message", 72),
            Self::Call { .. } => ("call", 73),
            Self::Reply(_) => ("reply", 74),
            Self::Error(_) => ("error", 75),
            Self::Attributes(_) => ("attributes", 76),
            Self::Service(_) => ("service", 77),
            Self::Time { .. } => ("time", 78),
            Self::GoAway { .. } => ("goaway", 79),
            Self::Profiles(_) => ("profiles", 84),
        }
    }
}
