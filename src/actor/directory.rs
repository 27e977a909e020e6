//! The directory of one worker: it finds the owner of an id, makes it on demand,
//! replaces it when it is lost and forgets it when it is not needed.
//!
//! An id belongs to one shard (a hash of the id), and all calls to its owner pass
//! through the shard's directory, in order. An actor that panics reports it in its
//! `Drop`; the directory replaces it at once under a higher generation and sends
//! `OwnerLost` to every gateway, which announces what it has of the owner
//! (docs/architecture.md, "When a part fails"). If a directory panics the process
//! ends: see the gateway.

mod absent;
mod beginning;
mod below;
mod lag;
mod offered;
mod rooms;
mod saving;

use std::collections::BTreeSet;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};

use crate::actor::avatar::Avatar;
use crate::actor::channel::Channel;
use crate::actor::listing::Listings;
use crate::actor::owner_call::{self, LostOwner, OwnerCall as _};
use crate::actor::room::Room;
use crate::actor::service::Service;
use crate::actor::{Shared, no_room, no_room_of_id};
use crate::clock;
use crate::cluster::burst::{Burst, begin_when_drained, give_way};
use crate::cluster::envelope::Envelope;
use crate::log_limit::LogLimit;
use saving::Saved;
use turntable_core::call::{AvatarCall, Call, ChannelCall, RoomCall, ServiceCall, Stamped};
use turntable_core::delivery::{Answer, Delivery};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Generation, ShardId};
use turntable_core::model::channel::Channel as ChannelModel;
use turntable_core::model::interest::Interest;
use turntable_core::model::service::function;
use turntable_core::owner::OwnerId;

/// How long gateways may take to announce what they have of a lost owner. One
/// that takes longer is heard all the same, later.
const RECOVERY: Duration = Duration::from_millis(500);

/// How often the gauge of invites is brought up to date.
const SURVEY: Duration = Duration::from_secs(1);
/// An owner may panic at each call.
static OWNER_PANICKED: LogLimit = LogLimit::new();

/// An owner of this worker was lost.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Lost;

/// An actor has nothing left to do.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Unused {
    /// Which.
    pub owner: OwnerId,
    /// Calls it has seen.
    pub seen: u64,
    /// Of an avatar: when its user was last there, Unix ms.
    pub last_seen_ms: Option<u64>,
    /// Of an avatar: the gateways that watch its user.
    pub watchers: Interest,
}

