//! The calls to owners: what gateways and other owners request of an avatar, a
//! room, a channel or a service.
//!
//! Calls are plain data. They travel through the mailboxes of one process and
//! may travel between processes. A call of a session names it by its
//! [`Caller`]: the key that the owner knows it by, and the place to answer to.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::backup::{AnnouncedMember, AnnouncedSession};
use crate::frame::SharedFrame;
use crate::id::{ChannelId, UserId};
use crate::key::{Caller, GatewayId, Generation, SessionKey, ShardId};
use crate::model::avatar::AttributeChanges;
use crate::model::channel::Past;
use crate::model::member::Listener;
use crate::model::pattern::Pattern;
use crate::model::service::{Instance, Outcome, ServiceRequest};
use crate::model::timestamp::SenderClock;
#[cfg(debug_assertions)]
use crate::owner::OwnerId;
use crate::packet::{Action, JoinGame, OwnStatus, RequestId, Status};
use crate::payload::Payload;

/// A call on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// The generation under which its sender believes that the owner lives.
    pub generation: Generation,
    /// The call.
    pub call: Call,
}

/// A call with the id of its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// To a user's avatar.
    Avatar(UserId, AvatarCall),
    /// To a game room.
    Room(ChannelId, RoomCall),
    /// To a channel.
    Channel(ChannelId, ChannelCall),
    /// To a directory: a gateway has sessions that want everything below a
    /// path, or none any more. Answered by `Below`.
    Below {
        /// The path.
        channel: ChannelId,
        /// The gateway.
        gateway: GatewayId,
        /// Whether it has such sessions.
        wanted: bool,
    },
    /// To a directory: a room was lost, and its replacement may have lost
    /// members whose avatars count them as playing.
    RoomLost {
        /// The room.
        channel: ChannelId,
    },
    /// To a service.
    Service(Box<str>, ServiceCall),
    /// To a directory: the process uses more memory than it may, so the histories of
    /// its channels go.
    ForgetHistories,
    /// To the directory of a shard: sessions have joined a channel with its subpaths, and
    /// want what the channels below retain. Answered by `Listed`.
    PastBelow {
        /// The shard.
        shard: ShardId,
        /// The path.
        channel: ChannelId,
        /// Whose gathering it is.
        requester: Requester,
        /// How many of the last messages of each channel it needs at the most.
        depth: u32,
    },
    /// To the directory of a shard: the paths of its channels. Answered by `Channels`.
    Channels {
        /// The shard.
        shard: ShardId,
        /// Who asks.
        requester: Requester,
    },
    /// To the directory of a shard: the first of its rooms, in the order of their ids.
    /// Answered by `Channels`.
    Rooms {
        /// The shard.
        shard: ShardId,
        /// Who asks.
        requester: Requester,
        /// Behind this one, where it is given.
        after: Option<Box<str>>,
        /// How many at the most.
        max: u32,
    },
    /// A fault for tests: the owner panics at its next call.
    #[cfg(debug_assertions)]
    Fail(OwnerId),
}

impl Call {
    /// The id of the owner, which decides about the shard; `None` for a call to
    /// all directories.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Avatar(user, _) => Some(user.as_str()),
            Self::Room(channel, _) | Self::Channel(channel, _) => Some(channel.as_str()),
            Self::Service(name, _) => Some(name),
            Self::Below { .. }
            | Self::RoomLost { .. }
            | Self::ForgetHistories
            | Self::PastBelow { .. }
            | Self::Channels { .. }
            | Self::Rooms { .. } => None,
            #[cfg(debug_assertions)]
            Self::Fail(owner) => Some(owner.as_str()),
        }
    }
}

/// Who requests something of an owner that is no command of a session, and which of its
/// questions it is. Answered by `Answered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The gateway that passes the answer on.
    pub gateway: GatewayId,
    /// Which question of the gateway.
    pub ticket: u64,
}

