//! Publications behind a join with subpaths: a client that publishes below a path right
//! after it joined it wants its own message back, and the owners of the two channels
//! answer in any order. Pure: what may go to its owner is returned.

use std::collections::HashMap;

use turntable_core::call::ChannelCall;
use turntable_core::delivery::Topic;
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::spare::Spare;

/// A call and the channel that it is for.
type Call = (ChannelId, ChannelCall);

/// What sessions sent behind joins that are not answered.
#[derive(Debug, Default)]
pub(crate) struct BehindJoins(HashMap<SessionSlot, Behind>);

/// What one session sent.
#[derive(Debug, Default)]
struct Behind {
    /// The paths that it is joining with their subpaths.
    joining: Vec<ChannelId>,
    /// The publications, in their order.
    calls: Vec<Call>,
}

impl BehindJoins {
    /// A session is joining a path with its subpaths.
    pub(crate) fn hold(&mut self, session: SessionSlot, path: &ChannelId) {
        let behind = self.0.entry(session).or_default();
        if !behind.joining.contains(path) {
            behind.joining.push(path.clone());
        }
    }

    /// Such a join was answered. Returns what waited for it.
    pub(crate) fn answered(&mut self, session: SessionSlot, topic: &Topic) -> Vec<Call> {
        let (Topic::Channel(path) | Topic::Below(path)) = topic else {
            return Vec::new();
        };
        let Some(behind) = self.0.get_mut(&session) else {
            return Vec::new();
        };
        behind.joining.retain(|joining| joining != path);
        match behind.joining.is_empty() {
            true => self.forget(session),
            false => Vec::new(),
        }
    }

    /// Nothing is waited for any more, or the session ends. Returns what waited.
    pub(crate) fn forget(&mut self, session: SessionSlot) -> Vec<Call> {
        let behind = self.0.remove(&session);
        self.0.give_back();
        behind.map_or_else(Vec::new, |behind| behind.calls)
    }

    /// A session publishes. Returns the call unless it has to wait for joins that it
    /// must not overtake.
    pub(crate) fn publish(&mut self, session: SessionSlot, call: Call) -> Option<Call> {
        match self.0.get_mut(&session) {
            Some(behind) => {
                behind.calls.push(call);
                None
            }
            None => Some(call),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::key::{GatewayId, NodeId, SlotKey as _, WorkerId};

    fn path(text: &str) -> ChannelId {
        ChannelId::parse(text).unwrap()
    }

    fn call(text: &str) -> Call {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(0),
        };
        (path(text), ChannelCall::Unsubscribed { gateway })
    }

    fn paths(calls: Vec<Call>) -> Vec<ChannelId> {
        calls.into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn publications_wait_for_all_joins_of_their_session_and_keep_their_order() {
        let mut behind = BehindJoins::default();
        let (one, other) = (SessionSlot::new(1, 0), SessionSlot::new(2, 0));
        behind.hold(one, &path("a"));
        behind.hold(one, &path("a"));
        behind.hold(one, &path("b"));
        assert!(behind.publish(other, call("a/x")).is_some());
        assert!(behind.publish(one, call("b/1")).is_none());
        assert!(behind.publish(one, call("a/2")).is_none());
        assert!(behind.answered(one, &Topic::Below(path("a"))).is_empty());
        assert!(behind.answered(one, &Topic::Room(path("b"))).is_empty());
        let released = behind.answered(one, &Topic::Below(path("b")));
        assert_eq!(paths(released), [path("b/1"), path("a/2")]);
        assert!(behind.publish(one, call("a/3")).is_some());
    }

    #[test]
    fn publications_of_a_session_that_ends_are_carried_out() {
        let mut behind = BehindJoins::default();
        let session = SessionSlot::new(1, 0);
        behind.hold(session, &path("a"));
        assert!(behind.publish(session, call("a/1")).is_none());
        assert_eq!(paths(behind.forget(session)), [path("a/1")]);
        assert!(behind.forget(session).is_empty());
    }
}