/// The directory of one worker.
pub struct Directory {
    shared: Shared,
    generation: Generation,
    avatars: Listings<Avatar>,
    rooms: Listings<Room>,
    channels: Listings<Channel>,
    /// The paths of the channels.
    paths: BTreeSet<ChannelId>,
    services: Listings<Service>,
    /// Calls in a row.
    burst: Burst,
    /// What of it goes to the next process.
    saved: Saved,
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self {
            generation: Generation::default(),
            avatars: Listings::new(&shared.metrics, "avatar"),
            rooms: Listings::new(&shared.metrics, "room"),
            channels: Listings::new(&shared.metrics, "channel"),
            paths: BTreeSet::new(),
            services: Listings::new(&shared.metrics, "service"),
            burst: Burst::default(),
            saved: Saved::default(),
            shared,
        }
    }

    fn call_avatar(&mut self, user: UserId, call: AvatarCall) {
        let Err(call) = self.avatars.call_known(&user, call) else {
            return;
        };
        let (user, call) = if self.avatars.has(&user) {
            (user, call)
        } else {
            let Some((user, call)) = self.of_absent(user, call) else {
                return;
            };
            let max = self.shared.settings().presence.avatars_max;
            if self.avatars.are_full(max) && call.announced_by().is_none() {
                let pending = call.pending();
                return self.shared.full(pending, "presence.avatars_max", max);
            }
            (user, call)
        };
        if let Err(call) = self.avatars.call(&self.shared, user, call, None) {
            self.shared.not_done(call.pending());
        }
    }

    fn call_room(&mut self, channel: ChannelId, call: RoomCall) {
        let Err(call) = self.rooms.call_known(&channel, call) else {
            return;
        };
        let mut begun = None;
        if !self.rooms.has(&channel) {
            match call {
                RoomCall::Join { .. } | RoomCall::Announce { .. } => {}
                RoomCall::Confirm { user } => {
                    let call = AvatarCall::Playing {
                        channel,
                        playing: false,
                    };
                    return self.shared.owners.avatar(&user, call);
                }
                call => {
                    if let Some(requester) = call.requester() {
                        return self.shared.answer(requester, Err(no_room_of_id()));
                    }
                    if let Some((command, caller, id)) = call.into_command() {
                        self.shared.refuse(caller, no_room(command), id);
                    }
                    return;
                }
            }
            let max = self.shared.settings().room.rooms_max;
            if self.rooms.are_full(max) && call.announced_by().is_none() {
                let pending = call.pending(&channel);
                return self.shared.full(pending, "room.rooms_max", max);
            }
            begun = match self.charge_new_room(&call) {
                Ok(begun) => begun,
                Err(error) => return self.refuse(call.pending(&channel), error),
            };
        }
        let shared = &self.shared;
        if let Err(call) = self.rooms.call(shared, channel.clone(), call, begun) {
            self.shared.not_done(call.pending(&channel));
        }
    }

    fn call_channel(&mut self, channel: ChannelId, call: ChannelCall) {
        let mut begun = None;
        if !self.channels.has(&channel) {
            match call {
                ChannelCall::Leave { .. }
                | ChannelCall::Unsubscribed { .. }
                | ChannelCall::Forget
                | ChannelCall::Past { .. }
                | ChannelCall::Detach { .. }
                | ChannelCall::Resume { .. }
                | ChannelCall::Hide { .. } => return,
                // Nobody listens, and nothing has to be remembered of it.
                ChannelCall::Publish { caller, id, .. }
                    if !self.shared.prefixes.borrow().want(&channel)
                        && !self.is_retained(&channel) =>
                {
                    let reply = ChannelModel::unheard(self.shared.message_id());
                    return self.shared.reply(caller, reply, id);
                }
                ChannelCall::Tell { requester, .. }
                    if !self.shared.prefixes.borrow().want(&channel)
                        && !self.is_retained(&channel) =>
                {
                    let id = self.shared.message_id();
                    let answer = Answer::Published {
                        id: id.0,
                        offset: 1,
                        epoch: id.to_string().into(),
                    };
                    return self.shared.answer(requester, Ok(answer));
                }
                _ => {}
            }
            let max = self.shared.settings().channel.channels_max;
            if self.channels.are_full(max) && call.announced_by().is_none() {
                let pending = call.pending(&channel);
                return self.shared.full(pending, "channel.channels_max", max);
            }
            begun = match self.charge_new_channel(&call) {
                Ok(begun) => begun,
                Err(error) => return self.refuse(call.pending(&channel), error),
            };
        }
        let shared = &self.shared;
        if let Err(call) = self.channels.call(shared, channel.clone(), call, begun) {
            self.shared.not_done(call.pending(&channel));
        }
        self.note_path(channel);
    }

    /// Of services those of the configuration exist, and those that users offer.
    fn call_service(&mut self, name: Box<str>, call: ServiceCall) {
        if function::parts(&name).is_some() {
            return self.call_function(name, call);
        }
        let is_known = self.shared.settings().services.contains_key(&*name);
        if !is_known && !self.services.has(&name) {
            return self.shared.not_done(call.pending());
        }
        if let Err(call) = self.services.call(&self.shared, name, call, None) {
            self.shared.not_done(call.pending());
        }
    }

    /// A room was lost: its replacement says of each user here that plays in it
    /// whether the user is a member.
    fn confirm_playing(&self, channel: &ChannelId) {
        let users = self.shared.playing.borrow().users(channel);
        for user in users {
            self.shared.owners.room(channel, RoomCall::Confirm { user });
        }
    }

    /// Replaces the owners that were lost since the last time.
    fn replace_lost(&mut self, ctx: &mut Context<Self>) {
        for lost in owner_call::take_lost() {
            self.shared.metrics.actors_lost.inc();
            self.generation = self.generation.next();
            let (owner, generation) = (lost.owner.clone(), self.generation);
            let Some(wait_ms) = self.note_loss(lost) else {
                continue;
            };
            if let Some(left_out) = OWNER_PANICKED.admit(clock::now_ms()) {
                log::error!("an owner panicked; its replacement begins in {wait_ms} ms{left_out}");
            }
            if wait_ms == 0 {
                self.replace(owner, generation, ctx);
            } else {
                ctx.run_later(Duration::from_millis(wait_ms), move |directory, ctx| {
                    directory.replace(owner, generation, ctx);
                });
            }
        }
    }

    /// Notes a loss. Returns how long the replacement has to wait, in ms.
    fn note_loss(&mut self, lost: LostOwner) -> Option<u64> {
        let (shared, generation, now_ms) = (&self.shared, self.generation, clock::now_ms());
        let mut unread = lost.unread.into_iter();
        match &lost.owner {
            OwnerId::Avatar(user) => {
                let unread = unread.by_ref().filter_map(|call| match call {
                    Call::Avatar(_, call) => Some(call),
                    _ => None,
                });
                self.avatars
                    .lost(shared, user, generation, unread.collect(), now_ms)
            }
            OwnerId::Room(channel) => {
                let unread = unread.by_ref().filter_map(|call| match call {
                    Call::Room(_, call) => Some(call),
                    _ => None,
                });
                self.rooms
                    .lost(shared, channel, generation, unread.collect(), now_ms)
            }
            OwnerId::Channel(channel) => {
                let unread = unread.by_ref().filter_map(|call| match call {
                    Call::Channel(_, call) => Some(call),
                    _ => None,
                });
                self.channels
                    .lost(shared, channel, generation, unread.collect(), now_ms)
            }
            OwnerId::Service(name) => {
                let unread = unread.by_ref().filter_map(|call| match call {
                    // The gateways answer it when they learn of the loss.
                    Call::Service(_, ServiceCall::Call(_)) => None,
                    Call::Service(_, call) => Some(call),
                    _ => None,
                });
                self.services
                    .lost(shared, name, generation, unread.collect(), now_ms)
            }
        }
    }

    /// Makes the replacement of a lost owner and requests what the gateways know.
    fn replace(&mut self, owner: OwnerId, generation: Generation, ctx: &mut Context<Self>) {
        let shared = &self.shared;
        let is_replaced = match &owner {
            OwnerId::Avatar(user) => self.avatars.replace(shared, user, generation),
            OwnerId::Room(channel) => self.rooms.replace(shared, channel, generation),
            OwnerId::Channel(channel) => self.channels.replace(shared, channel, generation),
            OwnerId::Service(name) => self.services.replace(shared, name, generation),
        };
        if !is_replaced {
            return;
        }
        for gateway in shared.bus.gateways() {
            let lost = Delivery::OwnerLost {
                shard: ShardId(u32::from(shared.worker.0)),
                generation,
                owner: Some(owner.clone()),
            };
            shared.bus.send(gateway, lost);
        }
        if let OwnerId::Room(channel) = &owner {
            let channel = channel.clone();
            shared.owners.call(Call::RoomLost { channel });
        }
        ctx.run_later(RECOVERY, move |directory, _| match &owner {
            OwnerId::Avatar(user) => directory.avatars.recovered(user, generation),
            OwnerId::Room(channel) => directory.rooms.recovered(channel, generation),
            OwnerId::Channel(channel) => directory.channels.recovered(channel, generation),
            OwnerId::Service(name) => directory.services.recovered(name, generation),
        });
    }
}

