//! The messages of the protocol as types (sections 2.1 and 2.2), whatever the
//! codec that carries them.
//!
//! `ClientPacket` goes up, `ServerPacket` comes down; the numbers are those of
//! the protocol's tables. Ids are checked when a packet exists; limits that
//! depend on configuration are the session's to check.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, MessageId, SessionId, UserId};
use crate::payload::Payload;
use crate::reason::ErrorCode;

/// The `id` that a client put on its command, as JSON text (a string or a
/// number), carried back by the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Box<str>);

/// A command with the `id` its answer shall carry.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientMessage {
    /// What the client wants the answer to carry.
    pub id: Option<RequestId>,
    /// The command.
    pub packet: ClientPacket,
}

/// Client to server, section 2.1.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "section 2.1 of the protocol is their documentation"
)]
pub enum ClientPacket {
    IdMe {
        user: UserId,
        credentials: Option<Payload>,
        attributes: Vec<(Box<str>, Payload)>,
    },
    Resume {
        session: SessionId,
        received: u64,
    },
    Subscribe(Vec<UserId>),
    Unsubscribe(Vec<UserId>),
    Status {
        state: Status,
        note: Option<Payload>,
    },
    JoinGame(JoinGame),
    LeaveGame(ChannelId),
    Game {
        channel: ChannelId,
        actions: Vec<Action>,
    },
    DeclineInvite(ChannelId),
    JoinChannel(JoinChannel),
    LeaveChannel(ChannelId),
    Publish {
        channel: ChannelId,
        data: Payload,
    },
    Call {
        f: Box<str>,
        args: Option<Payload>,
    },
    Reply {
        result: Payload,
    },
    Set(Vec<(Box<str>, Option<Payload>)>),
    Provide(Vec<(Box<str>, Vec<Box<str>>)>),
    Time {
        t0: Payload,
        t0_ms: f64,
        received: Option<u64>,
    },
    Lookup(Vec<UserId>),
    Authenticate {
        credentials: Payload,
    },
    Bye,
}

/// What `joingame` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGame {
    /// The room.
    pub channel: ChannelId,
    /// Who the client says it is in the room; its own user id.
    pub member: UserId,
    /// Users to invite.
    pub invite: Vec<UserId>,
    /// The team wished for.
    pub team: Option<Box<str>>,
    /// The game's name in `[games.NAME]`; counts when the room is created.
    pub game: Option<Box<str>>,
}

/// What `joinchannel` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinChannel {
    /// The path.
    pub channel: ChannelId,
    /// Whether paths below it are wanted too.
    pub subpaths: bool,
    /// Where an earlier subscription stopped.
    pub since: Option<Position>,
    /// How many past messages are wished for.
    pub history: Option<u32>,
}

/// A place in a channel's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The life of the channel that the offset counts in.
    pub epoch: Box<str>,
    /// How many messages of that life came before.
    pub offset: u64,
}

/// One game action, up and down. Up, `timestamp_ms` is on the client's clock;
/// down, it is corrected to Unix ms of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Milliseconds; see above for the clock.
    pub timestamp_ms: f64,
    /// The acting member.
    pub from: UserId,
    /// The team the sender says it has.
    pub team: Option<Box<str>>,
    /// What happened; opaque to the server unless the game has rules.
    pub data: Payload,
}

/// What a user says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Status {
    Online,
    Idle,
    Busy,
    Invisible,
}

/// What others see of a user, the least available first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[allow(missing_docs, reason = "the names say it")]
#[repr(u8)]
pub enum Presence {
    #[default]
    Offline,
    Idle,
    Busy,
    Online,
}

impl Presence {
    /// The state as it travels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Online => "online",
        }
    }
}

/// Server to client, section 2.2. The `id` of an answer travels beside it.
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
    },
    MemberChange {
        channel: ChannelId,
        members: Vec<(UserId, MemberChange)>,
    },
    Game {
        channel: ChannelId,
        actions: Vec<Action>,
    },
    Message(Box<ChannelMessage>),
    Call {
        f: Box<str>,
        args: Option<Payload>,
    },
    Reply(ReplyData),
    Error(Box<ErrorBody>),
    Attributes(Vec<(Box<str>, Option<Payload>)>),
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
    /// Name and value of each limit that a client should know.
    pub limits: Vec<(&'static str, u64)>,
    /// Name and version of the server.
    pub server: Box<str>,
}

/// A member of a room as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomMember {
    /// Who.
    pub user: UserId,
    /// On which team, where the game has teams.
    pub team: Option<Box<str>>,
    /// Whether it is there or keeps a seat.
    pub state: MemberState,
}

/// Whether a member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Connected; `joined` on the wire.
    Joined,
    /// Dropped, with its seat kept; `away` on the wire.
    Away,
}

impl MemberState {
    /// The state as it travels.
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

/// What happened to a member of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum MemberChange {
    Joined,
    Left,
    Away,
    Back,
}

