//! The messages of the protocol as types (sections 2.1 and 2.2), independent of
//! the encoding.
//!
//! `ClientPacket` goes up, `ServerPacket` comes down; the numbers are those of
//! the protocol's tables. The ids in a packet are valid; the session checks limits
//! that depend on the configuration.

mod server;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, SessionId, UserId};
use crate::limit::Limit;
use crate::payload::Payload;
use crate::reason::ErrorCode;

pub use server::{
    ChannelMessage, LookupEntry, MemberChange, MemberList, MemberState, MemberUpdate, ReplyData,
    RoomJoined, RoomMember, ServerPacket, Welcome,
};

/// The `id` of a command, as JSON text (a string or a number); its answer
/// carries the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Box<str>);

/// A command with the `id` for its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientMessage {
    /// The id for the answer, if the client gave one.
    pub id: Option<RequestId>,
    /// The command.
    pub packet: ClientPacket,
}

/// What a user says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnStatus {
    /// The state.
    pub state: Status,
    /// Anything else, shown by `lookup`.
    pub note: Option<Payload>,
}

/// What a client begins with, beside who it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Beginning {
    /// Attributes of its user.
    pub attributes: Vec<(Box<str>, Payload)>,
    /// Its status.
    pub status: Option<OwnStatus>,
}

/// Client to server, section 2.1.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "section 2.1 of the protocol is their documentation"
)]
pub enum ClientPacket {
    IdMe {
        /// `None` where the credentials say it, or the portal issues one.
        user: Option<UserId>,
        credentials: Option<Payload>,
        attributes: Vec<(Box<str>, Payload)>,
        /// How the user is seen from the first moment on.
        status: Option<OwnStatus>,
    },
    Resume {
        session: SessionId,
        received: u64,
        /// Which attempt of the client to have the session on a connection it is.
        attempt: Option<u32>,
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
        user: Option<UserId>,
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
        /// The user that a guest claims to be.
        user: Option<UserId>,
        credentials: Payload,
    },
    Bye,
    /// Changes of the own block list; without any the list is requested.
    Block {
        add: Vec<UserId>,
        remove: Vec<UserId>,
    },
}

/// The data of `joingame`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGame {
    /// The room.
    pub channel: ChannelId,
    /// The user that the client claims to be in the room; its own user id.
    pub member: UserId,
    /// Users to invite.
    pub invite: Vec<UserId>,
    /// The requested team.
    pub team: Option<Box<str>>,
    /// The game's name in `[games.NAME]`; used when the room is created.
    pub game: Option<Box<str>>,
}

/// The data of `joinchannel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinChannel {
    /// Positions of paths below it.
    pub below: Vec<(ChannelId, Position)>,
    /// The path.
    pub channel: ChannelId,
    /// Whether paths below it are included.
    pub subpaths: bool,
    /// The position where an earlier subscription ended.
    pub since: Option<Position>,
    /// The number of requested past messages.
    pub history: Option<u32>,
}

/// A position in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch of the channel, in which the offset counts.
    pub epoch: Box<str>,
    /// The number of earlier messages in that epoch.
    pub offset: u64,
}

/// One game action, up and down. Up, `timestamp_ms` is the client's clock; down,
/// it is corrected to Unix ms of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Milliseconds; the clock depends on the direction.
    pub timestamp_ms: f64,
    /// The acting member.
    pub from: UserId,
    /// The sender's team, as claimed by the sender.
    pub team: Option<Box<str>>,
    /// The data; opaque to the server unless the game has rules.
    pub data: Payload,
}

/// The state that a user sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "self-explanatory names")]
pub enum Status {
    Online,
    Idle,
    Busy,
    Invisible,
}

impl Status {
    /// The status of a name in messages.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "online" => Self::Online,
            "idle" => Self::Idle,
            "busy" => Self::Busy,
            "invisible" => Self::Invisible,
            _ => return None,
        })
    }
}

/// The state that others see, the least available first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[allow(missing_docs, reason = "self-explanatory names")]
#[repr(u8)]
pub enum Presence {
    #[default]
    Offline,
    Idle,
    Busy,
    Online,
}

