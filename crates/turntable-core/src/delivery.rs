//! What owners send to gateways: one delivery for all subscribers at a gateway,
//! never one per subscriber.
//!
//! Deliveries are plain data, like the calls that go the other way. What one
//! owner sends to one gateway arrives in that order, so a session that an owner
//! puts on a topic gets everything that is published from then on and nothing
//! from before.

use serde::{Deserialize, Serialize};

use crate::backup::Backup;
use crate::frame::SharedFrame;
use crate::id::{ChannelId, UserId};
use crate::key::{Generation, Place, ShardId};
use crate::model::avatar::AttributeChanges;
use crate::model::room::RoomReport;
use crate::model::service::{ServiceRequest, ServiceState};
use crate::owner::OwnerId;
use crate::packet::{ErrorBody, LookupEntry, Presence, RequestId};
use crate::payload::Payload;

/// The name under which an owner publishes and gateways fan out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// A game room, `room/C`.
    Room(ChannelId),
    /// A channel, `channel/P`: exactly this path.
    Channel(ChannelId),
    /// A channel and all paths below it.
    Below(ChannelId),
}

impl Topic {
    /// The topic of a channel's subscribers, those with subpaths or the others.
    #[must_use]
    pub const fn of_channel(channel: ChannelId, subpaths: bool) -> Self {
        if subpaths {
            Self::Below(channel)
        } else {
            Self::Channel(channel)
        }
    }
}

/// What a gateway can know of a publication without reading its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Meta {
    /// The place of a channel's message in the channel's order.
    pub offset: Option<u64>,
    /// Whether it is for the subscribers of exactly the topic, and not for those
    /// of paths above it.
    pub is_exact: bool,
}

/// A message from an owner to a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Delivery {
    /// For every session on the topic.
    Publish {
        /// The topic.
        topic: Topic,
        /// The message.
        frame: SharedFrame,
        /// What is known of it.
        meta: Meta,
    },
    /// For one session.
    Send {
        /// The receiver.
        to: Place,
        /// The message.
        frame: SharedFrame,
        /// What the command that it answers carried.
        id: Option<RequestId>,
    },
    /// A command was refused by its owner; charged to the error budget.
    Refuse {
        /// The receiver.
        to: Place,
        /// The error.
        error: Box<ErrorBody>,
        /// What the command carried.
        id: Option<RequestId>,
        /// The topic that the session is not on, where a join was refused.
        joining: Option<Topic>,
    },
    /// The session is on the topic from here on.
    Enter {
        /// The session.
        to: Place,
        /// The topic.
        topic: Topic,
    },
    /// The session is off the topic from here on.
    Exit {
        /// The session.
        to: Place,
        /// The topic.
        topic: Topic,
    },
    /// What others see of a watched user, now.
    Presence {
        /// The user.
        user: UserId,
        /// Its state.
        presence: Presence,
    },
    /// Public attributes of a watched user that changed; before the first `Presence`
    /// of a watch, all of them.
    Profile {
        /// The user.
        user: UserId,
        /// Name and new value, without one where it was removed.
        changes: AttributeChanges,
        /// Whether these are all: there are no others any more.
        is_whole: bool,
    },
    /// The avatar accepted the session: it may be welcomed.
    Attached {
        /// The session.
        to: Place,
        /// Its user: all sessions of a user have its text once.
        user: UserId,
        /// The user's attributes.
        attributes: Vec<(Box<str>, Payload)>,
        /// Functions that it may call beside those of its roles.
        services: Vec<Box<str>>,
        /// What `idme` carried.
        id: Option<RequestId>,
    },
    /// The avatar did not accept the session.
    NotAttached {
        /// The session.
        to: Place,
        /// Why.
        error: Box<ErrorBody>,
        /// What `idme` carried.
        id: Option<RequestId>,
    },
    /// The session has to end, even where it was resumed meanwhile.
    End {
        /// The session.
        to: Place,
        /// Whether a newer session of its user replaces it.
        is_replaced: bool,
    },
    /// One user of a `lookup`.
    Found {
        /// Which lookup of this gateway.
        ticket: u64,
        /// The user.
        user: UserId,
        /// What is known.
        entry: LookupEntry,
    },
    /// A lookup cannot be answered.
    LookupFailed {
        /// Which lookup of this gateway.
        ticket: u64,
    },
    /// What the owner wants back, should it be lost.
    Backup {
        /// The session.
        to: Place,
        /// The backup.
        backup: Backup,
    },
    /// Owners were lost. The gateway announces to the new ones what it has of
    /// them.
    OwnerLost {
        /// Their shard.
        shard: ShardId,
        /// The generation of the new ones.
        generation: Generation,
        /// The owner; `None` where it is all of the shard.
        owner: Option<OwnerId>,
    },
    /// The channels of one directory know that this gateway wants everything
    /// below a path.
    Below {
        /// The path.
        channel: ChannelId,
    },
    /// A command of the session is answered with many bytes, which it pays for. Comes
    /// before the answer.
    Charge {
        /// The session.
        to: Place,
        /// Length of the answer.
        bytes: u32,
    },
    /// The session is on the topic of a channel from here on, and gets its `joined`.
    Joined {
        /// The session.
        to: Place,
        /// The topic.
        topic: Topic,
        /// The message.
        frame: SharedFrame,
        /// What the command that it answers carried.
        id: Option<RequestId>,
        /// Past messages that follow it.
        replay: Option<Replay>,
    },
    /// The state of a service.
    Service {
        /// Its name.
        name: Box<str>,
        /// The state.
        state: ServiceState,
    },
    /// A session that provides a service gets a call.
    HandOut {
        /// The session.
        to: Place,
        /// The service.
        service: Box<str>,
        /// The number that the answer carries.
        number: u64,
        /// The call.
        request: Box<ServiceRequest>,
    },
    /// The answer of a session to a call is not awaited any more.
    Cancel {
        /// The session.
        to: Place,
        /// The service.
        service: Box<str>,
        /// The call's number.
        number: u64,
    },
    /// The answer to a `call`. It is dropped where none is awaited: the caller was
    /// answered that the service was lost.
    Answer {
        /// The receiver.
        to: Place,
        /// The message.
        frame: SharedFrame,
        /// What the command carried.
        id: RequestId,
    },
    /// A directory has so many channels below a path; each sends its `Past`.
    Listed {
        /// Which gathering of this gateway.
        ticket: u64,
        /// How many.
        count: u32,
    },
    /// What a channel below a path retains of what sessions want.
    Past {
        /// Which gathering of this gateway.
        ticket: u64,
        /// The channel.
        channel: ChannelId,
        /// The life of the channel.
        epoch: Box<str>,
        /// Whether its last message is its value, which all that join get.
        has_value: bool,
        /// Its last message.
        offset: u64,
        /// The messages up to it, in their order.
        messages: Vec<SharedFrame>,
    },
    /// The answer to a question.
    Answered {
        /// Which question of this gateway.
        ticket: u64,
        /// What the owner says.
        answer: Result<Answer, Box<ErrorBody>>,
    },
    /// A watched user and the session's own watch each other from now on, or do not.
    Seeing {
        /// The session.
        to: Place,
        /// The watched user.
        user: UserId,
        /// Whether the session sees it.
        is_seen: bool,
    },
}

