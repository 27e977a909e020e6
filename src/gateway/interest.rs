//! What a session wants to hear of: users it watches, channels it is on.

use crate::gateway::Gateway;
use turntable_core::call::{AvatarCall, ChannelCall, RoomCall};
use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Caller, SessionKey};
use turntable_core::packet::{ErrorBody, JoinChannel, RequestId};
use turntable_core::reason::ErrorCode;

/// Sessions that want everything below a path, and how far the worker's wish
/// is known.
#[derive(Debug, Default)]
pub(super) struct Below {
    sessions: usize,
    /// Directories that know of the wish.
    known: usize,
    /// Calls that wait until all do.
    waiting: Vec<(SessionKey, ChannelCall)>,
}

impl Below {
    /// Whether calls wait for the directories.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Gateway {
    /// `subscribe`: adds to what the session watches, and owes it a snapshot.
    pub(super) fn subscribe(
        &mut self,
        slot: u32,
        session: u32,
        users: Vec<UserId>,
        id: Option<RequestId>,
    ) {
        let max = self.settings().presence.watch_max;
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let is_new = |user: &UserId| {
            self.watches
                .number(user)
                .is_none_or(|number| !held.watching.contains(&number))
        };
        // Without a look at each while it is plain that all have room.
        if held.watching.len() + users.len() > max
            && held.watching.len() + users.iter().filter(|user| is_new(user)).count() > max
        {
            let error = ErrorBody::new(
                ErrorCode::TooMany,
                format!("at most {max} users can be watched at one time"),
            );
            return self.refuse(slot, error.of("subscribe").with("max", max as u64), id);
        }
        held.watching.reserve_exact(users.len());
        for user in users {
            let watching = self.watches.add(&user, session);
            if watching.is_first {
                let call = AvatarCall::Watch { gateway: self.id };
                self.context.owners.avatar(&user, call);
            }
            if watching.is_new {
                held.watching.push(watching.number);
                if !watching.is_known {
                    held.unknown += 1;
                }
            }
            held.changed.push(watching.number);
        }
        if let Some(id) = id {
            held.subscribed.get_or_insert_default().push(id);
        }
        if held.unknown == 0 {
            self.snapshots.push(session);
        }
    }

    /// `unsubscribe`.
    pub(super) fn unsubscribe(&mut self, session: u32, users: &[UserId]) {
        let mut left = Vec::with_capacity(users.len());
        for user in users {
            let Some(number) = self.watches.number(user) else {
                continue;
            };
            let is_known = self.watches.at(number).is_some_and(|w| w.is_known());
            let Some(held) = self.sessions.at_mut(session) else {
                return;
            };
            let Some(at) = held.watching.iter().position(|known| *known == number) else {
                continue;
            };
            held.watching.swap_remove(at);
            held.changed.retain(|known| *known != number);
            if !is_known {
                held.unknown = held.unknown.saturating_sub(1);
                if held.unknown == 0 {
                    self.snapshots.push(session);
                }
            }
            left.push(number);
            self.unwatch(number, session);
        }
        left.sort_unstable();
        if let Some(held) = self.sessions.at_mut(session) {
            held.outbox.kept_mut().for_each(|frame| frame.scrub(&left));
        }
    }

    fn unwatch(&mut self, number: u32, session: u32) {
        if let Some(user) = self.watches.remove(number, session) {
            let call = AvatarCall::Unwatch { gateway: self.id };
            self.context.owners.avatar(&user, call);
        }
    }

    /// `joinchannel`.
    pub(super) fn join_channel(
        &mut self,
        slot: u32,
        session: u32,
        join: JoinChannel,
        id: Option<RequestId>,
    ) {
        let max = self.settings().session.channels_max;
        let caller = self.caller(session);
        let (Some(caller), Some(held)) = (caller, self.sessions.at_mut(session)) else {
            return;
        };
        let JoinChannel {
            channel,
            subpaths,
            since,
            ..
        } = join;
        let before = match held.session.enter_channel(&channel, subpaths, max) {
            Ok(before) => before,
            Err(error) => return self.refuse(slot, error.of("joinchannel"), id),
        };
        let again = before == Some(subpaths);
        if before.is_none() {
            self.subscriptions.add(&channel);
        }
        if let Some(before) = before
            && !again
        {
            self.call_leave(caller, &channel, before);
        }
        let call = ChannelCall::Join {
            caller,
            subpaths,
            since,
            id,
        };
        if subpaths {
            self.want_below(caller.key, channel, call, again);
        } else {
            self.context.owners.channel(&channel, call);
        }
    }