impl Presence {
    /// The name in messages.
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

/// Additional details of an error, as name and number.
pub type Details = Vec<(Cow<'static, str>, u64)>;

/// Why credentials were refused, or a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// They were valid once: new ones may be accepted.
    Expired,
    /// No checker accepts them.
    Invalid,
    /// They were valid, and were withdrawn.
    Revoked,
    /// An operator ended the session.
    Kicked,
    /// An operator banned the user.
    Banned,
}

impl Reason {
    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Revoked => "revoked",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
        }
    }
}

/// What a rule or a validator refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The name of the attribute: `details.key`.
    pub key: Box<str>,
    /// Why, as a sentence or its end: `details.reason`.
    pub reason: Box<str>,
}

/// The body of an `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The code.
    pub code: ErrorCode,
    /// A sentence: the fault and the accepted form.
    pub message: Box<str>,
    /// The command that caused it, if known.
    pub command: Option<Cow<'static, str>>,
    /// Additional details, as name and number (`index`, `retry_ms`, `max`).
    pub details: Details,
    /// Why credentials were refused, or the session ends: `details.reason`.
    pub reason: Option<Reason>,
    /// The limit that refuses, for the metrics; clients do not get it.
    pub limit: Option<Limit>,
    /// The attribute that was refused, and why.
    pub refusal: Option<Box<Refusal>>,
}

impl ErrorBody {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<Box<str>>) -> Self {
        Self {
            code,
            message: message.into(),
            command: None,
            details: Vec::new(),
            reason: None,
            limit: None,
            refusal: None,
        }
    }

    /// The same error, about the attribute `key`, with the reason of who refused it.
    #[must_use]
    pub fn refusing(mut self, key: impl Into<Box<str>>, reason: impl Into<Box<str>>) -> Self {
        self.refusal = Some(Box::new(Refusal {
            key: key.into(),
            reason: reason.into(),
        }));
        self
    }

    /// Whether it has `details`.
    #[must_use]
    pub fn has_details(&self) -> bool {
        !self.details.is_empty() || self.reason.is_some() || self.refusal.is_some()
    }

    /// The same error, with the reason why credentials were refused.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same error, refused by this limit.
    #[must_use]
    pub fn by(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same error, with the command that caused it.
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

    /// The number of a detail.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<u64> {
        let found = self.details.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

impl ClientPacket {
    /// Name and number of every command a client may send.
    pub const COMMANDS: [(&'static str, u8); 21] = [
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
        ("block", 27),
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
            Self::Block { .. } => "block",
        }
    }
}

impl ClientPacket {
    /// Whether a session counts it as an accepted command (protocol.md 2.2,
    /// `welcome`). What is not counted may be repeated without harm, or ends the
    /// session.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        !matches!(
            self,
            Self::IdMe { .. } | Self::Time { .. } | Self::Resume { .. } | Self::Bye
        )
    }

    /// Whether each command of this name with an `id` is answered by one owner.
    #[must_use]
    pub fn is_awaited(name: &str) -> bool {
        matches!(
            name,
            "idme"
                | "status"
                | "set"
                | "joingame"
                | "leavegame"
                | "declineinvite"
                | "joinchannel"
                | "publish"
                | "call"
        )
    }

    /// Whether an owner answers it where it has an `id`; else the gateway does, or
    /// nothing. A `lookup` is answered by several.
    #[must_use]
    pub const fn is_answered_by_owner(&self) -> bool {
        match self {
            Self::IdMe { .. }
            | Self::Status { .. }
            | Self::Set(_)
            | Self::JoinGame(_)
            | Self::LeaveGame(_)
            | Self::DeclineInvite(_)
            | Self::JoinChannel(_)
            | Self::Publish { .. } => true,
            Self::Resume { .. }
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::Game { .. }
            | Self::LeaveChannel(_)
            | Self::Call { .. }
            | Self::Reply { .. }
            | Self::Provide(_)
            | Self::Time { .. }
            | Self::Lookup(_)
            | Self::Authenticate { .. }
            | Self::Block { .. }
            | Self::Bye => false,
        }
    }
}
