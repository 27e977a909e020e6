//! The actor of one channel path.
//!
//! Owns the channel's order. Gateways call it through the directory. If it
//! dies, the next call makes a new one with a new epoch, which tells its
//! listeners that the old count is over.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};

use crate::actor::Shared;
use crate::actor::directory::{Stop, Unused};
use crate::actor::prefixes::Gateways;
use crate::clock;
use crate::cluster::mail::Mail;
use turntable_core::call::ChannelCall;
use turntable_core::delivery::{Delivery, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::Caller;
use turntable_core::model::channel::Channel as Model;
use turntable_core::packet::RequestId;
use turntable_core::payload::Payload;

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

    fn publish(&mut self, caller: Caller, user: UserId, data: Payload, id: Option<RequestId>) {
        let message_id = self.shared.message_id();
        let (packet, reply) = self.model.publish(message_id, user, data, clock::now_ms());
        let mut gateways: Gateways = self.model.audience.gateways().collect();
        self.shared
            .prefixes
            .borrow()
            .extend(&self.id, &mut gateways);
        let topic = Topic::Channel(self.id.clone());
        self.shared.publish(&gateways, &topic, &packet);
        self.shared.reply(caller, reply, id);
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
            channel.shared.unused(Unused::Channel {
                channel: channel.id.clone(),
                seen: channel.seen,
            });
        });
    }
}

impl Actor for Channel {
    type Context = Context<Self>;
}

impl Handler<Mail<ChannelCall>> for Channel {
    type Result = ();

    fn handle(&mut self, Mail(call): Mail<ChannelCall>, ctx: &mut Self::Context) {
        self.seen += 1;
        match call {
            ChannelCall::Join {
                caller,
                subpaths,
                again,
                since,
                id,
            } => {
                let to = caller.place;
                if !again {
                    self.model.audience.add(to.gateway);
                }
                let topic = topic(&self.id, subpaths);
                self.shared
                    .bus
                    .send(to.gateway, Delivery::Enter { to, topic });
                let joined = self.model.joined(since.as_ref());
                self.shared.send(to, &joined, id);
            }
            ChannelCall::Leave { caller, subpaths } => {
                let to = caller.place;
                self.model.audience.remove(to.gateway);
                let topic = topic(&self.id, subpaths);
                self.shared
                    .bus
                    .send(to.gateway, Delivery::Exit { to, topic });
            }
            ChannelCall::Publish {
                caller,
                user,
                data,
                id,
            } => self.publish(caller, user, data, id),
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
