//! Sessions on channels that show their members: what their owners have to know.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::subscription::topic::Subscriber;
use turntable_core::backup::Backup;
use turntable_core::call::ChannelCall;
use turntable_core::delivery::Topic;
use turntable_core::id::ChannelId;
use turntable_core::key::{SessionKey, SessionSlot};
use turntable_core::model::member::Listener;

impl Gateway {
    /// A session as a listener of a channel.
    pub(crate) fn listener(&self, session: SessionSlot) -> Option<Listener> {
        let entry = self.sessions.get(session)?;
        let backups = entry.backups.as_ref();
        Some(Listener {
            user: entry.session.user.clone(),
            dropped_ms: entry.dropped_for(clock::now_ms()),
            is_hidden: backups.is_some_and(|backups| backups.avatar().is_hidden),
        })
    }

    /// The sessions on a channel, where its members are shown. One that left, and
    /// whose owner was lost before it answered, is taken off.
    pub(super) fn listeners(&mut self, channel: &ChannelId) -> Vec<(SessionKey, Listener)> {
        let listeners = self.on_channel(channel);
        match self.settings.shows_members(channel) {
            true => listeners,
            false => Vec::new(),
        }
    }

    /// The sessions that joined a channel by name.
    pub(super) fn on_channel(&mut self, channel: &ChannelId) -> Vec<(SessionKey, Listener)> {
        let mut listeners = Vec::new();
        for subpaths in [false, true] {
            let topic = Topic::of_channel(channel.clone(), subpaths);
            let subscribers = self.subscriptions.topics.subscribers(&topic).to_vec();
            for subscriber in subscribers {
                match self.listener_on(subscriber, channel, subpaths) {
                    Some(listener) => listeners.push(listener),
                    None => self.subscriptions.topics.exit(&topic, subscriber),
                }
            }
        }
        listeners
    }

    fn listener_on(
        &self,
        subscriber: Subscriber,
        channel: &ChannelId,
        subpaths: bool,
    ) -> Option<(SessionKey, Listener)> {
        let session = self.sessions.key(subscriber)?;
        let channels = self.sessions.get(session)?.session.channels();
        let mut on = channels.iter();
        on.find(|on| on.channel == *channel && on.subpaths == subpaths)?;
        Some((self.sessions.caller(session)?.key, self.listener(session)?))
    }

    /// A session lost its connection, or has one again.
    pub(crate) fn report_member(&self, session: SessionSlot, connected: bool) {
        let Some(caller) = self.sessions.caller(session) else {
            return;
        };
        self.call_shown(session, || match connected {
            true => ChannelCall::Resume { caller },
            false => ChannelCall::Detach { caller },
        });
    }

    /// A session that joined may have lost its connection on the way.
    pub(crate) fn check_member(&self, session: SessionSlot, topic: &Topic) {
        let (Topic::Channel(channel) | Topic::Below(channel)) = topic else {
            return;
        };
        let entry = self.sessions.get(session);
        let is_dropped = entry.is_some_and(|entry| entry.session.connection().is_none());
        if is_dropped
            && self.settings.shows_members(channel)
            && let Some(caller) = self.sessions.caller(session)
        {
            let call = ChannelCall::Detach { caller };
            self.shared.owners.channel(channel, call);
        }
    }

    /// Stores what an owner wants back. Whether the user is hidden concerns channels.
    pub(crate) fn store_backup(&mut self, session: SessionSlot, backup: Backup) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let Backup::Avatar(avatar) = &backup else {
            return entry.store_backup(backup);
        };
        let before = entry.backups.as_ref();
        let was_hidden = before.is_some_and(|backups| backups.avatar().is_hidden);
        let is_hidden = avatar.is_hidden;
        entry.store_backup(backup);
        if was_hidden != is_hidden
            && let Some(caller) = self.sessions.caller(session)
        {
            self.call_shown(session, || ChannelCall::Hide { caller, is_hidden });
        }
    }

    /// The client hides its user: on channels at once, so that a `joinchannel` behind it
    /// shows nothing. The avatar's backup says whether it stays so.
    pub(crate) fn hide_member(&mut self, session: SessionSlot) {
        if self.settings.namespaces.is_none() {
            return;
        }
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let stored = entry.backups.as_ref();
        let mut backup = stored.map_or_else(Default::default, |stored| stored.avatar().clone());
        backup.is_hidden = true;
        self.store_backup(session, Backup::Avatar(backup));
    }

    /// Calls the channels of a session that show their members.
    fn call_shown(&self, session: SessionSlot, call: impl Fn() -> ChannelCall) {
        let Some(namespaces) = &self.settings.namespaces else {
            return;
        };
        let entry = self.sessions.get(session);
        for on in entry.iter().flat_map(|entry| entry.session.channels()) {
            if namespaces.of(&on.channel).members {
                self.shared.owners.channel(&on.channel, call());
            }
        }
    }
}
