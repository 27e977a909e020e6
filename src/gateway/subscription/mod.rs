//! What the sessions of a worker are subscribed to: users they watch, rooms and
//! channels.
//!
//! Owners know which gateways are interested, not which sessions: a gateway
//! reports the first session that watches a user and the last that does.

pub(crate) mod announce;
mod behind;
pub(crate) mod below;
pub(crate) mod gather;
pub(crate) mod listed;
pub(crate) mod member;
pub(crate) mod operator;
pub(crate) mod profile;
pub(crate) mod reach;
mod replay;
pub(crate) mod sight;
pub(crate) mod state;
pub(crate) mod topic;
mod unwatching;
mod users;
pub(crate) mod watch;

use crate::gateway::Gateway;
use crate::gateway::intake::USERS_AT_ONCE;
use crate::gateway::session::permission::may_do;
use below::OwnerCall;
use gather::PastBelow;
use turntable_core::address::Address;
use turntable_core::call::{AvatarCall, ChannelCall, RoomCall};
use turntable_core::delivery::Topic;
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::model::channel::Past;
use turntable_core::model::namespace::Access;
use turntable_core::packet::{JoinChannel, RequestId};
use turntable_core::payload::Payload;

impl Gateway {
    /// Sends owners what they have to know.
    pub(crate) fn call_owners<C: Into<OwnerCall>>(&self, calls: impl IntoIterator<Item = C>) {
        let owners = &self.shared.owners;
        for call in calls {
            match call.into() {
                OwnerCall::Channel(channel, call) => owners.channel(&channel, call),
                OwnerCall::Below(channel, is_wanted) => {
                    owners.below(&channel, self.id, is_wanted);
                }
            }
        }
    }

    /// `joinchannel`.
    pub(crate) fn join_channel(
        &mut self,
        session: SessionSlot,
        join: JoinChannel,
        id: Option<RequestId>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let JoinChannel {
            channel,
            subpaths,
            since,
            history,
            below,
        } = join;
        let access = match subpaths {
            true => Access::JoinBelow,
            false => Access::Join,
        };
        let who = entry.session.who();
        if let Err(error) = may_do(&self.settings.channels, who, &channel, access) {
            return self.refuse_unowned(session, error.of("joinchannel"), id);
        }
        let join = JoinChannel {
            channel,
            subpaths,
            since,
            history,
            below,
        };
        let address = self.address(session);
        self.join_allowed(session, join, address, id);
    }

    /// Joins a session to a channel that it may join. A channel that begins is charged to
    /// the address, if to any.
    pub(crate) fn join_allowed(
        &mut self,
        session: SessionSlot,
        join: JoinChannel,
        address: Option<Address>,
        id: Option<RequestId>,
    ) {
        let max = self.settings.session.channels_max;
        let caller = self.sessions.caller(session);
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let JoinChannel {
            channel,
            subpaths,
            since,
            history,
            mut below,
        } = join;
        let past = Past {
            since,
            history: history.unwrap_or_default(),
        };
        below.truncate(self.settings.below_max);
        let below = PastBelow {
            since: below,
            history: past.history,
        };
        let wants_below =
            self.settings.has_last_values || below.history > 0 || !below.since.is_empty();
        let before = match entry.session.enter_channel(&channel, subpaths, max) {
            Ok(before) => before,
            Err(error) => return self.refuse_unowned(session, error.of("joinchannel"), id),
        };
        let again = before == Some(subpaths);
        if before.is_none() {
            self.subscriptions.channels.add(&channel);
        }
        if let Some(before) = before
            && !again
        {
            let calls = self
                .subscriptions
                .below
                .leave(caller, &channel, before, true);
            self.call_owners(calls);
        }
        let Some(listener) = self.listener(session) else {
            return;
        };
        let call = ChannelCall::Join {
            caller,
            address,
            listener,
            subpaths,
            past,
            id,
        };
        self.end_gather(session, &channel);
        if subpaths {
            if wants_below && self.settings.below_max > 0 {
                self.gather(session, &channel, below);
            }
            if !again {
                self.subscriptions.behind.hold(session, &channel);
            }
            let below = &mut self.subscriptions.below;
            let call = below.join(caller.key, channel, call, again);
            self.call_owners(call);
        } else {
            self.shared.owners.channel(&channel, call);
        }
    }

    /// `publish`.
    pub(crate) fn publish_on_channel(
        &mut self,
        session: SessionSlot,
        channel: ChannelId,
        data: Payload,
        id: Option<RequestId>,
    ) {
        let caller = self.sessions.caller(session);
        let (Some(caller), Some(entry)) = (caller, self.sessions.get(session)) else {
            return;
        };
        let user = entry.session.user.clone();
        let (who, access) = (entry.session.who(), Access::Publish);
        if let Err(error) = may_do(&self.settings.channels, who, &channel, access) {
            return self.refuse_unowned(session, error.of("publish"), id);
        }
        let call = ChannelCall::Publish {
            caller,
            address: self.address(session),
            user,
            data,
            id,
        };
        let behind = &mut self.subscriptions.behind;
        let call = behind.publish(session, (channel, call));
        self.call_owners(call);
    }