    /// Joins a channel with everything below it: first every worker's channels
    /// have to know, so that `joined` is not said too early.
    fn want_below(
        &mut self,
        session: SessionKey,
        channel: ChannelId,
        call: ChannelCall,
        again: bool,
    ) {
        let shards = self.context.owners.shards();
        let is_first = !self.below.contains_key(&channel);
        let below = self.below.entry(channel.clone()).or_default();
        if !again {
            below.sessions += 1;
        }
        if below.known >= shards {
            return self.context.owners.channel(&channel, call);
        }
        below.waiting.push((session, call));
        if is_first {
            self.context.owners.below(&channel, self.id, true);
        }
    }

    /// One more directory knows that this worker wants what is below a path.
    pub(super) fn below_is_known(&mut self, channel: &ChannelId) {
        let shards = self.context.owners.shards();
        let Some(below) = self.below.get_mut(channel) else {
            return;
        };
        below.known += 1;
        if below.known < shards {
            return;
        }
        for (_, call) in std::mem::take(&mut below.waiting) {
            self.context.owners.channel(channel, call);
        }
        self.announce_unsubscribed(channel);
        self.drop_below(channel);
    }

    /// Takes the wish back where nobody has it any more. While it is still
    /// being made known it stays, so that no answer to it is counted for a
    /// later one.
    fn drop_below(&mut self, channel: &ChannelId) {
        let shards = self.context.owners.shards();
        let is_over = self
            .below
            .get(channel)
            .is_some_and(|below| below.sessions == 0 && below.known >= shards);
        if is_over {
            self.below.remove(channel);
            self.context.owners.below(channel, self.id, false);
        }
    }

    /// `leavechannel`.
    pub(super) fn leave_channel(&mut self, session: u32, channel: &ChannelId) {
        let caller = self.caller(session);
        let left = self
            .sessions
            .at_mut(session)
            .and_then(|held| held.session.left_channel(channel));
        if let (Some(caller), Some(subpaths)) = (caller, left) {
            self.call_leave(caller, channel, subpaths);
            self.unsubscribed(channel);
        }
    }

    fn call_leave(&mut self, caller: Caller, channel: &ChannelId, subpaths: bool) {
        let call = ChannelCall::Leave { caller, subpaths };
        if subpaths && let Some(below) = self.below.get_mut(channel) {
            below.sessions = below.sessions.saturating_sub(1);
            if below
                .waiting
                .iter()
                .any(|(waiting, _)| *waiting == caller.key)
            {
                // Behind the join, which is answered all the same.
                return below.waiting.push((caller.key, call));
            }
        }
        self.context.owners.channel(channel, call);
        if subpaths {
            self.drop_below(channel);
        }
    }

    /// An owner put a session on its topic; a room says so of every join that
    /// it took.
    pub(super) fn entered(&mut self, session: u32, topic: Topic) {
        if let (Topic::Room(room), Some(held)) = (&topic, self.sessions.at_mut(session)) {
            held.session.join_answered(room);
        }
        self.topics.enter(topic, session);
    }

    /// An owner refused a join. A session that was on the topic before stays.
    pub(super) fn join_refused(&mut self, session: u32, topic: &Topic) {
        let is_on = self.topics.listeners(topic).contains(&session);
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        match topic {
            Topic::Room(room) => {
                held.session.join_answered(room);
                if !is_on {
                    held.session.left_room(room);
                }
            }
            Topic::Channel(channel) | Topic::Below(channel) if !is_on => {
                let left = held.session.left_channel(channel);
                if left == Some(true)
                    && let Some(below) = self.below.get_mut(channel)
                {
                    below.sessions = below.sessions.saturating_sub(1);
                    self.drop_below(channel);
                }
                if left.is_some() {
                    self.unsubscribed(channel);
                }
            }
            Topic::Channel(_) | Topic::Below(_) => {}
        }
    }

    /// The session ends: its owners hear of it, and its topics forget it.
    pub(super) fn leave_everything(&mut self, session: u32, caller: Caller) {
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let user = held.session.user.clone();
        let rooms = held.session.rooms().cloned().collect::<Vec<_>>();
        let channels = held.session.channels().to_vec();
        let watching = std::mem::take(&mut held.watching);
        held.changed.clear();
        let owners = self.context.owners.clone();
        owners.avatar(&user, AvatarCall::Remove { caller });
        for room in rooms {
            let call = RoomCall::Remove {
                caller,
                user: user.clone(),
            };
            owners.room(&room, call);
        }
        for (channel, subpaths) in channels {
            self.call_leave(caller, &channel, subpaths);
            self.unsubscribed(&channel);
        }
        // Also what it left shortly before, whose owner's word finds it gone.
        self.topics.exit_all(session);
        for number in watching {
            self.unwatch(number, session);
        }
    }
}