/// A call to an avatar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum AvatarCall {
    /// A session identified as the user. Answered by `Attached`.
    Attach {
        caller: Caller,
        /// The roles of the session.
        roles: Vec<Box<str>>,
        /// Whether a login confirms the user.
        is_known: bool,
        attributes: Vec<(Box<str>, Payload)>,
        status: Option<OwnStatus>,
        id: Option<RequestId>,
    },
    /// A session lost its connection.
    Detach { caller: Caller },
    /// A session has a connection again.
    Resume { caller: Caller },
    /// A session ended.
    Remove { caller: Caller },
    /// `status`.
    Status {
        caller: Caller,
        status: Status,
        note: Option<Payload>,
        id: Option<RequestId>,
    },
    /// A session sent nothing for `presence.idle_after_ms`, or something again.
    Idle { caller: Caller, idle: bool },
    /// A gateway has sessions that watch the user. Answered by `Presence`.
    Watch { gateway: GatewayId },
    /// A gateway has no sessions that watch the user any more.
    Unwatch { gateway: GatewayId },
    /// `lookup`. Answered by `Found`.
    Lookup { gateway: GatewayId, ticket: u64 },
    /// An invite, stored until `until_ms` where no session is connected.
    Invite {
        channel: ChannelId,
        from: UserId,
        until_ms: u64,
    },
    /// The invite to a room was answered.
    InviteAnswered { channel: ChannelId },
    /// The user entered a room, or left it.
    Playing { channel: ChannelId, playing: bool },
    /// `set`.
    Set {
        caller: Caller,
        changes: AttributeChanges,
        id: Option<RequestId>,
    },
    /// A message for every session; one that dropped gets it when it is resumed.
    Tell(SharedFrame),
    /// What a gateway has of the user, for the replacement of a lost avatar.
    Announce {
        gateway: GatewayId,
        generation: Generation,
        is_watching: bool,
        sessions: Vec<AnnouncedSession>,
    },
    /// A session watches these users, or does not any more; only where two users see
    /// each other while both watch the other. Answered by `Seeing`.
    Watching {
        caller: Caller,
        users: Vec<UserId>,
        is_watching: bool,
    },
    /// From another avatar: its user watches this one, or does not any more. Answered by
    /// `Mutual` where this one watches it.
    WatchedBy { user: UserId, is_watching: bool },
    /// From another avatar: its user and this one watch each other.
    Mutual { with: UserId },
    /// A message for every session, from outside. Answered by the number of sessions.
    Publish {
        requester: Requester,
        message: Payload,
    },
    /// The user's attributes are requested.
    Attributes { requester: Requester },
    /// Everything that is known of the user goes.
    Erase { requester: Requester },
    /// The user's attributes are set from outside.
    Change {
        requester: Requester,
        changes: AttributeChanges,
    },
}

/// A call to a game room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum RoomCall {
    /// `joingame`. The session may have no connection: its client sent the command in
    /// a request.
    Join {
        caller: Caller,
        /// Whom it is charged to if the room begins by it (`None`: to nobody), and its
        /// invites.
        address: Option<Address>,
        user: UserId,
        join: JoinGame,
        id: Option<RequestId>,
        is_connected: bool,
        /// The games that the session may play; `None`: all.
        games: Option<Vec<Pattern>>,
    },
    /// `leavegame`.
    Leave {
        caller: Caller,
        user: UserId,
        id: Option<RequestId>,
    },
    /// `game`.
    Act {
        caller: Caller,
        user: UserId,
        actions: Vec<Action>,
        clock: SenderClock,
        address: Option<Address>,
        id: Option<RequestId>,
    },
    /// `declineinvite`.
    Decline {
        caller: Caller,
        user: UserId,
        id: Option<RequestId>,
    },
    /// A member's session lost its connection.
    Detach { caller: Caller, user: UserId },
    /// A member's session has a connection again.
    Resume { caller: Caller, user: UserId },
    /// A member's session ended; by `bye`, or in another way.
    Remove {
        caller: Caller,
        user: UserId,
        is_bye: bool,
    },
    /// Whether the user is a member. Answered to its avatar by `Playing`.
    Confirm { user: UserId },
    /// What a gateway has of the room, for the replacement of a lost one.
    Announce {
        gateway: GatewayId,
        generation: Generation,
        members: Vec<AnnouncedMember>,
    },
    /// The operator looks at the room. Answered by `Room`.
    Inspect { requester: Requester },
    /// The operator looks at the last actions behind one, by their numbers. Answered by
    /// `Actions`.
    Recent {
        requester: Requester,
        behind: Option<u64>,
    },
    /// The operator sends a member away. The members get the reason.
    Kick {
        requester: Requester,
        user: UserId,
        reason: Option<Box<str>>,
    },
    /// The operator ends the room. The members get the reason.
    End {
        requester: Requester,
        reason: Option<Box<str>>,
    },
}

impl RoomCall {
    /// Who waits for the answer to a question.
    #[must_use]
    pub const fn requester(&self) -> Option<Requester> {
        match self {
            Self::Inspect { requester }
            | Self::Recent { requester, .. }
            | Self::Kick { requester, .. }
            | Self::End { requester, .. } => Some(*requester),
            _ => None,
        }
    }