/// What an owner says to a question ([`crate::call::Requester`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// So many.
    Count(u64),
    /// The attributes of a user.
    Attributes(Vec<(Box<str>, Payload)>),
    /// What others see of a user.
    Seen(Box<LookupEntry>),
    /// The result of a call to a function.
    Result(Payload),
    /// A service.
    Service {
        /// What clients see.
        state: ServiceState,
        /// Whether an operator has disabled it.
        is_off: bool,
        /// Its instances.
        instances: u64,
        /// Calls that were not answered yet.
        open: u64,
    },
    /// A message was published.
    Published {
        /// The number of the message's id.
        id: u128,
        /// Its place in the channel.
        offset: u64,
        /// The life of the channel.
        epoch: Box<str>,
    },
    /// What a channel retains.
    History {
        /// The life of the channel.
        epoch: Box<str>,
        /// Its last message.
        offset: u64,
        /// Whether these are all behind the position that was given.
        recovered: bool,
        /// The messages, in their order.
        messages: Vec<SharedFrame>,
    },
    /// The channels of a shard, or its rooms.
    Channels(Vec<ChannelId>),
    /// A room.
    Room {
        /// What it is and has.
        report: Box<RoomReport>,
        /// Unix ms when it began.
        since_ms: u64,
        /// Its actions so far.
        actions: u64,
        /// Unix ms when the last ones were sent; `None` before the first.
        last_action_ms: Option<u64>,
    },
    /// The last actions of a room.
    Actions {
        /// Its actions so far.
        total: u64,
        /// Each `game` message, and the number of its first action.
        messages: Vec<(u64, SharedFrame)>,
    },
}

/// Past messages for a session that joins a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The messages, in their order.
    pub messages: Vec<SharedFrame>,
    /// The `joined` for a session that has no room for them: it gets this one alone.
    pub otherwise: SharedFrame,
}
