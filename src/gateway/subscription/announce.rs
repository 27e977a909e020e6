//! What a gateway announces to owners: that it has sessions on a channel, and,
//! when an owner was lost, everything that it has of it.
//!
//! An owner knows which gateways are interested and leaves it to them to count.
//! Counts are of what was sent to the owner, not of what it answered: calls arrive
//! in their order, so the last `Unsubscribed` or `Join` is what is true.

use std::collections::HashMap;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::session::SessionEntry;
use crate::gateway::subscription::topic::Subscriber;
use turntable_core::backup::{AnnouncedMember, AnnouncedSession, AvatarBackup, Backup};
use turntable_core::call::{AvatarCall, ChannelCall, RoomCall};
use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Generation, SessionSlot, ShardId};
use turntable_core::owner::OwnerId;
use turntable_core::session::life::Life;
use turntable_core::spare::Spare;

/// How many sessions of a gateway are on each channel, or are joining it.
#[derive(Debug, Default)]
pub(crate) struct ChannelCounts(HashMap<ChannelId, u32>);

impl ChannelCounts {
    /// One more session joins.
    pub(crate) fn add(&mut self, channel: &ChannelId) {
        *self.0.entry(channel.clone()).or_default() += 1;
    }

    /// One session leaves. Returns whether it was the last.
    pub(crate) fn remove(&mut self, channel: &ChannelId) -> bool {
        let Some(count) = self.0.get_mut(channel) else {
            return false;
        };
        *count = count.saturating_sub(1);
        let is_last = *count == 0;
        if is_last {
            self.0.remove(channel);
            self.0.give_back();
        }
        is_last
    }

    /// Whether there are any.
    pub(crate) fn has(&self, channel: &ChannelId) -> bool {
        self.0.contains_key(channel)
    }

    fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.0.keys()
    }
}

impl SessionEntry {
    /// How long ago its connection was lost, in ms; `None` while it has one.
    pub(crate) fn dropped_for(&self, now_ms: u64) -> Option<u64> {
        match self.session.life() {
            Life::Detached { since_ms, .. } => Some(now_ms.saturating_sub(since_ms)),
            _ => None,
        }
    }

    /// Stores what an owner wants back, should it be lost.
    pub(crate) fn store_backup(&mut self, backup: Backup) {
        let backups = self.backups.get_or_insert_default();
        backups.store(backup);
        if backups.is_empty() {
            self.backups = None;
        }
    }

    /// The session is not in a room any more.
    pub(crate) fn forget_backup(&mut self, room: &ChannelId) {
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
    pub(crate) fn owner_lost(
        &mut self,
        shard: ShardId,
        generation: Generation,
        owner: Option<OwnerId>,
    ) {
        self.shared.owners.learn(shard, generation);
        let owners = match owner {
            Some(owner) => vec![owner],
            None => self.owners_in(shard),
        };
        for owner in owners {
            match owner {
                OwnerId::Avatar(user) => {
                    self.announce_user(&user, generation);
                    self.announce_watching(&user);
                }
                OwnerId::Room(room) => self.announce_room(room, generation),
                OwnerId::Channel(channel) => self.announce_channel(&channel, generation),
                OwnerId::Service(name) => self.announce_service(&name, generation),
            }
        }
    }

    /// The owners in a shard that something is here of.
    fn owners_in(&self, shard: ShardId) -> Vec<OwnerId> {
        let mut owners: Vec<OwnerId> = Vec::new();
        for (_, entry) in self.sessions.iter() {
            owners.push(OwnerId::Avatar(entry.session.user.clone()));
            owners.extend(entry.session.rooms().cloned().map(OwnerId::Room));
        }
        let watched = self.subscriptions.watches.users();
        owners.extend(watched.cloned().map(OwnerId::Avatar));
        let channels = self.subscriptions.channels.channels().cloned();
        owners.extend(channels.map(OwnerId::Channel));
        let services = self.settings.services.keys();
        owners.extend(services.map(|name| OwnerId::Service(name.as_str().into())));
        owners.retain(|owner| self.shared.owners.shard(owner.as_str()) == Some(shard));
        owners.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        owners.dedup();
        owners
    }

    fn announce_user(&self, user: &UserId, generation: Generation) {
        let now_ms = clock::now_ms();
        let session = |(slot, entry): (SessionSlot, &SessionEntry)| {
            // One that was not admitted yet is not the avatar's.
            let is_admitted = entry.session.life().is_admitted();
            let is_meant = is_admitted && entry.session.user == *user;
            let caller = self.sessions.caller(slot).filter(|_| is_meant)?;
            let backups = entry.backups.as_ref();
            Some(AnnouncedSession {
                caller,
                dropped_ms: entry.dropped_for(now_ms),
                is_idle: entry.session.is_idle(),
                backup: backups.map_or_else(AvatarBackup::default, |b| b.avatar().clone()),
            })
        };
        let announcement = AvatarCall::Announce {
            gateway: self.id,
            generation,
            is_watching: self.subscriptions.watches.number(user).is_some(),
            sessions: self.sessions.iter().filter_map(session).collect(),
        };
        self.shared.owners.avatar(user, announcement);
    }

    pub(crate) fn announce_room(&mut self, room: ChannelId, generation: Generation) {
        let now_ms = clock::now_ms();
        let topic = Topic::Room(room);
        let topics = &mut self.subscriptions.topics;
        let subscribers = topics.subscribers(&topic).to_vec();
        let Topic::Room(room) = &topic else {
            return;
        };
        let mut members = Vec::with_capacity(subscribers.len());
        for slot in subscribers {
            match self.member(slot, room, now_ms) {
                Some(member) => members.push(member),
                // It left, and the room that would have removed it is lost.
                None => self.subscriptions.topics.exit(&topic, slot),
            }
        }
        let announcement = RoomCall::Announce {
            gateway: self.id,
            generation,
            members,
        };
        self.shared.owners.room(room, announcement);
    }

    /// A session as a member's of a room; `None` where it is not in it.
    fn member(
        &self,
        subscriber: Subscriber,
        room: &ChannelId,
        now_ms: u64,
    ) -> Option<AnnouncedMember> {
        let session = self.sessions.key(subscriber)?;
        let entry = self.sessions.get(session)?;
        let is_in = entry.session.rooms().any(|known| known == room);
        let backup = entry.backups.as_ref()?.room(room).filter(|_| is_in)?;
        Some(AnnouncedMember {
            caller: self.sessions.caller(session)?,
            user: entry.session.user.clone(),
            dropped_ms: entry.dropped_for(now_ms),
            backup: backup.clone(),
        })
    }

    pub(crate) fn announce_channel(&mut self, channel: &ChannelId, generation: Generation) {
        let listeners = self.listeners(channel);
        let announcement = ChannelCall::Announce {
            gateway: self.id,
            generation,
            is_subscribed: self.subscriptions.channels.has(channel),
            listeners,
        };
        self.shared.owners.channel(channel, announcement);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn last_session_of_a_channel_is_reported() {
        let mut counts = ChannelCounts::default();
        let [a, b] = ["a", "b"].map(|path| ChannelId::parse(path).unwrap());
        counts.add(&a);
        counts.add(&a);
        assert!(!counts.remove(&b));
        assert!(!counts.remove(&a));
        assert!(counts.has(&a));
        assert!(counts.remove(&a));
        assert!(!counts.remove(&a));
        assert!(!counts.has(&a));
    }
}
