//! What a gateway announces to owners: that it has sessions on a channel, and,
//! when an owner was lost, everything that it has of it.
//!
//! An owner knows which gateways are interested and leaves it to them to count.
//! Counts are of what was sent to the owner, not of what it answered: calls arrive
//! in their order, so the last `Unsubscribed` or `Join` is what is true.

use std::collections::HashMap;

use crate::clock;
use crate::gateway::{Gateway, Held};
use turntable_core::backup::{AnnouncedMember, AnnouncedSession, AvatarBackup, Backup};
use turntable_core::call::{AvatarCall, ChannelCall, RoomCall};
use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Generation, ShardId};
use turntable_core::owner::OwnerId;

/// How many sessions of a gateway are on each channel, or have asked to join it.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(HashMap<ChannelId, u32>);

impl Subscriptions {
    /// One more session joins.
    pub(super) fn add(&mut self, channel: &ChannelId) {
        *self.0.entry(channel.clone()).or_default() += 1;
    }

    /// One session leaves. Returns whether it was the last.
    pub(super) fn remove(&mut self, channel: &ChannelId) -> bool {
        let Some(count) = self.0.get_mut(channel) else {
            return false;
        };
        *count = count.saturating_sub(1);
        let is_last = *count == 0;
        if is_last {
            self.0.remove(channel);
        }
        is_last
    }

    /// Whether there are any.
    pub(super) fn has(&self, channel: &ChannelId) -> bool {
        self.0.contains_key(channel)
    }

    fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.0.keys()
    }
}

impl Held {
    /// How long ago its connection was lost, in ms; `None` while it has one.
    fn dropped_for(&self, now_ms: u64) -> Option<u64> {
        let dropped_ms = self.dropped_ms?;
        Some(now_ms.saturating_sub(dropped_ms.get()))
    }

    /// Stores what an owner wants back, should it be lost.
    pub(super) fn store_backup(&mut self, backup: Backup) {
        let backups = self.backups.get_or_insert_default();
        backups.store(backup);
        if backups.is_empty() {
            self.backups = None;
        }
    }

    /// The session is not in a room any more.
    pub(super) fn forget_backup(&mut self, room: &ChannelId) {
        if let Some(backups) = &mut self.backups {
            backups.forget_room(room);
            if backups.is_empty() {
                self.backups = None;
            }
        }
    }
}

impl Gateway {
    /// Owners were lost: announces to their replacements what is here of them.
    pub(super) fn owner_lost(
        &mut self,
        shard: ShardId,
        generation: Generation,
        owner: Option<OwnerId>,
    ) {
        self.context.owners.learn(shard, generation);
        let owners = match owner {
            Some(owner) => vec![owner],
            None => self.owners_in(shard),
        };
        for owner in owners {
            match owner {
                OwnerId::Avatar(user) => self.announce_user(&user, generation),
                OwnerId::Room(room) => self.announce_room(room, generation),
                OwnerId::Channel(channel) => self.announce_channel(&channel, generation),
            }
        }
    }

    /// The owners in a shard that something is here of.
    fn owners_in(&self, shard: ShardId) -> Vec<OwnerId> {
        let shards = self.context.owners.shards() as u32;
        let sessions = self.sessions.occupied();
        let sessions = sessions.filter_map(|slot| self.sessions.at(slot));
        let mut owners: Vec<OwnerId> = Vec::new();
        for held in sessions {
            owners.push(OwnerId::Avatar(held.session.user.clone()));
            owners.extend(held.session.rooms().cloned().map(OwnerId::Room));
        }
        owners.extend(self.watches.users().cloned().map(OwnerId::Avatar));
        let channels = self.subscriptions.channels().cloned();
        owners.extend(channels.map(OwnerId::Channel));
        owners.retain(|owner| owner.shard(shards) == Some(shard));
        owners.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        owners.dedup();
        owners
    }

    fn announce_user(&self, user: &UserId, generation: Generation) {
        let now_ms = clock::now_ms();
        let session = |slot: u32| {
            let held = self.sessions.at(slot)?;
            // One that is not in yet is not the avatar's.
            let is_meant = held.is_live && held.session.user == *user;
            let caller = self.caller(slot).filter(|_| is_meant)?;
            let backups = held.backups.as_ref();
            Some(AnnouncedSession {
                caller,
                dropped_ms: held.dropped_for(now_ms),
                is_idle: held.is_idle,
                backup: backups.map_or_else(AvatarBackup::default, |b| b.avatar().clone()),
            })
        };
        let announcement = AvatarCall::Announce {
            gateway: self.id,
            generation,
            is_watching: self.watches.number(user).is_some(),
            sessions: self.sessions.occupied().filter_map(session).collect(),
        };
        self.context.owners.avatar(user, announcement);
    }

    fn announce_room(&mut self, room: ChannelId, generation: Generation) {
        let now_ms = clock::now_ms();
        let topic = Topic::Room(room);
        let subscribers = self.topics.listeners(&topic).to_vec();
        let Topic::Room(room) = &topic else {
            return;
        };
        let mut members = Vec::with_capacity(subscribers.len());
        for slot in subscribers {
            match self.member(slot, room, now_ms) {
                Some(member) => members.push(member),
                // It left, and the room that would have taken it off is lost.
                None => self.topics.exit(&topic, slot),
            }
        }
        let announcement = RoomCall::Announce {
            gateway: self.id,
            generation,
            members,
        };
        self.context.owners.room(room, announcement);
    }

    /// A session as a member's of a room; `None` where it is not in it.
    fn member(&self, slot: u32, room: &ChannelId, now_ms: u64) -> Option<AnnouncedMember> {
        let held = self.sessions.at(slot)?;
        let is_in = held.session.rooms().any(|known| known == room);
        let backup = held.backups.as_ref()?.room(room).filter(|_| is_in)?;
        Some(AnnouncedMember {
            caller: self.caller(slot)?,
            user: held.session.user.clone(),
            dropped_ms: held.dropped_for(now_ms),
            backup: backup.clone(),
        })
    }

    fn announce_channel(&self, channel: &ChannelId, generation: Generation) {
        let announcement = ChannelCall::Announce {
            gateway: self.id,
            generation,
            is_subscribed: self.subscriptions.has(channel),
        };
        self.context.owners.channel(channel, announcement);
    }

    /// A session left a channel: says so where it was the last one here.
    pub(super) fn unsubscribed(&mut self, channel: &ChannelId) {
        if self.subscriptions.remove(channel) {
            self.announce_unsubscribed(channel);
        }
    }

    /// Says that there is no session on a channel, unless calls to it still wait
    /// to be sent; they come first.
    pub(super) fn announce_unsubscribed(&self, channel: &ChannelId) {
        let waits = |below: &super::interest::Below| below.is_waiting();
        if self.subscriptions.has(channel) || self.below.get(channel).is_some_and(waits) {
            return;
        }
        let call = ChannelCall::Unsubscribed { gateway: self.id };
        self.context.owners.channel(channel, call);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_session_of_a_channel_is_noticed() {
        let mut subscriptions = Subscriptions::default();
        let [a, b] = ["a", "b"].map(|path| ChannelId::parse(path).unwrap());
        subscriptions.add(&a);
        subscriptions.add(&a);
        assert!(!subscriptions.remove(&b));
        assert!(!subscriptions.remove(&a));
        assert!(subscriptions.has(&a));
        assert!(subscriptions.remove(&a));
        assert!(!subscriptions.remove(&a));
        assert!(!subscriptions.has(&a));
    }
}
