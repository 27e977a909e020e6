//! The actor of one channel path.
//!
//! Owns the channel's order and what is retained of it. Gateways call it through the
//! directory. If it panics, the history is lost; the gateways announce that they have
//! subscribers to its replacement, which has a new epoch and sends it to all of them.

mod member;
mod operator;
mod saving;
mod store;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};

use crate::actor::beginning::Begun;
use crate::actor::directory::Unused;
use crate::actor::history_bytes::{HistoryBytes, Shrink};
use crate::actor::listing::{OwnerActor, Recovered, Stop};
use crate::actor::owner_call::{Due, QueuedCall};
use crate::actor::prefixes::Gateways;
use crate::actor::{ActorSettings, Shared};
use crate::clock;
use store::Loading;
use turntable_core::call::ChannelCall;
use turntable_core::delivery::{Delivery, Meta, Replay, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Caller, GatewayId};
use turntable_core::model::channel::{Channel as Model, Past, PublishRates};
use turntable_core::model::history::Retention;
use turntable_core::model::history::shares::Retaining;
use turntable_core::model::interest::Interest;
use turntable_core::model::member::Listener;
use turntable_core::owner::OwnerId;
use turntable_core::packet::{ErrorBody, ReplyData, RequestId};
use turntable_core::payload::Payload;

/// The actor.
pub struct Channel {
    shared: Shared,
    id: ChannelId,
    model: Model,
    seen: u64,
    /// Whether gateways are still announcing what the actor before this one had.
    is_recovering: bool,
    /// Whether it comes from an earlier process, and sessions may still come.
    is_restored: bool,
    /// Calls seen when the wait for an empty channel's end began.
    empty_since: Option<u64>,
    /// The settings that `retention` and `rates` are of.
    settings: Arc<ActorSettings>,
    retention: Retention,
    rates: PublishRates,
    history_bytes: HistoryBytes,
    /// Whether a timer will look for messages that are too old.
    is_expiring: bool,
    /// Whether the history outlives the process.
    is_stored: bool,
    /// The first message that is stored.
    stored_first: u64,
    /// What waits until it is loaded.
    loading: Option<Box<Loading>>,
    /// Looks at the members at that time.
    members_timer: Option<(SpawnHandle, u64)>,
}

/// A history is looked at for old messages at most so often.
const EXPIRY_MS: u64 = 1_000;
/// And at least so often: later messages may have to go before the first one that was
/// waited for, and settings may change.
const EXPIRY_LOOK_MS: u64 = 60_000;

/// How long until a history is looked at of which a message has to go at `at_ms`.
fn look_ms(at_ms: u64, now_ms: u64) -> u64 {
    let wait_ms = at_ms.saturating_sub(now_ms);
    wait_ms.clamp(EXPIRY_MS, EXPIRY_LOOK_MS)
}

impl OwnerActor for Channel {
    type Id = ChannelId;
    type Call = ChannelCall;
    type Place = Option<Box<Begun>>;

    fn hold(begun: Option<Begun>) -> Self::Place {
        begun.map(Box::new)
    }

    /// Begins a new life of that channel.
    fn make(shared: &Shared, id: ChannelId, is_replacement: bool) -> Self {
        let epoch = shared.message_id().to_string();
        let settings = shared.settings();
        let (retention, rates) = limits(&settings, &id);
        let is_stored = is_stored(&settings, &id);
        let mut model = Model::new(id.clone(), epoch);
        model.show_members(settings.channels.of(&id).member_names());
        Self {
            model,
            settings,
            retention,
            rates,
            history_bytes: HistoryBytes::new(&shared.totals.histories),
            is_expiring: false,
            is_stored,
            stored_first: 1,
            loading: None,
            members_timer: None,
            shared: shared.clone(),
            id,
            seen: 0,
            is_recovering: is_replacement,
            is_restored: false,
            empty_since: None,
        }
    }
}

/// What is retained of a channel, and how much may be published on it.
fn limits(settings: &ActorSettings, id: &ChannelId) -> (Retention, PublishRates) {
    let namespace = settings.channels.of(id);
    let rates = PublishRates {
        bytes: settings.channel.bytes,
        messages: namespace.publish_rate,
    };
    (namespace.retention(), rates)
}

/// Whether what is retained of a channel outlives the process.
fn is_stored(settings: &ActorSettings, id: &ChannelId) -> bool {
    let namespace = settings.channels.of(id);
    namespace.retained && namespace.retention().is_any()
}

