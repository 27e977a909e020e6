//! The topic table of a worker: which of its sessions are subscribed to what.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::gateway::subscription::reach::Reach;
use crate::gateway::table::Index;
use turntable_core::delivery::Topic;
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::spare::Spare;

/// A session of this worker.
pub(crate) type Subscriber = Index<SessionSlot>;

/// Sessions by topic.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_topic: HashMap<Topic, Vec<Subscriber>>,
    /// What each session is on, so that one that ends is removed from
    /// everything, whatever it requested shortly before.
    by_session: FxHashMap<Subscriber, Vec<Topic>>,
    /// How many topics cover paths below them; while there are none they are
    /// not searched for.
    below: usize,
    /// Those of all workers.
    reach: Arc<Reach>,
}

impl Topics {
    /// No sessions; those of all workers are counted in `reach`.
    pub(crate) fn new(reach: Arc<Reach>) -> Self {
        Self {
            reach,
            ..Self::default()
        }
    }

    /// Puts a session on a topic. Returns whether it was not on it.
    pub(crate) fn enter(&mut self, topic: Topic, session: Subscriber) -> bool {
        let is_below = matches!(topic, Topic::Below(_));
        let subscribers = self.by_topic.entry(topic.clone()).or_default();
        if subscribers.contains(&session) {
            return false;
        }
        if is_below && subscribers.is_empty() {
            self.below += 1;
        }
        self.reach.enter(&topic);
        subscribers.push(session);
        self.by_session.entry(session).or_default().push(topic);
        true
    }

    /// Takes a session off all it is on: its place may be another session's then.
    pub(crate) fn exit_all(&mut self, session: Subscriber) {
        for topic in self.by_session.remove(&session).into_iter().flatten() {
            self.remove(&topic, session);
        }
        self.by_session.give_back();
    }

    /// Takes a session off a topic.
    pub(crate) fn exit(&mut self, topic: &Topic, session: Subscriber) {
        if let Some(topics) = self.by_session.get_mut(&session) {
            topics.retain(|known| known != topic);
            if topics.is_empty() {
                self.by_session.remove(&session);
                self.by_session.give_back();
            }
        }
        self.remove(topic, session);
    }

    fn remove(&mut self, topic: &Topic, session: Subscriber) {
        let Some(subscribers) = self.by_topic.get_mut(topic) else {
            return;
        };
        if let Some(at) = subscribers.iter().position(|known| *known == session) {
            subscribers.swap_remove(at);
            self.reach.exit(topic);
        }
        subscribers.give_back();
        if subscribers.is_empty() {
            self.by_topic.remove(topic);
            self.by_topic.give_back();
            if matches!(topic, Topic::Below(_)) {
                self.below -= 1;
            }
        }
    }

    /// What a session is on.
    pub(crate) fn of(&self, session: Subscriber) -> &[Topic] {
        self.by_session.get(&session).map_or(&[], Vec::as_slice)
    }

    /// The sessions on exactly this topic.
    pub(crate) fn subscribers(&self, topic: &Topic) -> &[Subscriber] {
        self.by_topic.get(topic).map_or(&[], Vec::as_slice)
    }

    /// Whether no session covers more than one path.
    pub(crate) fn all_are_exact(&self) -> bool {
        self.below == 0
    }

    /// The sessions that are subscribed, with subpaths, to a path or above it.
    /// A session may come more than once.
    pub(crate) fn covering(&self, path: &ChannelId) -> Vec<Subscriber> {
        let mut found = Vec::new();
        let above = path
            .ancestors()
            .filter_map(|path| ChannelId::parse(path).ok());
        for path in std::iter::once(path.clone()).chain(above) {
            found.extend_from_slice(self.subscribers(&Topic::Below(path)));
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn session(number: u32) -> Subscriber {
        Subscriber::new(number)
    }

    fn path(text: &str) -> ChannelId {
        ChannelId::parse(text).unwrap()
    }

    #[test]
    fn subpaths_cover_paths_below_and_none_beside() {
        let mut topics = Topics::default();
        topics.enter(Topic::Channel(path("a")), session(1));
        assert!(topics.all_are_exact());
        assert!(topics.enter(Topic::Below(path("a")), session(2)));
        assert!(!topics.enter(Topic::Below(path("a")), session(2)));
        topics.enter(Topic::Below(path("a/b")), session(2));
        assert_eq!(topics.subscribers(&Topic::Channel(path("a"))), [session(1)]);
        assert_eq!(topics.covering(&path("a")), [session(2)]);
        assert_eq!(topics.covering(&path("a/b/c")), [session(2), session(2)]);
        assert_eq!(topics.reach.of_channel(&path("a")), 2);
        assert!(topics.covering(&path("ab")).is_empty());
        topics.exit(&Topic::Below(path("a")), session(2));
        topics.exit(&Topic::Below(path("a/b")), session(2));
        assert!(topics.all_are_exact());
    }

    #[test]
    fn ended_session_is_on_no_topic() {
        let mut topics = Topics::default();
        let all = [
            Topic::Room(path("a")),
            Topic::Channel(path("a")),
            Topic::Below(path("a")),
        ];
        for topic in &all {
            topics.enter(topic.clone(), session(1));
            topics.enter(topic.clone(), session(2));
        }
        topics.exit(&all[0], session(1));
        topics.exit_all(session(1));
        assert!(
            all.iter()
                .all(|topic| topics.subscribers(topic) == [session(2)])
        );
        topics.exit_all(session(2));
        assert!(topics.all_are_exact());
        assert!(topics.by_topic.is_empty() && topics.by_session.is_empty());
        assert_eq!(topics.reach.len(), 0);
    }
}
