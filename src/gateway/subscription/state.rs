//! The subscriptions of a worker as one value. What its owners have to be sent is
//! returned; sessions and sockets are not known here.

use std::sync::Arc;

use super::announce::ChannelCounts;
use super::behind::BehindJoins;
use super::below::{BelowPaths, OwnerCall, OwnerCalls};
use super::gather::Gathers;
use super::reach::Reach;
use super::topic::Topics;
use super::unwatching::Unwatching;
use super::watch::Watches;
use turntable_core::call::ChannelCall;
use turntable_core::id::ChannelId;
use turntable_core::key::GatewayId;

/// The subscriptions of a worker.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    /// The gateway of the worker.
    gateway: GatewayId,
    /// Sessions by topic.
    pub(crate) topics: Topics,
    /// Watched users.
    pub(crate) watches: Watches,
    /// How many sessions are on each channel, or are joining it.
    pub(crate) channels: ChannelCounts,
    /// Paths whose subpaths are wanted.
    pub(crate) below: BelowPaths,
    /// Publications that wait for joins with subpaths.
    pub(crate) behind: BehindJoins,
    /// Joins that gather past messages of paths below.
    pub(crate) gathers: Gathers,
    /// What sessions watched that ended.
    pub(crate) unwatching: Unwatching,
    /// The number of the last publication.
    pub(crate) mark: u32,
}

impl Subscriptions {
    /// Those of a gateway, on a node with so many directories, whose sessions are counted in
    /// `reach`.
    pub(crate) fn new(gateway: GatewayId, shards: usize, reach: Arc<Reach>) -> Self {
        Self {
            gateway,
            topics: Topics::new(reach.clone()),
            watches: Watches::new(reach),
            channels: ChannelCounts::default(),
            below: BelowPaths::new(shards),
            behind: BehindJoins::default(),
            gathers: Gathers::default(),
            unwatching: Unwatching::default(),
            mark: 0,
        }
    }

    /// A session left a channel: its owner is notified where it was the last one here.
    pub(crate) fn unsubscribed(&mut self, channel: &ChannelId) -> Option<OwnerCall> {
        let is_last = self.channels.remove(channel);
        is_last.then(|| self.without_sessions(channel)).flatten()
    }

    /// One more directory knows that this gateway wants what is below a path.
    pub(crate) fn below_is_known(&mut self, channel: &ChannelId) -> OwnerCalls {
        let Some(mut calls) = self.below.known(channel) else {
            return OwnerCalls::new();
        };
        calls.extend(self.without_sessions(channel));
        calls.extend(self.below.drop_unwanted(channel));
        calls
    }

    /// Says that there is no session on a channel, unless there is one, or calls to it
    /// still wait to be sent; they come first.
    fn without_sessions(&self, channel: &ChannelId) -> Option<OwnerCall> {
        if self.channels.has(channel) || self.below.is_waiting(channel) {
            return None;
        }
        let gateway = self.gateway;
        let call = ChannelCall::Unsubscribed { gateway };
        Some(OwnerCall::Channel(channel.clone(), call))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::key::{NodeId, SessionKey, WorkerId};

    #[test]
    fn owner_is_notified_of_the_last_session_behind_calls_that_wait() {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(0),
        };
        let mut all = Subscriptions::new(gateway, 1, Default::default());
        let path = ChannelId::parse("a").unwrap();
        all.channels.add(&path);
        all.channels.add(&path);
        let call = ChannelCall::Unsubscribed { gateway };
        let session = SessionKey::from_number(1);
        all.below.join(session, path.clone(), call, false);
        assert!(all.unsubscribed(&path).is_none(), "another one is on it");
        assert!(all.unsubscribed(&path).is_none(), "its join waits");
        let calls = all.below_is_known(&path);
        // The call that waited, and that there is no session.
        assert_eq!(calls.len(), 2);
        assert!(matches!(
            calls.last(),
            Some(OwnerCall::Channel(_, ChannelCall::Unsubscribed { .. }))
        ));
        all.channels.add(&path);
        assert!(all.unsubscribed(&path).is_some());
    }
}