    /// `leavechannel`.
    pub(crate) fn leave_channel(&mut self, session: SessionSlot, channel: &ChannelId) {
        self.end_gather(session, channel);
        let caller = self.sessions.caller(session);
        let left = self
            .sessions
            .get_mut(session)
            .and_then(|entry| entry.session.left_channel(channel));
        if let (Some(caller), Some(subpaths)) = (caller, left) {
            self.note_left(session, &Topic::of_channel(channel.clone(), subpaths));
            let all = &mut self.subscriptions;
            let calls = all.below.leave(caller, channel, subpaths, false);
            let unsubscribed = all.unsubscribed(channel);
            self.call_owners(calls.into_iter().chain(unsubscribed));
        }
    }

    /// An owner put a session on its topic; a room reports so every join that it
    /// admitted.
    pub(crate) fn entered(&mut self, session: SessionSlot, topic: Topic) {
        if let (Topic::Room(room), Some(entry)) = (&topic, self.sessions.get_mut(session)) {
            entry.session.join_answered(room);
        }
        self.note_joined(session, &topic);
        self.subscriptions.topics.enter(topic, session.into());
    }

    /// An owner took a session off its topic.
    pub(crate) fn exited(&mut self, session: SessionSlot, topic: &Topic) {
        self.subscriptions.topics.exit(topic, session.into());
        if let (Topic::Room(room), Some(entry)) = (topic, self.sessions.get(session))
            && entry.session.rooms().any(|known| known == room)
        {
            self.note_left(session, topic);
        }
        if let (Topic::Room(room), Some(entry)) = (topic, self.sessions.get_mut(session)) {
            entry.session.left_room(room);
            entry.forget_backup(room);
        }
    }

    /// An owner refused a join. A session that was on the topic before stays.
    pub(crate) fn join_refused(&mut self, session: SessionSlot, topic: &Topic) {
        let subscribers = self.subscriptions.topics.subscribers(topic);
        let is_on = subscribers.contains(&session.into());
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        match topic {
            Topic::Room(room) => {
                entry.session.join_answered(room);
                if !is_on {
                    entry.session.left_room(room);
                }
            }
            Topic::Channel(channel) | Topic::Below(channel) if !is_on => {
                let left = entry.session.left_channel(channel);
                if left == Some(true) {
                    let refused = self.subscriptions.below.refused(channel);
                    self.call_owners(refused);
                }
                if left.is_some() {
                    let unsubscribed = self.subscriptions.unsubscribed(channel);
                    self.call_owners(unsubscribed);
                }
            }
            Topic::Channel(_) | Topic::Below(_) => {}
        }
        if let Topic::Below(channel) = topic {
            self.end_gather(session, channel);
        }
        let answered = self.subscriptions.behind.answered(session, topic);
        self.call_owners(answered);
    }

    /// The session ends, by `bye` or in another way: its owners receive that, and its
    /// topics forget it. Returns whether users that it watched list its place on.
    pub(crate) fn leave_everything(&mut self, session: SessionSlot, is_bye: bool) -> bool {
        self.report_providing(session, false);
        let caller = self.sessions.caller(session);
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return false;
        };
        let user = entry.session.user.clone();
        let key = entry.session.key;
        let rooms: Vec<ChannelId> = entry.session.rooms().cloned().collect();
        let channels = entry.session.channels().to_vec();
        let watching = std::mem::take(&mut entry.session.watching);
        self.intake.leaves(watching.len().min(USERS_AT_ONCE));
        entry.changed.clear();
        entry.profiles.clear();
        if let Some(extras) = &mut entry.extras {
            extras.sight = None;
        }
        let behind = self.subscriptions.behind.forget(session);
        self.call_owners(behind);
        self.forget_gathers(session);
        self.end_by_operator(&user, key);
        self.leaves_avatar(session);
        let owners = self.shared.owners.clone();
        owners.avatar(&user, AvatarCall::Remove { caller });
        for room in rooms {
            let call = RoomCall::Remove {
                caller,
                user: user.clone(),
                is_bye,
            };
            owners.room(&room, call);
        }
        for membership in channels {
            let (all, channel) = (&mut self.subscriptions, &membership.channel);
            let calls = all.below.leave(caller, channel, membership.subpaths, false);
            let unsubscribed = all.unsubscribed(channel);
            self.call_owners(calls.into_iter().chain(unsubscribed));
        }
        // Also what it left shortly before, whose owner's answer finds it gone.
        self.subscriptions.topics.exit_all(session.into());
        self.unwatch_later(session, watching)
    }
}