impl Actor for Directory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(SURVEY, |directory, _| directory.survey());
        ctx.spawn(begin_when_drained(|directory: &mut Self| {
            &mut directory.burst
        }));
        owner_call::count_in(self.shared.worker, self.shared.mailboxes.clone());
        // There is one directory for these surroundings.
        let _ = self.shared.directory.set(ctx.address());
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A test that fails drops it, too, and has to say why.
        if std::thread::panicking() && !cfg!(test) {
            let worker = self.shared.worker;
            log::error!("the directory of worker {worker} panicked; the server ends");
            std::process::abort();
        }
    }
}

impl Handler<Envelope<Stamped>> for Directory {
    type Result = ();

    fn handle(&mut self, Envelope(stamped): Envelope<Stamped>, ctx: &mut Self::Context) {
        if let Some(queues) = self.shared.mailboxes.of(self.shared.worker) {
            queues.calls.take();
        }
        if self.burst.is_over() {
            ctx.wait(give_way());
        }
        // Its report may be behind this call.
        self.replace_lost(ctx);
        if stamped.generation > self.generation {
            // Others have replaced the owners of this shard.
            return self.shared.not_done(stamped.call.pending());
        }
        if self.saved.refuses(&stamped.call) {
            return self.refuse_saved(stamped.call.pending());
        }
        match stamped.call {
            Call::Avatar(user, call) => self.call_avatar(user, call),
            Call::Room(channel, call) => self.call_room(channel, call),
            Call::Channel(channel, call) => self.call_channel(channel, call),
            Call::Service(name, call) => self.call_service(name, call),
            Call::Below {
                channel,
                gateway,
                wanted,
            } => {
                let mut prefixes = self.shared.prefixes.borrow_mut();
                if wanted {
                    prefixes.add(&channel, gateway);
                    self.shared.bus.send(gateway, Delivery::Below { channel });
                } else {
                    prefixes.remove(&channel, gateway);
                }
            }
            Call::RoomLost { channel } => self.confirm_playing(&channel),
            Call::Channels { requester, .. } => {
                let channels = self.channels.ids().cloned().collect();
                self.shared
                    .answer(requester, Ok(Answer::Channels(channels)));
            }
            Call::Rooms {
                requester,
                after,
                max,
                ..
            } => self.list_rooms(requester, after.as_deref(), max as usize),
            Call::PastBelow {
                channel,
                requester,
                depth,
                ..
            } => self.past_below(&channel, requester, depth),
            Call::ForgetHistories => self.channels.call_all(|| ChannelCall::Forget),
            #[cfg(debug_assertions)]
            Call::Fail(owner) => self.shared.faults.borrow_mut().push(owner),
        }
    }
}