    /// The command behind a call, its session and the id its answer carries.
    #[must_use]
    pub fn into_command(self) -> Option<(&'static str, Caller, Option<RequestId>)> {
        match self {
            Self::Join { caller, id, .. } => Some(("joingame", caller, id)),
            Self::Leave { caller, id, .. } => Some(("leavegame", caller, id)),
            Self::Act { caller, id, .. } => Some(("game", caller, id)),
            Self::Decline { caller, id, .. } => Some(("declineinvite", caller, id)),
            Self::Detach { .. }
            | Self::Resume { .. }
            | Self::Remove { .. }
            | Self::Confirm { .. }
            | Self::Announce { .. }
            | Self::Inspect { .. }
            | Self::Recent { .. }
            | Self::Kick { .. }
            | Self::End { .. } => None,
        }
    }
}

/// A call to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum ChannelCall {
    /// `joinchannel`. The session's gateway is interested from here on.
    Join {
        caller: Caller,
        /// Whom it is charged to if the channel begins by it; `None`: to nobody.
        address: Option<Address>,
        listener: Listener,
        subpaths: bool,
        past: Past,
        id: Option<RequestId>,
    },
    /// The session leaves the channel; or it only joins again, with subpaths or without,
    /// by a call behind this one.
    Leave {
        caller: Caller,
        subpaths: bool,
        stays: bool,
    },
    /// `publish`.
    Publish {
        caller: Caller,
        /// Whom it is charged to if the channel begins by it; `None`: to nobody.
        address: Option<Address>,
        user: UserId,
        data: Payload,
        id: Option<RequestId>,
    },
    /// A gateway has no sessions on the channel any more.
    Unsubscribed { gateway: GatewayId },
    /// What a gateway has of the channel, for the replacement of a lost one:
    /// whether it has sessions on it, and which, where members are shown.
    Announce {
        gateway: GatewayId,
        generation: Generation,
        is_subscribed: bool,
        listeners: Vec<(SessionKey, Listener)>,
    },
    /// The process uses more memory than it may: the history goes.
    Forget,
    /// A session of a channel that shows its members lost its connection.
    Detach { caller: Caller },
    /// It has a connection again.
    Resume { caller: Caller },
    /// Its user hides its presence, or does not any more.
    Hide { caller: Caller, is_hidden: bool },
    /// A message of the operator, without a sender. Answered by `Published`.
    Tell {
        requester: Requester,
        message: Payload,
    },
    /// What is retained is requested. Answered by `History`.
    Recall {
        requester: Requester,
        since: Option<Since>,
    },
    /// The operator clears the history.
    Clear { requester: Requester },
    /// So many of the last messages, for sessions that joined above. Answered by `Past`.
    Past { requester: Requester, depth: u32 },
}

/// A position in a channel; without an epoch in the life of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The life of the channel.
    pub epoch: Option<Box<str>>,
    /// The last message that is known.
    pub offset: u64,
}

/// A call to a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum ServiceCall {
    /// A gateway wants to know the state. Answered by `Service`, now and at each
    /// change.
    Watch { gateway: GatewayId },
    /// A session provides these functions, in place of those before. What begins because
    /// of it counts for the address of its client.
    Provide {
        caller: Caller,
        functions: Vec<Box<str>>,
        address: Option<Address>,
    },
    /// A session that provides functions lost its connection or ended.
    Gone { caller: Caller },
    /// `call`. Answered by `Answer`.
    Call(ServiceRequest),
    /// An instance answers a call that it was given.
    Reply {
        from: Instance,
        number: u64,
        outcome: Outcome,
    },
    /// An instance does not get a call that it was given: it is behind with reading.
    Returned { from: Instance, number: u64 },
    /// Switches the service on or off.
    Switch { is_on: bool },
    /// The service is disabled for a user: the open calls of its sessions at this gateway
    /// are answered `service_down`.
    EndCalls { gateway: GatewayId, user: UserId },
    /// What the server itself provides may have changed: a backend that it calls is up
    /// or down.
    Look,
    /// The state is requested.
    Inspect { requester: Requester },
    /// What a gateway has of the service, for the replacement of a lost one: the
    /// sessions that provide functions. The gateway wants to know the state.
    Announce {
        gateway: GatewayId,
        generation: Generation,
        providers: Vec<(Caller, Vec<Box<str>>)>,
    },
    /// A session with open calls is at another place: the answers to them go there.
    Moved { caller: Caller },
}