impl Channel {
    /// Reads the settings again where they have changed.
    fn refresh(&mut self) {
        let settings = self.shared.settings();
        if !Arc::ptr_eq(&settings, &self.settings) {
            (self.retention, self.rates) = limits(&settings, &self.id);
            let is_stored = is_stored(&settings, &self.id);
            if is_stored != std::mem::replace(&mut self.is_stored, is_stored) {
                // What is stored is not its past, or will not be after the next message:
                // its offsets go on unstored.
                self.begin_stored();
            }
            let namespace = settings.channels.of(&self.id);
            self.model.show_members(namespace.member_names());
            self.settings = settings;
        }
    }

    /// Publishes a message, of a user or of the operator. Returns its answer.
    fn publish_message(
        &mut self,
        user: Option<UserId>,
        data: Payload,
    ) -> Result<ReplyData, ErrorBody> {
        let message_id = self.shared.message_id();
        let now_ms = clock::now_ms();
        let published = self
            .model
            .publish(message_id, user, data, &self.rates, now_ms);
        let (packet, reply) = published?;
        let meta = Meta {
            offset: Some(self.model.offset()),
            is_exact: false,
        };
        let mut gateways = Gateways::from_slice(self.model.interest.gateways());
        self.shared
            .prefixes
            .borrow()
            .extend(&self.id, &mut gateways);
        if !gateways.is_empty() || self.retention.is_any() {
            let frame = self.shared.frame(&packet, None);
            let topic = Topic::Channel(self.id.clone());
            self.shared.bus.publish(&gateways, &topic, &frame, meta);
            let max = self.settings.channel.history_total_bytes_max;
            let budget = self.history_bytes.budget(max);
            self.model.retain(&frame, &self.retention, budget, now_ms);
            self.history_bytes.make_room(max, now_ms);
            self.store(&frame, now_ms);
        } else {
            // What was retained under other settings has a hole now.
            self.model.forget_history();
        }
        Ok(reply)
    }

    /// Puts the session on the topic and sends it what it gets of the past, in one
    /// delivery: everything that is published from then on follows.
    fn join(
        &mut self,
        caller: Caller,
        listener: Listener,
        subpaths: bool,
        past: &Past,
        id: Option<RequestId>,
    ) {
        let (to, user) = (caller.place, listener.user.clone());
        self.step_members(|members, now_ms, grace_ms| {
            members.join(caller.key, listener, now_ms, grace_ms);
        });
        // The session is not on the topic yet: its `joined` has all members.
        self.report_members();
        self.model.interest.add(to.gateway);
        let now_ms = clock::now_ms();
        let found = self.model.join(past, subpaths, &self.retention, now_ms);
        let joined = |is_recovered| {
            let joined = self.model.joined(is_recovered, Some(&user));
            self.shared.frame(&joined, id.as_ref())
        };
        let replay = (!found.messages.is_empty()).then(|| Replay {
            messages: found.messages,
            otherwise: joined(false),
        });
        let frame = joined(found.recovered);
        let joined = Delivery::Joined {
            to,
            topic: Topic::of_channel(self.id.clone(), subpaths),
            frame,
            id,
            replay,
        };
        self.shared.bus.send(to.gateway, joined);
    }

    /// Whether the history is a reason to live: not while channels without
    /// subscribers could keep others out.
    fn has_history(&self) -> bool {
        self.model.history_bytes() > 0 && !self.settings.channel.is_crowded(self.channels())
    }

    /// How many channels there are on all workers.
    fn channels(&self) -> usize {
        let channels = self.shared.metrics.actors("channel").get();
        usize::try_from(channels).unwrap_or_default()
    }

    /// Drops messages as they become too old.
    fn expire_later(&mut self, ctx: &mut Context<Self>) {
        let now_ms = clock::now_ms();
        if self.is_expiring || self.model.history_bytes() == 0 {
            return;
        }
        let Some(at_ms) = self.model.expire(&self.retention, now_ms) else {
            return;
        };
        self.is_expiring = true;
        let wait = Duration::from_millis(look_ms(at_ms, now_ms));
        ctx.run_later(wait, |channel, ctx| {
            channel.is_expiring = false;
            channel.refresh();
            channel.after(ctx);
        });
    }

    /// What follows each change of the model.
    fn after(&mut self, ctx: &mut Context<Self>) {
        self.expire_later(ctx);
        self.trim_stored();
        let retaining = Retaining {
            bytes: self.model.history_bytes(),
            oldest_bytes: self.model.oldest_bytes(),
            has_subscribers: !self.model.interest.is_empty(),
        };
        self.history_bytes
            .set(retaining, || ctx.address().recipient());
        self.report_members();
        self.wake_for_members(ctx);
        self.settle(ctx);
    }