impl Handler<Lost> for Directory {
    type Result = ();

    fn handle(&mut self, _: Lost, ctx: &mut Self::Context) {
        self.replace_lost(ctx);
    }
}

impl Handler<Unused> for Directory {
    type Result = ();

    fn handle(&mut self, unused: Unused, ctx: &mut Self::Context) {
        self.replace_lost(ctx);
        let Unused {
            owner,
            seen,
            last_seen_ms,
            watchers,
        } = unused;
        match owner {
            OwnerId::Avatar(user) => {
                if !self.avatars.release(&user, seen) {
                    return;
                }
                if let Some(at_ms) = last_seen_ms {
                    let mut last_seen = self.shared.last_seen.borrow_mut();
                    last_seen.put(user.clone(), at_ms);
                }
                self.shared.watchers.borrow_mut().put_back(user, watchers);
            }
            OwnerId::Room(channel) => {
                self.rooms.release(&channel, seen);
            }
            OwnerId::Channel(channel) => {
                if self.channels.release(&channel, seen) {
                    self.paths.remove(&channel);
                }
            }
            // One of the configuration lives as long as that.
            OwnerId::Service(name) => {
                if self.services.release(&name, seen) {
                    self.shared.totals.offered.end(&name);
                }
            }
        }
    }
}

#[cfg(all(test, debug_assertions))]
#[allow(clippy::unwrap_used)]
mod tests;