impl MemberChange {
    /// The change as it travels.
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
    pub from: UserId,
    pub time_ms: u64,
    pub data: Payload,
}

/// What a `reply` carries.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyData {
    /// Done; an empty hash on the wire.
    Done,
    /// A message was published.
    Published {
        /// The message.
        id: MessageId,
        /// Its place in the channel.
        offset: u64,
        /// The life of the channel that the offset counts in.
        epoch: Box<str>,
    },
    /// The answer to `lookup`.
    Lookup(Vec<(UserId, LookupEntry)>),
    /// A result that the server does not look into.
    Value(Payload),
}

/// One user in the answer to `lookup`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookupEntry {
    /// What others see.
    pub state: Presence,
    /// Unix ms when it was last there; `None` where nothing is known. Left
    /// out for a user that is there now.
    pub last_seen_ms: Option<u64>,
    /// How many of its sessions are connected; 0 for an invisible user.
    pub devices: u32,
    /// What the user said with its status.
    pub note: Option<Payload>,
}

/// More about an error, as name and number.
pub type Details = Vec<(Cow<'static, str>, u64)>;

/// The body of an `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The code.
    pub code: ErrorCode,
    /// A sentence: what was wrong and what is accepted.
    pub message: Box<str>,
    /// The command it answers, where that is known.
    pub command: Option<Cow<'static, str>>,
    /// More, as name and number (`index`, `retry_ms`, `max`).
    pub details: Details,
}

impl ErrorBody {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<Box<str>>) -> Self {
        Self {
            code,
            message: message.into(),
            command: None,
            details: Vec::new(),
        }
    }

    /// The same error, naming the command it answers.
    #[must_use]
    pub fn of(mut self, command: impl Into<Cow<'static, str>>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// The same error with one more detail.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: u64) -> Self {
        self.details.push((name.into(), value));
        self
    }
}

impl ClientPacket {
    /// Name and number of every command a client may send.
    pub const COMMANDS: [(&'static str, u8); 20] = [
        ("idme", 1),
        ("resume", 2),
        ("subscribe", 3),
        ("unsubscribe", 4),
        ("status", 5),
        ("joingame", 6),
        ("leavegame", 7),
        ("game", 8),
        ("declineinvite", 9),
        ("joinchannel", 10),
        ("leavechannel", 11),
        ("publish", 12),
        ("call", 13),
        ("reply", 14),
        ("set", 15),
        ("provide", 16),
        ("time", 17),
        ("lookup", 18),
        ("authenticate", 19),
        ("bye", 20),
    ];

    /// The command's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::IdMe { .. } => "idme",
            Self::Resume { .. } => "resume",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Status { .. } => "status",
            Self::JoinGame(_) => "joingame",
            Self::LeaveGame(_) => "leavegame",
            Self::Game { .. } => "game",
            Self::DeclineInvite(_) => "declineinvite",
            Self::JoinChannel(_) => "joinchannel",
            Self::LeaveChannel(_) => "leavechannel",
            Self::Publish { .. } => "publish",
            Self::Call { .. } => "call",
            Self::Reply { .. } => "reply",
            Self::Set(_) => "set",
            Self::Provide(_) => "provide",
            Self::Time { .. } => "time",
            Self::Lookup(_) => "lookup",
            Self::Authenticate { .. } => "authenticate",
            Self::Bye => "bye",
        }
    }
}

impl ClientPacket {
    /// Whether a session counts it among the commands that it has taken; what is
    /// not counted may be repeated without harm, or ends the session
    /// (protocol.md 2.2, `welcome`).
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        !matches!(self, Self::Time { .. } | Self::Resume { .. } | Self::Bye)
    }
}

impl ServerPacket {
    /// Name and number of every message of the protocol's table; `service` is
    /// reserved, no packet has it yet.
    pub const MESSAGES: [(&'static str, u8); 16] = [
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
    ];

    /// Name and number as they travel.
    #[must_use]
    pub const fn name(&self) -> (&'static str, u8) {
        match self {
            Self::IdYou => ("idyou", 64),
            Self::Welcome(_) => ("welcome", 65),
            Self::UserChange(_) => ("userchange", 66),
            Self::Invite { .. } => ("invite", 67),
            Self::InviteReply { .. } => ("invitereply", 68),
            Self::RoomJoined(_) | Self::ChannelJoined { .. } => ("joined", 69),
            Self::MemberChange { .. } => ("memberchange", 70),
            Self::Game { .. } => ("game", 71),
            Self::Message(_) => ("message", 72),
            Self::Call { .. } => ("call", 73),
            Self::Reply(_) => ("reply", 74),
            Self::Error(_) => ("error", 75),
            Self::Attributes(_) => ("attributes", 76),
            Self::Time { .. } => ("time", 78),
            Self::GoAway { .. } => ("goaway", 79),
        }
    }
}