    fn step(&mut self, call: ChannelCall) {
        match call {
            ChannelCall::Join {
                caller,
                listener,
                subpaths,
                past,
                id,
                ..
            } => self.join(caller, listener, subpaths, &past, id),
            ChannelCall::Leave {
                caller,
                subpaths,
                stays,
            } => {
                let to = caller.place;
                if !stays {
                    self.step_members(|members, now_ms, _| members.leave(caller.key, now_ms));
                }
                let topic = Topic::of_channel(self.id.clone(), subpaths);
                let exit = Delivery::Exit { to, topic };
                self.shared.bus.send(to.gateway, exit);
            }
            ChannelCall::Publish {
                caller,
                user,
                data,
                id,
                ..
            } => match self.publish_message(Some(user), data) {
                Ok(reply) => self.shared.reply(caller, reply, id),
                Err(error) => self.shared.refuse(caller, error, id),
            },
            ChannelCall::Unsubscribed { gateway } => self.model.interest.remove(gateway),
            ChannelCall::Forget => self.model.forget_history(),
            ChannelCall::Announce {
                gateway,
                is_subscribed: true,
                listeners,
                ..
            } => self.announced(gateway, listeners),
            ChannelCall::Announce { .. } => {}
            ChannelCall::Past { requester, depth } => self.past(requester, depth),
            ChannelCall::Tell { requester, message } => self.tell(requester, message),
            ChannelCall::Recall { requester, since } => self.recall(requester, since.as_ref()),
            ChannelCall::Clear { requester } => self.clear(requester),
            ChannelCall::Detach { caller } => {
                self.step_members(|members, now_ms, grace_ms| {
                    members.detach(caller.key, now_ms, grace_ms);
                });
            }
            ChannelCall::Resume { caller } => {
                self.step_members(|members, now_ms, _| members.resume(caller.key, now_ms));
            }
            ChannelCall::Hide { caller, is_hidden } => {
                self.step_members(|members, now_ms, _| {
                    members.hide(caller.key, is_hidden, now_ms);
                });
            }
        }
    }

    /// Sends the subscribers at these gateways the epoch of this life.
    fn begin_anew(&self, gateways: &[GatewayId]) {
        self.publish_named(gateways, &self.model.joined(false, None));
    }

    /// All gateways have announced what they have.
    fn recovered(&mut self) {
        self.is_recovering = false;
        self.begin_anew(self.model.interest.gateways());
        // That had all members.
        self.step_members(|members, _, _| members.note_sent());
    }

    /// An empty channel waits a while with its epoch and offset.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        let is_used = self.is_recovering || !self.model.interest.is_empty() || self.has_history();
        if is_used || self.empty_since.is_some() {
            return;
        }
        self.empty_since = Some(self.seen);
        let wait_ms = self.settings.channel.remembered_ms(self.channels());
        let wait = Duration::from_millis(wait_ms);
        ctx.run_later(wait, |channel, ctx| {
            let quiet = channel.empty_since.take() == Some(channel.seen);
            if !channel.model.interest.is_empty() || channel.has_history() {
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

    fn started(&mut self, ctx: &mut Self::Context) {
        if !self.is_restored {
            self.load(ctx);
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.lost(OwnerId::Channel(self.id.clone()));
        }
    }
}

impl Handler<QueuedCall<ChannelCall>> for Channel {
    type Result = ();

    fn handle(&mut self, queued: QueuedCall<ChannelCall>, ctx: &mut Self::Context) {
        let Some(call) = queued.open() else {
            return;
        };
        let _due = Due::new(&self.shared, call.pending(&self.id));
        #[cfg(debug_assertions)]
        self.shared
            .fail_if_requested(&OwnerId::Channel(self.id.clone()));
        self.seen += 1;
        self.refresh();
        if let Some(call) = self.hold(call) {
            self.step(call);
            self.after(ctx);
        }
    }
}

impl Handler<Recovered> for Channel {
    type Result = ();

    fn handle(&mut self, _: Recovered, ctx: &mut Self::Context) {
        if std::mem::take(&mut self.is_restored) {
            self.end_restore();
            self.after(ctx);
        } else if self.is_recovering && !self.hold_recovered() {
            self.recovered();
            self.after(ctx);
        }
    }
}

/// Others need the memory of some of what it retains.
impl Handler<Shrink> for Channel {
    type Result = ();

    fn handle(&mut self, Shrink(bytes): Shrink, ctx: &mut Self::Context) {
        self.model.shrink_history(bytes);
        self.after(ctx);
    }
}

impl Handler<Stop> for Channel {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_looked_at_within_a_minute_and_not_all_the_time() {
        let now_ms = 1_000_000_000;
        for (in_ms, look) in [
            (0, 1_000),
            (500, 1_000),
            (30_000, 30_000),
            (86_400_000, 60_000),
        ] {
            assert_eq!(look_ms(now_ms + in_ms, now_ms), look);
        }
        assert_eq!(look_ms(now_ms - 5, now_ms), 1_000);
    }
}
