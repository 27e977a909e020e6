//! Publications behind a join with subpaths: a client that publishes below a path right
//! after it joined it wants its own message back, and the owners of the two channels
//! answer in any order.

use crate::gateway::Gateway;
use turntable_core::call::ChannelCall;
use turntable_core::delivery::Topic;
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::spare::Spare;

/// What a session sent behind joins that are not answered.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// The paths that it is joining with their subpaths.
    joining: Vec<ChannelId>,
    /// The publications, in their order.
    calls: Vec<(ChannelId, ChannelCall)>,
}

impl Gateway {
    /// A session is joining a path with its subpaths.
    pub(super) fn hold_publications(&mut self, session: SessionSlot, path: &ChannelId) {
        let behind = self.subscriptions.behind.entry(session).or_default();
        if !behind.joining.contains(path) {
            behind.joining.push(path.clone());
        }
    }

    /// Such a join was answered.
    pub(crate) fn release_publications(&mut self, session: SessionSlot, topic: &Topic) {
        let (Topic::Channel(path) | Topic::Below(path)) = topic else {
            return;
        };
        let Some(behind) = self.subscriptions.behind.get_mut(&session) else {
            return;
        };
        behind.joining.retain(|joining| joining != path);
        if behind.joining.is_empty() {
            self.release_all_publications(session);
        }
    }

    /// Nothing is waited for any more, or the session ends.
    pub(crate) fn release_all_publications(&mut self, session: SessionSlot) {
        let behind = self.subscriptions.behind.remove(&session);
        self.subscriptions.behind.give_back();
        for (channel, call) in behind.into_iter().flat_map(|behind| behind.calls) {
            self.shared.owners.channel(&channel, call);
        }
    }

    /// `publish`: at once, or behind the joins that it must not overtake.
    pub(crate) fn publish_behind_joins(
        &mut self,
        session: SessionSlot,
        channel: ChannelId,
        call: ChannelCall,
    ) {
        match self.subscriptions.behind.get_mut(&session) {
            Some(behind) => behind.calls.push((channel, call)),
            None => self.shared.owners.channel(&channel, call),
        }
    }
}
