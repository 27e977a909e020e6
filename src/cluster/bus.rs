//! The way from an actor to the gateways: one message per worker with somebody
//! who listens, never one per listener.
//!
//! The actor decides the order. What it sends to one worker arrives in that
//! order, so a session that an actor puts on a topic hears everything from then
//! on and nothing from before.

use std::sync::{Arc, OnceLock};

use actix::{Message, Recipient};

use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::session_ref::SessionRef;
use turntable_core::packet::{ErrorBody, LookupEntry, Presence, RequestId, ServerPacket};
use turntable_core::payload::Payload;

/// The name under which an actor publishes and gateways fan out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A game room, `room/C`.
    Room(ChannelId),
    /// A channel, `channel/P`: exactly this path.
    Channel(ChannelId),
    /// A channel and all paths below it.
    Below(ChannelId),
}

/// What an actor tells a gateway.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Delivery {
    /// For every session on the topic.
    Publish {
        /// The topic.
        topic: Topic,
        /// The message, shared by all workers.
        packet: Arc<ServerPacket>,
    },
    /// For one session.
    Send {
        /// The receiver.
        to: SessionRef,
        /// The message.
        packet: ServerPacket,
        /// What the command it answers carried.
        id: Option<RequestId>,
    },
    /// A command was refused by its owner; charged to the error budget.
    Refuse {
        /// The receiver.
        to: SessionRef,
        /// The error.
        error: Box<ErrorBody>,
        /// What the command carried.
        id: Option<RequestId>,
        /// The room that the session is not in, where `joingame` was refused.
        room: Option<ChannelId>,
    },
    /// The session is on the topic from here on.
    Enter {
        /// The session.
        session: SessionRef,
        /// The topic.
        topic: Topic,
    },
    /// The session is off the topic from here on.
    Exit {
        /// The session.
        session: SessionRef,
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
    /// The avatar took the session in: it may be welcomed.
    Attached {
        /// The session.
        session: SessionRef,
        /// The user's attributes.
        attributes: Vec<(Box<str>, Payload)>,
        /// What `idme` carried.
        id: Option<RequestId>,
    },
    /// The avatar did not take the session in.
    NotAttached {
        /// The session.
        session: SessionRef,
        /// Why.
        error: Box<ErrorBody>,
        /// What `idme` carried.
        id: Option<RequestId>,
    },
    /// The session has to end, whoever is on it.
    End {
        /// The session.
        session: SessionRef,
    },
    /// One user of a `lookup`.
    Found {
        /// Which lookup of this worker.
        ticket: u64,
        /// The user.
        user: UserId,
        /// What is known.
        entry: LookupEntry,
    },
    /// A worker's channels know that this one wants everything below a path.
    Below {
        /// The path.
        channel: ChannelId,
    },
}

/// The gateways of this node by worker. Actors share one; it is filled while
/// the workers start, before the first connection is accepted.
#[derive(Debug)]
pub struct Outlets(Box<[OnceLock<Recipient<Delivery>>]>);

impl Outlets {
    /// Places for the gateways of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// The gateway of `worker` is there.
    pub fn connect(&self, worker: u16, gateway: Recipient<Delivery>) {
        if let Some(place) = self.0.get(usize::from(worker)) {
            // A worker that is started anew keeps its first gateway.
            let _ = place.set(gateway);
        }
    }

    /// Sends to the gateway of `worker`.
    pub fn send(&self, worker: u16, delivery: Delivery) {
        if let Some(gateway) = self.0.get(usize::from(worker)).and_then(OnceLock::get) {
            gateway.do_send(delivery);
        }
    }
}
