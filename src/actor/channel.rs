//! The actor of one channel path.
//!
//! Owns the channel's order. Gateways call it through the directory. If it
//! dies, the next call makes a new one with a new epoch, which tells its
//! listeners that the old count is over.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};

use crate::actor::Shared;
use crate::actor::directory::{Stop, Unused};
use crate::actor::prefixes::Workers;
use crate::clock;
use crate::cluster::bus::{Delivery, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::channel::Channel as Model;
use turntable_core::model::session_ref::SessionRef;
use turntable_core::packet::{Position, RequestId};
use turntable_core::payload::Payload;

/// What a channel is asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum ChannelCall {
    /// `joinchannel`. `again` where the session is on it already.
    Join {
        session: SessionRef,
        subpaths: bool,
        again: bool,
        since: Option<Position>,
        id: Option<RequestId>,
    },
    /// The session is off the channel.
    Leave { session: SessionRef, subpaths: bool },
    /// `publish`.
    Publish {
        session: SessionRef,
        user: UserId,
        data: Payload,
        id: Option<RequestId>,
    },
}

/// The actor.
pub struct Channel {
    shared: Shared,
    id: ChannelId,
    model: Model,
    seen: u64,
    /// Calls seen when the wait for an empty channel's end began.
    empty_since: Option<u64>,
}

/// The topic of a channel's listeners.
fn topic(channel: &ChannelId, subpaths: bool) -> Topic {
    if subpaths {
        Topic::Below(channel.clone())
    } else {
        Topic::Channel(channel.clone())
    }
}

impl Channel {
    /// The actor of `id`, beginning a new life of that channel.
    #[must_use]
    pub fn new(shared: Shared, id: ChannelId) -> Self {
        let epoch = shared.message_id().to_string();
        Self {
            model: Model::new(id.clone(), epoch),
            shared,
            id,
            seen: 0,
            empty_since: None,
        }
    }

    fn publish(&mut self, session: SessionRef, user: UserId, data: Payload, id: Option<RequestId>) {
        let message_id = self.shared.message_id();
        let (packet, reply) = self.model.publish(message_id, user, data, clock::now_ms());
        let packet = Arc::new(packet);
        let mut workers: Workers = self.model.audience.workers().collect();
        self.shared.prefixes.borrow().extend(&self.id, &mut workers);
        for worker in workers {
            let topic = Topic::Channel(self.id.clone());
            let packet = packet.clone();
            self.shared
                .outlets
                .send(worker, Delivery::Publish { topic, packet });
        }
        self.shared.reply(session, reply, id);
    }

    /// An empty channel waits a while with its epoch and offset.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        if !self.model.audience.is_empty() || self.empty_since.is_some() {
            return;
        }
        self.empty_since = Some(self.seen);
        let wait = Duration::from_millis(self.shared.settings.channel.empty_ms);
        ctx.run_later(wait, |channel, ctx| {
            let quiet = channel.empty_since.take() == Some(channel.seen);
            if !channel.model.audience.is_empty() {
                return;
            }
            if !quiet {
                return channel.settle(ctx);
            }
            if let Some(directory) = channel.shared.directories.of(channel.id.as_str()) {
                directory.do_send(Unused::Channel {
                    channel: channel.id.clone(),
                    seen: channel.seen,
                });
            }
        });
    }
}

impl Actor for Channel {
    type Context = Context<Self>;
}

impl Handler<ChannelCall> for Channel {
    type Result = ();

    fn handle(&mut self, call: ChannelCall, ctx: &mut Self::Context) {
        self.seen += 1;
        match call {
            ChannelCall::Join {
                session,
                subpaths,
                again,
                since,
                id,
            } => {
                if !again {
                    self.model.audience.add(session.worker);
                }
                let topic = topic(&self.id, subpaths);
                self.shared
                    .outlets
                    .send(session.worker, Delivery::Enter { session, topic });
                self.shared
                    .send(session, self.model.joined(since.as_ref()), id);
            }
            ChannelCall::Leave { session, subpaths } => {
                self.model.audience.remove(session.worker);
                let topic = topic(&self.id, subpaths);
                self.shared
                    .outlets
                    .send(session.worker, Delivery::Exit { session, topic });
            }
            ChannelCall::Publish {
                session,
                user,
                data,
                id,
            } => self.publish(session, user, data, id),
        }
        self.settle(ctx);
    }
}

impl Handler<Stop> for Channel {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
