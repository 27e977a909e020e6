//! The actor of one channel path.
//!
//! Owns the channel's order. Gateways call it through the directory. If it
//! panics, the gateways announce that they have subscribers to its replacement,
//! which has a new epoch and sends it to all of them.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};

use crate::actor::Shared;
use crate::actor::directory::Unused;
use crate::actor::letter::{Due, Letter};
use crate::actor::listing::{OwnerActor, Recovered, Stop};
use crate::actor::prefixes::Gateways;
use crate::clock;
use turntable_core::call::ChannelCall;
use turntable_core::delivery::{Delivery, Meta, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Caller, GatewayId};
use turntable_core::model::channel::Channel as Model;
use turntable_core::model::interest::Interest;
use turntable_core::owner::OwnerId;
use turntable_core::packet::RequestId;
use turntable_core::payload::Payload;

/// The actor.
pub struct Channel {
    shared: Shared,
    id: ChannelId,
    model: Model,
    seen: u64,
    /// Whether gateways are still announcing what the actor before this one had.
    is_recovering: bool,
    /// Calls seen when the wait for an empty channel's end began.
    empty_since: Option<u64>,
}

impl OwnerActor for Channel {
    type Id = ChannelId;
    type Call = ChannelCall;

    /// Begins a new life of that channel.
    fn make(shared: &Shared, id: ChannelId, is_replacement: bool) -> Self {
        let epoch = shared.message_id().to_string();
        Self {
            model: Model::new(id.clone(), epoch),
            shared: shared.clone(),
            id,
            seen: 0,
            is_recovering: is_replacement,
            empty_since: None,
        }
    }
}

impl Channel {
    fn publish(&mut self, caller: Caller, user: UserId, data: Payload, id: Option<RequestId>) {
        let message_id = self.shared.message_id();
        let rate = self.shared.settings().channel.bytes;
        let published = self
            .model
            .publish(message_id, user, data, rate, clock::now_ms());
        let (packet, reply) = match published {
            Ok(published) => published,
            Err(error) => return self.shared.refuse(caller, error, id),
        };
        let meta = Meta {
            offset: Some(self.model.offset()),
            is_exact: false,
        };
        let mut gateways = Gateways::from_slice(self.model.interest.gateways());
        self.shared
            .prefixes
            .borrow()
            .extend(&self.id, &mut gateways);
        let topic = Topic::Channel(self.id.clone());
        self.shared.publish(&gateways, &topic, &packet, meta);
        self.shared.reply(caller, reply, id);
    }

    fn step(&mut self, call: ChannelCall) {
        match call {
            ChannelCall::Join {
                caller,
                subpaths,
                since,
                id,
            } => {
                let to = caller.place;
                self.model.interest.add(to.gateway);
                let topic = Topic::of_channel(self.id.clone(), subpaths);
                let joined = self.model.joined(since.as_ref());
                let joined = Delivery::Joined {
                    to,
                    topic,
                    frame: self.shared.frame(&joined, id.as_ref()),
                    id,
                };
                self.shared.bus.send(to.gateway, joined);
            }
            ChannelCall::Leave { caller, subpaths } => {
                let to = caller.place;
                let topic = Topic::of_channel(self.id.clone(), subpaths);
                let exit = Delivery::Exit { to, topic };
                self.shared.bus.send(to.gateway, exit);
            }
            ChannelCall::Publish {
                caller,
                user,
                data,
                id,
            } => self.publish(caller, user, data, id),
            ChannelCall::Unsubscribed { gateway } => self.model.interest.remove(gateway),
            ChannelCall::Announce {
                gateway,
                is_subscribed,
                ..
            } => {
                if is_subscribed && self.model.interest.add(gateway) && !self.is_recovering {
                    self.begin_anew(&[gateway]);
                }
            }
        }
    }

    /// Sends the subscribers at these gateways the epoch of this life.
    fn begin_anew(&self, gateways: &[GatewayId]) {
        let joined = self.model.joined(None);
        let meta = Meta {
            offset: None,
            is_exact: true,
        };
        for subpaths in [false, true] {
            let topic = Topic::of_channel(self.id.clone(), subpaths);
            self.shared.publish(gateways, &topic, &joined, meta);
        }
    }

    /// An empty channel waits a while with its epoch and offset.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        let is_used = self.is_recovering || !self.model.interest.is_empty();
        if is_used || self.empty_since.is_some() {
            return;
        }
        self.empty_since = Some(self.seen);
        let channels = self.shared.metrics.actors("channel").get();
        let channels = usize::try_from(channels).unwrap_or_default();
        let settings = self.shared.settings();
        let wait = Duration::from_millis(settings.channel.remembered_ms(channels));
        ctx.run_later(wait, |channel, ctx| {
            let quiet = channel.empty_since.take() == Some(channel.seen);
            if !channel.model.interest.is_empty() {
                return;
            }
            if !quiet {
                return channel.settle(ctx);
            }
            channel.shared.unused(Unused {
                owner: OwnerId::Channel(channel.id.clone()),
                seen: channel.seen,
                last_seen_ms: None,
                watchers: Interest::default(),
            });
        });
    }
}

impl Actor for Channel {
    type Context = Context<Self>;
}

impl Drop for Channel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.lost(OwnerId::Channel(self.id.clone()));
        }
    }
}

impl Handler<Letter<ChannelCall>> for Channel {
    type Result = ();

    fn handle(&mut self, letter: Letter<ChannelCall>, ctx: &mut Self::Context) {
        let Some(call) = letter.open() else {
            return;
        };
        let _due = Due::new(&self.shared, call.pending(&self.id));
        #[cfg(debug_assertions)]
        self.shared
            .fail_if_requested(&OwnerId::Channel(self.id.clone()));
        self.seen += 1;
        self.step(call);
        self.settle(ctx);
    }
}

impl Handler<Recovered> for Channel {
    type Result = ();

    fn handle(&mut self, _: Recovered, ctx: &mut Self::Context) {
        self.is_recovering = false;
        self.begin_anew(self.model.interest.gateways());
        self.settle(ctx);
    }
}

impl Handler<Stop> for Channel {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
