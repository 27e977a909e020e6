//! The directory of one worker: it finds the actor of an id, makes it on
//! demand and forgets it when it is not needed.
//!
//! An id belongs to one worker (a hash of the id), and all calls to its actor
//! pass through that worker's directory, in order. An actor that has nothing
//! left to do says how many calls it has seen; only where the directory sent no
//! more than those is it let go, so no call is ever lost in a closing actor.
//! If a directory dies its worker is dead: see the gateway.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use prometheus_client::metrics::gauge::Gauge;

use crate::actor::avatar::Avatar;
use crate::actor::channel::Channel;
use crate::actor::room::Room;
use crate::actor::{Shared, no_room};
use crate::cluster::mail::Mail;
use crate::store::last_seen::LastSeen;
use turntable_core::call::{AvatarCall, Call, ChannelCall, RoomCall, Stamped};
use turntable_core::delivery::Delivery;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::{LookupEntry, Presence};

/// Lets an actor end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// An actor has nothing left to do.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum Unused {
    /// An avatar.
    Avatar {
        /// Whose.
        user: UserId,
        /// Calls it has seen.
        seen: u64,
        /// When its user was last there, Unix ms.
        last_seen_ms: Option<u64>,
    },
    /// A room.
    Room {
        /// Which.
        channel: ChannelId,
        /// Calls it has seen.
        seen: u64,
    },
    /// A channel.
    Channel {
        /// Which.
        channel: ChannelId,
        /// Calls it has seen.
        seen: u64,
    },
}

/// An actor and the number of calls that were sent to it.
struct Listing<A: Actor> {
    address: Addr<A>,
    sent: u64,
}

/// The actors of one kind.
struct Listings<K, A: Actor> {
    by_id: HashMap<K, Listing<A>>,
    gauge: Gauge,
}

impl<K: Eq + Hash + Clone, A: Actor<Context = Context<A>>> Listings<K, A> {
    fn new(gauge: Gauge) -> Self {
        Self {
            by_id: HashMap::new(),
            gauge,
        }
    }

    fn call<M>(&mut self, shared: &Shared, id: K, call: M, make: impl FnOnce(K) -> A)
    where
        M: Send + 'static,
        A: Handler<Mail<M>>,
        Context<A>: ToEnvelope<A, Mail<M>>,
    {
        let listing = match self.by_id.entry(id) {
            Entry::Occupied(mut entry) if !entry.get().address.connected() => {
                shared.metrics.actors_lost.inc();
                log::error!("an actor was lost to a fault; it starts anew");
                let address = make(entry.key().clone()).start();
                entry.insert(Listing { address, sent: 0 });
                entry.into_mut()
            }
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.gauge.inc();
                let address = make(entry.key().clone()).start();
                entry.insert(Listing { address, sent: 0 })
            }
        };
        listing.sent += 1;
        listing.address.do_send(Mail(call));
    }

    /// Lets an actor go that has seen every call.
    fn release(&mut self, id: &K, seen: u64) -> bool
    where
        A: Handler<Stop>,
        Context<A>: ToEnvelope<A, Stop>,
    {
        if self
            .by_id
            .get(id)
            .is_none_or(|listing| listing.sent != seen)
        {
            return false;
        }
        if let Some(listing) = self.by_id.remove(id) {
            self.gauge.dec();
            listing.address.do_send(Stop);
        }
        if self.by_id.is_empty() {
            self.by_id.shrink_to_fit();
        }
        true
    }
}

/// The directory of one worker.
pub struct Directory {
    shared: Shared,
    avatars: Listings<UserId, Avatar>,
    rooms: Listings<ChannelId, Room>,
    channels: Listings<ChannelId, Channel>,
    last_seen: LastSeen,
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        let workers = shared.owners.shards().max(1);
        Self {
            avatars: Listings::new(shared.metrics.actors("avatar")),
            rooms: Listings::new(shared.metrics.actors("room")),
            channels: Listings::new(shared.metrics.actors("channel")),
            last_seen: LastSeen::new(shared.settings.presence.last_seen_max.div_ceil(workers)),
            shared,
        }
    }

    /// What is known of a user that has no avatar.
    fn absent(&self, user: &UserId) -> LookupEntry {
        LookupEntry {
            state: Presence::Offline,
            last_seen_ms: self.last_seen.get(user),
            devices: 0,
            note: None,
        }
    }

    fn call_avatar(&mut self, user: UserId, call: AvatarCall) {
        if !self.avatars.by_id.contains_key(&user) {
            match call {
                AvatarCall::Lookup { gateway, ticket } => {
                    let entry = self.absent(&user);
                    return self.shared.bus.send(
                        gateway,
                        Delivery::Found {
                            ticket,
                            user,
                            entry,
                        },
                    );
                }
                // Nothing to undo on an avatar that is gone.
                AvatarCall::Unwatch { .. }
                | AvatarCall::Remove { .. }
                | AvatarCall::Detach { .. }
                | AvatarCall::InviteAnswered { .. }
                | AvatarCall::Tell(_) => return,
                _ => {}
            }
        }
        let (shared, last_seen) = (&self.shared, &self.last_seen);
        self.avatars.call(shared, user, call, |user| {
            let seen = last_seen.get(&user);
            Avatar::new(shared.clone(), user, seen)
        });
    }

    fn call_room(&mut self, channel: ChannelId, call: RoomCall) {
        if !self.rooms.by_id.contains_key(&channel) && !matches!(call, RoomCall::Join { .. }) {
            if let Some((command, caller, id)) = call.into_command() {
                self.shared.refuse(caller, no_room(command), id);
            }
            return;
        }
        let shared = &self.shared;
        self.rooms.call(shared, channel, call, |channel| {
            Room::new(shared.clone(), channel)
        });
    }

    fn call_channel(&mut self, channel: ChannelId, call: ChannelCall) {
        if !self.channels.by_id.contains_key(&channel) && matches!(call, ChannelCall::Leave { .. })
        {
            return;
        }
        let shared = &self.shared;
        self.channels.call(shared, channel, call, |channel| {
            Channel::new(shared.clone(), channel)
        });
    }
}

impl Actor for Directory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // There is one directory for these surroundings.
        let _ = self.shared.directory.set(ctx.address());
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let worker = self.shared.worker;
            log::error!("the directory of worker {worker} is lost to a fault; the server ends");
            std::process::abort();
        }
    }
}

impl Handler<Mail<Stamped>> for Directory {
    type Result = ();

    fn handle(&mut self, Mail(stamped): Mail<Stamped>, _: &mut Self::Context) {
        match stamped.call {
            Call::Avatar(user, call) => self.call_avatar(user, call),
            Call::Room(channel, call) => self.call_room(channel, call),
            Call::Channel(channel, call) => self.call_channel(channel, call),
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
        }
    }
}

impl Handler<Unused> for Directory {
    type Result = ();

    fn handle(&mut self, unused: Unused, _: &mut Self::Context) {
        match unused {
            Unused::Avatar {
                user,
                seen,
                last_seen_ms,
            } => {
                if self.avatars.release(&user, seen)
                    && let Some(at_ms) = last_seen_ms
                {
                    self.last_seen.put(user, at_ms);
                }
            }
            Unused::Room { channel, seen } => {
                self.rooms.release(&channel, seen);
            }
            Unused::Channel { channel, seen } => {
                self.channels.release(&channel, seen);
            }
        }
    }
}
